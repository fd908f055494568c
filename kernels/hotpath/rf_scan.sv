// SPDX-License-Identifier: Apache-2.0
// The back end: the fused vector against every item, seen items left out, the k best. The reads of
// a scan begin once the rows of its request are asked for, so they run ahead while the scan before
// it ends; one beat a cycle and stream, biases and items alike.

module rf_scan #(
    parameter int unsigned Dim = 64,
    parameter int unsigned ItemBits = 8,
    parameter int unsigned BeatBits = 512,
    parameter int unsigned KMax = 32,
    parameter int unsigned MaxSeen = 2048,
    parameter int unsigned MaxItems = 1 << 24,
    parameter int unsigned Ports = 1,  // shares of the items, scanned side by side
    parameter bit WithEdges = 0,       // 1: terms of rf_scatter come in as well
    parameter int unsigned Lanes = 1,  // items of a group: of a beat or one, of every share
    localparam int unsigned VectorBits = Dim * rf_pkg::StateBits,
    localparam int unsigned EdgesBits = Lanes * rf_pkg::EdgeTermBits,
    // One share: biases and items in one stream. Several: the biases, then each share's items.
    localparam int unsigned Streams = Ports == 1 ? 1 : 1 + Ports
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  rf_pkg::hotpath_args_t args_i,   // held while anything runs
    input  logic [Ports-1:0][63:0] item_i,  // addresses of the shares
    input  rf_pkg::scan_job_t     job_i,
    input  logic                  open_i,   // a pulse: one more request, at most four
    input  logic                  issued_i, // a pulse: the rows of one more request are asked for
    input  logic [VectorBits-1:0] s_axis_vec_tdata,
    input  logic                  s_axis_vec_tvalid,
    output logic                  s_axis_vec_tready,
    input  logic [EdgesBits-1:0]  s_axis_edge_tdata,  // a group's terms of rf_scatter
    input  logic                  s_axis_edge_tvalid,
    output logic                  s_axis_edge_tready,

    output rf_pkg::read_cmd_t     m_axis_seen_cmd_tdata,  // the seen list, on a channel of its own
    output logic                  m_axis_seen_cmd_tvalid,
    input  logic                  m_axis_seen_cmd_tready,
    input  logic [BeatBits-1:0]   s_axis_seen_tdata,
    input  logic                  s_axis_seen_tvalid,
    output logic                  s_axis_seen_tready,

    output rf_pkg::read_cmd_t [Streams-1:0]  m_axis_scan_cmd_tdata,
    output logic [Streams-1:0]               m_axis_scan_cmd_tvalid,
    input  logic [Streams-1:0]               m_axis_scan_cmd_tready,
    input  logic [Streams-1:0][BeatBits-1:0] s_axis_scan_tdata,
    input  rf_pkg::dest_e [Streams-1:0]      s_axis_scan_tdest,
    input  logic [Streams-1:0]               s_axis_scan_tvalid,
    output logic [Streams-1:0]               s_axis_scan_tready,

    output rf_pkg::result_t       m_axis_result_tdata,
    output logic                  m_axis_result_tvalid,
    input  logic                  m_axis_result_tready,
    output logic                  fused_o,    // a pulse: the scan has its vector
    output logic                  scanned_o,  // a pulse for every item beat; the last one counts
    output rf_pkg::tag_t          tag_o,      // of the request that is scanned
    output logic                  settled_o,  // a pulse: nothing of the request is left; with it
    output logic                  bad_seen_o  // its seen list was not strictly ascending
);

  import rf_pkg::*;

  localparam int unsigned ItemRowBits = Dim * ItemBits;
  localparam int unsigned PortLanes = ItemRowBits < BeatBits ? BeatBits / ItemRowBits : 1;
  localparam int unsigned GroupBeats = ItemRowBits > BeatBits ? ItemRowBits / BeatBits : 1;
  localparam int unsigned BeatTerms = BeatBits / TermBits;
  localparam int unsigned BeatLog2 = $clog2(BeatBits / 8);
  localparam int unsigned IdsLog2 = $clog2(BeatBits / IdBits);
  // Of counts of items and of seen rows, the latter also rounded up; of the groups of a scan.
  localparam int unsigned ItemsBits = $clog2(MaxItems + 1);
  localparam int unsigned SeenBits = $clog2(MaxSeen + 1);
  localparam int unsigned SeenSumBits = $clog2(MaxSeen + (1 << IdsLog2));
  localparam int unsigned ItemsSumBits = $clog2(MaxItems + Lanes);
  localparam int unsigned MaxGroups = (MaxItems + Lanes - 1) / Lanes;
  localparam int unsigned GroupBits = $clog2(MaxGroups + 1);

  if (Lanes != Ports * PortLanes || Lanes > BeatTerms) begin : gen_bad_lanes
    $fatal(1, "rf_scan: ScanPorts times the items of a beat must be at most BeatBits / 16");
  end

  logic [ItemsBits-1:0] n_items;
  logic [GroupBits-1:0] groups;
  assign n_items = ItemsBits'(args_i.n_items);
  assign groups = GroupBits'((ItemsSumBits'(n_items) + ItemsSumBits'(Lanes - 1)) >> $clog2(Lanes));

  // ---- reads, ahead of the scan ----
  scan_job_t read_job, run_job;
  logic read_valid, read_take, scan_idle, run_valid, run_take;
  logic [TagBits:0] issued_q;  // requests whose rows are asked for and whose scans are not

  rf_fifo #(
      .Width($bits(scan_job_t)),
      .Depth(Flight)
  ) u_read_jobs (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (job_i),
      .s_axis_tvalid(open_i),
      .s_axis_tready(),
      .m_axis_tdata (read_job),
      .m_axis_tvalid(read_valid),
      .m_axis_tready(read_take),
      .level_o      ()
  );

  assign read_take = issued_q != '0 && scan_idle && !m_axis_seen_cmd_tvalid;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      issued_q <= '0;
      m_axis_seen_cmd_tvalid <= 1'b0;
    end else begin
      issued_q <= issued_q + (TagBits + 1)'(issued_i) - (TagBits + 1)'(read_take);
      m_axis_seen_cmd_tvalid <= read_take || (m_axis_seen_cmd_tvalid && !m_axis_seen_cmd_tready);
    end
  end

  logic [SeenSumBits-1:0] seen_beats;  // 0 of an empty list
  assign seen_beats = (SeenSumBits'(SeenBits'(read_job.n_seen)) +
      SeenSumBits'((1 << IdsLog2) - 1)) >> IdsLog2;

  always_ff @(posedge clk_i) begin
    if (read_take) begin
      m_axis_seen_cmd_tdata <= '{
          tag: read_job.tag,
          addr: {read_job.seen[63:BeatLog2], BeatLog2'(0)},
          beats: 32'(seen_beats),
          dest: DestHistory  // a list of item rows as well; it has a channel of its own
      };
    end
  end

  if (Ports == 1) begin : gen_one
    rf_scan_reads #(
        .BeatBits  (BeatBits),
        .GroupBeats(GroupBeats),
        .BiasGroups(BeatTerms / Lanes),
        .MaxGroups (MaxGroups)
    ) u_reads (
        .clk_i,
        .rst_ni,
        .start_i          (read_take),
        .tag_i            (read_job.tag),
        .groups_i         (groups),
        .item_i           (item_i[0]),
        .bias_i           (args_i.bias),
        .idle_o           (scan_idle),
        .m_axis_cmd_tdata (m_axis_scan_cmd_tdata[0]),
        .m_axis_cmd_tvalid(m_axis_scan_cmd_tvalid[0]),
        .m_axis_cmd_tready(m_axis_scan_cmd_tready[0])
    );
  end else begin : gen_shares
    // Shares take the beats (or items of several beats) of the catalogue in turn; one read each.
    logic [31:0] port_groups;
    logic [Ports-1:0][31:0] share;
    tag_t tag_q;
    assign port_groups = (32'(n_items) + (PortLanes - 1)) >> $clog2(PortLanes);
    assign scan_idle = m_axis_scan_cmd_tvalid == '0;
    always_ff @(posedge clk_i) if (read_take) tag_q <= read_job.tag;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) m_axis_scan_cmd_tvalid[0] <= 1'b0;
      else begin
        m_axis_scan_cmd_tvalid[0] <= read_take ||
            (m_axis_scan_cmd_tvalid[0] && !m_axis_scan_cmd_tready[0]);
      end
    end
    assign m_axis_scan_cmd_tdata[0] = '{
        tag: tag_q,
        addr: args_i.bias,
        beats: (32'(n_items) + (BeatTerms - 1)) >> $clog2(BeatTerms),
        dest: DestTerm
    };
    for (genvar p = 0; p < Ports; p++) begin : gen_port
      assign share[p] = (port_groups + (Ports - 1 - p)) >> $clog2(Ports);
      assign m_axis_scan_cmd_tdata[1+p] = '{
          tag: tag_q, addr: item_i[p], beats: share[p] * GroupBeats, dest: DestItem
      };
      always_ff @(posedge clk_i) begin
        if (!rst_ni) m_axis_scan_cmd_tvalid[1+p] <= 1'b0;
        else begin
          m_axis_scan_cmd_tvalid[1+p] <= (read_take && share[p] != '0) ||
              (m_axis_scan_cmd_tvalid[1+p] && !m_axis_scan_cmd_tready[1+p]);
        end
      end
    end
  end

  // ---- one request after the other in the kernel ----
  typedef enum logic [1:0] {Wait, Run, Flush} state_e;
  state_e state_q;
  topk_cmd_t topk_cmd;
  logic cmd_ready, result_last, seen_error;

  rf_fifo #(
      .Width($bits(scan_job_t)),
      .Depth(Flight)
  ) u_run_jobs (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (job_i),
      .s_axis_tvalid(open_i),
      .s_axis_tready(),
      .m_axis_tdata (run_job),
      .m_axis_tvalid(run_valid),
      .m_axis_tready(settled_o),
      .level_o      ()
  );

  assign run_take = state_q == Wait && run_valid && cmd_ready;
  assign settled_o = state_q == Flush && cmd_ready;  // the flag is final when it takes commands
  assign bad_seen_o = seen_error;
  assign tag_o = run_job.tag;
  assign fused_o = s_axis_vec_tvalid && s_axis_vec_tready;
  assign topk_cmd = '{
      items: args_i.n_items,
      seen: run_job.n_seen,
      k: run_job.k,
      term_shift: args_i.term_shift[7:0]
  };

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Wait;
    end else begin
      unique case (state_q)
        Wait:    if (run_take) state_q <= Run;
        Run:     if (m_axis_result_tvalid && m_axis_result_tready && result_last) state_q <= Flush;
        Flush:   if (settled_o) state_q <= Wait;
        default: state_q <= Wait;
      endcase
    end
  end

  logic [31:0] seen_id;
  logic seen_valid, seen_ready;
  logic [Lanes*TermBits-1:0] term;
  logic term_valid, term_ready, bias_valid, bias_ready;
  logic [Ports-1:0][BeatBits-1:0] items;
  logic [Ports-1:0] items_valid, items_ready;

  rf_unpack #(
      .InBits (BeatBits),
      .OutBits(IdBits)
  ) u_seen_list (
      .clk_i,
      .rst_ni,
      .start_i      (run_take),
      .count_i      (32'(SeenBits'(run_job.n_seen))),
      .s_axis_tdata (s_axis_seen_tdata),
      .s_axis_tvalid(s_axis_seen_tvalid),
      .s_axis_tready(s_axis_seen_tready),
      .m_axis_tdata (seen_id),
      .m_axis_tvalid(seen_valid),
      .m_axis_tready(seen_ready),
      .m_axis_tlast ()
  );

  if (Ports == 1) begin : gen_mixed
    logic is_term;
    assign is_term = s_axis_scan_tdest[0] == DestTerm;
    assign bias_valid = s_axis_scan_tvalid[0] && is_term;
    assign items_valid[0] = s_axis_scan_tvalid[0] && !is_term;
    assign items[0] = s_axis_scan_tdata[0];
    assign s_axis_scan_tready[0] = is_term ? bias_ready : items_ready[0];
  end else begin : gen_apart
    assign bias_valid = s_axis_scan_tvalid[0];
    assign items_valid = s_axis_scan_tvalid[Streams-1:1];
    assign items = s_axis_scan_tdata[Streams-1:1];
    assign s_axis_scan_tready = {items_ready, bias_ready};
  end
  assign scanned_o = items_valid[0] && items_ready[0];  // the first share is in every group

  rf_unpack #(
      .InBits (BeatBits),
      .OutBits(Lanes * TermBits)
  ) u_term (
      .clk_i,
      .rst_ni,
      .start_i      (run_take),
      .count_i      (32'(groups)),
      .s_axis_tdata (s_axis_scan_tdata[0]),
      .s_axis_tvalid(bias_valid),
      .s_axis_tready(bias_ready),
      .m_axis_tdata (term),
      .m_axis_tvalid(term_valid),
      .m_axis_tready(term_ready),
      .m_axis_tlast ()
  );

  rf_topk #(
      .Dim(Dim),
      .ElemBits(ItemBits),
      .BeatBits(BeatBits),
      .KMax(KMax),
      .MaxSeen(MaxSeen),
      .Ports(Ports),
      .Users(1),
      .WithEdges(WithEdges)
  ) u_topk (
      .clk_i,
      .rst_ni,
      .s_axis_cmd_tdata    (topk_cmd),
      .s_axis_cmd_tvalid   (state_q == Wait && run_valid),
      .s_axis_cmd_tready   (cmd_ready),
      .s_axis_query_tdata  (s_axis_vec_tdata),
      .s_axis_query_tvalid (s_axis_vec_tvalid),
      .s_axis_query_tready (s_axis_vec_tready),
      .s_axis_item_tdata   (items),
      .s_axis_item_tvalid  (items_valid),
      .s_axis_item_tready  (items_ready),
      .s_axis_term_tdata   (term),
      .s_axis_term_tvalid  (term_valid),
      .s_axis_term_tready  (term_ready),
      .s_axis_edge_tdata,
      .s_axis_edge_tvalid,
      .s_axis_edge_tready,
      .s_axis_seen_tdata   (seen_id),
      .s_axis_seen_tvalid  (seen_valid),
      .s_axis_seen_tready  (seen_ready),
      .m_axis_result_tdata,
      .m_axis_result_tvalid,
      .m_axis_result_tready,
      .m_axis_result_tlast (result_last),
      .error_o             (seen_error)
  );

  logic unused_bits;
  assign unused_bits = ^{args_i, s_axis_scan_tdest, read_job, run_job.seen, read_valid};

  issued_after_it_opened : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    read_take |-> read_valid);

endmodule
