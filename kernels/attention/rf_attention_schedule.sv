// SPDX-License-Identifier: Apache-2.0
// Chooses what the array does: a row of queries against all keys, or a row of weights against all
// values, whichever can go on, weights first. One step a cycle, the next row right behind.

module rf_attention_schedule #(
    parameter int unsigned Slots = 8,      // rows in flight before and after the weights, 2^n
    parameter int unsigned OuterBits = 2,  // of a number of outer steps, less one
    parameter int unsigned InnerBits = 1,  // of a number of inner steps, less one
    localparam int unsigned SlotBits = $clog2(Slots)
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    // Rows of queries: a head's keys stand in the memory, and a row of it waits in entry_o.
    output logic                         query_bank_o,   // of the next row
    input  logic                         query_open_i,
    input  logic [15:0]                  query_rows_i,   // of its head
    input  logic [OuterBits-1:0]         query_outer_i,  // its last outer and inner step
    input  logic [InnerBits-1:0]         query_inner_i,
    input  logic [rf_pkg::ShiftBits-1:0] query_shift_i,
    output logic                         query_last_o,   // the head's last row begins
    output logic                         entry_o,        // the next row's entry
    input  logic                         entry_valid_i,
    output logic                         entry_free_o,   // the row in work is not needed any more
    // Rows of weights
    output logic                         value_bank_o,
    input  logic                         value_open_i,
    input  logic [15:0]                  value_rows_i,
    input  logic [OuterBits-1:0]         value_outer_i,
    input  logic [InnerBits-1:0]         value_inner_i,
    input  logic [rf_pkg::ShiftBits-1:0] value_shift_i,
    input  logic                         weights_i,      // another row of weights stands ready
    input  logic                         done_i,         // the oldest row's sums are not needed
    output logic                         free_o,         // free_bank_o's head is done
    // The step
    output logic                         issue_o,
    output logic                         value_o,        // of weights against values
    output logic                         bank_o,
    output logic                         step_entry_o,
    output logic [SlotBits-1:0]          slot_o,
    output logic [OuterBits-1:0]         outer_o,
    output logic [InnerBits-1:0]         inner_o,
    output logic                         inner_last_o,
    output logic                         row_last_o,
    output logic [rf_pkg::ShiftBits-1:0] shift_o
);

  import rf_pkg::*;

  if (Slots < 2 || Slots != 2 ** $clog2(Slots)) begin : gen_bad_slots
    $fatal(1, "rf_attention_schedule: Slots must be a power of two, at least 2");
  end

  logic busy_q, value_q, bank_q, entry_q, head_last_q;
  logic [SlotBits-1:0] slot_q;
  logic [OuterBits-1:0] outer_q, outer_end_q;
  logic [InnerBits-1:0] inner_q, inner_end_q;
  logic [ShiftBits-1:0] shift_q;
  // The next row of either kind; slots are used in order.
  logic query_bank_q, value_bank_q, next_entry_q;
  logic [SlotBits-1:0] query_slot_q, value_slot_q;
  logic [15:0] query_row_q, value_row_q;
  // Rows from the queries' start to the values' end, from the values' start to done_i, and rows
  // whose weights stand ready: at most Slots of each.
  logic [SlotBits:0] before_q, after_q, ready_q;
  logic finish, choose, start_query, start_value, value_last;

  assign issue_o = busy_q;
  assign value_o = value_q;
  assign bank_o = bank_q;
  assign step_entry_o = entry_q;
  assign slot_o = slot_q;
  assign outer_o = outer_q;
  assign inner_o = inner_q;
  assign inner_last_o = inner_q == inner_end_q;
  assign row_last_o = inner_last_o && outer_q == outer_end_q;
  assign shift_o = shift_q;

  assign finish = busy_q && row_last_o;
  assign choose = !busy_q || finish;
  assign start_value = choose && ready_q != '0 && value_open_i &&
                       after_q != (SlotBits + 1)'(Slots);
  assign start_query = choose && !start_value && query_open_i && entry_valid_i &&
                       before_q != (SlotBits + 1)'(Slots);
  assign query_last_o = start_query && query_row_q + 16'd1 == query_rows_i;
  assign value_last = value_row_q + 16'd1 == value_rows_i;
  assign entry_free_o = finish && !value_q;
  assign free_o = finish && value_q && head_last_q;
  assign query_bank_o = query_bank_q;
  assign value_bank_o = value_bank_q;
  assign entry_o = next_entry_q;

  always_ff @(posedge clk_i) begin
    if (start_query || start_value) begin
      value_q <= start_value;
      bank_q <= start_value ? value_bank_q : query_bank_q;
      slot_q <= start_value ? value_slot_q : query_slot_q;
      outer_end_q <= start_value ? value_outer_i : query_outer_i;
      inner_end_q <= start_value ? value_inner_i : query_inner_i;
      shift_q <= start_value ? value_shift_i : query_shift_i;
      entry_q <= next_entry_q;
      head_last_q <= value_last;
      outer_q <= '0;
      inner_q <= '0;
    end else begin
      inner_q <= inner_last_o ? '0 : inner_q + 1'b1;
      if (inner_last_o) outer_q <= outer_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q       <= 1'b0;
      query_bank_q <= 1'b0;
      value_bank_q <= 1'b0;
      next_entry_q <= 1'b0;
      query_slot_q <= '0;
      value_slot_q <= '0;
      query_row_q  <= '0;
      value_row_q  <= '0;
      before_q     <= '0;
      after_q      <= '0;
      ready_q      <= '0;
    end else begin
      busy_q   <= start_query || start_value || !choose;
      before_q <= before_q + (SlotBits + 1)'(start_query) - (SlotBits + 1)'(finish && value_q);
      after_q  <= after_q + (SlotBits + 1)'(start_value) - (SlotBits + 1)'(done_i);
      ready_q  <= ready_q + (SlotBits + 1)'(weights_i) - (SlotBits + 1)'(start_value);
      if (start_query) begin
        next_entry_q <= !next_entry_q;
        query_slot_q <= query_slot_q + 1'b1;
        query_row_q  <= query_last_o ? '0 : query_row_q + 16'd1;
        if (query_last_o) query_bank_q <= !query_bank_q;
      end
      if (start_value) begin
        value_slot_q <= value_slot_q + 1'b1;
        value_row_q  <= value_last ? '0 : value_row_q + 16'd1;
        if (value_last) value_bank_q <= !value_bank_q;
      end
    end
  end

  keys_waited_for : cover property (
    @(posedge clk_i) disable iff (!rst_ni) choose && entry_valid_i && !query_open_i);
  query_waited_for : cover property (
    @(posedge clk_i) disable iff (!rst_ni) choose && query_open_i && !entry_valid_i);
  values_waited_for : cover property (
    @(posedge clk_i) disable iff (!rst_ni) choose && ready_q != '0 && !value_open_i);
  all_slots_before : cover property (
    @(posedge clk_i) disable iff (!rst_ni) choose && before_q == (SlotBits + 1)'(Slots));
  all_slots_after : cover property (
    @(posedge clk_i) disable iff (!rst_ni) choose && after_q == (SlotBits + 1)'(Slots));

  before_within_slots : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    before_q <= (SlotBits + 1)'(Slots) && after_q <= (SlotBits + 1)'(Slots) && ready_q <= before_q);

endmodule
