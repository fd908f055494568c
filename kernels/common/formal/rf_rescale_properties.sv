// SPDX-License-Identifier: Apache-2.0
// rf_rescale answers each job with one vector, all its chunks read once and in order; the vector
// waits for its receiver unchanged. What is requantised is the sum times the scale, or 0 where the
// job is empty.

module rf_rescale_properties #(
    parameter int unsigned Dim = 4,
    parameter int unsigned Lanes = 2,
    parameter int unsigned SumBits = 4,
    parameter int unsigned ScaleBits = 3
) (
    input logic                         clk_i,
    input logic                         rst_ni,
    input logic                         job_valid_i,
    input logic                         job_empty_i,
    input logic [rf_pkg::ShiftBits-1:0] job_shift_i,
    input logic [ScaleBits-1:0]         job_scale_i,
    input logic [Lanes*SumBits-1:0]     sums_i,
    input logic                         m_axis_vec_tready
);

  localparam int unsigned Chunks = Dim / Lanes;
  localparam int unsigned ChunkIdx = Chunks > 1 ? $clog2(Chunks) : 1;
  localparam int unsigned CountBits = 4;

  logic job_done, read, m_axis_vec_tvalid;
  logic [ChunkIdx-1:0] chunk;
  logic [Dim*rf_pkg::StateBits-1:0] m_axis_vec_tdata;

  rf_rescale #(
      .Dim        (Dim),
      .Heads      (1),
      .Lanes      (Lanes),
      .SumBits    (SumBits),
      .ScaleBits  (ScaleBits),
      .ProductBits(SumBits + ScaleBits + 1)
  ) u_dut (
      .clk_i,
      .rst_ni,
      .job_valid_i,
      .job_done_o(job_done),
      .job_empty_i,
      .job_shift_i,
      .job_scale_i,
      .read_o    (read),
      .chunk_o   (chunk),
      .sums_i,
      .m_axis_vec_tdata,
      .m_axis_vec_tvalid,
      .m_axis_vec_tready
  );

  // The model: jobs read whole and not yet answered, the chunk to be read next.
  logic live_q = 1'b0;
  logic pop;
  logic [CountBits-1:0] inside_q;
  logic [ChunkIdx-1:0] next_q;

  assign pop = m_axis_vec_tvalid && m_axis_vec_tready;

  always_ff @(posedge clk_i) begin
    live_q   <= live_q || !rst_ni;
    inside_q <= inside_q + CountBits'(job_done) - CountBits'(pop);
    if (read) next_q <= job_done ? '0 : next_q + 1'b1;
    if (!rst_ni) begin
      inside_q <= '0;
      next_q   <= '0;
    end
  end

  rf_stable_properties #(
      .Width(Dim * rf_pkg::StateBits)
  ) u_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i (m_axis_vec_tdata),
      .valid_i(m_axis_vec_tvalid),
      .ready_i(m_axis_vec_tready)
  );

  // The chunk of the product's stage, as it is computed from what was given.
  logic signed [SumBits+ScaleBits:0] wanted_q[Lanes];
  logic wanted_valid_q;
  logic [Lanes-1:0] right;
  always_ff @(posedge clk_i) begin
    if (u_dut.advance) wanted_valid_q <= rst_ni && u_dut.valid_a_q;
    if (!rst_ni) wanted_valid_q <= 1'b0;
  end
  logic [ScaleBits-1:0] scale_q;
  logic empty_q;
  always_ff @(posedge clk_i) begin
    if (read) begin
      scale_q <= job_scale_i;
      empty_q <= job_empty_i;
    end
  end
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic signed [SumBits-1:0] sum;
    assign sum = sums_i[l*SumBits+:SumBits];
    always_ff @(posedge clk_i) begin
      if (u_dut.advance && u_dut.valid_a_q) begin
        wanted_q[l] <= empty_q ? '0 :
            (SumBits + ScaleBits + 1)'(sum) *
            (SumBits + ScaleBits + 1)'($signed({1'b0, scale_q}));
      end
    end
    assign right[l] = u_dut.gen_lane[l].product_q == wanted_q[l];
  end

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    if (live_q) begin
      no_loss_no_duplicate :
      assert (inside_q == CountBits'(u_dut.valid_a_q && u_dut.last_a_q) +
              CountBits'(u_dut.valid_b_q && u_dut.last_b_q) + CountBits'(m_axis_vec_tvalid));
      chunks_in_order : assert (!read || chunk == next_q);
      lemma_chunk_counted : assert (u_dut.chunk_q == next_q && 32'(next_q) < Chunks);
      done_with_the_last_chunk : assert (job_done == (read && 32'(chunk) == Chunks - 1));
      lemma_stage_counted : assert (wanted_valid_q == u_dut.valid_b_q);
      if (u_dut.valid_a_q) begin
        lemma_scale_kept : assert (u_dut.scale_q == scale_q && u_dut.empty_a_q == empty_q);
      end
      if (u_dut.valid_b_q) begin
        products_are_right : assert (&right);
      end
    end
  end

endmodule
