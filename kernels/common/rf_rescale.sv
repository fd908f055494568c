// SPDX-License-Identifier: Apache-2.0
// Turns the sums of a request into a vector of int8: each times its head's scale, requantised;
// Lanes sums a cycle, latency Dim / Lanes + 2 cycles, the next job right behind.

module rf_rescale #(
    parameter int unsigned Dim = 64,          // elements of the vector
    parameter int unsigned Heads = 1,         // scales; head h owns Dim / Heads elements
    parameter int unsigned Lanes = 8,         // multipliers and requantisers
    parameter int unsigned SumBits = 18,      // of a signed sum
    parameter int unsigned ScaleBits = 16,    // of an unsigned scale
    parameter int unsigned ProductBits = 34,  // that hold every product that occurs
    localparam int unsigned Chunks = Dim / Lanes,
    localparam int unsigned ChunkIdx = Chunks > 1 ? $clog2(Chunks) : 1,
    localparam int unsigned VecBits = Dim * rf_pkg::StateBits
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    input  logic                         job_valid_i,  // the sums are ready; held until job_done_o
    output logic                         job_done_o,   // the last chunk is being read
    input  logic                         job_empty_i,  // answer with the zero vector
    input  logic [rf_pkg::ShiftBits-1:0] job_shift_i,
    input  logic [Heads*ScaleBits-1:0]   job_scale_i,
    output logic                         read_o,       // read the sums of chunk_o: they must
    output logic [ChunkIdx-1:0]          chunk_o,      // stand from the next cycle to the next
    input  logic [Lanes*SumBits-1:0]     sums_i,       // read
    output logic [VecBits-1:0]           m_axis_vec_tdata,
    output logic                         m_axis_vec_tvalid,
    input  logic                         m_axis_vec_tready
);

  import rf_pkg::*;

  localparam int unsigned HeadDim = Heads > 0 ? Dim / Heads : Dim;
  localparam int unsigned Groups = Lanes > HeadDim ? Lanes / HeadDim : 1;  // heads of a chunk
  localparam int unsigned HeadChunks = Lanes > HeadDim ? 1 : HeadDim / Lanes;
  localparam int unsigned OutBits = Lanes * StateBits;

  if (Lanes < 1 || Lanes > Dim || Lanes != 2 ** $clog2(Lanes)) begin : gen_bad_lanes
    $fatal(1, "rf_rescale: Lanes must be a power of two, 1 to Dim");
  end

  logic [ChunkIdx-1:0] chunk_q;
  logic advance, take, last;
  logic valid_a_q, valid_b_q, last_a_q, last_b_q, empty_a_q;
  logic [ShiftBits-1:0] shift_a_q, shift_b_q;
  logic [Groups*ScaleBits-1:0] scale, scale_q;
  logic [OutBits-1:0] out;
  logic [VecBits-1:0] vec_q;
  logic vec_valid_q;

  // Everything stands still while a finished vector waits for its receiver.
  assign advance = !vec_valid_q || m_axis_vec_tready;
  assign take = advance && job_valid_i;
  assign last = chunk_q == ChunkIdx'(Chunks - 1);
  assign job_done_o = take && last;
  assign read_o = take;
  assign chunk_o = chunk_q;
  assign m_axis_vec_tdata = vec_q;
  assign m_axis_vec_tvalid = vec_valid_q;

  if (Heads == 1) begin : gen_one_scale
    assign scale = job_scale_i;
  end else begin : gen_scales
    localparam int unsigned Choices = Heads / Groups;
    localparam int unsigned ChoiceBits = Groups * ScaleBits;
    always_comb begin
      scale = job_scale_i[ChoiceBits-1:0];
      for (int unsigned c = 1; c < Choices; c++) begin
        if (chunk_q / ChunkIdx'(HeadChunks) == ChunkIdx'(c)) begin
          scale = job_scale_i[c*ChoiceBits+:ChoiceBits];
        end
      end
    end
  end

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic signed [SumBits-1:0] operand;
    logic signed [ProductBits-1:0] product_q;
    logic signed [ScaleBits:0] factor;
    assign operand = sums_i[l*SumBits+:SumBits];
    assign factor = $signed({1'b0, scale_q[(l*Groups/Lanes)*ScaleBits+:ScaleBits]});
    always_ff @(posedge clk_i) begin
      if (advance && valid_a_q) begin
        product_q <= empty_a_q ? '0 : ProductBits'(operand) * ProductBits'(factor);
      end
    end
    rf_requant #(
        .InBits (ProductBits),
        .OutBits(StateBits)
    ) u_requant (
        .data_i (product_q),
        .shift_i(shift_b_q),
        .data_o (out[l*StateBits+:StateBits])
    );
    saturates_high : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      advance && valid_b_q && u_requant.above);
    saturates_low : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      advance && valid_b_q && u_requant.under);
    tie_up_to_even : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      advance && valid_b_q && u_requant.half && !u_requant.rest && u_requant.up);
    tie_down_to_even : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      advance && valid_b_q && u_requant.half && !u_requant.rest && !u_requant.up);
    rounds_a_negative : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      advance && valid_b_q && u_requant.half && u_requant.rest && product_q < 0);
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      scale_q   <= scale;
      shift_a_q <= job_shift_i;
      last_a_q  <= last;
      empty_a_q <= job_empty_i;
    end
    if (advance && valid_a_q) begin
      shift_b_q <= shift_a_q;
      last_b_q  <= last_a_q;
    end
    // The chunks come in order: the first one ends up in the low bits.
    if (advance && valid_b_q) vec_q <= VecBits'({out, vec_q} >> OutBits);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      chunk_q     <= '0;
      valid_a_q   <= 1'b0;
      valid_b_q   <= 1'b0;
      vec_valid_q <= 1'b0;
    end else if (advance) begin
      if (take) chunk_q <= last ? '0 : chunk_q + 1'b1;
      valid_a_q   <= take;
      valid_b_q   <= valid_a_q;
      vec_valid_q <= valid_b_q && last_b_q;
    end
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_vec_tvalid && !m_axis_vec_tready |=> m_axis_vec_tvalid && $stable(m_axis_vec_tdata));
  stalls_with_chunks_inside : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    !advance && valid_a_q && valid_b_q);
  job_right_behind : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    take && chunk_q == '0 && valid_a_q && last_a_q);
  answers_zero : cover property (@(posedge clk_i) disable iff (!rst_ni) take && job_empty_i);

endmodule
