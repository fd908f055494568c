// SPDX-License-Identifier: Apache-2.0
// Keeps the 2^KLog2 best of sorted batches of as many entries: each batch is merged with the list
// kept so far, one entry a cycle, and is taken as fast as it comes. Then the list is read in order.

module rf_topk_keep
  import rf_topk_pkg::*;
#(
    parameter int unsigned KLog2 = 5,  // log2 of the list's length, 1 to 7
    parameter int unsigned KMax = 32   // entries of it that are wanted
) (
    input  logic                                clk_i,
    input  logic                                rst_ni,
    input  logic                                clear_i,   // forget the list; no batch on its way
    input  logic                                valid_i,
    input  scored_t                             data_i,    // best first, of equal ones the first
    output logic                                merged_o,  // a batch is in the list
    output logic signed [rf_pkg::ScoreBits-1:0] bar_o,     // what is not above it is not wanted
    output scored_t                             head_o,    // of the list
    input  logic                                pop_i      // the next entry; no batch on its way
);

  if (KLog2 < 1 || KLog2 > 7 || KMax < 1 || KMax > 2 ** KLog2) begin : gen_bad_k
    $fatal(1, "rf_topk_keep: KLog2 must be 1 to 7, KMax 1 to 2^KLog2");
  end

  localparam int unsigned Length = 2 ** KLog2;
  scored_t list[2*Length];   // two halves: one is read, the other one written
  scored_t batch[Length];

  logic [1:0] batch_in_q, batch_out_q;  // modulo four: the same, one ahead or one behind
  logic [KLog2-1:0] came_q, read_q, left_q, count_q;
  logic half_q, any_q;
  logic write_q, write_last_q, write_half_q;
  logic [KLog2-1:0] write_index_q;
  scored_t a, b, data_q;
  logic take, take_b, last;

  always_ff @(posedge clk_i) begin
    if (valid_i) batch[came_q] <= data_i;
    if (write_q) list[{write_half_q, write_index_q}] <= data_q;
  end
  assign a = any_q ? list[{half_q, read_q}] : NoEntry;
  assign b = batch[left_q];

  // A list that is full before its batch has come to an end leaves the rest of the batch: that
  // one is then a batch behind. A whole list of the batch's entries ends with the last of them.
  assign take = batch_in_q == batch_out_q ? came_q > left_q : batch_in_q == batch_out_q + 2'd1;
  assign take_b = b.score > a.score;
  assign last = count_q == '1;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      batch_in_q <= '0;
      batch_out_q <= '0;
      came_q <= '0;
      read_q <= '0;
      left_q <= '0;
      count_q <= '0;
      any_q <= 1'b0;
      write_q <= 1'b0;
      bar_o <= NoEntry.score;
    end else begin
      if (valid_i) begin
        came_q <= came_q + 1'b1;
        if (came_q == '1) batch_in_q <= batch_in_q + 2'd1;
      end
      write_q <= take;
      if (take) begin
        count_q <= count_q + 1'b1;
        if (last) begin
          read_q <= '0;
          left_q <= '0;
          half_q <= !half_q;
          any_q <= 1'b1;
          batch_out_q <= batch_out_q + 2'd1;
        end else if (take_b) begin
          left_q <= left_q + 1'b1;
        end else begin
          read_q <= read_q + 1'b1;
        end
        if (count_q == KLog2'(KMax - 1)) bar_o <= take_b ? b.score : a.score;
      end else if (pop_i) begin
        read_q <= read_q + 1'b1;
      end
    end
    if (take) begin
      data_q <= take_b ? b : a;
      write_index_q <= count_q;
      write_half_q <= !half_q;
      write_last_q <= last;
    end
  end

  assign merged_o = write_q && write_last_q;
  assign head_o = a;

  tie : cover property (
    @(posedge clk_i) disable iff (!rst_ni) take && any_q && a.score == b.score);
  evicted : cover property (
    @(posedge clk_i) disable iff (!rst_ni) take && last && any_q && read_q != '1);
  all_new : cover property (
    @(posedge clk_i) disable iff (!rst_ni) take && last && any_q && take_b && left_q == '1);
  none_new : cover property (
    @(posedge clk_i) disable iff (!rst_ni) take && last && any_q && !take_b && read_q == '1);
  over_before_its_batch : cover property (
    @(posedge clk_i) disable iff (!rst_ni) batch_out_q == batch_in_q + 2'd1);

endmodule
