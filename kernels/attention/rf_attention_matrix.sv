// SPDX-License-Identifier: Apache-2.0
// Attention of many queries over one set of keys and values, head after head, with the integer
// softmax: Pe * Depth products a cycle, the softmax and the loads hidden behind them; a head takes
// queries * (ceil(keys / Pe) * Dim / Depth + Dim / Pe * ceil(keys / Depth)) cycles back to back.

module rf_attention_matrix #(
    parameter int unsigned Dim = 64,          // of a row, a power of two, Depth to 256
    parameter int unsigned MaxRows = 64,      // keys of a head, a power of two, Depth to 1024
    parameter int unsigned Pe = 16,           // dot products at once, a power of two, 2 to Depth
    parameter int unsigned Depth = 64,        // products of each, a power of two, 8 to 128
    parameter int unsigned RequantLanes = 8,  // requantised a cycle, a power of two, 1 to Pe
    localparam int unsigned BeatBits = Depth * rf_pkg::StateBits,
    localparam int unsigned VecBits = Dim * rf_pkg::StateBits
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  rf_pkg::attention_matrix_cmd_t s_axis_cmd_tdata,
    input  logic                s_axis_cmd_tvalid,
    output logic                s_axis_cmd_tready,
    input  logic [VecBits-1:0]  s_axis_query_tdata,
    input  logic                s_axis_query_tvalid,
    output logic                s_axis_query_tready,
    input  logic [BeatBits-1:0] s_axis_key_tdata,     // Dim / Depth beats a row
    input  logic                s_axis_key_tvalid,
    output logic                s_axis_key_tready,
    input  logic [BeatBits-1:0] s_axis_value_tdata,   // the same
    input  logic                s_axis_value_tvalid,
    output logic                s_axis_value_tready,
    output logic [VecBits-1:0]  m_axis_vec_tdata,     // one for every query
    output logic                m_axis_vec_tvalid,
    input  logic                m_axis_vec_tready
);

  import rf_pkg::*;

  if (Depth < 8 || Depth > 128 || Depth != 2 ** $clog2(Depth)) begin : gen_bad_depth
    $fatal(1, "rf_attention_matrix: Depth must be a power of two, 8 to 128");
  end
  if (Pe < 2 || Pe > Depth || Pe != 2 ** $clog2(Pe)) begin : gen_bad_pe
    $fatal(1, "rf_attention_matrix: Pe must be a power of two, 2 to Depth");
  end
  if (Dim < Depth || Dim > 256 || Dim != 2 ** $clog2(Dim)) begin : gen_bad_dim
    $fatal(1, "rf_attention_matrix: Dim must be a power of two, Depth to 256");
  end
  if (MaxRows < Depth || MaxRows > 1024 || MaxRows != 2 ** $clog2(MaxRows)) begin : gen_bad_rows
    $fatal(1, "rf_attention_matrix: MaxRows must be a power of two, Depth to 1024");
  end
  if (RequantLanes < 1 || RequantLanes > Pe || RequantLanes != 2 ** $clog2(RequantLanes))
  begin : gen_bad_requant
    $fatal(1, "rf_attention_matrix: RequantLanes must be a power of two, 1 to Pe");
  end
  // Rows in flight: eight of four cycles or more cover the softmax, 30 cycles.
  localparam int unsigned Slots = 8;
  localparam int unsigned SlotBits = $clog2(Slots);
  localparam int unsigned RowBits = $clog2(MaxRows + 1);
  localparam int unsigned KeySteps = Dim / Depth;
  localparam int unsigned Blocks = MaxRows / Pe;
  localparam int unsigned Groups = Dim / Pe;
  localparam int unsigned ValueSteps = MaxRows / Depth;
  localparam int unsigned BlockBits = Blocks > 1 ? $clog2(Blocks) : 1;
  localparam int unsigned GroupBits = Groups > 1 ? $clog2(Groups) : 1;
  localparam int unsigned StepBits = ValueSteps > 1 ? $clog2(ValueSteps) : 1;
  localparam int unsigned OuterBits = BlockBits > GroupBits ? BlockBits : GroupBits;
  localparam int unsigned MaxSteps = KeySteps > ValueSteps ? KeySteps : ValueSteps;
  localparam int unsigned InnerBits = MaxSteps > 1 ? $clog2(MaxSteps) : 1;
  localparam int unsigned RestBits = $clog2(Pe + 1);
  localparam int unsigned SharedBits = 9;  // of an unsigned weight or a signed query
  // A product is below 2^15; a result adds Dim or MaxRows of them.
  localparam int unsigned SumBits = 16 + $clog2(Dim > MaxRows ? Dim : MaxRows);

  typedef struct packed {
    logic                 value;
    logic [SlotBits-1:0]  slot;
    logic [OuterBits-1:0] outer;
    logic                 inner_last;
    logic                 row_last;
    logic [RestBits-1:0]  rest;
    logic [ShiftBits-1:0] shift;
  } tag_t;

  logic key_open, key_bank, key_done, value_open, value_bank, value_done;
  logic [RowBits-1:0] key_rows, value_rows;
  logic query_open, query_bank, query_last, row_open, row_bank;
  logic [15:0] query_rows, row_rows;
  logic [BlockBits-1:0] query_block, step_block;
  logic [StepBits-1:0] row_step;
  logic [ShiftBits-1:0] query_shift, row_shift;

  logic issue, value, bank, head_free, next_entry, next_valid, entry, entry_free;
  logic weights, row_done, sum_valid;
  logic [InnerBits-1:0] inner;
  tag_t tag, sum_tag;
  logic [Depth*8-1:0] row_weights;
  logic [Depth*SharedBits-1:0] shared;
  logic [Pe*BeatBits-1:0] operand;
  logic [Pe*SumBits-1:0] sums;
  logic [ReciprocalFrac-8:0] scale;  // at most 2^30 / 255
  logic scale_valid, scale_ready;

  rf_attention_heads #(
      .MaxRows(MaxRows),
      .Pe     (Pe),
      .Depth  (Depth)
  ) u_heads (
      .clk_i,
      .rst_ni,
      .s_axis_cmd_tdata,
      .s_axis_cmd_tvalid,
      .s_axis_cmd_tready,
      .key_open_o   (key_open),
      .key_bank_o   (key_bank),
      .key_rows_o   (key_rows),
      .key_done_i   (key_done),
      .value_open_o (value_open),
      .value_bank_o (value_bank),
      .value_rows_o (value_rows),
      .value_done_i (value_done),
      .query_bank_i (query_bank),
      .query_open_o (query_open),
      .query_rows_o (query_rows),
      .query_block_o(query_block),
      .query_shift_o(query_shift),
      .query_last_i (query_last),
      .row_bank_i   (row_bank),
      .row_open_o   (row_open),
      .row_rows_o   (row_rows),
      .row_step_o   (row_step),
      .row_shift_o  (row_shift),
      .step_bank_i  (bank),
      .step_block_o (step_block),
      .step_rest_o  (tag.rest),
      .step_free_i  (head_free)
  );

  rf_attention_schedule #(
      .Slots    (Slots),
      .OuterBits(OuterBits),
      .InnerBits(InnerBits)
  ) u_schedule (
      .clk_i,
      .rst_ni,
      .query_bank_o (query_bank),
      .query_open_i (query_open),
      .query_rows_i (query_rows),
      .query_outer_i(OuterBits'(query_block)),
      .query_inner_i(InnerBits'(KeySteps - 1)),
      .query_shift_i(query_shift),
      .query_last_o (query_last),
      .entry_o      (next_entry),
      .entry_valid_i(next_valid),
      .entry_free_o (entry_free),
      .value_bank_o (row_bank),
      .value_open_i (row_open),
      .value_rows_i (row_rows),
      .value_outer_i(OuterBits'(Groups - 1)),
      .value_inner_i(InnerBits'(row_step)),
      .value_shift_i(row_shift),
      .weights_i    (weights),
      .done_i       (row_done),
      .free_o       (head_free),
      .issue_o      (issue),
      .value_o      (value),
      .bank_o       (bank),
      .step_entry_o (entry),
      .slot_o       (tag.slot),
      .outer_o      (tag.outer),
      .inner_o      (inner),
      .inner_last_o (tag.inner_last),
      .row_last_o   (tag.row_last),
      .shift_o      (tag.shift)
  );

  assign tag.value = value;

  rf_attention_operands #(
      .Dim    (Dim),
      .MaxRows(MaxRows),
      .Pe     (Pe),
      .Depth  (Depth)
  ) u_operands (
      .clk_i,
      .rst_ni,
      .key_open_i  (key_open),
      .key_bank_i  (key_bank),
      .key_rows_i  (key_rows),
      .key_done_o  (key_done),
      .s_axis_key_tdata,
      .s_axis_key_tvalid,
      .s_axis_key_tready,
      .value_open_i(value_open),
      .value_bank_i(value_bank),
      .value_rows_i(value_rows),
      .value_done_o(value_done),
      .s_axis_value_tdata,
      .s_axis_value_tvalid,
      .s_axis_value_tready,
      .read_i      (issue),
      .read_value_i(value),
      .read_bank_i (bank),
      .read_outer_i(tag.outer),
      .read_inner_i(inner),
      .operand_o   (operand)
  );

  rf_attention_shared #(
      .Dim      (Dim),
      .Depth    (Depth),
      .Pe       (Pe),
      .BlockBits(BlockBits),
      .OuterBits(OuterBits),
      .InnerBits(InnerBits)
  ) u_shared (
      .clk_i,
      .rst_ni,
      .s_axis_query_tdata,
      .s_axis_query_tvalid,
      .s_axis_query_tready,
      .next_i        (next_entry),
      .next_valid_o  (next_valid),
      .entry_i       (entry),
      .free_i        (entry_free),
      .read_i        (issue),
      .read_weights_i(value),
      .read_outer_i  (tag.outer),
      .read_inner_i  (inner),
      .last_block_i  (step_block),
      .weights_i     (row_weights),
      .shared_o      (shared)
  );

  rf_attention_array #(
      .Pe        (Pe),
      .Depth     (Depth),
      .SharedBits(SharedBits),
      .OwnBits   (StateBits),
      .SumBits   (SumBits),
      .TagBits   ($bits(tag_t))
  ) u_array (
      .clk_i,
      .rst_ni,
      .valid_i (issue),
      .first_i (inner == '0),
      .tag_i   (tag),
      .shared_i(shared),
      .own_i   (operand),
      .valid_o (sum_valid),
      .tag_o   (sum_tag),
      .sum_o   (sums)
  );

  rf_attention_softmax #(
      .Pe     (Pe),
      .Depth  (Depth),
      .MaxRows(MaxRows),
      .SumBits(SumBits),
      .Slots  (Slots)
  ) u_softmax (
      .clk_i,
      .rst_ni,
      .valid_i    (sum_valid && sum_tag.inner_last && !sum_tag.value),
      .sums_i     (sums),
      .shift_i    (sum_tag.shift),
      .slot_i     (sum_tag.slot),
      .block_i    (sum_tag.outer[BlockBits-1:0]),
      .last_i     (sum_tag.row_last),
      .rest_i     (sum_tag.rest),
      .weights_o  (weights),
      .read_slot_i(tag.slot),
      .read_step_i(inner[StepBits-1:0]),
      .read_o     (row_weights),
      .m_axis_scale_tdata (scale),
      .m_axis_scale_tvalid(scale_valid),
      .m_axis_scale_tready(scale_ready)
  );

  rf_attention_rows #(
      .Dim    (Dim),
      .Pe     (Pe),
      .Lanes  (RequantLanes),
      .SumBits(SumBits),
      .Slots  (Slots)
  ) u_rows (
      .clk_i,
      .rst_ni,
      .valid_i(sum_valid && sum_tag.inner_last && sum_tag.value),
      .sums_i (sums),
      .slot_i (sum_tag.slot),
      .group_i(sum_tag.outer[GroupBits-1:0]),
      .last_i (sum_tag.row_last),
      .shift_i(sum_tag.shift),
      .done_o (row_done),
      .s_axis_scale_tdata (scale),
      .s_axis_scale_tvalid(scale_valid),
      .s_axis_scale_tready(scale_ready),
      .m_axis_vec_tdata,
      .m_axis_vec_tvalid,
      .m_axis_vec_tready
  );

endmodule
