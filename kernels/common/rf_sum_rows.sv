// SPDX-License-Identifier: Apache-2.0
// Sums the rows of a table lane by lane, each row times its weight (or as it is): one beat a
// cycle, readable 1 + Weighted cycles after it. Two banks: one fills while the other is read.

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
    input  logic                         read_bank_i,
    input  logic [ChunkIdx-1:0]          read_chunk_i,
    output logic [ReadLanes*SumBits-1:0] read_o       // combinational
);

  // A product of a signed element and an unsigned weight.
  localparam int unsigned TermBits = Weighted ? ElemBits + WeightBits : ElemBits;
  localparam int unsigned PerBeat = Lanes / ReadLanes;  // chunks of a beat

  if (Lanes % ReadLanes != 0 || Lanes % Groups != 0) begin : gen_bad_lanes
    $fatal(1, "rf_sum_rows: ReadLanes and Groups must divide Lanes");
  end
  if (SumBits < TermBits) begin : gen_bad_sum
    $fatal(1, "rf_sum_rows: SumBits must hold at least one term");
  end

  logic add, first, bank;
  logic [BeatIdx-1:0] beat;
  logic signed [SumBits-1:0] sum[Lanes];  // of the bank and the beat that are read

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
      logic signed [SumBits-1:0] even_q, odd_q, base, total;
      always_comb begin
        base  = bank ? odd_q : even_q;
        total = SumBits'(term) + (first ? '0 : base);
      end
      always_ff @(posedge clk_i) begin
        if (add && !bank) even_q <= total;
        if (add && bank) odd_q <= total;
      end
      assign sum[l] = read_bank_i ? odd_q : even_q;
    end else begin : gen_memory
      logic signed [SumBits-1:0] memory[2*Beats];
      logic [BeatIdx:0] write_at, read_at;
      assign write_at = {bank, beat};
      assign read_at = {read_bank_i, BeatIdx'(read_chunk_i / ChunkIdx'(PerBeat))};
      always_ff @(posedge clk_i) begin
        if (add) memory[write_at] <= SumBits'(term) + (first ? '0 : memory[write_at]);
      end
      assign sum[l] = memory[read_at];
    end
  end

  for (genvar j = 0; j < ReadLanes; j++) begin : gen_read
    logic signed [SumBits-1:0] choice[PerBeat];
    for (genvar c = 0; c < PerBeat; c++) begin : gen_choice
      assign choice[c] = sum[c*ReadLanes+j];
    end
    if (PerBeat == 1) begin : gen_only
      assign read_o[j*SumBits+:SumBits] = choice[0];
    end else begin : gen_mux
      assign read_o[j*SumBits+:SumBits] = choice[read_chunk_i[$clog2(PerBeat)-1:0]];
    end
  end

  if (Beats == 1) begin : gen_one_beat
    logic unused_beat;
    assign unused_beat = ^beat;
  end
  if (Chunks == 1) begin : gen_one_chunk
    logic unused_chunk;
    assign unused_chunk = ^read_chunk_i;
  end

endmodule
