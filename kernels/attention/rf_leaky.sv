// SPDX-License-Identifier: Apache-2.0
// LeakyReLU on integers: x where x is not negative, else rne(x * Slope / 256). Combinational.

module rf_leaky #(
    parameter int unsigned Bits = 16,   // of the signed number
    parameter int unsigned Slope = 51   // of negative numbers in 1/256: 0 to 256
) (
    input  logic signed [Bits-1:0] data_i,
    output logic signed [Bits-1:0] data_o
);

  localparam int unsigned ProductBits = Bits + 9;  // a slope below 256 and its sign take 9 bits

  if (Slope > 256) begin : gen_bad_slope
    $fatal(1, "rf_leaky: Slope must be 0 to 256");
  end

  if (Slope == 256) begin : gen_through
    assign data_o = data_i;
  end else begin : gen_slope
    logic signed [ProductBits-1:0] product;
    logic signed [Bits-1:0] scaled;
    assign product = ProductBits'(data_i) * ProductBits'($signed({1'b0, 8'(Slope)}));
    rf_requant #(
        .InBits (ProductBits),
        .OutBits(Bits)
    ) u_requant (
        .data_i (product),
        .shift_i(rf_pkg::ShiftBits'(8)),
        .data_o (scaled)
    );
    assign data_o = data_i < 0 ? scaled : data_i;
  end

endmodule
