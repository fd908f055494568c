// SPDX-License-Identifier: Apache-2.0
// rf_topk_sort gives the entries that rf_topk_array gives, in the same order, for every sequence of
// items of eight different scores with any pauses between them.

module rf_topk_sort_properties
  import rf_topk_pkg::*;
#(
    parameter int unsigned KMax = 2
) (
    input logic              clk_i,
    input logic              rst_ni,
    input logic              valid_i,
    input logic signed [2:0] score_i,
    input logic              end_i,
    input logic              pop_i
);

  logic signed [rf_pkg::ScoreBits-1:0] score;
  logic [RowBits-1:0] row_q;
  logic sorted;
  entry_t sort_head, array_head;
  assign score = rf_pkg::ScoreBits'(score_i);

  rf_topk_sort #(
      .KMax(KMax)
  ) u_dut (
      .clk_i,
      .rst_ni,
      .clear_i (1'b0),
      .valid_i,
      .score_i (score),
      .row_i   (row_q),
      .end_i,
      .sorted_o(sorted),
      .head_o  (sort_head),
      .pop_i
  );

  // Proven by itself to hold the k best.
  rf_topk_array #(
      .KMax(KMax)
  ) u_array (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .valid_i,
      .score_i(score),
      .row_i  (row_q),
      .head_o (array_head),
      .pop_i
  );

  logic live_q = 1'b0;
  logic ended_q;
  logic [7:0] popped_q;

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    if (!rst_ni) begin
      row_q <= '0;
      ended_q <= 1'b0;
      popped_q <= '0;
    end else begin
      if (valid_i) row_q <= row_q + 1'b1;
      if (end_i) ended_q <= 1'b1;
      if (pop_i) popped_q <= popped_q + 1'b1;
    end
  end

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    stays_out_of_reset : assume (!live_q || rst_ni);
    ends_once : assume (!end_i || (!valid_i && !ended_q));
    gives_before_the_end : assume (!valid_i || !ended_q);
    pops_when_sorted : assume (!pop_i || (sorted && popped_q < 8'(KMax)));
    if (live_q) begin
      if (sorted && popped_q < 8'(KMax)) begin
        same_item : assert (sort_head.exists == array_head.exists &&
            (!array_head.exists ||
             (sort_head.score == array_head.score && sort_head.row == array_head.row)));
      end
    end
  end

endmodule
