// SPDX-License-Identifier: Apache-2.0
// One bank of one score array: an entry is read and, a cycle later, written back with a weight
// added or as zero; a step a cycle, exact also where the same entry comes in successive cycles.

module rf_scatter_array #(
    parameter int unsigned Depth = 2048,  // entries, a power of two, at least 2
    parameter int unsigned SumBits = 18,  // of a signed sum
    localparam int unsigned AddrBits = $clog2(Depth),
    localparam int unsigned WeightBits = rf_pkg::EdgeWeightBits
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  logic                  step_i,       // read an entry:
    input  logic                  add_i,        // write it back with the weight added, or as 0
    input  logic [AddrBits-1:0]   addr_i,
    input  logic [WeightBits-1:0] weight_i,     // signed
    output logic [SumBits-1:0]    sum_o         // read, from the next cycle to the next step
);

  logic [SumBits-1:0] memory[Depth];
  logic [SumBits-1:0] data_q, written_q, base, sum;
  logic [AddrBits-1:0] addr_q;
  logic signed [WeightBits-1:0] weight_q;
  logic step_q, add_q, same_q;

  // What the step before writes with this edge is not yet read: it is taken from there.
  assign base = !add_q ? '0 : same_q ? written_q : data_q;
  // MaxRows weights of -128 make -2^(SumBits - 1): no sum wraps.
  assign sum = SumBits'(weight_q) + base;
  assign sum_o = data_q;

  always_ff @(posedge clk_i) begin
    if (step_q) memory[addr_q] <= sum;
    if (step_i) data_q <= memory[addr_i];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) step_q <= 1'b0;
    else step_q <= step_i;
    if (step_i) begin
      addr_q   <= addr_i;
      add_q    <= add_i;
      weight_q <= add_i ? weight_i : '0;
      same_q   <= step_q && addr_i == addr_q;
    end
    if (step_q) written_q <= sum;
  end

  forwards : cover property (@(posedge clk_i) disable iff (!rst_ni) step_q && add_q && same_q);
  forwards_twice : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    step_q && add_q && same_q && step_i && add_i && addr_i == addr_q);
  returns_a_cycle_later : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    step_q && add_q && !same_q && $past(step_q && add_q, 2) && $past(addr_q, 2) == addr_q);

endmodule
