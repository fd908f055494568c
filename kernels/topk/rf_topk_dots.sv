// SPDX-License-Identifier: Apache-2.0
// Dot products of every user's query with every lane's item: one beat a cycle, latency Stages.
// All products of rf_topk happen here, two or four a DSP where they share a factor: lanes share an
// element of a query; of one lane, users share an element of its item. The caller owns the
// pipeline's valid bits: enable_i[s] lets stage s take its inputs.

module rf_topk_dots #(
    parameter int unsigned Users = 1,      // queries
    parameter int unsigned Lanes = 1,      // items
    parameter int unsigned BeatElems = 64, // elements of an item in a beat
    parameter int unsigned ElemBits = 8,   // of an element of an item, signed
    localparam int unsigned StateBits = rf_pkg::StateBits,
    localparam int unsigned Stages =
        rf_topk_pkg::dot_stages(Users, Lanes, BeatElems, ElemBits),
    localparam int unsigned DotBits = ElemBits + StateBits + $clog2(BeatElems)  // does not wrap
) (
    input  logic                                         clk_i,
    input  logic [Stages-1:0]                            enable_i,
    input  logic [Lanes-1:0][BeatElems*ElemBits-1:0]     items_i,
    input  logic [Users-1:0][BeatElems*StateBits-1:0]    queries_i,
    output logic [Users-1:0][Lanes-1:0][DotBits-1:0]     dots_o     // signed
);

  // Bits even where ElemBits is 0: its message would else be lost behind what misses them.
  localparam int unsigned FactorBits = ElemBits > 0 ? ElemBits : 8;

  if (Lanes > 1 || Users == 1) begin : gen_by_query
    // Lanes share an element of a query.
    for (genvar u = 0; u < Users; u++) begin : gen_user
      rf_dots #(
          .Rows (Lanes),
          .Lanes(BeatElems),
          .ABits(FactorBits),
          .BBits(StateBits)
      ) u_dots (
          .clk_i,
          .enable_i,
          .a_i     (items_i),
          .b_i     (queries_i[u]),
          .sum_o   (dots_o[u])
      );
    end
  end else begin : gen_by_item
    // Users share an element of the item.
    rf_dots #(
        .Rows (Users),
        .Lanes(BeatElems),
        .ABits(StateBits),
        .BBits(FactorBits)
    ) u_dots (
        .clk_i,
        .enable_i,
        .a_i     (queries_i),
        .b_i     (items_i[0]),
        .sum_o   (dots_o)
    );
  end

endmodule
