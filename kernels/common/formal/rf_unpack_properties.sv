// SPDX-License-Identifier: Apache-2.0
// rf_unpack gives the parts of every wide beat once and in order, as many as the packet has: one
// part, picked by mark_i and mark_part_i at any time, is followed. A packet opens only when the
// one before is given.

module rf_unpack_properties #(
    parameter int unsigned InBits = 6,
    parameter int unsigned OutBits = 2
) (
    input logic              clk_i,
    input logic              rst_ni,
    input logic              start_i,
    input logic [31:0]       count_i,
    input logic [InBits-1:0] s_axis_tdata,
    input logic              s_axis_tvalid,
    input logic              m_axis_tready,
    input logic              mark_i,
    input logic [31:0]       mark_part_i
);

  localparam int unsigned Parts = InBits / OutBits;

  logic [OutBits-1:0] m_axis_tdata;
  logic s_axis_tready, m_axis_tvalid, m_axis_tlast;

  rf_unpack #(
      .InBits (InBits),
      .OutBits(OutBits)
  ) u_dut (
      .clk_i,
      .rst_ni,
      .start_i,
      .count_i,
      .s_axis_tdata,
      .s_axis_tvalid,
      .s_axis_tready,
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready,
      .m_axis_tlast
  );

  // The model: parts the packet still owes and those of them inside; of the marked one its value
  // and how many are before it.
  logic live_q = 1'b0;
  logic marked_q, push, pop;
  logic [31:0] owed_q, owed, inside_q, fresh, ahead_q;
  logic [OutBits-1:0] value_q, stored;

  assign push = s_axis_tvalid && s_axis_tready;
  assign pop = m_axis_tvalid && m_axis_tready;
  assign owed = owed_q - 32'(pop);
  assign fresh = owed < Parts ? owed : Parts;  // parts that a new wide beat brings

  always_ff @(posedge clk_i) begin
    live_q   <= live_q || !rst_ni;
    owed_q   <= start_i ? count_i : owed;
    inside_q <= inside_q - 32'(pop) + (push ? fresh : '0);
    if (!marked_q) begin
      marked_q <= push && mark_i && mark_part_i < fresh;
      value_q  <= OutBits'(s_axis_tdata >> (mark_part_i * OutBits));
      ahead_q  <= mark_part_i;
    end else if (pop) begin
      marked_q <= ahead_q != '0;
      ahead_q  <= ahead_q - 1'b1;
      // Taking the last part and the next wide beat at once, the next mark waits for a beat more.
    end
    if (!rst_ni) begin
      owed_q   <= '0;
      inside_q <= '0;
      marked_q <= 1'b0;
    end
  end

  rf_stable_properties #(
      .Width(OutBits + 1)
  ) u_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i ({m_axis_tlast, m_axis_tdata}),
      .valid_i(m_axis_tvalid),
      .ready_i(m_axis_tready)
  );

  assign stored = OutBits'(u_dut.data_q >> (ahead_q * OutBits));

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    opens_while_idle : assume (!start_i || owed_q == '0);
    if (live_q) begin
      no_loss_no_duplicate : assert (m_axis_tvalid == (inside_q != '0));
      lemma_no_more_than_owed : assert (inside_q <= owed_q && inside_q <= Parts);
      last_marks_the_end : assert (!m_axis_tvalid || m_axis_tlast == (owed_q == 32'd1));
      lemma_owed_counted : assert (u_dut.left_q == owed_q);
      asks_while_owed : assert (m_axis_tvalid || s_axis_tready == (owed_q != '0));
      takes_only_when_empty : assert (!push || inside_q == 32'(pop));
      if (m_axis_tvalid) begin
        lemma_parts_counted :
        assert (inside_q == Parts - 32'(u_dut.part_q) ||
                (inside_q == owed_q && owed_q < Parts - 32'(u_dut.part_q)));
      end else begin
        lemma_part_at_start : assert (u_dut.part_q == '0);
      end
      if (marked_q) begin
        lemma_marked_is_inside : assert (ahead_q < inside_q);
        lemma_marked_is_stored : assert (stored == value_q);
        if (ahead_q == '0) begin
          order_kept : assert (m_axis_tvalid && m_axis_tdata == value_q);
        end
      end
    end
  end

endmodule
