// SPDX-License-Identifier: Apache-2.0
// Dot products of every user's query with every lane's item: one beat a cycle, latency Stages.
// All products of rf_topk happen here: a lane's element is shared by the users, a query's element
// by the lanes. The caller owns the pipeline's valid bits: enable_i[s] lets stage s take its inputs.

module rf_topk_dots #(
    parameter int unsigned Users = 1,      // queries
    parameter int unsigned Lanes = 1,      // items
    parameter int unsigned BeatElems = 64, // elements of an item in a beat
    parameter int unsigned ElemBits = 8,   // of an element of an item, signed
    localparam int unsigned StateBits = rf_pkg::StateBits,
    localparam int unsigned Stages = rf_topk_pkg::dot_stages(BeatElems),
    localparam int unsigned DotBits = ElemBits + StateBits + $clog2(BeatElems)  // does not wrap
) (
    input  logic                                         clk_i,
    input  logic [Stages-1:0]                            enable_i,
    input  logic [Lanes-1:0][BeatElems*ElemBits-1:0]     items_i,
    input  logic [Users-1:0][BeatElems*StateBits-1:0]    queries_i,
    output logic [Users-1:0][Lanes-1:0][DotBits-1:0]     dots_o     // signed
);

  for (genvar u = 0; u < Users; u++) begin : gen_user
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      rf_dot #(
          .Lanes(BeatElems),
          .ABits(ElemBits),
          .BBits(StateBits)
      ) u_dot (
          .clk_i,
          .enable_i,
          .a_i     (items_i[l]),
          .b_i     (queries_i[u]),
          .sum_o   (dots_o[u][l])
      );
    end
  end

endmodule
