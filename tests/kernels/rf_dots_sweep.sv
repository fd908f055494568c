// SPDX-License-Identifier: Apache-2.0
// rf_dots_check for every packing: all factors of one lane, or random vectors of Several lanes.
// The only output beat comes after 2**CountBits cycles: a wrong bit and a bit for the largest sum
// seen, for each packing.

module rf_dots_sweep #(
    parameter int unsigned CountBits = 24,
    parameter bit          Several = 0
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    output logic [9:0] m_axis_done_tdata,  // wrong in the low half
    output logic       m_axis_done_tvalid,
    input  logic       m_axis_done_tready
);

  localparam int unsigned Packings = 5;
  localparam int unsigned ABits[Packings] = '{8, 4, 4, 4, 4};
  localparam int unsigned BBits[Packings] = '{8, 8, 8, 8, 4};
  localparam int unsigned PortBits[Packings] = '{25, 25, 27, 27, 25};
  localparam int unsigned Fields[Packings] = '{2, 4, 4, 3, 4};
  localparam int unsigned Rows[Packings] = '{3, 6, 5, 4, 8};  // of several lanes
  localparam int unsigned Lanes[Packings] = '{16, 5, 17, 4, 7};

  logic [31:0] count;
  rf_sweep_count #(
      .CountBits(CountBits)
  ) u_count (
      .clk_i,
      .rst_ni,
      .count_o(count),
      .m_axis_done_tvalid,
      .m_axis_done_tready
  );

  for (genvar p = 0; p < Packings; p++) begin : gen_packing
    rf_dots_check #(
        .Rows    (Several ? Rows[p] : Fields[p]),
        .Lanes   (Several ? Lanes[p] : 1),
        .ABits   (ABits[p]),
        .BBits   (BBits[p]),
        .PortBits(PortBits[p]),
        .Fields  (Fields[p])
    ) u_check (
        .clk_i,
        .run_i    (rst_ni),
        .count_i  (count),
        .wrong_o  (m_axis_done_tdata[p]),
        .extreme_o(m_axis_done_tdata[Packings+p])
    );
  end

endmodule
