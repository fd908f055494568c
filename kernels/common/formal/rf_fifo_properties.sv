// SPDX-License-Identifier: Apache-2.0
// rf_fifo keeps every beat once and in order. One beat, picked by mark_i at any time, is followed:
// ahead_q beats must leave before it, and then it comes with the value it had.

module rf_fifo_properties #(
    parameter int unsigned Width = 2,
    parameter int unsigned Depth = 4
) (
    input logic             clk_i,
    input logic             rst_ni,
    input logic [Width-1:0] s_axis_tdata,
    input logic             s_axis_tvalid,
    input logic             m_axis_tready,
    input logic             mark_i
);

  localparam int unsigned AddrBits = $clog2(Depth);
  localparam int unsigned CountBits = AddrBits + 2;

  logic [Width-1:0] m_axis_tdata;
  logic s_axis_tready, m_axis_tvalid;
  logic [AddrBits:0] level;

  rf_fifo #(
      .Width(Width),
      .Depth(Depth)
  ) u_dut (
      .clk_i,
      .rst_ni,
      .s_axis_tdata,
      .s_axis_tvalid,
      .s_axis_tready,
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready,
      .level_o(level)
  );

  // The model: beats inside, and of the marked one its value and how many are before it.
  logic live_q = 1'b0;
  logic marked_q, waited_q, push, pop;
  logic [CountBits-1:0] inside_q, ahead_q;
  logic [Width-1:0] value_q, stored;

  assign push = s_axis_tvalid && s_axis_tready;
  assign pop = m_axis_tvalid && m_axis_tready;

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    waited_q <= rst_ni && inside_q != '0 && !m_axis_tvalid;
    inside_q <= inside_q + CountBits'(push) - CountBits'(pop);
    if (!marked_q) begin
      marked_q <= push && mark_i;
      value_q  <= s_axis_tdata;
      ahead_q  <= inside_q - CountBits'(pop);
    end else if (pop) begin
      marked_q <= ahead_q != '0;
      ahead_q  <= ahead_q - 1'b1;
    end
    if (!rst_ni) begin
      inside_q <= '0;
      marked_q <= 1'b0;
    end
  end

  rf_stable_properties #(
      .Width(Width)
  ) u_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i (m_axis_tdata),
      .valid_i(m_axis_tvalid),
      .ready_i(m_axis_tready)
  );

  // Where the marked beat lies while it is not at the output.
  logic [AddrBits-1:0] place;
  assign place = AddrBits'(u_dut.head_q) + AddrBits'(ahead_q) - AddrBits'(m_axis_tvalid);
  assign stored = u_dut.memory[place];

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    if (live_q) begin
      level_within_depth : assert (level <= (AddrBits + 1)'(Depth));
      no_loss_no_duplicate : assert (inside_q == CountBits'(level) + CountBits'(m_axis_tvalid));
      accepts_while_there_is_room : assert (s_axis_tready || inside_q >= CountBits'(Depth));
      if (waited_q) begin
        gives_what_it_has : assert (m_axis_tvalid);
      end
      if (marked_q) begin
        lemma_marked_is_inside : assert (ahead_q < inside_q);
        if (m_axis_tvalid && ahead_q == '0) begin
          order_kept : assert (m_axis_tdata == value_q);
        end else begin
          lemma_marked_is_stored : assert (stored == value_q);
        end
      end
    end
  end

endmodule
