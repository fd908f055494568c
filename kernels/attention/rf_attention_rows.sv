// SPDX-License-Identifier: Apache-2.0
// Rows of sums in, vectors out: each row times its scale, requantised. Pe sums in and Lanes out a
// cycle, latency Dim / Lanes + 3 cycles after a row's last sums or its scale.

module rf_attention_rows #(
    parameter int unsigned Dim = 64,
    parameter int unsigned Pe = 16,
    parameter int unsigned Lanes = 8,     // a power of two, at most Pe
    parameter int unsigned SumBits = 22,
    parameter int unsigned Slots = 8,     // rows at once
    localparam int unsigned SlotBits = $clog2(Slots),
    localparam int unsigned Groups = Dim / Pe,
    localparam int unsigned GroupBits = Groups > 1 ? $clog2(Groups) : 1,
    localparam int unsigned ScaleBits = rf_pkg::ReciprocalFrac + 1 - 8,
    localparam int unsigned VecBits = Dim * rf_pkg::StateBits
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    input  logic                         valid_i,
    input  logic [Pe*SumBits-1:0]        sums_i,
    input  logic [SlotBits-1:0]          slot_i,   // slots are used in order
    input  logic [GroupBits-1:0]         group_i,
    input  logic                         last_i,   // the row is complete
    input  logic [rf_pkg::ShiftBits-1:0] shift_i,
    output logic                         done_o,   // the oldest row is not needed any more
    input  logic [ScaleBits-1:0]         s_axis_scale_tdata,
    input  logic                         s_axis_scale_tvalid,
    output logic                         s_axis_scale_tready,
    output logic [VecBits-1:0]           m_axis_vec_tdata,
    output logic                         m_axis_vec_tvalid,
    input  logic                         m_axis_vec_tready
);

  import rf_pkg::*;

  localparam int unsigned Chunks = Dim / Lanes;
  localparam int unsigned ChunkIdx = Chunks > 1 ? $clog2(Chunks) : 1;
  localparam int unsigned Parts = Pe / Lanes;
  localparam int unsigned Addr = $clog2(Slots * Groups);
  localparam int unsigned ProductBits = ReciprocalFrac + StateBits;  // as in rf_attention_values

  logic [Pe*SumBits-1:0] memory[Slots*Groups];
  logic [ShiftBits-1:0] shift_memory[Slots];
  logic [Pe*SumBits-1:0] word;
  logic [Lanes*SumBits-1:0] sums_q;
  logic [Addr-1:0] write_at, read_at;
  logic [SlotBits-1:0] slot_q;
  logic [SlotBits:0] rows_q;  // complete
  logic take;
  logic [ChunkIdx-1:0] chunk;

  assign write_at = Addr'(32'(slot_i) * Groups + 32'(group_i));
  assign read_at = Addr'(32'(slot_q) * Groups + 32'(chunk) / Parts);
  assign word = memory[read_at];
  assign s_axis_scale_tready = done_o;

  always_ff @(posedge clk_i) begin
    if (valid_i) memory[write_at] <= sums_i;
    if (valid_i) shift_memory[slot_i] <= shift_i;
    if (take) sums_q <= word[32'(chunk)%Parts*(Lanes*SumBits)+:Lanes*SumBits];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      slot_q <= '0;
      rows_q <= '0;
    end else begin
      if (done_o) slot_q <= slot_q + 1'b1;
      rows_q <= rows_q + (SlotBits + 1)'(valid_i && last_i) - (SlotBits + 1)'(done_o);
    end
  end

  rf_rescale #(
      .Dim        (Dim),
      .Heads      (1),
      .Lanes      (Lanes),
      .SumBits    (SumBits),
      .ScaleBits  (ScaleBits),
      .ProductBits(ProductBits)
  ) u_rescale (
      .clk_i,
      .rst_ni,
      .job_valid_i(rows_q != '0 && s_axis_scale_tvalid),
      .job_done_o (done_o),
      .job_empty_i(1'b0),
      .job_shift_i(shift_memory[slot_q]),
      .job_scale_i(s_axis_scale_tdata),
      .read_o     (take),
      .chunk_o    (chunk),
      .sums_i     (sums_q),
      .m_axis_vec_tdata,
      .m_axis_vec_tvalid,
      .m_axis_vec_tready
  );

endmodule
