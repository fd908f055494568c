// SPDX-License-Identifier: Apache-2.0
// The groups of a request are read once each and in order, from the banks and the address of their
// rows, and come out once each; what is multiplied is what was read, whatever the receiver does.

module rf_scatter_terms_properties #(
    parameter int unsigned Lanes = 1,
    parameter int unsigned Banks = 2,
    parameter int unsigned Depth = 2,
    parameter int unsigned SumBits = 8,
    localparam int unsigned AddrBits = $clog2(Depth),
    localparam int unsigned Slices = Banks / Lanes,
    localparam int unsigned GroupBits = AddrBits + $clog2(Slices)
) (
    input logic                          clk_i,
    input logic                          rst_ni,
    input logic                          start_i,
    input logic [GroupBits:0]            groups_i,
    input logic [rf_pkg::NormBits-1:0]   norm_i,
    input logic [rf_pkg::ShiftBits-1:0]  shift_i,
    input logic [Banks-1:0][SumBits-1:0] sums_i,
    input logic                          m_axis_term_tready
);

  localparam int unsigned CountBits = GroupBits + 4;
  localparam int unsigned TermBits = rf_pkg::EdgeTermBits;

  logic idle, m_axis_term_tvalid;
  logic [Banks-1:0] read;
  logic [AddrBits-1:0] addr;
  logic [Lanes-1:0][TermBits-1:0] m_axis_term_tdata;

  rf_scatter_terms #(
      .Lanes  (Lanes),
      .Banks  (Banks),
      .Depth  (Depth),
      .SumBits(SumBits)
  ) u_dut (
      .clk_i,
      .rst_ni,
      .start_i,
      .groups_i,
      .norm_i,
      .shift_i,
      .idle_o  (idle),
      .read_o  (read),
      .addr_o  (addr),
      .sums_i,
      .m_axis_term_tdata,
      .m_axis_term_tvalid,
      .m_axis_term_tready
  );

  // The model: groups still to be read and to be given, the next one's number; the sums last read.
  logic live_q = 1'b0;
  logic pop, any_q;
  logic [CountBits-1:0] owed_q, left_q, next_q, from_q;
  logic [Banks-1:0][SumBits-1:0] stood_q;
  logic [Banks-1:0] wanted;
  logic [Lanes-1:0][SumBits-1:0] read_sums, taken_q;

  assign pop = m_axis_term_tvalid && m_axis_term_tready;
  assign wanted = Banks'({Lanes{1'b1}}) << (Lanes * (32'(next_q) % Slices));

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    if (start_i) begin
      owed_q <= CountBits'(groups_i);
      left_q <= CountBits'(groups_i);
      next_q <= '0;
    end else begin
      owed_q <= owed_q - CountBits'(pop);
      left_q <= left_q - CountBits'(read != '0);
      if (read != '0) next_q <= next_q + 1'b1;
    end
    any_q   <= rst_ni && read != '0;
    stood_q <= sums_i;
    if (read != '0) from_q <= next_q;
    if (u_dut.advance && u_dut.read_q) taken_q <= read_sums;
    if (!rst_ni) begin
      owed_q <= '0;
      left_q <= '0;
      next_q <= '0;
    end
  end

  // The banks of the group that was read last.
  assign read_sums = (Lanes * SumBits)'(sums_i >> (Lanes * SumBits * (32'(from_q) % Slices)));

  rf_stable_properties #(
      .Width(Lanes * TermBits)
  ) u_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i (m_axis_term_tdata),
      .valid_i(m_axis_term_tvalid),
      .ready_i(m_axis_term_tready)
  );

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    starts_while_idle : assume (!start_i || (idle && rst_ni));
    starts_with_groups : assume (!start_i ||
        (groups_i != '0 && groups_i <= (GroupBits + 1)'(2 ** GroupBits)));
    sums_stand_until_the_next_read : assume (any_q || sums_i == stood_q);
    if (live_q) begin
      no_loss_no_duplicate :
      assert (owed_q == left_q + CountBits'(u_dut.read_q) +
              CountBits'(u_dut.sum_valid_q) + CountBits'(u_dut.product_valid_q) +
              CountBits'(m_axis_term_tvalid));
      idle_when_all_is_given : assert (idle == (owed_q == '0));
      banks_in_order : assert (read == '0 || read == wanted);
      addresses_in_order : assert (read == '0 || 32'(addr) == 32'(next_q) / Slices);
      reads_while_it_may : assert (left_q == '0 || m_axis_term_tvalid || read != '0);
      lemma_left_is_left : assert (CountBits'(u_dut.left_q) == left_q);
      lemma_room : assert (32'(next_q) + 32'(left_q) <= 2 ** GroupBits);
      lemma_group_counted :
      assert (32'(u_dut.group_q) == 32'(next_q) % (2 ** GroupBits) || left_q == '0);
      if (u_dut.read_q) begin
        lemma_slice_is_the_last_read :
        assert (32'(u_dut.slice_q) == 32'(from_q) % Slices);
      end
      if (u_dut.sum_valid_q) begin
        multiplies_what_was_read : assert (u_dut.sums_q == taken_q);
      end
    end
  end

endmodule
