// SPDX-License-Identifier: Apache-2.0
// Sums the rows of a table lane by lane, each row times its weight: one beat a cycle. A sum that is
// closed stands to be read while the next one grows: of rows of one beat it moves from one register
// to another, of several beats it lies in one of two banks of a memory.
// Two neighbouring lanes, or four of 4 bits, share a weight and so a multiplier (rf_products): what
// that adds to all their sums but the last, 2^(ElemBits-1) times the weights' sum, is taken away
// when they are read.

module rf_sum_rows #(
    parameter int unsigned Lanes = 64,      // elements of a beat
    parameter int unsigned Beats = 1,       // of a row
    parameter int unsigned ElemBits = 8,    // of a signed element
    parameter int unsigned Groups = 1,      // neighbouring lanes that share a weight, in a beat
    parameter int unsigned WeightBits = 8,  // of an unsigned weight
    parameter int unsigned Heads = 1,       // neighbouring sums whose rows had the same weights
    parameter int unsigned TotalBits = 8,   // of the unsigned sum of a head's weights
    parameter int unsigned SumBits = 18,    // of a signed sum
    parameter int unsigned ReadLanes = 8,   // sums read at once
    localparam int unsigned BeatIdx = Beats > 1 ? $clog2(Beats) : 1,
    localparam int unsigned Chunks = Lanes * Beats / ReadLanes,
    localparam int unsigned ChunkIdx = Chunks > 1 ? $clog2(Chunks) : 1
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    input  logic                         open_i,        // a sum begins, before its first beat
    input  logic                         add_i,         // take this beat
    input  logic [BeatIdx-1:0]           beat_i,        // which beat of the row
    input  logic [Lanes*ElemBits-1:0]    data_i,
    input  logic [Groups*WeightBits-1:0] weight_i,
    input  logic                         close_i,       // the sum is whole, after its last beat: it
    input  logic                         read_i,        // may be read Stages + 2 cycles later, and
    input  logic [ChunkIdx-1:0]          read_chunk_i,  // stands in read_o from the next cycle to
    input  logic [Heads*TotalBits-1:0]   total_i,       // the next read; total_i: of this sum
    output logic [ReadLanes*SumBits-1:0] read_o
);

  localparam int unsigned Alike = Lanes / Groups;  // neighbouring lanes with one weight
  localparam int unsigned Fields = rf_dots_pkg::most_fields(Alike, ElemBits);  // of a multiplier
  localparam int unsigned Stages = rf_dots_pkg::term_stages(
      Fields, ElemBits, WeightBits, 1'b0, rf_dots_pkg::SmallPort
  );
  localparam int unsigned TermBits = ElemBits + WeightBits;  // of a product
  localparam int unsigned PerBeat = Lanes / ReadLanes;  // chunks of a beat
  localparam int unsigned LaneIdx = $clog2(Lanes);
  localparam int unsigned HeadDim = Lanes * Beats / Heads;

  if (Lanes % ReadLanes != 0 || Lanes % Groups != 0) begin : gen_bad_lanes
    $fatal(1, "rf_sum_rows: ReadLanes and Groups must divide Lanes");
  end
  if (Alike % Fields != 0 || Fields < 2) begin : gen_bad_group
    $fatal(1, "rf_sum_rows: the lanes of a group must be even, at 4 bits 2 or a multiple of 4");
  end
  if (SumBits < TermBits) begin : gen_bad_sum
    $fatal(1, "rf_sum_rows: SumBits must hold at least one term");
  end

  typedef struct packed {
    logic               open;
    logic               add;
    logic               first;  // the beat is one of the sum's first row
    logic               close;
    logic [BeatIdx-1:0] beat;
  } step_t;

  step_t [Stages:0] steps;  // beside the products
  step_t step;
  logic first_q, bank_q;
  logic [Stages-1:0] enable;
  logic [Lanes*TermBits-1:0] terms;
  logic [SumBits-1:0] sums[Lanes];  // that are read

  assign steps[0] = '{open: open_i, add: add_i, first: first_q, close: close_i, beat: beat_i};
  assign step = steps[Stages];

  always_ff @(posedge clk_i) begin
    steps[Stages:1] <= steps[Stages-1:0];
    if (open_i) first_q <= 1'b1;
    else if (add_i && beat_i == BeatIdx'(Beats - 1)) first_q <= 1'b0;
    if (!rst_ni) bank_q <= 1'b0;
    else if (step.close) bank_q <= !bank_q;
  end

  for (genvar s = 0; s < Stages; s++) begin : gen_enable
    assign enable[s] = steps[s].add;
  end

  // No bits are a bad argument to those above, who say so where this elaborates.
  for (genvar m = 0; m < (ElemBits > 0 ? Lanes / Fields : 0); m++) begin : gen_products
    rf_products #(
        .Fields    (Fields),
        .ElemBits  (ElemBits),
        .WeightBits(WeightBits)
    ) u_products (
        .clk_i,
        .enable_i(enable),
        .elem_i  (data_i[m*Fields*ElemBits+:Fields*ElemBits]),
        .weight_i(weight_i[(m*Fields/Alike)*WeightBits+:WeightBits]),
        .term_o  (terms[m*Fields*TermBits+:Fields*TermBits])
    );
  end

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [SumBits-1:0] term;
    if (l % Fields == Fields - 1) begin : gen_signed
      assign term = SumBits'($signed(terms[l*TermBits+:TermBits]));
    end else begin : gen_unsigned
      assign term = SumBits'(terms[l*TermBits+:TermBits]);
    end

    if (Beats == 1) begin : gen_registers
      logic [SumBits-1:0] sum_q, whole_q;
      always_ff @(posedge clk_i) begin
        if (step.open) sum_q <= '0;
        else if (step.add) sum_q <= sum_q + term;
        if (step.close) whole_q <= sum_q;
      end
      assign sums[l] = whole_q;
    end else begin : gen_memory
      logic [SumBits-1:0] memory[2*Beats];
      logic [BeatIdx:0] write_at;
      assign write_at = {bank_q, step.beat};
      always_ff @(posedge clk_i) begin
        if (step.add) memory[write_at] <= term + (step.first ? '0 : memory[write_at]);
      end
      assign sums[l] = memory[{!bank_q, BeatIdx'(read_chunk_i / ChunkIdx'(PerBeat))}];
    end
  end

  for (genvar j = 0; j < ReadLanes; j++) begin : gen_read
    logic [31:0] index;  // of the sum
    logic [TotalBits-1:0] total;
    logic [SumBits-1:0] sum_q;
    logic [LaneIdx-1:0] lane;
    assign lane = LaneIdx'(32'(read_chunk_i) % PerBeat * ReadLanes + j);
    assign index = 32'(read_chunk_i) * ReadLanes + j;
    assign total = index % Fields == Fields - 1 ? '0 : total_i[index/HeadDim*TotalBits+:TotalBits];
    always_ff @(posedge clk_i) begin
      if (read_i) sum_q <= sums[lane] - (SumBits'(total) << (ElemBits - 1));
    end
    assign read_o[j*SumBits+:SumBits] = sum_q;
  end

  if (Beats == 1) begin : gen_one_beat
    logic unused_place;
    assign unused_place = ^{step.first, step.beat, bank_q};
  end else begin : gen_beats
    logic unused_open;
    assign unused_open = step.open;
  end
  adds_beside_a_read : cover property (@(posedge clk_i) step.add && read_i);

  if (Chunks == 1) begin : gen_one_chunk
    logic unused_chunk;
    assign unused_chunk = ^read_chunk_i;
  end

endmodule
