// SPDX-License-Identifier: Apache-2.0
// An entry of a bank is the sum of the weights that were added to it since it was last cleared,
// whatever the order of steps and however close they follow each other. One entry, any of them, is
// followed from its first clearing on.

module rf_scatter_array_properties #(
    parameter int unsigned Depth = 4,
    parameter int unsigned SumBits = 10,
    localparam int unsigned AddrBits = $clog2(Depth),
    localparam int unsigned WeightBits = rf_pkg::EdgeWeightBits
) (
    input logic                  clk_i,
    input logic                  rst_ni,
    input logic                  step_i,
    input logic                  add_i,
    input logic [AddrBits-1:0]   addr_i,
    input logic [WeightBits-1:0] weight_i,
    input logic [AddrBits-1:0]   mark_i
);

  logic [SumBits-1:0] sum;

  rf_scatter_array #(
      .Depth  (Depth),
      .SumBits(SumBits)
  ) u_dut (
      .clk_i,
      .rst_ni,
      .step_i,
      .add_i,
      .addr_i,
      .weight_i,
      .sum_o(sum)
  );

  // The model: the marked entry after every step so far, and before the last one.
  logic live_q = 1'b0;
  logic known_q, last_q, cleared_q, before_known_q;
  logic [AddrBits-1:0] mark_q;
  logic [SumBits-1:0] value_q, before_q, stored;
  logic hit;

  assign hit = step_i && addr_i == mark_q;
  assign stored = u_dut.memory[mark_q];

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    last_q <= rst_ni && hit;
    if (hit) begin
      known_q <= known_q || !add_i;
      value_q <= add_i ? value_q + SumBits'($signed(weight_i)) : '0;
      cleared_q <= !add_i;
      before_q <= value_q;
      before_known_q <= known_q;
    end
    if (!rst_ni) begin
      known_q <= 1'b0;
      mark_q  <= mark_i;
    end
  end

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    quiet_in_reset : assume (rst_ni || !step_i);
    if (live_q) begin
      lemma_step_follows : assert (last_q == (u_dut.step_q && u_dut.addr_q == mark_q));
      if (last_q) begin
        lemma_kind_follows : assert (cleared_q == !u_dut.add_q);
        lemma_forward_is_stored : assert (!u_dut.same_q || u_dut.written_q == stored);
        lemma_read_is_stored : assert (u_dut.same_q || u_dut.data_q == stored);
        if (cleared_q && !u_dut.same_q && before_known_q) begin
          reads_the_sum : assert (sum == before_q);
        end
        if (before_known_q) begin
          lemma_before_is_stored : assert (stored == before_q);
        end
        if (known_q) begin
          adds_up : assert (u_dut.sum == value_q);
        end
        lemma_known_by_clearing : assert (known_q || (!cleared_q && !before_known_q));
        lemma_next_value :
        assert (!known_q || value_q == (cleared_q ? '0 :
                before_q + SumBits'($signed(u_dut.weight_q))));
        lemma_nothing_added_to_zero : assert (!cleared_q || u_dut.weight_q == '0);
        lemma_known_stays : assert (cleared_q || before_known_q == known_q);
      end else if (known_q) begin
        holds_the_sum : assert (stored == value_q);
      end
    end
  end

endmodule
