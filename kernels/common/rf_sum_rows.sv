// SPDX-License-Identifier: Apache-2.0
// Sums the rows of a table lane by lane, each row times its weight (or as it is): one beat a
// cycle, in the sum 1 + Weighted cycles after it. Two banks: one fills while the other is read.

module rf_sum_rows #(
    parameter int unsigned Lanes = 64,      // elements of a beat
    parameter int unsigned Beats = 1,       // of a row
    parameter int unsigned ElemBits = 8,    // of a signed element
    parameter bit          Weighted = 0,    // 0: weight_i is not used
    parameter int unsigned Groups = 1,      // neighbouring lanes that share a weight, in a beat
    parameter int unsigned WeightBits = 8,  // of an unsigned weight
    parameter int unsigned SumBits = 18,    // of a signed sum
    parameter int unsigned ReadLanes = 8,   // sums read at once
    localparam int unsigned BeatIdx = Beats > 1 ? $clog2(Beats) : 1,
    localparam int unsigned Chunks = Lanes * Beats / ReadLanes,
    localparam int unsigned ChunkIdx = Chunks > 1 ? $clog2(Chunks) : 1
) (
    input  logic                         clk_i,
    input  logic                         add_i,       // take this beat
    input  logic                         first_i,     // it belongs to the first row of a sum
    input  logic                         bank_i,      // bank to add to
    input  logic [BeatIdx-1:0]           beat_i,      // which beat of the row
    input  logic [Lanes*ElemBits-1:0]    data_i,
    input  logic [Groups*WeightBits-1:0] weight_i,
    input  logic                         read_i,      // read sums: they stand in read_o from the
    input  logic                         read_bank_i, // next cycle to the next read
    input  logic [ChunkIdx-1:0]          read_chunk_i,
    output logic [ReadLanes*SumBits-1:0] read_o
);

  // A product of a signed element and an unsigned weight.
  localparam int unsigned TermBits = Weighted ? ElemBits + WeightBits : ElemBits;
  localparam int unsigned PerBeat = Lanes / ReadLanes;  // chunks of a beat
  localparam int unsigned LaneIdx = $clog2(Lanes);

  if (Lanes % ReadLanes != 0 || Lanes % Groups != 0) begin : gen_bad_lanes
    $fatal(1, "rf_sum_rows: ReadLanes and Groups must divide Lanes");
  end
  if (SumBits < TermBits) begin : gen_bad_sum
    $fatal(1, "rf_sum_rows: SumBits must hold at least one term");
  end

  logic add, first, bank;
  logic [BeatIdx-1:0] beat;
  logic signed [SumBits-1:0] even[Lanes], odd[Lanes];  // the banks, at the beat that is read

  if (Weighted) begin : gen_weighted
    logic add_q, first_q, bank_q;
    logic [BeatIdx-1:0] beat_q;
    always_ff @(posedge clk_i) begin
      add_q <= add_i;
      if (add_i) begin
        first_q <= first_i;
        bank_q  <= bank_i;
        beat_q  <= beat_i;
      end
    end
    assign add = add_q;
    assign first = first_q;
    assign bank = bank_q;
    assign beat = beat_q;
  end else begin : gen_plain
    logic unused_weight;
    assign unused_weight = ^weight_i;
    assign add = add_i;
    assign first = first_i;
    assign bank = bank_i;
    assign beat = beat_i;
  end

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic signed [ElemBits-1:0] element;
    logic signed [TermBits-1:0] term;
    assign element = data_i[l*ElemBits+:ElemBits];

    if (Weighted) begin : gen_product
      logic [WeightBits-1:0] weight;
      logic signed [TermBits-1:0] product_q;
      assign weight = weight_i[(l*Groups/Lanes)*WeightBits+:WeightBits];
      always_ff @(posedge clk_i) begin
        if (add_i) product_q <= TermBits'(element) * TermBits'($signed({1'b0, weight}));
      end
      assign term = product_q;
    end else begin : gen_element
      assign term = element;
    end

    if (Beats == 1) begin : gen_registers
      logic signed [SumBits-1:0] even_q, odd_q;
      // One adder for both banks, inside the condition so that a simulator skips it when idle.
      always_ff @(posedge clk_i) begin
        if (add) begin : p_add
          automatic logic signed [SumBits-1:0] total;
          // verilog_lint: waive always-ff-non-blocking (a local of the block, not a register)
          total = SumBits'(term) + (first ? '0 : bank ? odd_q : even_q);
          if (bank) odd_q <= total;
          else even_q <= total;
        end
      end
      assign even[l] = even_q;
      assign odd[l] = odd_q;
    end else begin : gen_memory
      logic signed [SumBits-1:0] memory[2*Beats];
      logic [BeatIdx:0] write_at, read_at;
      assign write_at = {bank, beat};
      assign read_at = {read_bank_i, BeatIdx'(read_chunk_i / ChunkIdx'(PerBeat))};
      always_ff @(posedge clk_i) begin
        if (add) memory[write_at] <= SumBits'(term) + (first ? '0 : memory[write_at]);
      end
      assign even[l] = memory[read_at];
      assign odd[l] = even[l];
    end
  end

  for (genvar j = 0; j < ReadLanes; j++) begin : gen_read
    logic signed [SumBits-1:0] sum_q;
    logic [LaneIdx-1:0] lane;
    assign lane = LaneIdx'(32'(read_chunk_i) % PerBeat * ReadLanes + j);
    always_ff @(posedge clk_i) begin
      if (read_i) sum_q <= read_bank_i ? odd[lane] : even[lane];
    end
    assign read_o[j*SumBits+:SumBits] = sum_q;
  end

  // No reset: the kernels add and read only after theirs.
  first_row_of_an_odd_bank : cover property (@(posedge clk_i) add && first && bank);
  first_row_of_an_even_bank : cover property (@(posedge clk_i) add && first && !bank);
  adds_to_an_odd_bank : cover property (@(posedge clk_i) add && !first && bank);
  adds_to_an_even_bank : cover property (@(posedge clk_i) add && !first && !bank);
  adds_beside_a_read : cover property (@(posedge clk_i) add && read_i && bank != read_bank_i);

  if (Beats == 1) begin : gen_one_beat
    logic unused_beat;
    assign unused_beat = ^beat;
  end
  if (Chunks == 1) begin : gen_one_chunk
    logic unused_chunk;
    assign unused_chunk = ^read_chunk_i;
  end

endmodule
