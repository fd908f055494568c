// SPDX-License-Identifier: Apache-2.0
// Requantises one integer: right shift with RND_CONV (half to even), then SAT. Combinational.

module rf_requant #(
    parameter int unsigned InBits = 32,   // of the signed input, 2 to 62
    parameter int unsigned OutBits = 8,   // of the signed output, 2 to InBits
    parameter int unsigned ShiftBits = rf_pkg::ShiftBits
) (
    input  logic signed [InBits-1:0]  data_i,
    input  logic [ShiftBits-1:0]      shift_i,
    output logic signed [OutBits-1:0] data_o
);

  if (OutBits < 2 || OutBits > InBits || InBits > 62) begin : gen_bad_width
    $fatal(1, "rf_requant: OutBits must be 2 to InBits, InBits at most 62");
  end
  if (ShiftBits < 1 || ShiftBits > 6) begin : gen_bad_shift
    $fatal(1, "rf_requant: ShiftBits must be 1 to 6");
  end

  // One bit below the binary point holds the half; the bits under it only matter as "any".
  localparam logic signed [InBits:0] Max = (InBits + 1)'(2 ** (OutBits - 1) - 1);
  localparam logic signed [InBits:0] Min = -Max - 1;

  logic signed [InBits:0] extended, halves, rounded;
  logic [InBits:0] below;
  logic half, rest, up, above, under;

  always_comb begin
    extended = {data_i, 1'b0};
    halves = extended >>> shift_i;
    below = ~({(InBits + 1) {1'b1}} << shift_i);
    half = halves[0];
    rest = |(extended & below);
    // floor is halves >> 1, its last bit is halves[1]
    up = half & (rest | halves[1]);
    rounded = (halves >>> 1) + $signed({{InBits{1'b0}}, up});
    above = rounded > Max;
    under = rounded < Min;
    if (above) data_o = Max[OutBits-1:0];
    else if (under) data_o = Min[OutBits-1:0];
    else data_o = rounded[OutBits-1:0];
    // For the cell's own test; whoever uses it counts them on the clock, where data_i is valid.
    saturates_high : cover (above);
    saturates_low : cover (under);
    tie_up_to_even : cover (half && !rest && up);
    tie_down_to_even : cover (half && !rest && !up);
    rounds_a_negative : cover (half && rest && data_i < 0 && !under);
  end

endmodule
