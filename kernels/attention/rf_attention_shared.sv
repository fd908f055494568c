// SPDX-License-Identifier: Apache-2.0
// The queries of the array, one in work and one waiting, and the operand that all its dot products
// share, latency one cycle: Depth elements of the query in work or Depth weights, turned by the
// group as rf_attention_operands turns the values.

module rf_attention_shared #(
    parameter int unsigned Dim = 64,
    parameter int unsigned Depth = 64,
    parameter int unsigned Pe = 16,
    parameter int unsigned BlockBits = 2,   // of a number of blocks of Pe weights, less one
    parameter int unsigned OuterBits = 2,   // of a number of groups, less one
    parameter int unsigned InnerBits = 1,   // of a number of steps, less one
    localparam int unsigned WeightBits = 8,
    localparam int unsigned SharedBits = WeightBits + 1,  // a weight is unsigned, a query signed
    localparam int unsigned VecBits = Dim * rf_pkg::StateBits
) (
    input  logic                        clk_i,
    input  logic                        rst_ni,
    input  logic [VecBits-1:0]          s_axis_query_tdata,
    input  logic                        s_axis_query_tvalid,
    output logic                        s_axis_query_tready,
    input  logic                        next_i,        // entry of the next query
    output logic                        next_valid_o,
    input  logic                        entry_i,       // of the query in work
    input  logic                        free_i,        // which is not needed any more
    input  logic                        read_i,
    input  logic                        read_weights_i,
    input  logic [OuterBits-1:0]        read_outer_i,  // which group
    input  logic [InnerBits-1:0]        read_inner_i,  // which Depth elements or weights
    input  logic [BlockBits-1:0]        last_block_i,  // beyond it there are no weights
    input  logic [Depth*WeightBits-1:0] weights_i,
    output logic [Depth*SharedBits-1:0] shared_o
);

  import rf_pkg::*;

  localparam int unsigned Steps = Dim / Depth;
  localparam int unsigned Parts = Depth / Pe;
  localparam int unsigned PartBits = Parts > 1 ? $clog2(Parts) : 1;

  logic [1:0][VecBits-1:0] query_q;
  logic [1:0] valid_q;
  logic write_q, take;
  logic [Depth*WeightBits-1:0] turned;

  assign s_axis_query_tready = !valid_q[write_q];
  assign take = s_axis_query_tvalid && s_axis_query_tready;
  assign next_valid_o = valid_q[next_i];

  always_ff @(posedge clk_i) begin
    if (take) query_q[write_q] <= s_axis_query_tdata;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
      write_q <= 1'b0;
    end else begin
      if (take) begin
        valid_q[write_q] <= 1'b1;
        write_q <= !write_q;
      end
      if (free_i) valid_q[entry_i] <= 1'b0;
    end
  end

  for (genvar b = 0; b < Parts; b++) begin : gen_block
    localparam int unsigned BlockWeights = Pe * WeightBits;
    logic [PartBits-1:0] part;
    logic [BlockWeights-1:0] weights;
    assign part = PartBits'((b + Parts - 32'(read_outer_i) % Parts) % Parts);
    assign weights = 32'(read_inner_i) * Parts + 32'(part) <= 32'(last_block_i) ?
        weights_i[part*BlockWeights+:BlockWeights] : '0;
    assign turned[b*BlockWeights+:BlockWeights] = weights;
  end

  for (genvar d = 0; d < Depth; d++) begin : gen_shared
    logic [StateBits-1:0] element;
    logic [WeightBits-1:0] weight;
    logic [SharedBits-1:0] shared_q;
    assign element = query_q[entry_i][(32'(read_inner_i)%Steps*Depth+d)*StateBits+:StateBits];
    assign weight = turned[d*WeightBits+:WeightBits];
    always_ff @(posedge clk_i) begin
      if (read_i) shared_q <= read_weights_i ? {1'b0, weight} : {element[StateBits-1], element};
    end
    assign shared_o[d*SharedBits+:SharedBits] = shared_q;
  end

endmodule
