// SPDX-License-Identifier: Apache-2.0
// Reciprocals of rows in order, floor(2^30 / total), by several dividers in turn: a row every
// 25 / Dividers cycles, latency 28 cycles.

module rf_attention_scale #(
    parameter int unsigned TotalBits = 14,
    parameter int unsigned Rows = 16,      // that may wait, a power of two
    parameter int unsigned Dividers = 4,
    // A total is at least 255, the maximum's own weight. (Without keys it is 0, and the quotient
    // is multiplied with 0.)
    localparam int unsigned ScaleBits = rf_pkg::ReciprocalFrac + 1 - 8
) (
    input  logic                 clk_i,
    input  logic                 rst_ni,
    input  logic                 valid_i,  // at most Rows more than the scales taken
    input  logic [TotalBits-1:0] total_i,
    output logic [ScaleBits-1:0] m_axis_scale_tdata,
    output logic                 m_axis_scale_tvalid,
    input  logic                 m_axis_scale_tready
);

  import rf_pkg::*;

  localparam int unsigned IndexBits = Dividers > 1 ? $clog2(Dividers) : 1;

  if (Dividers < 1) begin : gen_bad_dividers
    $fatal(1, "rf_attention_scale: Dividers must be at least 1");
  end

  logic total_valid, accept, result_ready;
  logic [TotalBits-1:0] total;
  logic [IndexBits-1:0] in_q, out_q;
  logic [Dividers-1:0] ready, valid;
  logic [Dividers-1:0][ScaleBits-1:0] quotient;

  rf_fifo #(
      .Width(TotalBits),
      .Depth(Rows)
  ) u_totals (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (total_i),
      .s_axis_tvalid(valid_i),
      .s_axis_tready(accept),
      .m_axis_tdata (total),
      .m_axis_tvalid(total_valid),
      .m_axis_tready(ready[in_q]),
      .level_o      ()
  );

  for (genvar d = 0; d < Dividers; d++) begin : gen_divide
    rf_divide #(
        .DividendBits(ReciprocalFrac + 1),
        .DivisorBits (TotalBits),
        .QuotientBits(ScaleBits)
    ) u_divide (
        .clk_i,
        .rst_ni,
        .s_axis_tdata ({1'b1, {ReciprocalFrac{1'b0}}, total}),
        .s_axis_tvalid(total_valid && in_q == IndexBits'(d)),
        .s_axis_tready(ready[d]),
        .m_axis_tdata (quotient[d]),
        .m_axis_tvalid(valid[d]),
        .m_axis_tready(result_ready && out_q == IndexBits'(d))
    );
  end

  // A result leaves its divider at once, which takes the next row.
  rf_fifo #(
      .Width(ScaleBits),
      .Depth(Rows)
  ) u_scales (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (quotient[out_q]),
      .s_axis_tvalid(valid[out_q]),
      .s_axis_tready(result_ready),
      .m_axis_tdata (m_axis_scale_tdata),
      .m_axis_tvalid(m_axis_scale_tvalid),
      .m_axis_tready(m_axis_scale_tready),
      .level_o      ()
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      in_q  <= '0;
      out_q <= '0;
    end else begin
      if (total_valid && ready[in_q]) in_q <= next(in_q);
      if (valid[out_q] && result_ready) out_q <= next(out_q);
    end
  end

  function automatic logic [IndexBits-1:0] next(input logic [IndexBits-1:0] index);
    return index == IndexBits'(Dividers - 1) ? '0 : index + 1'b1;
  endfunction

  totals_fit : assert property (@(posedge clk_i) disable iff (!rst_ni) valid_i |-> accept);

endmodule
