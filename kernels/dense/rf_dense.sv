// SPDX-License-Identifier: Apache-2.0
// Matrix-vector product with requantisation: out[r] = sat(rne(sum_c W[r,c] x[c] + b[r], shift)).
// A vector takes Rows/Pe * Cols/Simd cycles, back to back without a bubble; its last output beat is
// there that many + 3 + Stages (of rf_dots) cycles after its first input beat.

module rf_dense #(
    parameter int unsigned Rows = 64,       // outputs
    parameter int unsigned Cols = 128,      // inputs
    parameter int unsigned Pe = 16,         // rows computed at once: a power of two, divides Rows
    parameter int unsigned Simd = 16,       // columns taken at once: divides Cols
    parameter int unsigned InBits = 8,      // of an input element, signed
    parameter int unsigned WeightBits = 8,  // of a weight, signed
    parameter int unsigned OutBits = 8,     // of an output element, signed
    parameter int unsigned BeatBits = 512,  // of the stream that loads weights and biases
    parameter int unsigned AccBits = 32,    // of a sum: the contract says that it does not wrap
    parameter int unsigned PortBits = 25,   // of the multipliers' wide port: DSP48E1 25, DSP48E2 27
    parameter int unsigned Fields = rf_dots_pkg::most_fields(Pe, WeightBits)  // products a DSP
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    input  logic [rf_pkg::ShiftBits-1:0] shift_i,  // steady while vectors are in flight
    input  logic [BeatBits-1:0]          s_axis_weight_tdata,
    input  logic                         s_axis_weight_tvalid,
    output logic                         s_axis_weight_tready,
    input  logic [Simd*InBits-1:0]       s_axis_vec_tdata,
    input  logic                         s_axis_vec_tvalid,
    output logic                         s_axis_vec_tready,
    output logic [Pe*OutBits-1:0]        m_axis_vec_tdata,
    output logic                         m_axis_vec_tvalid,
    input  logic                         m_axis_vec_tready
);

  if (Rows < 1 || Cols < 1) begin : gen_bad_size
    $fatal(1, "rf_dense: Rows and Cols must be at least 1");
  end
  if (Pe < 1 || Rows % Pe != 0 || Pe != 2 ** $clog2(Pe)) begin : gen_bad_pe
    $fatal(1, "rf_dense: Pe must be a power of two that divides Rows");
  end
  if (Simd < 1 || Simd > Cols) begin : gen_bad_simd
    $fatal(1, "rf_dense: Simd must be 1 to Cols");
  end else if (Cols % Simd != 0) begin : gen_odd_simd
    $fatal(1, "rf_dense: Simd must divide Cols");
  end
  if (InBits < 2 || InBits > 8 || WeightBits < 2 || WeightBits > 8) begin : gen_bad_in_bits
    $fatal(1, "rf_dense: InBits and WeightBits must be 2 to 8");
  end
  if (OutBits < 2 || OutBits > 16) begin : gen_bad_out_bits
    $fatal(1, "rf_dense: OutBits must be 2 to 16");
  end
  if (AccBits < InBits + WeightBits + $clog2(Cols) || AccBits > 32) begin : gen_bad_acc_bits
    $fatal(1, "rf_dense: AccBits must hold the sum of Cols products, and be 32 at most");
  end
  if (BeatBits != 64 && BeatBits != 128 && BeatBits != 256 && BeatBits != 512) begin : gen_bad_beat
    $fatal(1, "rf_dense: BeatBits must be 64, 128, 256 or 512");
  end

  localparam int unsigned Folds = Rows / Pe;
  localparam int unsigned Words = Folds * (Simd > 0 ? Cols / Simd : Cols);
  localparam int unsigned BiasBits = 32;  // of the load
  localparam int unsigned WordAddrBits = Words > 1 ? $clog2(Words) : 1;
  localparam int unsigned FoldBits = Folds > 1 ? $clog2(Folds) : 1;

  logic word_read, bias_read, acc_valid, acc_ready;
  logic [WordAddrBits-1:0] word_addr;
  logic [FoldBits-1:0] bias_fold;
  logic [Pe*Simd*WeightBits-1:0] word;
  logic [Pe*BiasBits-1:0] bias;
  logic [Pe*AccBits-1:0] acc_bias, acc;
  logic [Pe*OutBits-1:0] rounded;

  rf_dense_weights #(
      .Words   (Words),
      .WordBits(Pe * Simd * WeightBits),
      .Folds   (Folds),
      .Pe      (Pe),
      .BeatBits(BeatBits)
  ) u_weights (
      .clk_i,
      .rst_ni,
      .s_axis_weight_tdata,
      .s_axis_weight_tvalid,
      .s_axis_weight_tready,
      .word_read_i(word_read),
      .word_addr_i(word_addr),
      .word_o     (word),
      .bias_read_i(bias_read),
      .bias_fold_i(bias_fold),
      .bias_o     (bias)
  );

  rf_dense_core #(
      .Rows      (Rows),
      .Cols      (Cols),
      .Pe        (Pe),
      .Simd      (Simd),
      .InBits    (InBits),
      .WeightBits(WeightBits),
      .AccBits   (AccBits),
      .PortBits  (PortBits),
      .Fields    (Fields)
  ) u_core (
      .clk_i,
      .rst_ni,
      .s_axis_vec_tdata,
      .s_axis_vec_tvalid,
      .s_axis_vec_tready,
      .word_read_o      (word_read),
      .word_addr_o      (word_addr),
      .word_i           (word),
      .bias_read_o      (bias_read),
      .bias_fold_o      (bias_fold),
      .bias_i           (acc_bias),
      .m_axis_acc_tdata (acc),
      .m_axis_acc_tvalid(acc_valid),
      .m_axis_acc_tready(acc_ready)
  );

  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    assign acc_bias[p*AccBits+:AccBits] = bias[p*BiasBits+:AccBits];
    rf_requant #(
        .InBits (AccBits),
        .OutBits(OutBits)
    ) u_requant (
        .data_i (acc[p*AccBits+:AccBits]),
        .shift_i,
        .data_o (rounded[p*OutBits+:OutBits])
    );
  end
  if (AccBits < BiasBits) begin : gen_narrow_acc
    logic unused_bias;
    assign unused_bias = ^bias;
  end

  assign acc_ready = !m_axis_vec_tvalid || m_axis_vec_tready;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) m_axis_vec_tvalid <= 1'b0;
    else if (acc_ready) m_axis_vec_tvalid <= acc_valid;
    if (acc_valid && acc_ready) m_axis_vec_tdata <= rounded;
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_vec_tvalid && !m_axis_vec_tready |=> m_axis_vec_tvalid && $stable(m_axis_vec_tdata));

endmodule
