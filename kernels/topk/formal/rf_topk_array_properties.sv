// SPDX-License-Identifier: Apache-2.0
// rf_topk_array is sorted and holds the KMax best items given since it was cleared. One item, of
// any score and given at any time, is followed: `better_q` counts the items that rank before it,
// and it must lie in the cell of that number, or in none where that is KMax or more.

module rf_topk_array_properties
  import rf_topk_pkg::*;
#(
    parameter int unsigned KMax = 3
) (
    input logic                                clk_i,
    input logic                                rst_ni,
    input logic                                clear_i,
    input logic                                valid_i,
    input logic signed [rf_pkg::ScoreBits-1:0] score_i,
    input logic [RowBits-1:0]                  row_i,
    input logic                                pop_i,
    input logic                                mark_i,
    input logic signed [rf_pkg::ScoreBits-1:0] mark_score_i
);

  localparam int unsigned CountBits = $clog2(KMax + 1) + 1;

  entry_t head;

  rf_topk_array #(
      .KMax(KMax)
  ) u_dut (
      .clk_i,
      .rst_ni,
      .clear_i,
      .valid_i,
      .score_i,
      .row_i,
      .head_o(head),
      .pop_i
  );

  // The model. An item counts one cycle after it was given, when it can be in a cell a cycle later.
  logic live_q = 1'b0;
  logic given_q, given_mark_q, marked_q, gone_q, popped_q, precedes;
  logic signed [rf_pkg::ScoreBits-1:0] given_score_q, mark_score_q;
  logic [RowBits-1:0] given_row_q, mark_row_q;
  logic [CountBits-1:0] better_q;

  // Of equal scores the item given first ranks first.
  assign precedes = marked_q ? given_score_q > mark_score_q : given_score_q >= mark_score_q;

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    given_q <= rst_ni && valid_i;
    given_mark_q <= mark_i && score_i == mark_score_q && !marked_q && !given_mark_q;
    given_score_q <= score_i;
    given_row_q <= row_i;
    if (given_q) begin
      if (given_mark_q) begin
        marked_q   <= 1'b1;
        mark_row_q <= given_row_q;
      end else if (precedes && better_q != CountBits'(KMax)) begin
        better_q <= better_q + 1'b1;
      end
    end
    if (pop_i) begin
      popped_q <= 1'b1;
      if (better_q == '0) gone_q <= 1'b1;
      else if (better_q != CountBits'(KMax)) better_q <= better_q - 1'b1;
      else gone_q <= 1'b1;
    end
    if (!rst_ni || clear_i) begin
      mark_score_q <= mark_score_i;
      better_q <= '0;
      marked_q <= 1'b0;
      gone_q <= 1'b0;
      popped_q <= 1'b0;
    end
  end

  logic [KMax-1:0] sorted, ranks, at_mark;
  for (genvar i = 0; i < KMax; i++) begin : gen_cell
    logic exists, enough;
    logic signed [rf_pkg::ScoreBits-1:0] score;
    assign exists = u_dut.exists_q[i];
    assign score = u_dut.gen_cell[i].cell_score_q;
    assign at_mark[i] = exists && score == mark_score_q &&
        u_dut.gen_cell[i].cell_row_q == mark_row_q;
    if (i == 0) begin : gen_first
      assign sorted[i] = 1'b1;
    end else begin : gen_next
      assign sorted[i] = !exists ||
          (u_dut.exists_q[i-1] && u_dut.gen_cell[i-1].cell_score_q >= score);
    end
    // The cells before the marked item's hold no lower score, those behind it no higher one.
    assign enough = exists && score >= mark_score_q;
    always_comb begin
      ranks[i] = 1'b1;
      if (CountBits'(i) < better_q) ranks[i] = enough;
      else if (marked_q && CountBits'(i) == better_q) ranks[i] = at_mark[i];
      else if (marked_q) ranks[i] = !exists || score <= mark_score_q;
      else ranks[i] = !enough;
    end
  end

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    clears_when_quiet : assume (!clear_i || (!valid_i && !given_q && !pop_i));
    pops_when_quiet : assume (!pop_i || (!valid_i && !given_q));
    gives_before_popping : assume (!valid_i || !popped_q);
    if (live_q) begin
      best_first : assert (&sorted);
      head_is_best : assert (head.exists == u_dut.exists_q[0]);
      lemma_pending_is_given : assert (!u_dut.insert_q || given_q);
      lemma_count_in_range : assert (better_q <= CountBits'(KMax));
      lemma_no_item_after_pop : assert (!(popped_q && given_q));
      if (given_q) begin
        lemma_pending_score : assert (u_dut.score_q == given_score_q && u_dut.row_q == given_row_q);
        lemma_mark_is_pending :
        assert (!given_mark_q || (given_score_q == mark_score_q && !marked_q));
        lemma_dropped_cannot_enter :
        assert (u_dut.insert_q ||
                (u_dut.exists_q[KMax-1] && given_score_q <= u_dut.last_score));
      end
      if (!popped_q) begin
        holds_the_k_best : assert (&ranks);
      end else if (!gone_q && marked_q) begin
        gives_the_k_best_in_order : assert (&ranks);
      end
    end
  end

endmodule
