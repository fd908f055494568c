// SPDX-License-Identifier: Apache-2.0
// Merges two endless sorted streams of entries into one, one entry a cycle, latency one cycle: a
// node of a merge tree. A list is endless because entries that do not exist follow its last one.

module rf_topk_merge
  import rf_topk_pkg::*;
(
    input  logic   clk_i,
    input  logic   clear_i,  // forget everything, between two requests
    input  entry_t a_i,
    input  logic   a_valid_i,
    output logic   a_ready_o,
    input  entry_t b_i,
    input  logic   b_valid_i,
    output logic   b_ready_o,
    output entry_t data_o,
    output logic   valid_o,
    input  logic   ready_i
);

  logic take, take_b;

  assign take = a_valid_i && b_valid_i && (!valid_o || ready_i);
  assign take_b = better(b_i, a_i);
  assign a_ready_o = take && !take_b;
  assign b_ready_o = take && take_b;

  always_ff @(posedge clk_i) begin
    if (clear_i) valid_o <= 1'b0;
    else valid_o <= take || (valid_o && !ready_i);
    if (take) data_o <= take_b ? b_i : a_i;
  end

  tie : cover property (
    @(posedge clk_i) take && a_i.exists && b_i.exists && a_i.score == b_i.score);
  a_ended : cover property (@(posedge clk_i) take && !a_i.exists && b_i.exists);
  b_ended : cover property (@(posedge clk_i) take && a_i.exists && !b_i.exists);
  waits : cover property (@(posedge clk_i) !clear_i && valid_o && !ready_i);

endmodule
