// SPDX-License-Identifier: Apache-2.0
// The heads in work, two at most: takes a command and says to the loads and to the schedule what
// there is of its head. A bank is taken from the command to the head's last row of weights.

module rf_attention_heads #(
    parameter int unsigned MaxRows = 64,
    parameter int unsigned Pe = 16,
    parameter int unsigned Depth = 64,
    localparam int unsigned RowBits = $clog2(MaxRows + 1),
    localparam int unsigned Blocks = MaxRows / Pe,
    localparam int unsigned BlockBits = Blocks > 1 ? $clog2(Blocks) : 1,
    localparam int unsigned Steps = MaxRows / Depth,
    localparam int unsigned StepBits = Steps > 1 ? $clog2(Steps) : 1,
    localparam int unsigned RestBits = $clog2(Pe + 1)
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    input  rf_pkg::attention_matrix_cmd_t s_axis_cmd_tdata,
    input  logic                         s_axis_cmd_tvalid,
    output logic                         s_axis_cmd_tready,
    // The head whose keys are loaded, and that whose values are
    output logic                         key_open_o,
    output logic                         key_bank_o,
    output logic [RowBits-1:0]           key_rows_o,
    input  logic                         key_done_i,
    output logic                         value_open_o,
    output logic                         value_bank_o,
    output logic [RowBits-1:0]           value_rows_o,
    input  logic                         value_done_i,
    // The head of the next row of queries, and that of the next row of weights
    input  logic                         query_bank_i,
    output logic                         query_open_o,  // its keys are there
    output logic [15:0]                  query_rows_o,
    output logic [BlockBits-1:0]         query_block_o, // its last one
    output logic [rf_pkg::ShiftBits-1:0] query_shift_o,
    input  logic                         query_last_i,  // its last row is taken
    input  logic                         row_bank_i,
    output logic                         row_open_o,    // its values are there
    output logic [15:0]                  row_rows_o,
    output logic [StepBits-1:0]          row_step_o,    // its last one
    output logic [rf_pkg::ShiftBits-1:0] row_shift_o,
    // The head of the step in work
    input  logic                         step_bank_i,
    output logic [BlockBits-1:0]         step_block_o,  // its last one
    output logic [RestBits-1:0]          step_rest_o,   // keys of that block
    input  logic                         step_free_i    // the head is done
);

  import rf_pkg::*;

  typedef struct packed {
    logic [15:0]          queries;
    logic [RowBits-1:0]   keys;
    logic [BlockBits-1:0] last_block;
    logic [RestBits-1:0]  rest;
    logic [StepBits-1:0]  last_step;
    logic [ShiftBits-1:0] logit_shift;
    logic [ShiftBits-1:0] out_shift;
  } head_t;

  head_t head;
  head_t [1:0] head_q;
  logic [1:0] taken_q, keys_wait_q, values_wait_q, keys_open_q, values_open_q;
  logic open, open_bank_q, key_bank_q, value_bank_q;
  logic [RowBits-1:0] last_key;

  assign s_axis_cmd_tready = !taken_q[open_bank_q];
  assign open = s_axis_cmd_tvalid && s_axis_cmd_tready;

  // A head without keys has one block, of which nothing counts.
  always_comb begin
    head.queries = s_axis_cmd_tdata.queries;
    head.keys = s_axis_cmd_tdata.keys[RowBits-1:0];
    last_key = head.keys == '0 ? '0 : head.keys - 1'b1;
    head.last_block = BlockBits'(32'(last_key) / Pe);
    head.rest = RestBits'(head.keys - RowBits'(32'(last_key) / Pe * Pe));
    head.last_step = StepBits'(32'(last_key) / Depth);
    head.logit_shift = s_axis_cmd_tdata.logit_shift[ShiftBits-1:0];
    head.out_shift = s_axis_cmd_tdata.out_shift[ShiftBits-1:0];
  end

  always_ff @(posedge clk_i) begin
    if (open) head_q[open_bank_q] <= head;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      taken_q       <= '0;
      keys_wait_q   <= '0;
      values_wait_q <= '0;
      keys_open_q   <= '0;
      values_open_q <= '0;
      open_bank_q   <= 1'b0;
      key_bank_q    <= 1'b0;
      value_bank_q  <= 1'b0;
    end else begin
      if (open) begin
        taken_q[open_bank_q]       <= 1'b1;
        keys_wait_q[open_bank_q]   <= 1'b1;
        values_wait_q[open_bank_q] <= 1'b1;
        open_bank_q                <= !open_bank_q;
      end
      if (key_done_i) begin
        keys_wait_q[key_bank_q] <= 1'b0;
        keys_open_q[key_bank_q] <= 1'b1;
        key_bank_q              <= !key_bank_q;
      end
      if (value_done_i) begin
        values_wait_q[value_bank_q] <= 1'b0;
        values_open_q[value_bank_q] <= 1'b1;
        value_bank_q                <= !value_bank_q;
      end
      if (query_last_i) keys_open_q[query_bank_i] <= 1'b0;
      if (step_free_i) begin
        taken_q[step_bank_i]       <= 1'b0;
        values_open_q[step_bank_i] <= 1'b0;
      end
    end
  end

  assign key_open_o = keys_wait_q[key_bank_q];
  assign key_bank_o = key_bank_q;
  assign key_rows_o = head_q[key_bank_q].keys;
  assign value_open_o = values_wait_q[value_bank_q];
  assign value_bank_o = value_bank_q;
  assign value_rows_o = head_q[value_bank_q].keys;
  assign query_open_o = keys_open_q[query_bank_i];
  assign query_rows_o = head_q[query_bank_i].queries;
  assign query_block_o = head_q[query_bank_i].last_block;
  assign query_shift_o = head_q[query_bank_i].logit_shift;
  assign row_open_o = values_open_q[row_bank_i];
  assign row_rows_o = head_q[row_bank_i].queries;
  assign row_step_o = head_q[row_bank_i].last_step;
  assign row_shift_o = head_q[row_bank_i].out_shift;
  assign step_block_o = head_q[step_bank_i].last_block;
  assign step_rest_o = head_q[step_bank_i].rest;

  logic unused_bits;
  assign unused_bits = ^s_axis_cmd_tdata;

  rows_within_limit : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    s_axis_cmd_tvalid |->
        32'(s_axis_cmd_tdata.keys) <= MaxRows && s_axis_cmd_tdata.queries != '0);

endmodule
