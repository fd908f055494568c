// SPDX-License-Identifier: Apache-2.0
// Pe dot products of Depth pairs with one shared operand, added up over the steps of a result:
// Pe * Depth products a cycle, two in a DSP; the operands come one cycle after their step, the sums
// rf_dots' stages (2 + ceil(log4(Depth))) and two cycles after it.

module rf_attention_array #(
    parameter int unsigned Pe = 16,
    parameter int unsigned Depth = 64,
    parameter int unsigned SharedBits = 9,  // of a signed element that all dot products share
    parameter int unsigned OwnBits = 8,     // of a signed element of one dot product
    parameter int unsigned SumBits = 22,    // that hold every result
    parameter int unsigned TagBits = 8      // of what travels with a step
) (
    input  logic                        clk_i,
    input  logic                        rst_ni,
    input  logic                        valid_i,   // a step, whose operands come the next cycle
    input  logic                        first_i,   // it is the first one of its result
    input  logic [TagBits-1:0]          tag_i,
    input  logic [Depth*SharedBits-1:0] shared_i,
    input  logic [Pe*Depth*OwnBits-1:0] own_i,
    output logic                        valid_o,   // a step is in the sums
    output logic [TagBits-1:0]          tag_o,
    output logic [Pe*SumBits-1:0]       sum_o      // dot product 0 in the low bits
);

  // A product of 9 and 8 bits is as wide as the room that the narrower port leaves.
  localparam int unsigned PortBits = 25;
  localparam int unsigned Stages = rf_dots_pkg::stages(
      Depth, rf_dots_pkg::most_fields(Pe, OwnBits), OwnBits, SharedBits, PortBits);
  localparam int unsigned DotBits = SharedBits + OwnBits + $clog2(Depth);

  // Beside the operands, rf_dot's registers and the sums after them
  logic [Stages+1:0] valid_q, first_q;
  logic [Stages+1:0][TagBits-1:0] tag_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[Stages:0], valid_i};
  end

  always_ff @(posedge clk_i) begin
    first_q <= {first_q[Stages:0], first_i};
    tag_q   <= {tag_q[Stages:0], tag_i};
  end

  logic [Pe*DotBits-1:0] dots;
  rf_dots #(
      .Rows    (Pe),
      .Lanes   (Depth),
      .ABits   (OwnBits),
      .BBits   (SharedBits),
      .PortBits(PortBits)
  ) u_dots (
      .clk_i,
      .enable_i(valid_q[Stages-1:0]),
      .a_i     (own_i),
      .b_i     (shared_i),
      .sum_o   (dots)
  );

  for (genvar p = 0; p < Pe; p++) begin : gen_dot
    logic signed [DotBits-1:0] dot;
    logic signed [SumBits-1:0] sum_q;
    assign dot = dots[p*DotBits+:DotBits];
    always_ff @(posedge clk_i) begin
      if (valid_q[Stages]) sum_q <= (first_q[Stages] ? '0 : sum_q) + SumBits'(dot);
    end
    assign sum_o[p*SumBits+:SumBits] = sum_q;
    logic unused_sign;
    assign unused_sign = dot[DotBits-1];
  end

  assign valid_o = valid_q[Stages+1];
  assign tag_o = tag_q[Stages+1];

endmodule
