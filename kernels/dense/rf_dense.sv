// SPDX-License-Identifier: Apache-2.0
// Matrix-vector product with requantisation: out[r] = sat(rne(sum_c W[r,c] x[c] + b[r], shift)).
// A vector takes Rows/Pe * Cols/Simd cycles, back to back without a bubble; its last output beat is
// there that many + 3 + rf_dot's stages (1 + ceil(log4(Simd))) cycles after its first input beat.

module rf_dense #(
    parameter int unsigned Rows = 64,       // outputs
    parameter int unsigned Cols = 128,      // inputs
    parameter int unsigned Pe = 16,         // rows computed at once: a power of two, divides Rows
    parameter int unsigned Simd = 16,       // columns taken at once: divides Cols
    parameter int unsigned InBits = 8,      // of an input element, signed
    parameter int unsigned WeightBits = 8,  // of a weight, signed
    parameter int unsigned OutBits = 8,     // of an output element, signed
    parameter int unsigned BeatBits = 512   // of the stream that loads weights and biases
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

  if (Pe < 1 || Rows % Pe != 0 || Pe != 2 ** $clog2(Pe)) begin : gen_bad_pe
    $fatal(1, "rf_dense: Pe must be a power of two that divides Rows");
  end
  if (Simd < 1 || Cols % Simd != 0) begin : gen_bad_simd
    $fatal(1, "rf_dense: Simd must divide Cols");
  end
  if (InBits < 2 || InBits > 8 || WeightBits < 2 || WeightBits > 8) begin : gen_bad_in_bits
    $fatal(1, "rf_dense: InBits and WeightBits must be 2 to 8");
  end
  if (OutBits < 2 || OutBits > 16) begin : gen_bad_out_bits
    $fatal(1, "rf_dense: OutBits must be 2 to 16");
  end
  if (BeatBits != 64 && BeatBits != 128 && BeatBits != 256 && BeatBits != 512) begin : gen_bad_beat
    $fatal(1, "rf_dense: BeatBits must be 64, 128, 256 or 512");
  end

  localparam int unsigned Folds = Rows / Pe;     // of the rows
  localparam int unsigned Steps = Cols / Simd;   // of the columns
  localparam int unsigned Words = Folds * Steps;
  localparam int unsigned DotStages = 1 + ($clog2(Simd) + 1) / 2;
  localparam int unsigned DotBits = InBits + WeightBits + $clog2(Simd);
  localparam int unsigned AccBits = 32;          // the contract bounds the sum
  localparam int unsigned WordAddrBits = Words > 1 ? $clog2(Words) : 1;
  localparam int unsigned FoldBits = Folds > 1 ? $clog2(Folds) : 1;

  // Where in the pipeline a partial product stands: the memories' read is stage 0, the products
  // stage 1, the dot product stage DotStages, the accumulators stage DotStages + 1.
  logic [DotStages:0] valid_q, first_q, last_q;
  logic step, issue, issue_first, issue_last, result_q;

  logic [Simd*InBits-1:0] vec;
  logic [WordAddrBits-1:0] word_addr;
  logic [Pe*Simd*WeightBits-1:0] word;
  logic [Pe*AccBits-1:0] bias;
  logic bias_read;
  logic [FoldBits-1:0] fold_q;  // whose bias is read next

  rf_dense_replay #(
      .Width(Simd * InBits),
      .Steps(Steps),
      .Folds(Folds)
  ) u_replay (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (s_axis_vec_tdata),
      .s_axis_tvalid(s_axis_vec_tvalid),
      .s_axis_tready(s_axis_vec_tready),
      .step_i       (step),
      .issue_o      (issue),
      .first_o      (issue_first),
      .last_o       (issue_last),
      .addr_o       (word_addr),
      .vec_o        (vec)
  );

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
      .word_read_i(step && issue),
      .word_addr_i(word_addr),
      .word_o     (word),
      .bias_read_i(step && bias_read),
      .bias_fold_i(fold_q),
      .bias_o     (bias)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else if (step) begin
      valid_q <= {valid_q[DotStages-1:0], issue};
    end
    if (step) begin
      first_q <= {first_q[DotStages-1:0], issue_first};
      last_q  <= {last_q[DotStages-1:0], issue_last};
    end
  end

  // The bias of the next fold is read one stage before the accumulators start from it.
  assign bias_read = valid_q[DotStages-1] && first_q[DotStages-1];
  always_ff @(posedge clk_i) begin
    if (!rst_ni) fold_q <= '0;
    else if (step && bias_read) begin
      fold_q <= fold_q == FoldBits'(Folds - 1) ? '0 : fold_q + 1'b1;
    end
  end

  logic accumulate;
  assign accumulate = step && valid_q[DotStages];

  logic [Pe*OutBits-1:0] rounded;
  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    logic signed [DotBits-1:0] dot;
    logic signed [AccBits-1:0] acc_q;
    rf_dot #(
        .Lanes(Simd),
        .ABits(WeightBits),
        .BBits(InBits)
    ) u_dot (
        .clk_i,
        .enable_i(valid_q[DotStages-1:0] & {DotStages{step}}),
        .a_i     (word[p*Simd*WeightBits+:Simd*WeightBits]),
        .b_i     (vec),
        .sum_o   (dot)
    );
    always_ff @(posedge clk_i) begin
      if (accumulate) begin
        acc_q <= (first_q[DotStages] ? $signed(bias[p*AccBits+:AccBits]) : acc_q) + AccBits'(dot);
      end
    end
    rf_requant #(
        .InBits (AccBits),
        .OutBits(OutBits)
    ) u_requant (
        .data_i (acc_q),
        .shift_i,
        .data_o (rounded[p*OutBits+:OutBits])
    );
  end

  // Only a finished result that finds the output taken holds the pipeline.
  assign step = !(result_q && m_axis_vec_tvalid && !m_axis_vec_tready);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      result_q <= 1'b0;
      m_axis_vec_tvalid <= 1'b0;
    end else begin
      if (step) result_q <= valid_q[DotStages] && last_q[DotStages];
      if (step && result_q) m_axis_vec_tvalid <= 1'b1;
      else if (m_axis_vec_tready) m_axis_vec_tvalid <= 1'b0;
    end
    if (step && result_q) m_axis_vec_tdata <= rounded;
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_vec_tvalid && !m_axis_vec_tready |=> m_axis_vec_tvalid && $stable(m_axis_vec_tdata));

endmodule
