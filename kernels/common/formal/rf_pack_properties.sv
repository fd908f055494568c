// SPDX-License-Identifier: Apache-2.0
// rf_pack gives every narrow beat once and in order: one of them, picked by mark_i at any time,
// is followed to its place in the wide beat.

module rf_pack_properties #(
    parameter int unsigned InBits = 2,
    parameter int unsigned OutBits = 6
) (
    input logic              clk_i,
    input logic              rst_ni,
    input logic [InBits-1:0] s_axis_tdata,
    input logic              s_axis_tvalid,
    input logic              m_axis_tready,
    input logic              mark_i
);

  localparam int unsigned Parts = OutBits / InBits;
  localparam int unsigned CountBits = $clog2(Parts + 1) + 1;

  logic [OutBits-1:0] m_axis_tdata;
  logic s_axis_tready, m_axis_tvalid;

  rf_pack #(
      .InBits (InBits),
      .OutBits(OutBits)
  ) u_dut (
      .clk_i,
      .rst_ni,
      .s_axis_tdata,
      .s_axis_tvalid,
      .s_axis_tready,
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );

  // The model: narrow beats inside, and of the marked one its value and how many are before it.
  logic live_q = 1'b0;
  logic marked_q, push, pop;
  logic [CountBits-1:0] inside_q, ahead_q, rest, place;
  logic [InBits-1:0] value_q, stored;

  assign push = s_axis_tvalid && s_axis_tready;
  assign pop = m_axis_tvalid && m_axis_tready;
  assign rest = inside_q - (pop ? CountBits'(Parts) : '0);

  always_ff @(posedge clk_i) begin
    live_q   <= live_q || !rst_ni;
    inside_q <= rest + CountBits'(push);
    if (!marked_q) begin
      marked_q <= push && mark_i;
      value_q  <= s_axis_tdata;
      ahead_q  <= rest;
    end else if (pop) begin
      marked_q <= 1'b0;  // a wide beat holds all that is inside
    end
    if (!rst_ni) begin
      inside_q <= '0;
      marked_q <= 1'b0;
    end
  end

  rf_stable_properties #(
      .Width(OutBits)
  ) u_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i (m_axis_tdata),
      .valid_i(m_axis_tvalid),
      .ready_i(m_axis_tready)
  );

  // New parts enter at the top and move down: the last one in is always the highest.
  assign place = m_axis_tvalid ? ahead_q : CountBits'(Parts) - inside_q + ahead_q;
  assign stored = InBits'(m_axis_tdata >> (32'(place) * InBits));

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    if (live_q) begin
      no_loss_no_duplicate : assert (m_axis_tvalid == (inside_q == CountBits'(Parts)));
      lemma_level_within_depth : assert (inside_q <= CountBits'(Parts));
      lemma_parts_counted : assert (CountBits'(u_dut.part_q) == (m_axis_tvalid ? '0 : inside_q));
      accepts_while_there_is_room : assert (s_axis_tready == (!m_axis_tvalid || m_axis_tready));
      if (marked_q) begin
        lemma_marked_is_inside : assert (ahead_q < inside_q);
        lemma_marked_is_stored : assert (stored == value_q);
        if (m_axis_tvalid) begin
          order_kept : assert (stored == value_q);
        end
      end
    end
  end

endmodule
