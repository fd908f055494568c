// SPDX-License-Identifier: Apache-2.0
// rf_divide answers each division once with floor(dividend / divisor), QuotientBits + 1 cycles
// after it was taken. The quotient must fit.

module rf_divide_properties #(
    parameter int unsigned DividendBits = 6,
    parameter int unsigned DivisorBits = 3,
    parameter int unsigned QuotientBits = 5
) (
    input logic                                clk_i,
    input logic                                rst_ni,
    input logic [DividendBits+DivisorBits-1:0] s_axis_tdata,
    input logic                                s_axis_tvalid,
    input logic                                m_axis_tready
);

  localparam int unsigned Bits = DividendBits + DivisorBits + 1;  // of a product and a remainder

  logic s_axis_tready, m_axis_tvalid;
  logic [QuotientBits-1:0] m_axis_tdata;

  rf_divide #(
      .DividendBits(DividendBits),
      .DivisorBits (DivisorBits),
      .QuotientBits(QuotientBits)
  ) u_dut (
      .*
  );

  // The model: the division in hand and the cycles since it was taken.
  logic live_q = 1'b0;
  logic busy_q, push, pop;
  logic [Bits-1:0] dividend_q, divisor_q, quotient, rest, done;
  logic [7:0] age_q;

  assign push = s_axis_tvalid && s_axis_tready;
  assign pop = m_axis_tvalid && m_axis_tready;

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    if (push) begin
      dividend_q <= Bits'(s_axis_tdata[DivisorBits+:DividendBits]);
      divisor_q  <= Bits'(s_axis_tdata[DivisorBits-1:0]);
      age_q      <= '0;
    end else if (age_q != 8'(QuotientBits)) begin
      age_q <= age_q + 8'd1;
    end
    busy_q <= rst_ni && (push || (busy_q && !pop));
  end

  rf_stable_properties #(
      .Width(QuotientBits)
  ) u_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i (m_axis_tdata),
      .valid_i(m_axis_tvalid),
      .ready_i(m_axis_tready)
  );

  // With L bits left: dividend = quotient so far * divisor * 2^L + {remainder, L bits not used}.
  assign done = Bits'(QuotientBits) - Bits'(u_dut.left_q);
  assign quotient = Bits'(u_dut.quotient_q) & ((Bits'(1) << done) - 1'b1);
  assign rest = (Bits'(u_dut.remainder_q) << u_dut.left_q) | (Bits'(u_dut.quotient_q) >> done);

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    quotient_fits :
    assume ((s_axis_tdata[DivisorBits+:DividendBits] >> QuotientBits) <
            DividendBits'(s_axis_tdata[DivisorBits-1:0]));
    if (live_q) begin
      accepts_while_idle : assert (s_axis_tready == !busy_q);
      answers_in_time : assert (m_axis_tvalid == (busy_q && age_q == 8'(QuotientBits)));
      if (busy_q) begin
        lemma_cycles_counted :
        assert (8'(u_dut.left_q) + age_q == 8'(QuotientBits) && age_q <= 8'(QuotientBits));
        lemma_divisor_kept : assert (Bits'(u_dut.divisor_q) == divisor_q);
        lemma_remainder_is_less : assert (Bits'(u_dut.remainder_q) < divisor_q);
        lemma_partial_quotient :
        assert (dividend_q == ((quotient * divisor_q) << u_dut.left_q) + rest);
      end
      if (m_axis_tvalid) begin
        quotient_is_floor :
        assert (Bits'(m_axis_tdata) * divisor_q <= dividend_q &&
                dividend_q < (Bits'(m_axis_tdata) + 1'b1) * divisor_q);
      end
    end
  end

endmodule
