// SPDX-License-Identifier: Apache-2.0
// Keeps the KMax best of the items that come in ascending row order, sorted: one item a cycle,
// always; an item stands in its cell two cycles after it was given. Then one entry leaves a cycle.

module rf_topk_array
  import rf_topk_pkg::*;
#(
    parameter int unsigned KMax = 32  // entries kept, 1 to 128
) (
    input  logic                                clk_i,
    input  logic                                rst_ni,
    input  logic                                clear_i,
    input  logic                                valid_i,  // an item is given
    input  logic signed [rf_pkg::ScoreBits-1:0] score_i,
    input  logic [RowBits-1:0]                  row_i,
    output entry_t                              head_o,   // the best one kept
    input  logic                                pop_i     // it leaves; only when no item is given
);

  if (KMax < 1 || KMax > 128) begin : gen_bad_kmax
    $fatal(1, "rf_topk_array: KMax must be 1 to 128");
  end

  localparam int unsigned Cells = KMax > 0 ? KMax : 1;  // a bad KMax stops above, and only there

  // The last cell only ever gets better, so what does not beat it now can be dropped early. That
  // saves power and simulation time; the array would be right without it.
  logic signed [rf_pkg::ScoreBits-1:0] score_q;
  logic [RowBits-1:0] row_q;
  logic insert_q;
  logic [Cells-1:0] exists_q;
  logic signed [rf_pkg::ScoreBits-1:0] last_score;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) insert_q <= 1'b0;
    else insert_q <= valid_i && (!exists_q[Cells-1] || score_i > last_score);
    if (valid_i) begin
      score_q <= score_i;
      row_q   <= row_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) exists_q <= '0;
    else if (insert_q) exists_q <= (exists_q << 1) | Cells'(1);
    else if (pop_i) exists_q <= exists_q >> 1;
  end

  // All cells compare at once: those that the new item beats move down by one. Among equal scores
  // the row given first, which is the lower one, stays in front.
  for (genvar i = 0; i < Cells; i++) begin : gen_cell
    logic signed [rf_pkg::ScoreBits-1:0] cell_score_q, above_score, below_score;
    logic [RowBits-1:0] cell_row_q, above_row, below_row;
    logic above_beaten;
    if (i == 0) begin : gen_first
      assign above_score  = score_q;
      assign above_row    = row_q;
      assign above_beaten = 1'b0;
    end else begin : gen_above
      assign above_score  = gen_cell[i-1].cell_score_q;
      assign above_row    = gen_cell[i-1].cell_row_q;
      assign above_beaten = !exists_q[i-1] || score_q > above_score;
    end
    if (i == Cells - 1) begin : gen_last
      assign below_score = cell_score_q;
      assign below_row   = cell_row_q;
    end else begin : gen_below
      assign below_score = gen_cell[i+1].cell_score_q;
      assign below_row   = gen_cell[i+1].cell_row_q;
    end
    tie : cover property (
      @(posedge clk_i) disable iff (!rst_ni) insert_q && exists_q[i] && score_q == cell_score_q);

    always_ff @(posedge clk_i) begin
      if (insert_q) begin
        if (!exists_q[i] || score_q > cell_score_q) begin
          cell_score_q <= above_beaten ? above_score : score_q;
          cell_row_q   <= above_beaten ? above_row : row_q;
        end
      end else if (pop_i) begin
        cell_score_q <= below_score;
        cell_row_q   <= below_row;
      end
    end
  end

  assign last_score = gen_cell[Cells-1].cell_score_q;
  assign head_o = '{
      exists: exists_q[0],
      score: gen_cell[0].cell_score_q,
      row: gen_cell[0].cell_row_q
  };

  evicted : cover property (@(posedge clk_i) disable iff (!rst_ni) insert_q && exists_q == '1);
  tie_with_last : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    valid_i && exists_q[Cells-1] && score_i == last_score);
  dropped : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    valid_i && exists_q[Cells-1] && score_i < last_score);
  popped_empty : cover property (@(posedge clk_i) disable iff (!rst_ni) pop_i && !exists_q[0]);

endmodule
