// SPDX-License-Identifier: Apache-2.0
// The sums of a matrix-vector product: acc[r] = sum_c W[r,c] x[c] + b[r], Pe rows a beat. A vector
// takes Rows/Pe * Cols/Simd cycles, back to back without a bubble; its last beat is there that many
// + 2 + Stages (of rf_dots) cycles after its first input beat. Weights and biases come from
// memories outside, a cycle after they are asked for.

module rf_dense_core #(
    parameter int unsigned Rows = 64,
    parameter int unsigned Cols = 128,
    parameter int unsigned Pe = 16,
    parameter int unsigned Simd = 16,
    parameter int unsigned InBits = 8,
    parameter int unsigned WeightBits = 8,
    parameter int unsigned AccBits = 32,   // of a sum: the caller knows that it does not wrap
    parameter int unsigned PortBits = 25,  // of the multipliers, as in rf_dots
    parameter int unsigned Fields = rf_dots_pkg::most_fields(Pe, WeightBits),
    localparam int unsigned Folds = Rows / Pe,     // of the rows
    localparam int unsigned Steps = Simd > 0 ? Cols / Simd : Cols,  // of the columns
    localparam int unsigned AddrBits = Folds * Steps > 1 ? $clog2(Folds * Steps) : 1,
    localparam int unsigned FoldBits = Folds > 1 ? $clog2(Folds) : 1
) (
    input  logic                          clk_i,
    input  logic                          rst_ni,
    input  logic [Simd*InBits-1:0]        s_axis_vec_tdata,
    input  logic                          s_axis_vec_tvalid,
    output logic                          s_axis_vec_tready,
    output logic                          word_read_o,
    output logic [AddrBits-1:0]           word_addr_o,
    input  logic [Pe*Simd*WeightBits-1:0] word_i,
    output logic                          bias_read_o,
    output logic [FoldBits-1:0]           bias_fold_o,
    input  logic [Pe*AccBits-1:0]         bias_i,
    output logic [Pe*AccBits-1:0]         m_axis_acc_tdata,
    output logic                          m_axis_acc_tvalid,
    input  logic                          m_axis_acc_tready
);

  localparam int unsigned Stages =
      rf_dots_pkg::stages(Simd, Fields, WeightBits, InBits, PortBits);
  localparam int unsigned DotBits = InBits + WeightBits + $clog2(Simd);

  if (AccBits < DotBits) begin : gen_bad_acc
    $fatal(1, "rf_dense_core: AccBits must hold the sum of Simd products");
  end

  // Where in the pipeline a partial product stands: the memories' read is stage 0, the products
  // stage 1, the dot product stage Stages, the accumulators stage Stages + 1.
  logic [Stages:0] valid_q, first_q, last_q;
  logic step, issue, issue_first, issue_last, result_q;
  logic [Simd*InBits-1:0] vec;

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
      .addr_o       (word_addr_o),
      .vec_o        (vec)
  );
  assign word_read_o = step && issue;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else if (step) begin
      valid_q <= {valid_q[Stages-1:0], issue};
    end
    if (step) begin
      first_q <= {first_q[Stages-1:0], issue_first};
      last_q  <= {last_q[Stages-1:0], issue_last};
    end
  end

  // The bias of the next fold is read one stage before the accumulators start from it.
  logic [FoldBits-1:0] fold_q;
  assign bias_read_o = step && valid_q[Stages-1] && first_q[Stages-1];
  assign bias_fold_o = fold_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) fold_q <= '0;
    else if (bias_read_o) fold_q <= fold_q == FoldBits'(Folds - 1) ? '0 : fold_q + 1'b1;
  end

  logic [Pe*DotBits-1:0] dots;
  rf_dots #(
      .Rows    (Pe),
      .Lanes   (Simd),
      .ABits   (WeightBits),
      .BBits   (InBits),
      .PortBits(PortBits),
      .Fields  (Fields)
  ) u_dots (
      .clk_i,
      .enable_i(valid_q[Stages-1:0] & {Stages{step}}),
      .a_i     (word_i),
      .b_i     (vec),
      .sum_o   (dots)
  );

  logic accumulate;
  assign accumulate = step && valid_q[Stages];
  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    logic signed [AccBits-1:0] acc_q, bias, dot;
    assign bias = bias_i[p*AccBits+:AccBits];
    assign dot = AccBits'($signed(dots[p*DotBits+:DotBits]));
    always_ff @(posedge clk_i) begin
      if (accumulate) acc_q <= (first_q[Stages] ? bias : acc_q) + dot;
    end
    assign m_axis_acc_tdata[p*AccBits+:AccBits] = acc_q;
  end

  // Only a finished result that is not taken holds the pipeline.
  assign m_axis_acc_tvalid = result_q;
  assign step = !result_q || m_axis_acc_tready;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) result_q <= 1'b0;
    else if (step) result_q <= valid_q[Stages] && last_q[Stages];
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_acc_tvalid && !m_axis_acc_tready |=> m_axis_acc_tvalid && $stable(m_axis_acc_tdata));

endmodule
