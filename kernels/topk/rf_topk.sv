// SPDX-License-Identifier: Apache-2.0
// Exact top-k of query . item + (term << term_shift) [+ edge term] over a catalogue, seen items
// left out, for several users in one scan: one beat of items a cycle and port, always; then one
// result a cycle and user, from rf_topk_dots' stages + 5 + log2(lanes of all ports) cycles after
// the last beat.

module rf_topk
  import rf_topk_pkg::*;
#(
    parameter int unsigned Dim = 64,        // elements of an item, a power of two, 16 to 256
    parameter int unsigned ElemBits = 8,    // of an element of an item, signed: 8 or 4
    parameter int unsigned BeatBits = 512,  // of an item stream: 64, 128, 256 or 512
    parameter int unsigned KMax = 32,       // largest k, 1 to 128
    parameter int unsigned MaxSeen = 2048,  // seen entries stored ahead of the scan, a power of two
    parameter int unsigned Ports = 1,       // item streams in parallel: 1, 2, 4, 8 or 16
    parameter int unsigned Users = 1,       // queries that share a scan: 1, 2 or 4
    parameter bit WithEdges = 0,            // 1: each item has an edge term as well; one user
    localparam int unsigned PortLanes =
        Dim * ElemBits > 0 && BeatBits > Dim * ElemBits ? BeatBits / (Dim * ElemBits) : 1,
    localparam int unsigned Lanes = Ports * PortLanes  // of all ports
) (
    input  logic                                        clk_i,
    input  logic                                        rst_ni,
    input  logic [Users-1:0][63:0]                      s_axis_cmd_tdata,  // rf_pkg::topk_cmd_t
    input  logic                                        s_axis_cmd_tvalid,
    output logic                                        s_axis_cmd_tready,
    input  logic [Users-1:0][Dim*rf_pkg::StateBits-1:0] s_axis_query_tdata,
    input  logic [Users-1:0]                            s_axis_query_tvalid,
    output logic [Users-1:0]                            s_axis_query_tready,
    input  logic [Ports-1:0][BeatBits-1:0]              s_axis_item_tdata,
    input  logic [Ports-1:0]                            s_axis_item_tvalid,
    output logic [Ports-1:0]                            s_axis_item_tready,
    input  logic [Lanes*rf_pkg::TermBits-1:0]           s_axis_term_tdata,
    input  logic                                        s_axis_term_tvalid,
    output logic                                        s_axis_term_tready,
    input  logic [Lanes*rf_pkg::EdgeTermBits-1:0]       s_axis_edge_tdata,   // only with edges
    input  logic                                        s_axis_edge_tvalid,
    output logic                                        s_axis_edge_tready,
    input  logic [Users-1:0][rf_pkg::IdBits-1:0]        s_axis_seen_tdata,
    input  logic [Users-1:0]                            s_axis_seen_tvalid,
    output logic [Users-1:0]                            s_axis_seen_tready,
    output logic [Users-1:0][63:0]                      m_axis_result_tdata,  // rf_pkg::result_t
    output logic [Users-1:0]                            m_axis_result_tvalid,
    output logic [Users-1:0]                            m_axis_result_tlast,
    input  logic [Users-1:0]                            m_axis_result_tready,
    output logic [Users-1:0]                            error_o  // seen list not ascending
);

  if (Dim < 16 || Dim > 256 || Dim != 2 ** $clog2(Dim)) begin : gen_bad_dim
    $fatal(1, "rf_topk: Dim must be a power of two, 16 to 256");
  end
  if (ElemBits != 8 && ElemBits != 4) begin : gen_bad_elem_bits
    $fatal(1, "rf_topk: ElemBits must be 8 or 4");
  end
  if (BeatBits != 64 && BeatBits != 128 && BeatBits != 256 && BeatBits != 512) begin : gen_bad_beat
    $fatal(1, "rf_topk: BeatBits must be 64, 128, 256 or 512");
  end
  if (KMax < 1 || KMax > 128) begin : gen_bad_kmax
    $fatal(1, "rf_topk: KMax must be 1 to 128");
  end
  if (Ports != 1 && Ports != 2 && Ports != 4 && Ports != 8 && Ports != 16) begin : gen_bad_ports
    $fatal(1, "rf_topk: Ports must be 1, 2, 4, 8 or 16");
  end
  if (Users != 1 && Users != 2 && Users != 4) begin : gen_bad_users
    $fatal(1, "rf_topk: Users must be 1, 2 or 4");
  end

  if (WithEdges && Users != 1) begin : gen_bad_edges
    $fatal(1, "rf_topk: Users must be 1 where WithEdges is 1");
  end

  localparam int unsigned Beats =
      BeatBits > 0 && Dim * ElemBits > BeatBits ? Dim * ElemBits / BeatBits : 1;
  localparam int unsigned BeatElems = Dim / Beats;  // of one item in a beat
  localparam int unsigned LaneBits = $clog2(Lanes);
  localparam int unsigned GroupBits = RowBits - LaneBits;
  localparam int unsigned BeatIndexBits = Beats > 1 ? $clog2(Beats) : 1;

  typedef enum logic [2:0] {Idle, Query, Scan, Settle, Drain, Flush} state_e;
  state_e state_q;

  // Request: only what the scan needs of the command. Items and shift are those of all users.
  rf_pkg::topk_cmd_t [Users-1:0] cmd;
  logic [RowBits-1:0] last_row;
  logic [GroupBits-1:0] last_group_q;
  logic [Lanes-1:0] last_lanes_q;  // lanes of the last group that hold an item
  logic [3:0] term_shift_q;
  logic [Users-1:0] query_due_q, take_query, sorted, drained, seen_empty;
  logic take_cmd, all_scored;

  assign cmd = s_axis_cmd_tdata;
  assign last_row = RowBits'(cmd[0].items - 32'd1);
  assign s_axis_cmd_tready = state_q == Idle;
  assign take_cmd = s_axis_cmd_tvalid && s_axis_cmd_tready;
  assign s_axis_query_tready = state_q == Query ? query_due_q : '0;
  assign take_query = s_axis_query_tvalid & s_axis_query_tready;

  always_ff @(posedge clk_i) begin
    if (take_cmd) begin
      last_group_q <= last_row[RowBits-1:LaneBits];
      for (int unsigned i = 0; i < Lanes; i++) begin
        last_lanes_q[i] <= i <= (32'(last_row) & (Lanes - 1));
      end
      for (int unsigned u = 0; u < Users; u++) query_due_q[u] <= cmd[u].k != '0;
      term_shift_q <= cmd[0].term_shift[3:0];
    end else begin
      query_due_q <= query_due_q & ~take_query;
    end
  end

  // A group is one beat of every port, or one item of several beats a port. It passes together
  // with its terms, once the filters know which lanes were seen. The last group may be short:
  // ports that have no item in it are not waited for.
  logic [GroupBits-1:0] group_q;
  logic [BeatIndexBits-1:0] beat_q;
  logic first, last, last_group, final_beat, all_here, terms_here, go, take, take_group;
  logic [Ports-1:0] wanted;
  logic [Lanes-1:0] present;
  logic [Users-1:0] known;
  logic [Users-1:0][Lanes-1:0] unseen, keep, keep_q;

  assign first = beat_q == '0;
  assign last = beat_q == BeatIndexBits'(Beats - 1);
  assign last_group = group_q == last_group_q;
  assign final_beat = last && last_group;
  assign present = last_group ? last_lanes_q : '1;
  for (genvar p = 0; p < Ports; p++) begin : gen_port
    assign wanted[p] = present[p*PortLanes];

    item_waits : cover property (
      @(posedge clk_i) disable iff (!rst_ni) s_axis_item_tvalid[p] && !s_axis_item_tready[p]);
    if (Ports > 1) begin : gen_several
      holds_the_others : cover property (
        @(posedge clk_i) disable iff (!rst_ni)
        go && !all_here && (s_axis_item_tvalid | ~wanted | Ports'(1 << p)) == '1);
    end
  end
  for (genvar u = 0; u < Users; u++) begin : gen_keep
    assign keep[u] = unseen[u] & present;
  end
  assign all_here = (s_axis_item_tvalid | ~wanted) == '1;
  assign go = state_q == Scan && (!first || &known);
  assign terms_here = s_axis_term_tvalid && (!WithEdges || s_axis_edge_tvalid);
  assign take = go && all_here && (!first || terms_here);
  assign take_group = take && first;
  assign s_axis_item_tready = take ? wanted : '0;
  assign s_axis_term_tready = take_group;
  assign s_axis_edge_tready = take_group && WithEdges;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      unique case (state_q)
        Idle:    if (take_cmd) state_q <= Query;
        Query:   if ((query_due_q & ~take_query) == '0) state_q <= Scan;
        Scan:    if (take && final_beat) state_q <= Settle;
        Settle:  if (&sorted) state_q <= Drain;
        Drain:   if (&drained) state_q <= Flush;
        Flush:   if (&seen_empty) state_q <= Idle;
        default: state_q <= Idle;
      endcase
    end
    if (take_cmd) begin
      group_q <= '0;
      beat_q  <= '0;
    end else if (take) begin
      beat_q <= last ? '0 : beat_q + 1'b1;
      if (last) group_q <= group_q + 1'b1;
    end
    if (take_group) keep_q <= keep;
  end

  logic [GroupBits-1:0] scored_group;
  logic [Users-1:0][Lanes-1:0] scored;
  logic [Users-1:0][Lanes-1:0][rf_pkg::ScoreBits-1:0] scores;

  rf_topk_score #(
      .Users    (Users),
      .Lanes    (Lanes),
      .Beats    (Beats),
      .BeatElems(BeatElems),
      .ElemBits (ElemBits),
      .WithEdges(WithEdges)
  ) u_score (
      .clk_i,
      .rst_ni,
      .clear_i     (take_cmd),
      .load_i      (take_query),
      .query_i     (s_axis_query_tdata),
      .term_shift_i(term_shift_q),
      .take_i      (take),
      .first_i     (first),
      .last_i      (last),
      .final_i     (final_beat),
      .keep_i      (first ? keep : keep_q),
      .items_i     (s_axis_item_tdata),
      .terms_i     (s_axis_term_tdata),
      .edges_i     (s_axis_edge_tdata),
      .scored_o    (scored),
      .group_o     (scored_group),
      .scores_o    (scores),
      .final_o     (all_scored)
  );

  for (genvar u = 0; u < Users; u++) begin : gen_user
    rf_topk_user #(
        .Lanes  (Lanes),
        .KMax   (KMax),
        .MaxSeen(MaxSeen)
    ) u_user (
        .clk_i,
        .rst_ni,
        .start_i             (take_cmd),
        .k_i                 (cmd[u].k),
        .count_i             (cmd[u].seen),
        .s_axis_seen_tdata   (s_axis_seen_tdata[u]),
        .s_axis_seen_tvalid  (s_axis_seen_tvalid[u]),
        .s_axis_seen_tready  (s_axis_seen_tready[u]),
        .group_i             (group_q),
        .known_o             (known[u]),
        .keep_o              (unseen[u]),
        .pass_i              (take_group),
        .scored_i            (scored[u]),
        .scored_group_i      (scored_group),
        .scores_i            (scores[u]),
        .flush_i             (state_q == Settle || state_q == Drain || state_q == Flush),
        .end_i               (all_scored),
        .sorted_o            (sorted[u]),
        .drain_i             (state_q == Drain),
        .drained_o           (drained[u]),
        .seen_empty_o        (seen_empty[u]),
        .m_axis_result_tdata (m_axis_result_tdata[u]),
        .m_axis_result_tvalid(m_axis_result_tvalid[u]),
        .m_axis_result_tlast (m_axis_result_tlast[u]),
        .m_axis_result_tready(m_axis_result_tready[u]),
        .error_o             (error_o[u])
    );

    legal_k : assert property (
      @(posedge clk_i) disable iff (!rst_ni) take_cmd |-> cmd[u].k <= 8'(KMax));
    query_waits : cover property (
      @(posedge clk_i) disable iff (!rst_ni) s_axis_query_tvalid[u] && !s_axis_query_tready[u]);
    seen_waits : cover property (
      @(posedge clk_i) disable iff (!rst_ni) s_axis_seen_tvalid[u] && !s_axis_seen_tready[u]);
    result_waits : cover property (
      @(posedge clk_i) disable iff (!rst_ni) m_axis_result_tvalid[u] && !m_axis_result_tready[u]);
  end

  logic unused_edge;  // without edges
  assign unused_edge = s_axis_edge_tvalid;

  legal_command : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    take_cmd |-> cmd[0].items >= 32'd1 && cmd[0].items <= 32'(2 ** RowBits)
                 && cmd[0].k >= 8'd1 && cmd[0].term_shift <= 8'd15);

  // What a test must have seen.
  cmd_waits : cover property (
    @(posedge clk_i) disable iff (!rst_ni) s_axis_cmd_tvalid && !s_axis_cmd_tready);
  term_waits : cover property (
    @(posedge clk_i) disable iff (!rst_ni) s_axis_term_tvalid && !s_axis_term_tready);
  item_waits_for_term : cover property (
    @(posedge clk_i) disable iff (!rst_ni) go && first && all_here && !s_axis_term_tvalid);
  item_waits_for_seen : cover property (
    @(posedge clk_i) disable iff (!rst_ni) state_q == Scan && first && all_here && !(&known));
  part_of_last_group : cover property (
    @(posedge clk_i) disable iff (!rst_ni) take && last_group && present != '1);
  if (WithEdges) begin : gen_edges
    item_waits_for_edges : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      go && first && all_here && s_axis_term_tvalid && !s_axis_edge_tvalid);
    edges_wait : cover property (
      @(posedge clk_i) disable iff (!rst_ni) s_axis_edge_tvalid && !s_axis_edge_tready);
  end
  whole_last_group : cover property (
    @(posedge clk_i) disable iff (!rst_ni) take && last_group && present == '1);

endmodule
