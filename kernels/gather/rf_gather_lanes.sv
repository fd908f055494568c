// SPDX-License-Identifier: Apache-2.0
// Reduces the rows of a table lane by lane to their (weighted) sum or maximum: one beat a cycle,
// in the result Stages + 1 cycles after it. Two banks: one fills while the other is read.

module rf_gather_lanes #(
    parameter int unsigned Lanes = 64,      // elements of a beat, even when there are weights
    parameter int unsigned Beats = 1,       // of a row
    parameter int unsigned ElemBits = 8,    // of a signed element
    parameter int unsigned WeightBits = 0,  // of the row's signed weight; 0: there is none
    parameter bit          WithMax = 0,     // maxima too; 0: max_i is not used
    parameter int unsigned SumBits = 18,    // of a signed sum
    parameter int unsigned Stages = 0,      // of the pipeline: those of rf_products, or 0
    parameter int unsigned ReadLanes = 8,   // results read at once
    localparam int unsigned WeightPort = WeightBits > 0 ? WeightBits : 1,
    localparam int unsigned BeatIdx = Beats > 1 ? $clog2(Beats) : 1,
    localparam int unsigned Chunks = Lanes * Beats / ReadLanes,
    localparam int unsigned ChunkIdx = Chunks > 1 ? $clog2(Chunks) : 1
) (
    input  logic                         clk_i,
    input  logic                         step_i,       // the pipeline moves
    input  logic [Lanes*ElemBits-1:0]    data_i,       // a beat enters the pipeline,
    input  logic [WeightPort-1:0]        weight_i,     // with the weight of its row
    input  logic                         add_i,        // the beat at the pipeline's end counts: it
    input  logic                         first_i,      // belongs to the first row of a result,
    input  logic                         max_i,        // which is a maximum,
    input  logic                         bank_i,       // in this bank;
    input  logic [BeatIdx-1:0]           beat_i,       // which beat of the row it is
    input  logic                         read_i,       // read results: they stand in read_o from
    input  logic                         read_bank_i,  // the next cycle to the next read
    input  logic [ChunkIdx-1:0]          read_chunk_i,
    output logic [ReadLanes*SumBits-1:0] read_o
);

  localparam int unsigned TermBits = ElemBits + WeightBits;  // a product fits: -2^(TermBits-2) up
  localparam int unsigned PerBeat = Lanes / ReadLanes;       // chunks of a beat
  localparam int unsigned LaneIdx = Lanes > 1 ? $clog2(Lanes) : 1;

  if (Lanes % ReadLanes != 0 || (WeightBits > 0 && Lanes % 2 != 0)) begin : gen_bad_lanes
    $fatal(1, "rf_gather_lanes: Lanes must be a multiple of ReadLanes, and even with weights");
  end
  if (SumBits < TermBits) begin : gen_bad_sum
    $fatal(1, "rf_gather_lanes: SumBits must hold at least one term");
  end

  logic signed [TermBits-1:0] term[Lanes];
  logic signed [SumBits-1:0] even[Lanes], odd[Lanes];  // the banks, at the beat that is read

  function automatic logic signed [SumBits-1:0] reduced(logic signed [SumBits-1:0] sum,
                                                        logic signed [SumBits-1:0] value);
    if (WithMax && max_i && !first_i && sum > value) return sum;
    return value + ((first_i || (WithMax && max_i)) ? '0 : sum);
  endfunction

  if (WeightBits > 0) begin : gen_weighted
    // Neighbouring lanes share the weight, and so a multiplier.
    localparam int unsigned Fields = rf_dots_pkg::most_fields(Lanes, ElemBits);
    for (genvar m = 0; m < Lanes / Fields; m++) begin : gen_products
      logic [Fields*TermBits-1:0] terms;
      rf_products #(
          .Fields    (Fields),
          .ElemBits  (ElemBits),
          .WeightBits(WeightBits),
          .Signed    (1'b1)
      ) u_products (
          .clk_i,
          .enable_i({Stages{step_i}}),
          .elem_i  (data_i[m*Fields*ElemBits+:Fields*ElemBits]),
          .weight_i,
          .term_o  (terms)
      );
      for (genvar f = 0; f < Fields; f++) begin : gen_term
        assign term[m*Fields+f] = terms[f*TermBits+:TermBits];
      end
    end
  end else begin : gen_plain
    logic unused_weight;
    assign unused_weight = ^{weight_i, step_i};
    for (genvar l = 0; l < Lanes; l++) begin : gen_element
      assign term[l] = data_i[l*ElemBits+:ElemBits];
    end
  end

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    if (Beats == 1) begin : gen_registers
      logic signed [SumBits-1:0] even_q, odd_q;
      // One adder for both banks, inside the condition so that a simulator skips it when idle.
      always_ff @(posedge clk_i) begin
        if (add_i) begin : p_add
          automatic logic signed [SumBits-1:0] total;
          // verilog_lint: waive always-ff-non-blocking (a local of the block, not a register)
          total = reduced(bank_i ? odd_q : even_q, SumBits'(term[l]));
          if (bank_i) odd_q <= total;
          else even_q <= total;
        end
      end
      assign even[l] = even_q;
      assign odd[l] = odd_q;
    end else begin : gen_memory
      logic signed [SumBits-1:0] memory[2*Beats];
      logic [BeatIdx:0] write_at, read_at;
      assign write_at = {bank_i, beat_i};
      assign read_at = {read_bank_i, BeatIdx'(read_chunk_i / ChunkIdx'(PerBeat))};
      always_ff @(posedge clk_i) begin
        if (add_i) memory[write_at] <= reduced(memory[write_at], SumBits'(term[l]));
      end
      assign even[l] = memory[read_at];
      assign odd[l] = even[l];
    end
  end

  for (genvar j = 0; j < ReadLanes; j++) begin : gen_read
    logic signed [SumBits-1:0] sum_q;
    logic [LaneIdx-1:0] lane;
    assign lane = LaneIdx'(32'(read_chunk_i) % PerBeat * ReadLanes + j);
    always_ff @(posedge clk_i) if (read_i) sum_q <= read_bank_i ? odd[lane] : even[lane];
    assign read_o[j*SumBits+:SumBits] = sum_q;
  end

  logic unused_bits;
  assign unused_bits = ^{beat_i, read_chunk_i, max_i};

endmodule
