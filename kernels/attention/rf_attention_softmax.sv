// SPDX-License-Identifier: Apache-2.0
// The integer softmax of rows of dot products: Pe logits in and Pe weights out a cycle, the row's
// scale floor(2^30 / sum of weights) beside it. A row's weights stand Stages + 8 cycles after its
// last logits (Stages = ceil(log4(Pe))) and its number of blocks later.

module rf_attention_softmax #(
    parameter int unsigned Pe = 16,        // logits of a block
    parameter int unsigned Depth = 64,     // weights read at once, a multiple of Pe
    parameter int unsigned MaxRows = 64,   // logits of a row, a multiple of Depth
    parameter int unsigned SumBits = 22,   // of a dot product
    parameter int unsigned Slots = 8,      // rows at once
    parameter int unsigned Dividers = 4,   // a row every 25 / Dividers cycles
    localparam int unsigned SlotBits = $clog2(Slots),
    localparam int unsigned Blocks = MaxRows / Pe,
    localparam int unsigned BlockBits = Blocks > 1 ? $clog2(Blocks) : 1,
    localparam int unsigned RestBits = $clog2(Pe + 1),
    localparam int unsigned Steps = MaxRows / Depth,
    localparam int unsigned StepBits = Steps > 1 ? $clog2(Steps) : 1,
    localparam int unsigned ScaleBits = rf_pkg::ReciprocalFrac + 1 - 8
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    // Rows of dot products in order, their blocks in order
    input  logic                         valid_i,
    input  logic [Pe*SumBits-1:0]        sums_i,
    input  logic [rf_pkg::ShiftBits-1:0] shift_i,
    input  logic [SlotBits-1:0]          slot_i,
    input  logic [BlockBits-1:0]         block_i,
    input  logic                         last_i,     // the row's last block, of which rest_i
    input  logic [RestBits-1:0]          rest_i,     // logits count; there are none without keys
    // The weights
    output logic                         weights_o,  // another row stands in the memory
    input  logic [SlotBits-1:0]          read_slot_i,
    input  logic [StepBits-1:0]          read_step_i,
    output logic [Depth*8-1:0]           read_o,     // in the same cycle
    // The scales, in order
    output logic [ScaleBits-1:0]         m_axis_scale_tdata,
    output logic                         m_axis_scale_tvalid,
    input  logic                         m_axis_scale_tready
);

  import rf_pkg::*;

  localparam int unsigned Parts = Depth / Pe;          // blocks read at once
  localparam int unsigned Stages = ($clog2(Pe) + 1) / 2;
  localparam int unsigned WeightBits = 8;
  localparam int unsigned TotalBits = WeightBits + $clog2(MaxRows);
  localparam int unsigned BlockSumBits = WeightBits + $clog2(Pe);
  localparam int unsigned LogitAddr = $clog2(Slots * Blocks);
  localparam int unsigned WeightAddr = $clog2(Slots * Steps);
  localparam logic [LogitBits-1:0] Lowest = {1'b1, {(LogitBits - 1) {1'b0}}};

  typedef struct packed {
    logic                 last;
    logic [SlotBits-1:0]  slot;
    logic [BlockBits-1:0] block;
    logic [RestBits-1:0]  rest;
  } tag_t;

  typedef struct packed {
    logic [LogitBits-1:0] max;
    logic [SlotBits-1:0]  slot;
    logic [BlockBits-1:0] block;  // the last one
    logic [RestBits-1:0]  rest;
  } row_t;

  // ---- logits: requantised, stored, and their maximum ----
  logic [Pe*LogitBits-1:0] logits, logits_q, counted;
  logic [Stages:0] valid_q;
  tag_t [Stages:0] tag_q;  // beside logits_q and the stages of the maximum
  logic signed [LogitBits-1:0] block_max, max_q, max;
  logic row_valid, row_ready, row_accept;
  row_t row_in, row;

  for (genvar p = 0; p < Pe; p++) begin : gen_logit
    rf_requant #(
        .InBits (SumBits),
        .OutBits(LogitBits)
    ) u_requant (
        .data_i (sums_i[p*SumBits+:SumBits]),
        .shift_i(shift_i),
        .data_o (logits[p*LogitBits+:LogitBits])
    );
    logic counts;
    assign counts = valid_i && !(last_i && RestBits'(p) >= rest_i);
    logit_saturates_high : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      counts && u_requant.rounded > u_requant.Max);
    logit_saturates_low : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      counts && u_requant.rounded < u_requant.Min);
    logit_tie_up : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      counts && u_requant.half && !u_requant.rest && u_requant.up);
    logit_tie_down : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      counts && u_requant.half && !u_requant.rest && !u_requant.up);
    assign counted[p*LogitBits+:LogitBits] =
        tag_q[0].last && RestBits'(p) >= tag_q[0].rest ? Lowest : logits_q[p*LogitBits+:LogitBits];
  end

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      logits_q <= logits;
      tag_q[0] <= '{last: last_i, slot: slot_i, block: block_i, rest: rest_i};
    end
    for (int unsigned s = 1; s <= Stages; s++) begin
      if (valid_q[s-1]) tag_q[s] <= tag_q[s-1];
    end
    if (valid_q[Stages]) max_q <= max;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[Stages-1:0], valid_i};
  end

  rf_max #(
      .Lanes(Pe),
      .Bits (LogitBits)
  ) u_max (
      .clk_i,
      .enable_i(valid_q[Stages-1:0]),
      .data_i  (counted),
      .max_o   (block_max)
  );

  assign max = tag_q[Stages].block == '0 || block_max > max_q ? block_max : max_q;
  assign row_in = '{
          max: max,
          slot: tag_q[Stages].slot,
          block: tag_q[Stages].block,
          rest: tag_q[Stages].rest
      };

  // Rows of few blocks may follow one of many; there are never more than Slots.
  rf_fifo #(
      .Width($bits(row_t)),
      .Depth(Slots)
  ) u_rows (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (row_in),
      .s_axis_tvalid(valid_q[Stages] && tag_q[Stages].last),
      .s_axis_tready(row_accept),
      .m_axis_tdata (row),
      .m_axis_tvalid(row_valid),
      .m_axis_tready(row_ready),
      .level_o      ()
  );

  // ---- weights: a block a cycle ----
  logic [Pe*LogitBits-1:0] logit_memory[Slots*Blocks];
  logic [Pe*LogitBits-1:0] read_logits;
  logic [LogitAddr-1:0] logit_write_at, logit_read_at;
  logic [BlockBits-1:0] block_q;
  logic exponent_valid_q, weight_valid_q;
  tag_t exponent_tag_q, weight_tag_q;
  logic [Pe*WeightBits-1:0] weights_q;
  logic [BlockSumBits-1:0] block_sum;
  logic [TotalBits-1:0] total_q;
  logic total_valid_q;

  assign logit_write_at = LogitAddr'(32'(tag_q[0].slot) * Blocks + 32'(tag_q[0].block));
  assign logit_read_at = LogitAddr'(32'(row.slot) * Blocks + 32'(block_q));
  assign read_logits = logit_memory[logit_read_at];
  assign row_ready = block_q == row.block;

  always_ff @(posedge clk_i) begin
    if (valid_q[0]) logit_memory[logit_write_at] <= logits_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      block_q          <= '0;
      exponent_valid_q <= 1'b0;
      weight_valid_q   <= 1'b0;
      total_valid_q    <= 1'b0;
    end else begin
      if (row_valid) block_q <= row_ready ? '0 : block_q + 1'b1;
      exponent_valid_q <= row_valid;
      weight_valid_q   <= exponent_valid_q;
      total_valid_q    <= weight_valid_q && weight_tag_q.last;
    end
  end

  always_ff @(posedge clk_i) begin
    if (row_valid) begin
      exponent_tag_q <= '{last: row_ready, slot: row.slot, block: block_q, rest: row.rest};
    end
    if (exponent_valid_q) weight_tag_q <= exponent_tag_q;
    if (weight_valid_q) begin
      total_q <= (weight_tag_q.block == '0 ? '0 : total_q) + TotalBits'(block_sum);
    end
  end

  for (genvar p = 0; p < Pe; p++) begin : gen_weight
    logic [LogitBits-1:0] exponent_q;  // below the maximum: 0 to 65,535, unsigned
    logic [WeightBits-1:0] weight;
    rf_exp2 u_exp2 (
        .exponent_i(exponent_q),
        .weight_o  (weight)
    );
    always_ff @(posedge clk_i) begin
      if (row_valid) exponent_q <= row.max - read_logits[p*LogitBits+:LogitBits];
      if (exponent_valid_q) begin
        weights_q[p*WeightBits+:WeightBits] <=
            exponent_tag_q.last && RestBits'(p) >= exponent_tag_q.rest ? '0 : weight;
      end
    end
  end

  always_comb begin
    block_sum = '0;
    for (int unsigned p = 0; p < Pe; p++) begin
      block_sum += BlockSumBits'(weights_q[p*WeightBits+:WeightBits]);
    end
  end

  for (genvar b = 0; b < Parts; b++) begin : gen_part
    logic [Pe*WeightBits-1:0] memory[Slots*Steps];
    logic [WeightAddr-1:0] write_at, read_at;
    assign write_at =
        WeightAddr'(32'(weight_tag_q.slot) * Steps + 32'(weight_tag_q.block) / Parts);
    assign read_at = WeightAddr'(32'(read_slot_i) * Steps + 32'(read_step_i));
    always_ff @(posedge clk_i) begin
      if (weight_valid_q && 32'(weight_tag_q.block) % Parts == b) memory[write_at] <= weights_q;
    end
    assign read_o[b*Pe*WeightBits+:Pe*WeightBits] = memory[read_at];
  end

  assign weights_o = total_valid_q;

  rf_attention_scale #(
      .TotalBits(TotalBits),
      .Rows     (2 * Slots),
      .Dividers (Dividers)
  ) u_scale (
      .clk_i,
      .rst_ni,
      .valid_i(total_valid_q),
      .total_i(total_q),
      .m_axis_scale_tdata,
      .m_axis_scale_tvalid,
      .m_axis_scale_tready
  );

  max_rises : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    valid_q[Stages] && tag_q[Stages].block != '0 && block_max > max_q);
  max_stays : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    valid_q[Stages] && tag_q[Stages].block != '0 && block_max == max_q);
  no_keys : cover property (
    @(posedge clk_i) disable iff (!rst_ni) weight_valid_q && weight_tag_q.rest == '0);
  row_waits : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    row_valid && valid_q[Stages] && tag_q[Stages].last);

  rows_fit : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    valid_q[Stages] && tag_q[Stages].last |-> row_accept);

endmodule
