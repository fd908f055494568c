// SPDX-License-Identifier: Apache-2.0
// The front end: from a history to the vector that scores and, with edges, the items' edge terms.
// Gathers the user vector, attends over the items' texts with it, fuses both; several requests go
// through it one behind the other. Latency about 3 rows and 150 cycles beside the memory's; a
// request every 3 rows and one memory latency.

module rf_front #(
    parameter int unsigned Dim = 64,
    parameter int unsigned Heads = 2,
    parameter int unsigned MessageBits = 8,
    parameter int unsigned KeyBits = 8,
    parameter int unsigned ValueBits = 8,
    parameter int unsigned BeatBits = 512,
    parameter int unsigned MaxRows = 1024,
    parameter int unsigned Pe = 16,
    parameter int unsigned Simd = 16,
    parameter int unsigned RequantLanes = 8,
    parameter int unsigned Edges = 0,
    parameter int unsigned EdgeItems = 0,
    parameter int unsigned ScanLanes = 1,  // items that the scan takes at a time
    localparam int unsigned EdgesBits = ScanLanes * rf_pkg::EdgeTermBits,
    localparam int unsigned VectorBits = Dim * rf_pkg::StateBits
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  rf_pkg::hotpath_args_t args_i,       // held while anything runs
    input  logic                  load_i,       // a pulse: load the weights
    output logic                  load_done_o,  // a pulse
    input  rf_pkg::front_job_t    job_i,
    input  logic                  open_i,       // a pulse: one more request, at most four
    output rf_pkg::read_cmd_t     m_axis_cmd_tdata,
    output logic                  m_axis_cmd_tvalid,
    input  logic                  m_axis_cmd_tready,
    input  logic [BeatBits-1:0]   s_axis_data_tdata,
    input  rf_pkg::dest_e         s_axis_data_tdest,
    input  logic                  s_axis_data_tvalid,
    output logic                  s_axis_data_tready,
    output logic [VectorBits-1:0] m_axis_vec_tdata,
    output logic                  m_axis_vec_tvalid,
    input  logic                  m_axis_vec_tready,
    output logic [EdgesBits-1:0]  m_axis_edge_tdata,
    output logic                  m_axis_edge_tvalid,
    input  logic                  m_axis_edge_tready,
    output logic                  issued_o,     // pulses: the rows of a request are asked for,
    output logic                  gathered_o,   // its user vector is there,
    output logic                  attended_o,   // its attention is there
    output logic                  bad_row_o,    // there is a row beyond the catalogue, of
    output rf_pkg::tag_t          bad_tag_o     // the request of this tag
);

  import rf_pkg::*;

  localparam int unsigned RowBits = $clog2(MaxRows + 1);  // of a history's length
  localparam int unsigned WordBeats = (Pe * Simd * 8 + BeatBits - 1) / BeatBits;
  localparam int unsigned WeightBeats = (Dim / Pe) * (2 * Dim / Simd) * WordBeats +
      (Dim * 32 + BeatBits - 1) / BeatBits;

  logic [7:0] to_valid, to_ready;  // one bit a destination, in the order of dest_e
  for (genvar d = 0; d < 8; d++) begin : gen_demux
    assign to_valid[d] = s_axis_data_tvalid && s_axis_data_tdest == dest_e'(d);
  end
  assign s_axis_data_tready = to_ready[s_axis_data_tdest];
  assign to_ready[DestTerm] = 1'b1;  // these are never read here
  assign to_ready[DestItem] = 1'b1;

  // ---- requests in order: each one opens the history's store and both kernels ----
  front_job_t job;
  logic job_valid, job_ready, reads_ready, open;
  logic [1:0] cmd_valid_q, cmd_ready;
  gather_cmd_t gather_cmd_q;
  attention_cmd_t attention_cmd_q;

  rf_fifo #(
      .Width($bits(front_job_t)),
      .Depth(Flight)
  ) u_jobs (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (job_i),
      .s_axis_tvalid(open_i),
      .s_axis_tready(),
      .m_axis_tdata (job),
      .m_axis_tvalid(job_valid),
      .m_axis_tready(job_ready),
      .level_o      ()
  );

  assign open = job_valid && reads_ready && cmd_valid_q == '0;
  assign job_ready = open;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) cmd_valid_q <= '0;
    else cmd_valid_q <= {2{open}} | (cmd_valid_q & ~cmd_ready);
  end

  always_ff @(posedge clk_i) begin
    if (open) begin
      gather_cmd_q <= '{
          rows: 24'(RowBits'(job.rows)),
          op: GatherSum,
          shift: args_i.gather_shift[7:0],
          norm: job.norm
      };
      attention_cmd_q <= '{
          rows: 16'(RowBits'(job.rows)),
          logit_shift: args_i.logit_shift[7:0],
          out_shift: args_i.attention_shift[7:0]
      };
    end
  end

  // ---- reads ----
  logic [31:0] row_id;
  logic [15:0] rows;
  logic [1:0] row_pass;
  logic row_valid, row_ready, history_idle;

  rf_row_reads #(
      .BeatBits(BeatBits),
      .Dim(Dim),
      .MessageBits(MessageBits),
      .KeyBits(KeyBits),
      .ValueBits(ValueBits),
      .MaxRows(MaxRows),
      .Edges(Edges),
      .WeightBeats(WeightBeats)
  ) u_reads (
      .clk_i,
      .rst_ni,
      .args_i,
      .load_i,
      .s_axis_job_tdata (job),
      .s_axis_job_tvalid(open),
      .s_axis_job_tready(reads_ready),
      .rows_o           (rows),
      .s_axis_id_tdata  (row_id),
      .s_axis_id_tuser  (row_pass),
      .s_axis_id_tvalid (row_valid),
      .s_axis_id_tready (row_ready),
      .history_idle_i   (history_idle),
      .m_axis_cmd_tdata,
      .m_axis_cmd_tvalid,
      .m_axis_cmd_tready,
      .issued_o,
      .bad_row_o,
      .tag_o            (bad_tag_o)
  );

  rf_history #(
      .MaxRows (MaxRows),
      .BeatBits(BeatBits),
      .Passes  (Edges == 0 ? 3 : 4)
  ) u_history (
      .clk_i,
      .rst_ni,
      .start_i          (open),
      .rows_i           (rows),
      .s_axis_ids_tdata (s_axis_data_tdata),
      .s_axis_ids_tvalid(to_valid[DestHistory]),
      .s_axis_ids_tready(to_ready[DestHistory]),
      .m_axis_id_tdata  (row_id),
      .m_axis_id_tuser  (row_pass),
      .m_axis_id_tvalid (row_valid),
      .m_axis_id_tready (row_ready),
      .idle_o           (history_idle)
  );

  // ---- messages along edges ----
  if (Edges == 0) begin : gen_no_edges
    assign to_ready[DestEdge] = 1'b1;
    assign m_axis_edge_tdata = '0;
    assign m_axis_edge_tvalid = 1'b0;
    logic unused_ready;
    assign unused_ready = m_axis_edge_tready;
  end else begin : gen_edges
    rf_edges #(
        .Edges    (Edges),
        .EdgeItems(EdgeItems),
        .BeatBits (BeatBits),
        .MaxRows  (MaxRows),
        .Lanes    (ScanLanes)
    ) u_edges (
        .clk_i,
        .rst_ni,
        .args_i,
        .job_i,
        .open_i,
        .s_axis_edge_tdata (s_axis_data_tdata),
        .s_axis_edge_tvalid(to_valid[DestEdge]),
        .s_axis_edge_tready(to_ready[DestEdge]),
        .m_axis_term_tdata (m_axis_edge_tdata),
        .m_axis_term_tvalid(m_axis_edge_tvalid),
        .m_axis_term_tready(m_axis_edge_tready)
    );
  end

  // ---- the user vector: the query of the attention, kept for the fuse layer ----
  logic [VectorBits-1:0] user, kept, text;
  logic user_valid, query_ready, keep_ready, kept_valid, text_valid, fuse_ready;

  rf_gather #(
      .Dim(Dim),
      .ElemBits(MessageBits),
      .BeatBits(BeatBits),
      .MaxRows(MaxRows),
      .RequantLanes(RequantLanes)
  ) u_gather (
      .clk_i,
      .rst_ni,
      .s_axis_cmd_tdata (gather_cmd_q),
      .s_axis_cmd_tvalid(cmd_valid_q[0]),
      .s_axis_cmd_tready(cmd_ready[0]),
      .s_axis_row_tdata (s_axis_data_tdata),
      .s_axis_row_tuser (1'b0),
      .s_axis_row_tvalid(to_valid[DestMessage]),
      .s_axis_row_tready(to_ready[DestMessage]),
      .m_axis_vec_tdata (user),
      .m_axis_vec_tvalid(user_valid),
      .m_axis_vec_tready(query_ready)
  );

  assign gathered_o = user_valid && query_ready;

  rf_fifo #(
      .Width(VectorBits),
      .Depth(Flight)
  ) u_kept (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (user),
      .s_axis_tvalid(gathered_o),
      .s_axis_tready(keep_ready),
      .m_axis_tdata (kept),
      .m_axis_tvalid(kept_valid),
      .m_axis_tready(attended_o),
      .level_o      ()
  );

  rf_attention #(
      .Dim(Dim),
      .Heads(Heads),
      .KeyBits(KeyBits),
      .ValueBits(ValueBits),
      .BeatBits(BeatBits),
      .MaxRows(MaxRows),
      .RequantLanes(RequantLanes)
  ) u_attention (
      .clk_i,
      .rst_ni,
      .s_axis_cmd_tdata   (attention_cmd_q),
      .s_axis_cmd_tvalid  (cmd_valid_q[1]),
      .s_axis_cmd_tready  (cmd_ready[1]),
      .s_axis_query_tdata (user),
      .s_axis_query_tvalid(user_valid),
      .s_axis_query_tready(query_ready),
      .s_axis_key_tdata   (s_axis_data_tdata),
      .s_axis_key_tvalid  (to_valid[DestKey]),
      .s_axis_key_tready  (to_ready[DestKey]),
      .s_axis_value_tdata (s_axis_data_tdata),
      .s_axis_value_tvalid(to_valid[DestValue]),
      .s_axis_value_tready(to_ready[DestValue]),
      .m_axis_vec_tdata   (text),
      .m_axis_vec_tvalid  (text_valid),
      .m_axis_vec_tready  (fuse_ready)
  );

  // ---- the fuse layer: [user vector, attention] to the vector that scores ----
  assign attended_o = text_valid && fuse_ready;

  rf_fuse #(
      .Dim(Dim),
      .Pe(Pe),
      .Simd(Simd),
      .BeatBits(BeatBits)
  ) u_fuse (
      .clk_i,
      .rst_ni,
      .shift_i             (args_i.fuse_shift[5:0]),
      .s_axis_weight_tdata (s_axis_data_tdata),
      .s_axis_weight_tvalid(to_valid[DestWeight]),
      .s_axis_weight_tready(to_ready[DestWeight]),
      .s_axis_vec_tdata    ({text, kept}),
      .s_axis_vec_tvalid   (text_valid),
      .s_axis_vec_tready   (fuse_ready),
      .m_axis_vec_tdata,
      .m_axis_vec_tvalid,
      .m_axis_vec_tready
  );

  logic [$clog2(WeightBeats)-1:0] loaded_q;  // beats of weights taken
  logic load_beat;
  assign load_beat = to_valid[DestWeight] && to_ready[DestWeight];
  assign load_done_o = load_beat && loaded_q == $bits(loaded_q)'(WeightBeats - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni || load_i) loaded_q <= '0;
    else if (load_beat) loaded_q <= loaded_q + 1'b1;
  end

  logic unused_args;
  assign unused_args = ^{args_i, to_valid, kept_valid, keep_ready};

  user_vector_has_a_place : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    gathered_o |-> keep_ready);
  user_vector_is_kept : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    text_valid |-> kept_valid);

endmodule
