// SPDX-License-Identifier: Apache-2.0
// Dot product of two vectors of signed elements: one pair of vectors a cycle, latency Stages =
// 1 + ceil(log4(Lanes)) steps: a register after the products and after every radix-4 sum.
// The caller owns the pipeline's valid bits: enable_i[s] lets stage s take its inputs.

module rf_dot #(
    parameter int unsigned Lanes = 64,  // pairs of elements
    parameter int unsigned ABits = 8,   // of an element of a
    parameter int unsigned BBits = 8,   // of an element of b
    localparam int unsigned Stages = 1 + ($clog2(Lanes) + 1) / 2,
    localparam int unsigned SumBits = ABits + BBits + $clog2(Lanes)  // Lanes products: no wrap
) (
    input  logic                      clk_i,
    input  logic [Stages-1:0]         enable_i,
    input  logic [Lanes*ABits-1:0]    a_i,
    input  logic [Lanes*BBits-1:0]    b_i,
    output logic signed [SumBits-1:0] sum_o
);

  if (Lanes < 1 || ABits < 2 || BBits < 2) begin : gen_bad_size
    $fatal(1, "rf_dot: Lanes must be at least 1, ABits and BBits at least 2");
  end

  for (genvar s = 0; s < Stages; s++) begin : gen_stage
    // A radix-4 sum is two bits wider than its parts; the last one needs no more than SumBits.
    localparam int unsigned Full = ABits + BBits + 2 * s;
    localparam int unsigned Bits = Full < SumBits ? Full : SumBits;
    // One even where Lanes is 0: its message would else be lost behind what misses a node.
    localparam int unsigned Nodes = Lanes > 1 ? (Lanes + 4 ** s - 1) / 4 ** s : 1;
    for (genvar j = 0; j < Nodes; j++) begin : gen_node
      logic signed [Bits-1:0] sum_q;
      if (s == 0) begin : gen_product
        logic signed [ABits-1:0] a;
        logic signed [BBits-1:0] b;
        assign a = a_i[j*ABits+:ABits];
        assign b = b_i[j*BBits+:BBits];
        always_ff @(posedge clk_i) begin
          if (enable_i[0]) sum_q <= Bits'(a) * Bits'(b);
        end
      end else begin : gen_sum
        localparam int unsigned Below = (Lanes + 4 ** (s - 1) - 1) / 4 ** (s - 1);
        logic signed [Bits-1:0] part0, part1, part2, part3;
        assign part0 = Bits'(gen_stage[s-1].gen_node[4*j].sum_q);
        if (4 * j + 1 < Below) begin : gen_part1
          assign part1 = Bits'(gen_stage[s-1].gen_node[4*j+1].sum_q);
        end else begin : gen_no_part1
          assign part1 = '0;
        end
        if (4 * j + 2 < Below) begin : gen_part2
          assign part2 = Bits'(gen_stage[s-1].gen_node[4*j+2].sum_q);
        end else begin : gen_no_part2
          assign part2 = '0;
        end
        if (4 * j + 3 < Below) begin : gen_part3
          assign part3 = Bits'(gen_stage[s-1].gen_node[4*j+3].sum_q);
        end else begin : gen_no_part3
          assign part3 = '0;
        end
        always_ff @(posedge clk_i) begin
          if (enable_i[s]) sum_q <= (part0 + part1) + (part2 + part3);
        end
      end
    end
  end

  assign sum_o = SumBits'(gen_stage[Stages-1].gen_node[0].sum_q);

endmodule
