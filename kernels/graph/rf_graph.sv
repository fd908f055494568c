// SPDX-License-Identifier: Apache-2.0
// A layer of message passing over a whole graph in CSR, and the dense layer behind it where Rows
// is not 0: reads lists and rows from memory, writes rows back. About an edge's beats a cycle; a
// layer has about 350 cycles of latency beside, at a memory latency of 100.

module rf_graph #(
    parameter int unsigned Dim = 64,           // elements of a table's row: 16 to 256
    parameter int unsigned ElemBits = 8,       // of an element: 4 or 8
    parameter int unsigned BeatBits = 512,     // of a memory port: 64, 128, 256 or 512
    parameter int unsigned MaxRows = 1048576,  // highest degree, 1 to 1048576
    parameter int unsigned RequantLanes = 64,  // requantised a cycle: a node in Dim / RequantLanes
    parameter int unsigned WeightBits = 0,     // of an edge's weight: 8; 0: none
    parameter bit          WithMax = 0,        // 1: maxima too
    parameter int unsigned Rows = 0,           // outputs of the dense layer; 0: there is none
    parameter int unsigned Cols = 64,          // its inputs: Dim, 2 Dim ...
    parameter int unsigned Pe = 16,            // its folding: outputs
    parameter int unsigned Simd = 16,          // and inputs at a time
    parameter int unsigned RowPorts = 2,       // AXI4 read ports for rows, 1 to 16
    parameter int unsigned FifoDepth = 64,     // beats asked for ahead at each of them
    parameter int unsigned ListDepth = 32      // beats held of each list, at least 4
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    input  rf_graph_pkg::layer_cmd_t s_axis_cmd_tdata,   // the next one waits for the last one's
    input  logic                     s_axis_cmd_tvalid,  // rows to be in memory
    output logic                     s_axis_cmd_tready,
    output logic [0:0]               m_axis_done_tdata,  // 1: there was a bus error
    output logic                     m_axis_done_tvalid,
    input  logic                     m_axis_done_tready,

    output logic [RowPorts-1:0][0:0]          m_axi_row_arid,
    output logic [RowPorts-1:0][63:0]         m_axi_row_araddr,
    output logic [RowPorts-1:0][7:0]          m_axi_row_arlen,
    output logic [RowPorts-1:0][2:0]          m_axi_row_arsize,
    output logic [RowPorts-1:0][1:0]          m_axi_row_arburst,
    output logic [RowPorts-1:0][3:0]          m_axi_row_arcache,
    output logic [RowPorts-1:0][2:0]          m_axi_row_arprot,
    output logic [RowPorts-1:0]               m_axi_row_arvalid,
    input  logic [RowPorts-1:0]               m_axi_row_arready,
    input  logic [RowPorts-1:0][0:0]          m_axi_row_rid,
    input  logic [RowPorts-1:0][BeatBits-1:0] m_axi_row_rdata,
    input  logic [RowPorts-1:0][1:0]          m_axi_row_rresp,
    input  logic [RowPorts-1:0]               m_axi_row_rlast,
    input  logic [RowPorts-1:0]               m_axi_row_rvalid,
    output logic [RowPorts-1:0]               m_axi_row_rready,

    output logic [           0:0] m_axi_list_arid,
    output logic [          63:0] m_axi_list_araddr,
    output logic [           7:0] m_axi_list_arlen,
    output logic [           2:0] m_axi_list_arsize,
    output logic [           1:0] m_axi_list_arburst,
    output logic [           3:0] m_axi_list_arcache,
    output logic [           2:0] m_axi_list_arprot,
    output logic                  m_axi_list_arvalid,
    input  logic                  m_axi_list_arready,
    input  logic [           0:0] m_axi_list_rid,
    input  logic [  BeatBits-1:0] m_axi_list_rdata,
    input  logic [           1:0] m_axi_list_rresp,
    input  logic                  m_axi_list_rlast,
    input  logic                  m_axi_list_rvalid,
    output logic                  m_axi_list_rready,
    output logic [           0:0] m_axi_list_awid,
    output logic [          63:0] m_axi_list_awaddr,
    output logic [           7:0] m_axi_list_awlen,
    output logic [           2:0] m_axi_list_awsize,
    output logic [           1:0] m_axi_list_awburst,
    output logic [           3:0] m_axi_list_awcache,
    output logic [           2:0] m_axi_list_awprot,
    output logic                  m_axi_list_awvalid,
    input  logic                  m_axi_list_awready,
    output logic [  BeatBits-1:0] m_axi_list_wdata,
    output logic [BeatBits/8-1:0] m_axi_list_wstrb,
    output logic                  m_axi_list_wlast,
    output logic                  m_axi_list_wvalid,
    input  logic                  m_axi_list_wready,
    input  logic [           0:0] m_axi_list_bid,
    input  logic [           1:0] m_axi_list_bresp,
    input  logic                  m_axi_list_bvalid,
    output logic                  m_axi_list_bready
);

  import rf_pkg::*;

  localparam int unsigned OutDim = Rows > 0 ? Rows : Dim;
  localparam int unsigned OutBits = OutDim * StateBits;
  localparam int unsigned OutBeats = OutBits > BeatBits ? OutBits / BeatBits : 1;
  localparam int unsigned Join = Rows > 0 ? Cols / Dim : 1;  // gathered vectors of an output
  localparam int unsigned WordLog2 = $clog2(BeatBits / 32);
  localparam int unsigned DenseBeats = Rows == 0 ? 0 :
      (Rows / Pe) * (Cols / Simd) * ((Pe * Simd * 8 + BeatBits - 1) / BeatBits) +
      (Rows * 32 + BeatBits - 1) / BeatBits;
  localparam int unsigned WeightPort = WeightBits > 0 ? WeightBits : 1;
  // The lists; one that a parameter leaves out has the number, and the place, of Col.
  localparam int unsigned RowPtr = 0;
  localparam int unsigned Scale = 1;
  localparam int unsigned Col = 2;
  localparam int unsigned Weight = WeightBits > 0 ? 3 : 2;
  localparam int unsigned Dense = Rows > 0 ? Weight + 1 : Col;
  localparam int unsigned Lists = 3 + 32'(WeightBits > 0) + 32'(Rows > 0);

  if (WeightBits != 0 && WeightBits != 8) begin : gen_bad_weight
    $fatal(1, "rf_graph: WeightBits must be 0 or 8");
  end
  if (Rows > 0 && (Cols == 0 || Cols % Dim != 0)) begin : gen_bad_cols
    $fatal(1, "rf_graph: Cols must be a multiple of Dim");
  end
  if (OutBits > BeatBits && OutBits % BeatBits != 0) begin : gen_bad_rows
    $fatal(1, "rf_graph: Rows must fill whole beats or less than one");
  end
  if (RowPorts < 1 || RowPorts > 16) begin : gen_bad_ports
    $fatal(1, "rf_graph: RowPorts must be 1 to 16");
  end
  if (ListDepth < 4 || ListDepth != 2 ** $clog2(ListDepth)) begin : gen_bad_lists
    $fatal(1, "rf_graph: ListDepth must be a power of two, at least 4");
  end

  // ---- control: one layer at a time ----
  rf_graph_pkg::layer_cmd_t cmd_q;
  logic busy_q, start_q, done_q, error_q;
  logic row_error, list_error, write_error, written;
  logic [31:0] outputs;

  assign s_axis_cmd_tready = !busy_q;
  assign m_axis_done_tvalid = done_q;
  assign m_axis_done_tdata = error_q;
  assign outputs = cmd_q.nodes / Join;

  always_ff @(posedge clk_i) if (s_axis_cmd_tvalid && s_axis_cmd_tready) cmd_q <= s_axis_cmd_tdata;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {busy_q, start_q, done_q, error_q} <= '0;
    end else begin
      start_q <= s_axis_cmd_tvalid && s_axis_cmd_tready;
      busy_q  <= busy_q ? !(done_q && m_axis_done_tready) : s_axis_cmd_tvalid;
      done_q  <= written || (done_q && !m_axis_done_tready);
      error_q <= !start_q && (error_q || row_error || list_error || write_error);
    end
  end

  // ---- lists ----
  logic [Lists-1:0][63:0] list_addr;
  logic [Lists-1:0][31:0] list_beats;
  logic [Lists-1:0][BeatBits-1:0] list;
  logic [Lists-1:0] list_valid, list_ready;

  // Beats of 2^unit elements each that hold some elements.
  function automatic logic [31:0] beats_of(logic [31:0] elements, int unsigned unit);
    return (elements >> unit) + 32'(|(elements & ~({32{1'b1}} << unit)));
  endfunction

  always_comb begin
    list_addr[Dense] = cmd_q.dense;
    list_beats[Dense] = 32'(DenseBeats);
    list_addr[Weight] = cmd_q.weight;
    list_beats[Weight] = beats_of(cmd_q.edges, WordLog2 + 2);
    list_addr[RowPtr] = cmd_q.row_ptr;
    list_beats[RowPtr] = beats_of(cmd_q.nodes + 32'd1, WordLog2);
    list_addr[Scale] = cmd_q.scale;
    list_beats[Scale] = beats_of(cmd_q.nodes, WordLog2);
    list_addr[Col] = cmd_q.col;
    list_beats[Col] = beats_of(cmd_q.edges, WordLog2);
  end

  rf_list_read #(
      .Lists(Lists),
      .BeatBits(BeatBits),
      .ListDepth(ListDepth),
      .MaxBurst(ListDepth / 2 < 16 ? ListDepth / 2 : 16),
      .FifoDepth(2 * ListDepth)
  ) u_lists (
      .start_i(start_q),
      .addr_i(list_addr),
      .beats_i(list_beats),
      .m_axis_list_tdata(list),
      .m_axis_list_tvalid(list_valid),
      .m_axis_list_tready(list_ready),
      .error_o(list_error),
      .*
  );

  gather_cmd_t node;
  logic node_valid, node_ready;

  rf_graph_nodes #(
      .BeatBits(BeatBits)
  ) u_nodes (
      .clk_i,
      .rst_ni,
      .start_i              (start_q),
      .nodes_i              (cmd_q.nodes),
      .s_axis_row_ptr_tdata (list[RowPtr]),
      .s_axis_row_ptr_tvalid(list_valid[RowPtr]),
      .s_axis_row_ptr_tready(list_ready[RowPtr]),
      .s_axis_scale_tdata   (list[Scale]),
      .s_axis_scale_tvalid  (list_valid[Scale]),
      .s_axis_scale_tready  (list_ready[Scale]),
      .m_axis_cmd_tdata     (node),
      .m_axis_cmd_tvalid    (node_valid),
      .m_axis_cmd_tready    (node_ready)
  );

  // ---- message passing ----
  logic [31:0] source;
  logic source_valid, source_ready;
  logic [WeightPort-1:0] weight;
  logic weight_valid, weight_ready;
  logic [Dim*StateBits-1:0] vec;
  logic vec_valid, vec_ready;

  rf_unpack #(
      .InBits (BeatBits),
      .OutBits(32)
  ) u_col (
      .clk_i,
      .rst_ni,
      .start_i      (start_q),
      .count_i      (cmd_q.edges),
      .s_axis_tdata (list[Col]),
      .s_axis_tvalid(list_valid[Col]),
      .s_axis_tready(list_ready[Col]),
      .m_axis_tdata (source),
      .m_axis_tvalid(source_valid),
      .m_axis_tready(source_ready),
      .m_axis_tlast ()
  );

  if (WeightBits > 0) begin : gen_weights
    rf_unpack #(
        .InBits (BeatBits),
        .OutBits(8)
    ) u_weight (
        .clk_i,
        .rst_ni,
        .start_i      (start_q),
        .count_i      (cmd_q.edges),
        .s_axis_tdata (list[Weight]),
        .s_axis_tvalid(list_valid[Weight]),
        .s_axis_tready(list_ready[Weight]),
        .m_axis_tdata (weight),
        .m_axis_tvalid(weight_valid),
        .m_axis_tready(weight_ready),
        .m_axis_tlast ()
    );
  end else begin : gen_plain
    logic unused_weight;
    assign unused_weight = weight_ready;
    assign weight = '0;
    assign weight_valid = 1'b0;
  end

  rf_gather_rows #(
      .Dim(Dim),
      .ElemBits(ElemBits),
      .BeatBits(BeatBits),
      .MaxRows(MaxRows),
      .RequantLanes(RequantLanes),
      .WeightBits(WeightBits),
      .WithMax(WithMax),
      .RowPorts(RowPorts),
      .FifoDepth(FifoDepth)
  ) u_gather (
      .base_i              (cmd_q.table_rows),
      .s_axis_cmd_tdata    (node),
      .s_axis_cmd_tvalid   (node_valid),
      .s_axis_cmd_tready   (node_ready),
      .s_axis_id_tdata     (source),
      .s_axis_id_tvalid    (source_valid),
      .s_axis_id_tready    (source_ready),
      .s_axis_weight_tdata (weight),
      .s_axis_weight_tvalid(weight_valid),
      .s_axis_weight_tready(weight_ready),
      .m_axis_vec_tdata    (vec),
      .m_axis_vec_tvalid   (vec_valid),
      .m_axis_vec_tready   (vec_ready),
      .error_o             (row_error),
      .*
  );

  // ---- the dense layer ----
  logic [OutBits-1:0] answer, rectified;
  logic answer_valid, answer_ready;

  if (Rows > 0) begin : gen_dense
    rf_graph_dense #(
        .Dim(Dim),
        .Rows(Rows),
        .Cols(Cols),
        .Pe(Pe),
        .Simd(Simd),
        .BeatBits(BeatBits)
    ) u_dense (
        .clk_i,
        .rst_ni,
        .start_i             (start_q),
        .shift_i             (cmd_q.dense_shift[ShiftBits-1:0]),
        .s_axis_weight_tdata (list[Dense]),
        .s_axis_weight_tvalid(list_valid[Dense]),
        .s_axis_weight_tready(list_ready[Dense]),
        .s_axis_vec_tdata    (vec),
        .s_axis_vec_tvalid   (vec_valid),
        .s_axis_vec_tready   (vec_ready),
        .m_axis_vec_tdata    (answer),
        .m_axis_vec_tvalid   (answer_valid),
        .m_axis_vec_tready   (answer_ready)
    );
  end else begin : gen_no_dense
    assign answer = vec;
    assign answer_valid = vec_valid;
    assign vec_ready = answer_ready;
  end

  for (genvar d = 0; d < OutDim; d++) begin : gen_relu
    logic drop;
    assign drop = cmd_q.relu[0] && answer[(d+1)*StateBits-1];
    assign rectified[d*StateBits+:StateBits] = drop ? '0 : answer[d*StateBits+:StateBits];
  end

  // ---- rows back to memory ----
  logic [BeatBits-1:0] beat, out;
  logic beat_valid, beat_ready, out_valid, out_ready;

  if (OutBeats > 1) begin : gen_beats
    rf_unpack #(
        .InBits (OutBits),
        .OutBits(BeatBits)
    ) u_beats (
        .clk_i,
        .rst_ni,
        .start_i      (start_q),
        .count_i      (outputs * OutBeats),
        .s_axis_tdata (rectified),
        .s_axis_tvalid(answer_valid),
        .s_axis_tready(answer_ready),
        .m_axis_tdata (beat),
        .m_axis_tvalid(beat_valid),
        .m_axis_tready(beat_ready),
        .m_axis_tlast ()
    );
  end else begin : gen_beat
    assign beat = BeatBits'(rectified);
    assign beat_valid = answer_valid;
    assign answer_ready = beat_ready;
  end

  rf_fifo #(
      .Width(BeatBits),
      .Depth(16)
  ) u_out (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (beat),
      .s_axis_tvalid(beat_valid),
      .s_axis_tready(beat_ready),
      .m_axis_tdata (out),
      .m_axis_tvalid(out_valid),
      .m_axis_tready(out_ready),
      .level_o      ()
  );

  rf_row_write #(
      .BeatBits(BeatBits)
  ) u_write (
      .start_i           (start_q),
      .addr_i            (cmd_q.out),
      .beats_i           (outputs * OutBeats),
      .s_axis_beat_tdata (out),
      .s_axis_beat_tvalid(out_valid),
      .s_axis_beat_tready(out_ready),
      .done_o            (written),
      .error_o           (write_error),
      .*
  );

  logic unused_cmd;
  assign unused_cmd = ^cmd_q;

endmodule
