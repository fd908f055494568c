// SPDX-License-Identifier: Apache-2.0
// A weight of the integer softmax: rne(255 * 2^(-exponent / 32)) through a table of 32 entries,
// 0 from 9 whole powers of two on. Combinational.

module rf_exp2 #(
    parameter int unsigned InBits = rf_pkg::LogitBits  // of the unsigned exponent, 10 to 32
) (
    input  logic [InBits-1:0] exponent_i,  // Exp2Frac fractional bits
    output logic [7:0]        weight_o
);

  import rf_pkg::*;

  if (InBits < 10 || InBits > 32) begin : gen_bad_width
    $fatal(1, "rf_exp2: InBits must be 10 to 32");
  end

  logic [InBits-Exp2Frac-1:0] whole;
  logic signed [8:0] entry, rounded;  // a positive sign before the eight bits

  assign whole = exponent_i[InBits-1:Exp2Frac];
  assign entry = $signed({1'b0, Exp2Table[exponent_i[Exp2Frac-1:0]]});

  // From 2^-9 on the table's largest entry rounds to 0; a whole part above 15 is cut below.
  rf_requant #(
      .InBits   (9),
      .OutBits  (9),
      .ShiftBits(4)
  ) u_round (
      .data_i (entry),
      .shift_i(whole[3:0]),
      .data_o (rounded)
  );

  assign weight_o = whole > (InBits - Exp2Frac)'(8) ? 8'd0 : rounded[7:0];

  logic unused_sign;
  assign unused_sign = rounded[8];

endmodule
