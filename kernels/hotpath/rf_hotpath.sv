// SPDX-License-Identifier: Apache-2.0
// A recommendation's hot path behind one kernel ABI: gathers the user vector over the history,
// attends over the items' texts, fuses both and scans the catalogue for the exact top k.
// One request at a time; about (3 rows + items) beats and 350 cycles of latency.

module rf_hotpath #(
    parameter int unsigned Dim = 64,            // of a table row: 16, 32, 64, 128 or 256
    parameter int unsigned Heads = 2,           // of the attention: 1, 2 or 4
    parameter int unsigned MessageBits = 8,     // of a table's element: 4 or 8
    parameter int unsigned KeyBits = 8,
    parameter int unsigned ValueBits = 8,
    parameter int unsigned ItemBits = 8,
    parameter int unsigned BeatBits = 512,      // of the memory port: 64, 128, 256 or 512
    parameter int unsigned MaxRows = 1024,      // longest history, at most 1024
    parameter int unsigned MaxSeen = 2048,      // longest seen list
    parameter int unsigned KMax = 32,           // most answers, 1 to 128
    parameter int unsigned Pe = 16,             // folding of the fuse layer: outputs at a time
    parameter int unsigned Simd = 16,           // and inputs at a time
    parameter int unsigned RequantLanes = 8,    // elements requantised at a time
    parameter int unsigned FifoDepth = 512,     // beats asked for ahead
    parameter int unsigned MaxBurst = 16        // beats of a burst
) (
    input  logic clk_i,
    input  logic rst_ni,
    output logic interrupt_o,

    input  logic [ 7:0] s_axi_control_awaddr,
    input  logic [ 2:0] s_axi_control_awprot,
    input  logic        s_axi_control_awvalid,
    output logic        s_axi_control_awready,
    input  logic [31:0] s_axi_control_wdata,
    input  logic [ 3:0] s_axi_control_wstrb,
    input  logic        s_axi_control_wvalid,
    output logic        s_axi_control_wready,
    output logic [ 1:0] s_axi_control_bresp,
    output logic        s_axi_control_bvalid,
    input  logic        s_axi_control_bready,
    input  logic [ 7:0] s_axi_control_araddr,
    input  logic [ 2:0] s_axi_control_arprot,
    input  logic        s_axi_control_arvalid,
    output logic        s_axi_control_arready,
    output logic [31:0] s_axi_control_rdata,
    output logic [ 1:0] s_axi_control_rresp,
    output logic        s_axi_control_rvalid,
    input  logic        s_axi_control_rready,

    output logic [           0:0] m_axi_gmem_awid,
    output logic [          63:0] m_axi_gmem_awaddr,
    output logic [           7:0] m_axi_gmem_awlen,
    output logic [           2:0] m_axi_gmem_awsize,
    output logic [           1:0] m_axi_gmem_awburst,
    output logic [           3:0] m_axi_gmem_awcache,
    output logic [           2:0] m_axi_gmem_awprot,
    output logic                  m_axi_gmem_awvalid,
    input  logic                  m_axi_gmem_awready,
    output logic [  BeatBits-1:0] m_axi_gmem_wdata,
    output logic [BeatBits/8-1:0] m_axi_gmem_wstrb,
    output logic                  m_axi_gmem_wlast,
    output logic                  m_axi_gmem_wvalid,
    input  logic                  m_axi_gmem_wready,
    input  logic [           0:0] m_axi_gmem_bid,
    input  logic [           1:0] m_axi_gmem_bresp,
    input  logic                  m_axi_gmem_bvalid,
    output logic                  m_axi_gmem_bready,
    output logic [           0:0] m_axi_gmem_arid,
    output logic [          63:0] m_axi_gmem_araddr,
    output logic [           7:0] m_axi_gmem_arlen,
    output logic [           2:0] m_axi_gmem_arsize,
    output logic [           1:0] m_axi_gmem_arburst,
    output logic [           3:0] m_axi_gmem_arcache,
    output logic [           2:0] m_axi_gmem_arprot,
    output logic                  m_axi_gmem_arvalid,
    input  logic                  m_axi_gmem_arready,
    input  logic [           0:0] m_axi_gmem_rid,
    input  logic [  BeatBits-1:0] m_axi_gmem_rdata,
    input  logic [           1:0] m_axi_gmem_rresp,
    input  logic                  m_axi_gmem_rlast,
    input  logic                  m_axi_gmem_rvalid,
    output logic                  m_axi_gmem_rready
);

  import rf_pkg::*;

  localparam int unsigned VectorBits = Dim * StateBits;
  localparam int unsigned ItemRowBits = Dim * ItemBits;
  localparam int unsigned ItemsPerBeat = ItemRowBits < BeatBits ? BeatBits / ItemRowBits : 1;
  localparam int unsigned WordBeats = (Pe * Simd * 8 + BeatBits - 1) / BeatBits;
  localparam int unsigned WeightBeats = (Dim / Pe) * (2 * Dim / Simd) * WordBeats +
      (Dim * 32 + BeatBits - 1) / BeatBits;

  // ---- control ----
  hotpath_args_t args;
  logic start, load, done, write_done, load_done;
  logic read_error, write_error, beat, bad_row, bad_seen, seen_error;
  logic gathered, attended, fused, scanned;

  assign done = write_done || load_done;

  rf_control #(
      .Dim(Dim),
      .Heads(Heads),
      .BeatBits(BeatBits),
      .MessageBits(MessageBits),
      .KeyBits(KeyBits),
      .ValueBits(ValueBits),
      .ItemBits(ItemBits),
      .MaxRows(MaxRows),
      .MaxSeen(MaxSeen),
      .KMax(KMax)
  ) u_control (
      .args_o(args),
      .start_o(start),
      .load_o(load),
      .done_i(done),
      .gathered_i(gathered),
      .attended_i(attended),
      .fused_i(fused),
      .scanned_i(scanned),
      .beat_i(beat),
      .bus_error_i(read_error || write_error),
      .bad_row_i(bad_row),
      .bad_seen_i(bad_seen),
      .*
  );

  // ---- reads: commands in order, data to the kernel they are for ----
  logic [31:0] row_id, seen_id;
  logic [1:0] row_pass;
  logic row_valid, row_ready, seen_valid, seen_ready, history_idle;
  read_cmd_t read_cmd;
  logic read_valid, read_ready;
  logic [BeatBits-1:0] data;
  dest_e data_dest;
  logic data_valid, data_ready;
  logic [7:0] to_valid, to_ready;  // one bit a destination, in the order of dest_e

  rf_sequencer #(
      .BeatBits(BeatBits),
      .Dim(Dim),
      .MessageBits(MessageBits),
      .KeyBits(KeyBits),
      .ValueBits(ValueBits),
      .ItemBits(ItemBits),
      .WeightBeats(WeightBeats)
  ) u_sequencer (
      .clk_i,
      .rst_ni,
      .start_i          (start || load),
      .load_i           (load),
      .args_i           (args),
      .s_axis_id_tdata  (row_id),
      .s_axis_id_tuser  (row_pass),
      .s_axis_id_tvalid (row_valid),
      .s_axis_id_tready (row_ready),
      .history_idle_i   (history_idle),
      .m_axis_cmd_tdata (read_cmd),
      .m_axis_cmd_tvalid(read_valid),
      .m_axis_cmd_tready(read_ready),
      .bad_row_o        (bad_row)
  );

  rf_axi_read #(
      .BeatBits (BeatBits),
      .FifoDepth(FifoDepth),
      .MaxBurst (MaxBurst)
  ) u_read (
      .s_axis_cmd_tdata  (read_cmd),
      .s_axis_cmd_tvalid (read_valid),
      .s_axis_cmd_tready (read_ready),
      .m_axis_data_tdata (data),
      .m_axis_data_tdest (data_dest),
      .m_axis_data_tvalid(data_valid),
      .m_axis_data_tready(data_ready),
      .error_o           (read_error),
      .beat_o            (beat),
      .*
  );

  for (genvar d = 0; d < 8; d++) begin : gen_demux
    assign to_valid[d] = data_valid && data_dest == dest_e'(d);
  end
  assign data_ready = to_ready[data_dest];

  rf_history #(
      .MaxRows (MaxRows),
      .BeatBits(BeatBits)
  ) u_history (
      .clk_i,
      .rst_ni,
      .start_i          (start),
      .rows_i           (args.n_history[15:0]),
      .s_axis_ids_tdata (data),
      .s_axis_ids_tvalid(to_valid[DestHistory]),
      .s_axis_ids_tready(to_ready[DestHistory]),
      .m_axis_id_tdata  (row_id),
      .m_axis_id_tuser  (row_pass),
      .m_axis_id_tvalid (row_valid),
      .m_axis_id_tready (row_ready),
      .idle_o           (history_idle)
  );

  rf_unpack #(
      .InBits (BeatBits),
      .OutBits(IdBits)
  ) u_seen_list (
      .clk_i,
      .rst_ni,
      .start_i      (start),
      .count_i      (args.n_seen),
      .s_axis_tdata (data),
      .s_axis_tvalid(to_valid[DestSeen]),
      .s_axis_tready(to_ready[DestSeen]),
      .m_axis_tdata (seen_id),
      .m_axis_tvalid(seen_valid),
      .m_axis_tready(seen_ready),
      .m_axis_tlast ()
  );

  // ---- the kernels' commands: one each a request ----
  gather_cmd_t gather_cmd;
  attention_cmd_t attention_cmd;
  topk_cmd_t topk_cmd;
  logic [2:0] cmd_valid_q, cmd_ready;

  always_comb begin
    gather_cmd = '{
        rows: args.n_history[15:0], norm: args.norm[15:0], shift: args.gather_shift[7:0]
    };
    attention_cmd = '{
        rows: args.n_history[15:0],
        logit_shift: args.logit_shift[7:0],
        out_shift: args.attention_shift[7:0]
    };
    topk_cmd = '{
        items: args.n_items,
        seen: args.n_seen[15:0],
        k: args.k[7:0],
        term_shift: args.term_shift[7:0]
    };
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) cmd_valid_q <= '0;
    else cmd_valid_q <= {3{start}} | (cmd_valid_q & ~cmd_ready);
  end

  // ---- the user vector ----
  logic [VectorBits-1:0] user, user_q, text, fused_vector;
  logic user_valid, user_ready, text_valid, text_ready, fused_valid, fused_ready;

  rf_gather #(
      .Dim(Dim),
      .ElemBits(MessageBits),
      .BeatBits(BeatBits),
      .MaxRows(MaxRows),
      .RequantLanes(RequantLanes)
  ) u_gather (
      .clk_i,
      .rst_ni,
      .s_axis_cmd_tdata (gather_cmd),
      .s_axis_cmd_tvalid(cmd_valid_q[0]),
      .s_axis_cmd_tready(cmd_ready[0]),
      .s_axis_row_tdata (data),
      .s_axis_row_tvalid(to_valid[DestMessage]),
      .s_axis_row_tready(to_ready[DestMessage]),
      .m_axis_vec_tdata (user),
      .m_axis_vec_tvalid(user_valid),
      .m_axis_vec_tready(user_ready)
  );

  assign gathered = user_valid && user_ready;
  always_ff @(posedge clk_i) if (gathered) user_q <= user;

  // ---- attention over the history's texts: the user vector is the query ----
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
      .s_axis_cmd_tdata   (attention_cmd),
      .s_axis_cmd_tvalid  (cmd_valid_q[1]),
      .s_axis_cmd_tready  (cmd_ready[1]),
      .s_axis_query_tdata (user),
      .s_axis_query_tvalid(user_valid),
      .s_axis_query_tready(user_ready),
      .s_axis_key_tdata   (data),
      .s_axis_key_tvalid  (to_valid[DestKey]),
      .s_axis_key_tready  (to_ready[DestKey]),
      .s_axis_value_tdata (data),
      .s_axis_value_tvalid(to_valid[DestValue]),
      .s_axis_value_tready(to_ready[DestValue]),
      .m_axis_vec_tdata   (text),
      .m_axis_vec_tvalid  (text_valid),
      .m_axis_vec_tready  (text_ready)
  );

  assign attended = text_valid && text_ready;

  // ---- the fuse layer: [user vector, attention] to the vector that scores ----
  logic [Simd*StateBits-1:0] fuse_in;
  logic [Pe*StateBits-1:0] fuse_out;
  logic fuse_in_valid, fuse_in_ready, fuse_out_valid, fuse_out_ready;

  rf_unpack #(
      .InBits (2 * VectorBits),
      .OutBits(Simd * StateBits)
  ) u_fuse_in (
      .clk_i,
      .rst_ni,
      .start_i      (start),
      .count_i      (32'(2 * Dim / Simd)),
      .s_axis_tdata ({text, user_q}),
      .s_axis_tvalid(text_valid),
      .s_axis_tready(text_ready),
      .m_axis_tdata (fuse_in),
      .m_axis_tvalid(fuse_in_valid),
      .m_axis_tready(fuse_in_ready),
      .m_axis_tlast ()
  );

  rf_dense #(
      .Rows(Dim),
      .Cols(2 * Dim),
      .Pe(Pe),
      .Simd(Simd),
      .BeatBits(BeatBits)
  ) u_fuse (
      .clk_i,
      .rst_ni,
      .shift_i             (args.fuse_shift[5:0]),
      .s_axis_weight_tdata (data),
      .s_axis_weight_tvalid(to_valid[DestWeight]),
      .s_axis_weight_tready(to_ready[DestWeight]),
      .s_axis_vec_tdata    (fuse_in),
      .s_axis_vec_tvalid   (fuse_in_valid),
      .s_axis_vec_tready   (fuse_in_ready),
      .m_axis_vec_tdata    (fuse_out),
      .m_axis_vec_tvalid   (fuse_out_valid),
      .m_axis_vec_tready   (fuse_out_ready)
  );

  rf_pack #(
      .InBits (Pe * StateBits),
      .OutBits(VectorBits)
  ) u_fuse_out (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (fuse_out),
      .s_axis_tvalid(fuse_out_valid),
      .s_axis_tready(fuse_out_ready),
      .m_axis_tdata (fused_vector),
      .m_axis_tvalid(fused_valid),
      .m_axis_tready(fused_ready)
  );

  assign fused = fused_valid && fused_ready;

  logic [31:0] loaded_q;  // beats of weights taken
  always_ff @(posedge clk_i) begin
    if (!rst_ni || load) loaded_q <= '0;
    else if (to_valid[DestWeight] && to_ready[DestWeight]) loaded_q <= loaded_q + 32'd1;
  end
  assign load_done = to_valid[DestWeight] && to_ready[DestWeight] &&
      loaded_q == 32'(WeightBeats - 1);

  // ---- the scan ----
  logic [ItemsPerBeat*TermBits-1:0] term;
  logic term_valid, term_ready, result_valid, result_ready;
  result_t result;

  rf_unpack #(
      .InBits (BeatBits),
      .OutBits(ItemsPerBeat * TermBits)
  ) u_term (
      .clk_i,
      .rst_ni,
      .start_i      (start),
      .count_i      ((args.n_items + 32'(ItemsPerBeat - 1)) / 32'(ItemsPerBeat)),
      .s_axis_tdata (data),
      .s_axis_tvalid(to_valid[DestTerm]),
      .s_axis_tready(to_ready[DestTerm]),
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
      .MaxSeen(MaxSeen)
  ) u_topk (
      .clk_i,
      .rst_ni,
      .s_axis_cmd_tdata    (topk_cmd),
      .s_axis_cmd_tvalid   (cmd_valid_q[2]),
      .s_axis_cmd_tready   (cmd_ready[2]),
      .s_axis_query_tdata  (fused_vector),
      .s_axis_query_tvalid (fused_valid),
      .s_axis_query_tready (fused_ready),
      .s_axis_item_tdata   (data),
      .s_axis_item_tvalid  (to_valid[DestItem]),
      .s_axis_item_tready  (to_ready[DestItem]),
      .s_axis_term_tdata   (term),
      .s_axis_term_tvalid  (term_valid),
      .s_axis_term_tready  (term_ready),
      .s_axis_seen_tdata   (seen_id),
      .s_axis_seen_tvalid  (seen_valid),
      .s_axis_seen_tready  (seen_ready),
      .m_axis_result_tdata (result),
      .m_axis_result_tvalid(result_valid),
      .m_axis_result_tready(result_ready),
      .m_axis_result_tlast (),
      .error_o             (seen_error)
  );

  assign bad_seen = seen_error && write_done;  // the kernel's flag stays until its next request
  assign scanned = to_valid[DestItem] && to_ready[DestItem];

  rf_axi_write #(
      .BeatBits(BeatBits)
  ) u_write (
      .start_i           (start),
      .addr_i            (args.result),
      .words_i           (args.k[7:0]),
      .s_axis_word_tdata (result),
      .s_axis_word_tvalid(result_valid),
      .s_axis_word_tready(result_ready),
      .done_o            (write_done),
      .error_o           (write_error),
      .*
  );

endmodule
