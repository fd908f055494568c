// SPDX-License-Identifier: Apache-2.0
// One level of a merge sort: every two runs of 2^RunLog2 entries become one of twice the length,
// best score first, of equal scores the one given first. One entry a cycle, never held; the last
// entry of a pair of runs leaves at most 2^RunLog2 + 2 cycles after it came.

module rf_topk_level
  import rf_topk_pkg::*;
#(
    parameter int unsigned RunLog2 = 0  // log2 of a run's length, 0 to 6
) (
    input  logic    clk_i,
    input  logic    rst_ni,
    input  logic    valid_i,
    input  scored_t data_i,
    output logic    valid_o,
    output scored_t data_o
);

  if (RunLog2 > 6) begin : gen_bad_run
    $fatal(1, "rf_topk_level: RunLog2 must be 0 to 6");
  end

  // Each of the two runs has a memory that holds it twice: a run's last entry may still stand
  // while the first one of the run after next is written.
  localparam int unsigned Run = 2 ** RunLog2;
  localparam int unsigned CountBits = RunLog2 + 1;
  scored_t memory_a[2*Run], memory_b[2*Run];

  // Entries of the open pair that came and that left of each run; a pair's parity tells it from
  // the one before.
  logic [CountBits-1:0] came_q, left_a_q, left_b_q;
  logic pair_in_q, pair_out_q;
  logic [CountBits-1:0] write_address, read_a_address, read_b_address;
  logic more_b, a_over, b_over, take, take_b, pair_over;
  scored_t a, b;

  if (RunLog2 == 0) begin : gen_single
    assign write_address = pair_in_q;
    assign read_a_address = pair_out_q;
    assign read_b_address = pair_out_q;
    assign more_b = 1'b0;
  end else begin : gen_runs
    assign write_address = {pair_in_q, came_q[RunLog2-1:0]};
    assign read_a_address = {pair_out_q, left_a_q[RunLog2-1:0]};
    assign read_b_address = {pair_out_q, left_b_q[RunLog2-1:0]};
    assign more_b = came_q[RunLog2] && came_q[RunLog2-1:0] > left_b_q[RunLog2-1:0];
  end
  always_ff @(posedge clk_i) begin
    if (valid_i && !came_q[RunLog2]) memory_a[write_address] <= data_i;
    if (valid_i && came_q[RunLog2]) memory_b[write_address] <= data_i;
  end
  assign a = memory_a[read_a_address];
  assign b = memory_b[read_b_address];

  // The first run is complete when an entry of the second one is there.
  assign a_over = left_a_q[RunLog2];
  assign b_over = left_b_q[RunLog2];
  assign take = b_over || pair_in_q != pair_out_q || more_b;
  // Under its condition, so that a simulator compares only what is taken.
  always_comb begin
    take_b = 1'b0;
    pair_over = 1'b0;
    if (take) begin
      take_b = !b_over && (a_over || b.score > a.score);
      pair_over = take_b ? a_over && left_b_q == CountBits'(Run - 1) :
                           b_over && left_a_q == CountBits'(Run - 1);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      came_q <= '0;
      left_a_q <= '0;
      left_b_q <= '0;
      pair_in_q <= 1'b0;
      pair_out_q <= 1'b0;
      valid_o <= 1'b0;
    end else begin
      if (valid_i) begin
        came_q <= came_q + 1'b1;
        if (came_q == '1) pair_in_q <= !pair_in_q;
      end
      if (pair_over) begin
        left_a_q <= '0;
        left_b_q <= '0;
        pair_out_q <= !pair_out_q;
      end else if (take) begin
        if (take_b) left_b_q <= left_b_q + 1'b1;
        else left_a_q <= left_a_q + 1'b1;
      end
      valid_o <= take;
    end
    if (take) data_o <= take_b ? b : a;
  end

  // Entries leave as fast as they come: the next pair's second run never meets this pair's.
  pair_leaves_in_time : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    pair_in_q != pair_out_q |-> came_q <= CountBits'(Run));

  tie : cover property (
    @(posedge clk_i) disable iff (!rst_ni) take && !a_over && !b_over && a.score == b.score);
  first_over_first : cover property (@(posedge clk_i) disable iff (!rst_ni) take && a_over);
  second_over_first : cover property (@(posedge clk_i) disable iff (!rst_ni) take && b_over);

endmodule
