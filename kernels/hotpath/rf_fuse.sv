// SPDX-License-Identifier: Apache-2.0
// The slot of the fuse layer: fused = layer([user vector, attention]), whole vectors in and out.
// This one holds rf_dense, its weights loaded by stream; any module of the same name and ports may
// stand here instead (README.md, "The fuse slot"). Latency 2 Dim / Simd * Dim / Pe + 10 cycles.

module rf_fuse #(
    parameter int unsigned Dim = 64,       // of the vectors: 16, 32, 64, 128 or 256
    parameter int unsigned Pe = 16,        // folding: outputs at a time
    parameter int unsigned Simd = 16,      // and inputs at a time
    parameter int unsigned BeatBits = 512  // of the stream that loads the weights
) (
    input  logic                                 clk_i,
    input  logic                                 rst_ni,
    input  logic [rf_pkg::ShiftBits-1:0]         shift_i,  // held while vectors are in flight
    input  logic [BeatBits-1:0]                  s_axis_weight_tdata,
    input  logic                                 s_axis_weight_tvalid,
    output logic                                 s_axis_weight_tready,
    input  logic [2*Dim*rf_pkg::StateBits-1:0]   s_axis_vec_tdata,  // user vector in the low half
    input  logic                                 s_axis_vec_tvalid,
    output logic                                 s_axis_vec_tready,
    output logic [Dim*rf_pkg::StateBits-1:0]     m_axis_vec_tdata,
    output logic                                 m_axis_vec_tvalid,
    input  logic                                 m_axis_vec_tready
);

  localparam int unsigned StateBits = rf_pkg::StateBits;
  localparam int unsigned Parts = 2 * Dim / Simd;
  localparam int unsigned PartBits = $clog2(Parts + 1);

  // The vector in hand, cut into parts of Simd elements, the first one in the low bits.
  logic [2*Dim*StateBits-1:0] vec_q;
  logic [PartBits-1:0] left_q;  // parts not yet given
  logic part_ready, given, take;

  assign given = left_q != '0 && part_ready;
  assign s_axis_vec_tready = left_q == '0;
  assign take = s_axis_vec_tvalid && s_axis_vec_tready;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) left_q <= '0;
    else if (take) left_q <= PartBits'(Parts);
    else if (given) left_q <= left_q - 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (take) vec_q <= s_axis_vec_tdata;
    else if (given) vec_q <= vec_q >> (Simd * StateBits);
  end

  logic [Pe*StateBits-1:0] out;
  logic out_valid, out_ready;

  rf_dense #(
      .Rows(Dim),
      .Cols(2 * Dim),
      .Pe(Pe),
      .Simd(Simd),
      .BeatBits(BeatBits)
  ) u_dense (
      .clk_i,
      .rst_ni,
      .shift_i,
      .s_axis_weight_tdata,
      .s_axis_weight_tvalid,
      .s_axis_weight_tready,
      .s_axis_vec_tdata (vec_q[Simd*StateBits-1:0]),
      .s_axis_vec_tvalid(left_q != '0),
      .s_axis_vec_tready(part_ready),
      .m_axis_vec_tdata (out),
      .m_axis_vec_tvalid(out_valid),
      .m_axis_vec_tready(out_ready)
  );

  rf_pack #(
      .InBits (Pe * StateBits),
      .OutBits(Dim * StateBits)
  ) u_pack (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (out),
      .s_axis_tvalid(out_valid),
      .s_axis_tready(out_ready),
      .m_axis_tdata (m_axis_vec_tdata),
      .m_axis_tvalid(m_axis_vec_tvalid),
      .m_axis_tready(m_axis_vec_tready)
  );

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_vec_tvalid && !m_axis_vec_tready |=> m_axis_vec_tvalid && $stable(m_axis_vec_tdata));

endmodule
