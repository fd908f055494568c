// SPDX-License-Identifier: Apache-2.0
// Keeps the KMax best of the items that come in ascending row order: one item a cycle, always, by
// sorting batches of them in log2(K) merges and merging each batch with the list of the best, K
// being KMax rounded up to a power of two. The list is there at most 2 K + 2 log2(K) + 6 cycles
// after end_i; then one entry leaves a cycle. Memories of 6 K entries and log2(K) + 1 comparators
// do what K cells do in rf_topk_array.

module rf_topk_sort
  import rf_topk_pkg::*;
#(
    parameter int unsigned KMax = 32  // entries kept, 2 to 128
) (
    input  logic                                clk_i,
    input  logic                                rst_ni,
    input  logic                                clear_i,   // a request opens
    input  logic                                valid_i,   // an item is given
    input  logic signed [rf_pkg::ScoreBits-1:0] score_i,   // above NoEntry's
    input  logic [RowBits-1:0]                  row_i,
    input  logic                                end_i,     // the last item was given
    output logic                                sorted_o,  // the list is complete, until clear_i
    output entry_t                              head_o,    // the best one in it
    input  logic                                pop_i      // it leaves; only when sorted
);

  if (KMax < 2 || KMax > 128) begin : gen_bad_kmax
    $fatal(1, "rf_topk_sort: KMax must be 2 to 128");
  end

  localparam int unsigned KLog2 = KMax > 1 ? $clog2(KMax) : 1;

  // What does not beat the bar is dropped early. That saves power and simulation time; the list
  // would be right without it.
  logic signed [rf_pkg::ScoreBits-1:0] bar;
  scored_t item_q;
  logic [KLog2-1:0] count_q;  // entries of the open batch
  logic insert_q, ended_q, fill, give, merged;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) insert_q <= 1'b0;
    else insert_q <= valid_i && score_i > bar;
    if (valid_i) item_q <= '{score: score_i, row: row_i};
  end

  // At the end the open batch is filled up with entries worse than any item.
  assign fill = ended_q && count_q != '0;
  assign give = insert_q || fill;

  logic [2:0] pending_q;  // batches given and not yet in the list
  logic whole;
  assign whole = give && count_q == '1;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      count_q <= '0;
      pending_q <= '0;
      ended_q <= 1'b0;
    end else begin
      count_q <= count_q + KLog2'(give);
      pending_q <= pending_q + 3'(whole) - 3'(merged);
      if (end_i) ended_q <= 1'b1;
    end
  end
  assign sorted_o = ended_q && count_q == '0 && pending_q == '0;

  for (genvar i = 0; i <= KLog2; i++) begin : gen_level
    scored_t data;
    logic valid;
    if (i == 0) begin : gen_first
      assign data = fill ? NoEntry : item_q;
      assign valid = give;
    end else begin : gen_merge
      rf_topk_level #(
          .RunLog2(i - 1)
      ) u_level (
          .clk_i,
          .rst_ni,
          .valid_i(gen_level[i-1].valid),
          .data_i (gen_level[i-1].data),
          .valid_o(valid),
          .data_o (data)
      );
    end
  end

  scored_t head;
  rf_topk_keep #(
      .KLog2(KLog2),
      .KMax (KMax)
  ) u_keep (
      .clk_i,
      .rst_ni,
      .clear_i,
      .valid_i (gen_level[KLog2].valid),
      .data_i  (gen_level[KLog2].data),
      .merged_o(merged),
      .bar_o   (bar),
      .head_o  (head),
      .pop_i
  );
  assign head_o = '{exists: head.score != NoEntry.score, score: head.score, row: head.row};

  item_above_no_entry : assert property (
    @(posedge clk_i) disable iff (!rst_ni) valid_i |-> score_i > NoEntry.score);
  dropped : cover property (@(posedge clk_i) disable iff (!rst_ni) valid_i && score_i < bar);
  tie_with_bar : cover property (
    @(posedge clk_i) disable iff (!rst_ni) valid_i && score_i == bar);
  ends_with_whole_batch : cover property (
    @(posedge clk_i) disable iff (!rst_ni) ended_q && count_q == '0 && pending_q != '0);
  filled : cover property (@(posedge clk_i) disable iff (!rst_ni) fill);
  given_before_the_end : assert property (
    @(posedge clk_i) disable iff (!rst_ni) ended_q |-> !insert_q);

endmodule
