// SPDX-License-Identifier: Apache-2.0
// Every edge of every beat goes to the bank of its target once; those of weight 0 and those beyond
// the catalogue go nowhere. The edges of one target, any of them, are followed: how many, and the
// sum of their weights.

module rf_scatter_issue_properties #(
    parameter int unsigned BeatBits = 64,
    parameter int unsigned Banks = 2,
    parameter int unsigned Depth = 2,
    localparam int unsigned AddrBits = $clog2(Depth),
    localparam int unsigned BankBits = $clog2(Banks),
    localparam int unsigned TargetBits = rf_pkg::EdgeTargetBits,
    localparam int unsigned WeightBits = rf_pkg::EdgeWeightBits,
    localparam int unsigned RowBits = BankBits + AddrBits
) (
    input logic                clk_i,
    input logic                rst_ni,
    input logic                open_i,
    input logic [TargetBits:0] items_i,
    input logic [BeatBits-1:0] s_axis_edge_tdata,
    input logic                s_axis_edge_tvalid,
    input logic [RowBits-1:0]  mark_i
);

  localparam int unsigned PerBeat = BeatBits / 32;
  localparam int unsigned CountBits = $clog2(PerBeat) + 2;
  localparam int unsigned SumBits = WeightBits + 3;

  logic s_axis_edge_tready, idle, take;
  logic [Banks-1:0] add;
  logic [Banks-1:0][AddrBits-1:0] addr;
  logic [Banks-1:0][WeightBits-1:0] weight;

  rf_scatter_issue #(
      .BeatBits(BeatBits),
      .Banks   (Banks),
      .Depth   (Depth)
  ) u_dut (
      .clk_i,
      .rst_ni,
      .open_i,
      .items_i,
      .s_axis_edge_tdata,
      .s_axis_edge_tvalid,
      .s_axis_edge_tready,
      .add_o   (add),
      .addr_o  (addr),
      .weight_o(weight),
      .idle_o  (idle)
  );

  // The model: edges of the marked row that came and were not yet given, counted and summed up.
  logic live_q = 1'b0;
  logic [RowBits-1:0] mark_q;
  logic [CountBits-1:0] owed_q, came, gone, pending, held;
  logic [SumBits-1:0] sum_q, came_sum, gone_sum, held_sum;
  rf_pkg::edge_t [PerBeat-1:0] beat;
  logic [PerBeat-1:0] waits;

  assign take = s_axis_edge_tvalid && s_axis_edge_tready;
  assign beat = s_axis_edge_tdata;

  always_comb begin
    {came, gone, pending, came_sum, gone_sum, held_sum} = '0;
    for (int unsigned e = 0; e < PerBeat; e++) begin
      if (take && beat[e].weight != '0 && beat[e].target == TargetBits'(mark_q) &&
          (TargetBits + 1)'(mark_q) < items_i) begin
        came = came + 1'b1;
        came_sum = came_sum + SumBits'($signed(beat[e].weight));
      end
      waits[e] = u_dut.pending_q[e] &&
          {u_dut.add_q[e].addr, u_dut.bank_q[e]} == mark_q;
      if (waits[e]) begin
        pending = pending + 1'b1;
        held_sum = held_sum + SumBits'($signed(u_dut.add_q[e].weight));
      end
    end
    for (int unsigned b = 0; b < Banks; b++) begin
      if (add[b] && {addr[b], BankBits'(b)} == mark_q) begin
        gone = gone + 1'b1;
        gone_sum = gone_sum + SumBits'($signed(weight[b]));
      end
    end
    held = pending + gone;
    held_sum = held_sum + gone_sum;
  end

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    owed_q <= owed_q + came - gone;
    sum_q  <= sum_q + came_sum - gone_sum;
    if (!rst_ni) begin
      owed_q <= '0;
      sum_q  <= '0;
      mark_q <= mark_i;
    end
  end

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    within_the_array : assume (items_i <= (TargetBits + 1)'(Banks * Depth));
    if (live_q) begin
      no_loss_no_duplicate : assert (owed_q == held);
      weights_kept : assert (sum_q == held_sum);
      nothing_owed_while_idle : assert (!idle || owed_q == '0);
      accepts_while_there_is_room :
      assert (!open_i || u_dut.pending_q != '0 || s_axis_edge_tready);
      gives_one_at_least : assert (u_dut.pending_q == '0 || u_dut.granted != '0);
      takes_only_while_open : assert (open_i || !s_axis_edge_tready);
    end
  end

endmodule
