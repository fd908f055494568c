// SPDX-License-Identifier: Apache-2.0
// The largest of Lanes signed numbers: one set a cycle, latency Stages = ceil(log4(Lanes)) steps.
// The caller owns the pipeline's valid bits: enable_i[s] lets stage s take its inputs.

module rf_max #(
    parameter int unsigned Lanes = 16,  // numbers, a power of two, at least 2
    parameter int unsigned Bits = 16,   // of each
    localparam int unsigned Size = Lanes < 2 ? 2 : Lanes,  // so that a bad value is named
    localparam int unsigned Stages = ($clog2(Size) + 1) / 2
) (
    input  logic                   clk_i,
    input  logic [Stages-1:0]      enable_i,
    input  logic [Lanes*Bits-1:0]  data_i,
    output logic signed [Bits-1:0] max_o
);

  if (Lanes < 2 || Lanes != 2 ** $clog2(Lanes)) begin : gen_bad_lanes
    $fatal(1, "rf_max: Lanes must be a power of two, at least 2");
  end

  for (genvar s = 0; s < Stages; s++) begin : gen_stage
    localparam int unsigned Below = Size / 4 ** s;          // numbers that enter this stage
    localparam int unsigned Inputs = Below > 2 ? 4 : Below; // of a node: a last stage may have two
    localparam int unsigned Nodes = Below / Inputs;
    logic [Below*Bits-1:0] data;
    logic [Nodes*Bits-1:0] max_q;
    if (s == 0) begin : gen_input
      assign data = (Size * Bits)'(data_i);
    end else begin : gen_below
      assign data = gen_stage[s-1].max_q;
    end
    for (genvar j = 0; j < Nodes; j++) begin : gen_node
      logic signed [Bits-1:0] part0, part1, part2, part3, low, high;
      assign part0 = data[Inputs*j*Bits+:Bits];
      assign part1 = data[(Inputs*j+1)*Bits+:Bits];
      assign part2 = data[(Inputs*j+Inputs-2)*Bits+:Bits];
      assign part3 = data[(Inputs*j+Inputs-1)*Bits+:Bits];
      assign low = part0 > part1 ? part0 : part1;
      assign high = part2 > part3 ? part2 : part3;
      always_ff @(posedge clk_i) begin
        if (enable_i[s]) max_q[j*Bits+:Bits] <= low > high ? low : high;
      end
    end
  end

  assign max_o = gen_stage[Stages-1].max_q;

endmodule
