// SPDX-License-Identifier: Apache-2.0
// The dense part of a layer: Cols / Dim gathered vectors, joined, through rf_dense; whole vectors
// in and out, none before the weights of this layer are loaded. A vector every
// Rows / Pe * Cols / Simd cycles.

module rf_graph_dense #(
    parameter int unsigned Dim = 64,        // elements of a gathered vector
    parameter int unsigned Rows = 64,       // elements of an output vector
    parameter int unsigned Cols = 64,       // inputs: a multiple of Dim
    parameter int unsigned Pe = 16,         // folding: outputs at a time
    parameter int unsigned Simd = 16,       // and inputs at a time; divides Dim
    parameter int unsigned BeatBits = 512,  // of the stream that loads the weights
    localparam int unsigned InVecBits = Dim * rf_pkg::StateBits,
    localparam int unsigned OutVecBits = Rows * rf_pkg::StateBits,
    localparam int unsigned WordBeats = (Pe * Simd * 8 + BeatBits - 1) / BeatBits,
    localparam int unsigned LoadBeats =
        (Rows / Pe) * (Cols / Simd) * WordBeats + (Rows * 32 + BeatBits - 1) / BeatBits
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    input  logic                         start_i,  // a pulse: a new layer; its weights come next
    input  logic [rf_pkg::ShiftBits-1:0] shift_i,  // held during the layer
    input  logic [BeatBits-1:0]          s_axis_weight_tdata,
    input  logic                         s_axis_weight_tvalid,
    output logic                         s_axis_weight_tready,
    input  logic [InVecBits-1:0]         s_axis_vec_tdata,
    input  logic                         s_axis_vec_tvalid,
    output logic                         s_axis_vec_tready,
    output logic [OutVecBits-1:0]        m_axis_vec_tdata,
    output logic                         m_axis_vec_tvalid,
    input  logic                         m_axis_vec_tready
);

  localparam int unsigned PartBits = Simd * rf_pkg::StateBits;
  localparam int unsigned Parts = Dim / Simd;
  localparam int unsigned LeftBits = $clog2(Parts + 1);
  localparam int unsigned LoadBits = $clog2(LoadBeats + 1);

  if (Cols % Dim != 0 || Dim % Simd != 0) begin : gen_bad_cols
    $fatal(1, "rf_graph_dense: Cols must be a multiple of Dim, and Dim of Simd");
  end

  logic [LoadBits-1:0] load_q;  // beats of weights still to come
  logic [InVecBits-1:0] vec_q;
  logic [LeftBits-1:0] left_q;  // parts of it not yet given
  logic part_ready, given, take;
  logic [Pe*rf_pkg::StateBits-1:0] out;
  logic out_valid, out_ready;

  assign given = left_q != '0 && part_ready;
  assign s_axis_vec_tready = load_q == '0 && (left_q == '0 || (given && left_q == LeftBits'(1)));
  assign take = s_axis_vec_tvalid && s_axis_vec_tready;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      load_q <= LoadBits'(LoadBeats);
      left_q <= '0;
    end else begin
      if (start_i) load_q <= LoadBits'(LoadBeats);
      else if (s_axis_weight_tvalid && s_axis_weight_tready) load_q <= load_q - 1'b1;
      if (take) left_q <= LeftBits'(Parts);
      else if (given) left_q <= left_q - 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) vec_q <= s_axis_vec_tdata;
    else if (given) vec_q <= vec_q >> PartBits;
  end

  rf_dense #(
      .Rows(Rows),
      .Cols(Cols),
      .Pe(Pe),
      .Simd(Simd),
      .BeatBits(BeatBits)
  ) u_dense (
      .clk_i,
      .rst_ni,
      .shift_i,
      .s_axis_weight_tdata,
      .s_axis_weight_tvalid,
      .s_axis_weight_tready,
      .s_axis_vec_tdata (vec_q[PartBits-1:0]),
      .s_axis_vec_tvalid(left_q != '0),
      .s_axis_vec_tready(part_ready),
      .m_axis_vec_tdata (out),
      .m_axis_vec_tvalid(out_valid),
      .m_axis_vec_tready(out_ready)
  );

  rf_pack #(
      .InBits (Pe * rf_pkg::StateBits),
      .OutBits(OutVecBits)
  ) u_pack (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (out),
      .s_axis_tvalid(out_valid),
      .s_axis_tready(out_ready),
      .m_axis_tdata (m_axis_vec_tdata),
      .m_axis_tvalid(m_axis_vec_tvalid),
      .m_axis_tready(m_axis_vec_tready)
  );

endmodule
