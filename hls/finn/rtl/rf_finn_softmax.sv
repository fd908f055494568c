// SPDX-License-Identifier: Apache-2.0
// The integer softmax between two matrix products: a row of sums in, the row of its weights out, and
// their total. A row takes 2 Columns / Lanes + 2 cycles, one row at a time.

module rf_finn_softmax #(
    parameter int unsigned Columns = 16,   // of a row
    parameter int unsigned Lanes = 1,      // elements of a beat, in and out: divides Columns
    parameter int unsigned SumBits = 20,   // of a sum, signed, 17 to 62
    parameter int unsigned SumWidth = (Lanes * SumBits + 7) / 8 * 8,  // of a beat of sums
    parameter int unsigned TotalBits = 8 + $clog2(Columns)
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    input  logic [rf_pkg::ShiftBits-1:0] logit_shift_i,  // steady while rows are in flight
    input  logic [SumWidth-1:0]          s_axis_sum_tdata,
    input  logic                         s_axis_sum_tvalid,
    output logic                         s_axis_sum_tready,
    output logic [Lanes*8-1:0]           m_axis_weight_tdata,
    output logic                         m_axis_weight_tvalid,
    input  logic                         m_axis_weight_tready,
    output logic [TotalBits-1:0]         m_axis_total_tdata,
    output logic                         m_axis_total_tvalid,
    input  logic                         m_axis_total_tready
);

  import rf_pkg::*;

  localparam int unsigned Beats = Columns / Lanes;
  localparam int unsigned BeatBits = Beats > 1 ? $clog2(Beats) : 1;

  if (Lanes < 1 || Columns % Lanes != 0) begin : gen_bad_lanes
    $fatal(1, "rf_finn_softmax: Lanes must divide Columns");
  end
  if (SumBits <= LogitBits || SumBits > 62) begin : gen_bad_sum
    $fatal(1, "rf_finn_softmax: SumBits must be 17 to 62");
  end

  typedef enum logic [1:0] {
    StFill,
    StDrain,
    StTotal
  } state_e;

  state_e state_q;
  logic [BeatBits-1:0] beat_q;
  logic last, fill, drain;
  logic [Lanes*LogitBits-1:0] row_q[Beats];
  logic signed [LogitBits-1:0] max_q, max;
  logic [TotalBits-1:0] total_q, beat_total;
  logic [Lanes*LogitBits-1:0] logits;

  assign last = beat_q == BeatBits'(Beats - 1);
  assign s_axis_sum_tready = state_q == StFill;
  assign fill = s_axis_sum_tvalid && s_axis_sum_tready;
  assign m_axis_weight_tvalid = state_q == StDrain;
  assign drain = m_axis_weight_tvalid && m_axis_weight_tready;
  assign m_axis_total_tvalid = state_q == StTotal;
  assign m_axis_total_tdata = total_q;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    rf_requant #(
        .InBits (SumBits),
        .OutBits(LogitBits)
    ) u_requant (
        .data_i (s_axis_sum_tdata[i*SumBits+:SumBits]),
        .shift_i(logit_shift_i),
        .data_o (logits[i*LogitBits+:LogitBits])
    );
    logic signed [LogitBits-1:0] logit;
    assign logit = row_q[beat_q][i*LogitBits+:LogitBits];
    rf_exp2 u_exp2 (
        // The largest less any: 0 to 2^16 - 1, so that the wrapped difference is the exponent.
        .exponent_i(LogitBits'(max_q - logit)),
        .weight_o  (m_axis_weight_tdata[i*8+:8])
    );
  end

  always_comb begin
    max = state_q == StFill && beat_q == '0 ? {1'b1, {(LogitBits - 1) {1'b0}}} : max_q;
    beat_total = '0;
    for (int unsigned i = 0; i < Lanes; i++) begin
      if ($signed(logits[i*LogitBits+:LogitBits]) > max) begin
        max = logits[i*LogitBits+:LogitBits];
      end
      beat_total = beat_total + TotalBits'(m_axis_weight_tdata[i*8+:8]);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StFill;
      beat_q  <= '0;
    end else begin
      if (fill || drain) beat_q <= last ? '0 : beat_q + 1'b1;
      unique case (state_q)
        StFill:  if (fill && last) state_q <= StDrain;
        StDrain: if (drain && last) state_q <= StTotal;
        default: if (m_axis_total_tready) state_q <= StFill;
      endcase
    end
    if (fill) begin
      row_q[beat_q] <= logits;
      max_q <= max;
      total_q <= '0;
    end
    if (drain) total_q <= total_q + beat_total;
  end

  logic unused_padding;
  assign unused_padding = ^s_axis_sum_tdata;

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni) m_axis_weight_tvalid && !m_axis_weight_tready
    |=> m_axis_weight_tvalid && $stable(m_axis_weight_tdata));

endmodule
