// SPDX-License-Identifier: Apache-2.0
// Unsigned integer division, floor(dividend / divisor), one quotient bit a cycle: latency
// QuotientBits + 1 cycles, one division at a time. The quotient must fit QuotientBits.

module rf_divide #(
    parameter int unsigned DividendBits = 31,
    parameter int unsigned DivisorBits = 18,
    parameter int unsigned QuotientBits = 31  // 1 to DividendBits; fewer save cycles
) (
    input  logic                                clk_i,
    input  logic                                rst_ni,
    input  logic [DividendBits+DivisorBits-1:0] s_axis_tdata,   // {dividend, divisor}
    input  logic                                s_axis_tvalid,
    output logic                                s_axis_tready,
    output logic [QuotientBits-1:0]             m_axis_tdata,
    output logic                                m_axis_tvalid,
    input  logic                                m_axis_tready
);

  // The dividend's bits above the quotient's are the first remainder; it is below the divisor,
  // or the quotient would not fit.
  localparam int unsigned HeadBits = DividendBits - QuotientBits;
  localparam int unsigned CountBits = $clog2(QuotientBits + 1);

  if (QuotientBits < 1 || QuotientBits > DividendBits) begin : gen_bad_quotient
    $fatal(1, "rf_divide: QuotientBits must be 1 to DividendBits");
  end
  if (DivisorBits < 1 || HeadBits > DivisorBits) begin : gen_bad_divisor
    $fatal(1, "rf_divide: DivisorBits must be at least 1 and DividendBits - QuotientBits");
  end

  logic [DividendBits-1:0] dividend;
  logic [DivisorBits-1:0] divisor_q, remainder_q;
  logic [QuotientBits-1:0] quotient_q;  // the dividend's bits leave, the quotient's enter
  logic [CountBits-1:0] left_q;
  logic [DivisorBits:0] trial;          // a remainder and one more bit: below twice the divisor
  logic busy_q, fits, take;

  assign dividend = s_axis_tdata[DivisorBits+:DividendBits];
  assign trial = {remainder_q, quotient_q[QuotientBits-1]};
  assign fits = trial >= {1'b0, divisor_q};
  assign s_axis_tready = !busy_q;
  assign take = s_axis_tvalid && !busy_q;
  assign m_axis_tvalid = busy_q && left_q == '0;
  assign m_axis_tdata = quotient_q;

  always_ff @(posedge clk_i) begin
    if (take) begin
      divisor_q   <= s_axis_tdata[DivisorBits-1:0];
      remainder_q <= DivisorBits'(dividend >> QuotientBits);
      quotient_q  <= dividend[QuotientBits-1:0];
      left_q      <= CountBits'(QuotientBits);
    end else if (busy_q && left_q != '0) begin
      remainder_q <= fits ? DivisorBits'(trial - {1'b0, divisor_q}) : trial[DivisorBits-1:0];
      quotient_q  <= QuotientBits'({quotient_q, fits});
      left_q      <= left_q - 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) busy_q <= 1'b0;
    else busy_q <= take || (busy_q && !(m_axis_tvalid && m_axis_tready));
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
  leaves_nothing : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && remainder_q == '0);
  leaves_a_remainder : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && remainder_q != '0);
  fits_exactly : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    left_q != '0 && busy_q && trial == {1'b0, divisor_q});
  waits_for_its_receiver : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && !m_axis_tready);
  keeps_its_sender_waiting : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    s_axis_tvalid && !s_axis_tready);

endmodule
