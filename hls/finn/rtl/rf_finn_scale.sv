// SPDX-License-Identifier: Apache-2.0
// Divides a row of weighted sums by the total of its weights and requantises:
// out = sat8(rne(sum * floor(2^30 / total), shift)). A row takes Columns / Lanes + 33 cycles.

module rf_finn_scale #(
    parameter int unsigned Columns = 16,    // of a row
    parameter int unsigned Lanes = 1,       // elements of a beat: divides Columns
    parameter int unsigned SumBits = 24,    // of a sum, signed, at most 30
    parameter int unsigned TotalBits = 12,  // of a total, which is never 0
    parameter int unsigned SumWidth = (Lanes * SumBits + 7) / 8 * 8  // of a beat of sums
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    input  logic [rf_pkg::ShiftBits-1:0] out_shift_i,  // steady while rows are in flight
    input  logic [SumWidth-1:0]          s_axis_sum_tdata,
    input  logic                         s_axis_sum_tvalid,
    output logic                         s_axis_sum_tready,
    input  logic [TotalBits-1:0]         s_axis_total_tdata,
    input  logic                         s_axis_total_tvalid,
    output logic                         s_axis_total_tready,
    output logic [Lanes*8-1:0]           m_axis_tdata,
    output logic                         m_axis_tvalid,
    input  logic                         m_axis_tready
);

  import rf_pkg::*;

  localparam int unsigned Beats = Columns / Lanes;
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned ScaleBits = ReciprocalFrac + 1;
  localparam int unsigned ProductBits = SumBits + ScaleBits + 1;

  if (Lanes < 1 || Columns % Lanes != 0) begin : gen_bad_lanes
    $fatal(1, "rf_finn_scale: Lanes must divide Columns");
  end
  if (SumBits < 8 || SumBits > 30) begin : gen_bad_sum
    $fatal(1, "rf_finn_scale: SumBits must be 8 to 30");
  end

  logic [ScaleBits-1:0] scale;
  logic divided, row_done;
  logic [BeatBits-1:0] beat_q;

  rf_divide #(
      .DividendBits(ScaleBits),
      .DivisorBits (TotalBits),
      .QuotientBits(ScaleBits)
  ) u_divide (
      .clk_i,
      .rst_ni,
      .s_axis_tdata ({1'b1, {ReciprocalFrac{1'b0}}, s_axis_total_tdata}),
      .s_axis_tvalid(s_axis_total_tvalid),
      .s_axis_tready(s_axis_total_tready),
      .m_axis_tdata (scale),
      .m_axis_tvalid(divided),
      .m_axis_tready(row_done)
  );

  assign m_axis_tvalid = divided && s_axis_sum_tvalid;
  assign s_axis_sum_tready = divided && m_axis_tready;
  assign row_done = m_axis_tvalid && m_axis_tready && beat_q == BeatBits'(Beats - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || row_done) beat_q <= '0;
    else if (m_axis_tvalid && m_axis_tready) beat_q <= beat_q + 1'b1;
  end

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    logic signed [SumBits-1:0] sum;
    logic signed [ProductBits-1:0] product;
    assign sum = s_axis_sum_tdata[i*SumBits+:SumBits];
    assign product = sum * $signed({1'b0, scale});
    rf_requant #(
        .InBits (ProductBits),
        .OutBits(8)
    ) u_requant (
        .data_i (product),
        .shift_i(out_shift_i),
        .data_o (m_axis_tdata[i*8+:8])
    );
  end

  logic unused_padding;
  assign unused_padding = ^s_axis_sum_tdata;

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));

endmodule
