// SPDX-License-Identifier: Apache-2.0
// Message passing for one node: out[d] = sat8(rne((sum of rows[d]) * norm, shift)); one beat a
// cycle also across requests, latency rows * Beats + Dim / RequantLanes + 4 cycles.

module rf_gather #(
    parameter int unsigned Dim = 64,          // elements of a row, a power of two, 16 to 256
    parameter int unsigned ElemBits = 8,      // of an element: 4 or 8
    parameter int unsigned BeatBits = 512,    // of a beat: 64, 128, 256 or 512
    parameter int unsigned MaxRows = 1024,    // of a request, 1 to 1024
    parameter int unsigned RequantLanes = 8,  // requantised a cycle, a power of two, 1 to Lanes
    localparam int unsigned VecBits = Dim * rf_pkg::StateBits
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  rf_pkg::gather_cmd_t s_axis_cmd_tdata,
    input  logic                s_axis_cmd_tvalid,
    output logic                s_axis_cmd_tready,
    input  logic [BeatBits-1:0] s_axis_row_tdata,
    input  logic                s_axis_row_tvalid,
    output logic                s_axis_row_tready,
    output logic [VecBits-1:0]  m_axis_vec_tdata,
    output logic                m_axis_vec_tvalid,
    input  logic                m_axis_vec_tready
);

  import rf_pkg::*;

  localparam int unsigned Lanes = Dim * ElemBits < BeatBits ? Dim : BeatBits / ElemBits;
  localparam int unsigned Beats = Dim / Lanes;
  localparam int unsigned BeatIdx = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned RowBits = $clog2(MaxRows + 1);
  localparam int unsigned SumBits = ElemBits + $clog2(MaxRows);  // MaxRows times the most negative
  localparam int unsigned ProductBits = SumBits + NormBits;      // signed times unsigned
  localparam int unsigned ChunkIdx = Dim > RequantLanes ? $clog2(Dim / RequantLanes) : 1;

  if (Dim < 16 || Dim > 256 || Dim != 2 ** $clog2(Dim)) begin : gen_bad_dim
    $fatal(1, "rf_gather: Dim must be a power of two, 16 to 256");
  end
  if (ElemBits != 4 && ElemBits != 8) begin : gen_bad_elem
    $fatal(1, "rf_gather: ElemBits must be 4 or 8");
  end
  if (BeatBits < 64 || BeatBits > 512 || BeatBits != 2 ** $clog2(BeatBits)) begin : gen_bad_beat
    $fatal(1, "rf_gather: BeatBits must be 64, 128, 256 or 512");
  end
  if (MaxRows < 1 || MaxRows > 1024) begin : gen_bad_rows
    $fatal(1, "rf_gather: MaxRows must be 1 to 1024");
  end
  if (RequantLanes < 1 || RequantLanes > Lanes || RequantLanes != 2 ** $clog2(RequantLanes))
  begin : gen_bad_requant
    $fatal(1, "rf_gather: RequantLanes must be a power of two, 1 to a beat's elements");
  end

  typedef struct packed {
    logic                 bank;
    logic                 empty;
    logic [NormBits-1:0]  norm;
    logic [ShiftBits-1:0] shift;
  } job_t;

  gather_cmd_t next_q, cmd_q;       // waiting; being summed
  job_t job_q;                      // being requantised
  logic next_valid_q, active_q, job_valid_q, job_done;
  logic bank_q, first_q;
  logic [RowBits-1:0] left_q;  // rows not yet summed
  logic [BeatIdx-1:0] beat_q;
  logic take;                  // requantise another chunk of sums
  logic [ChunkIdx-1:0] chunk;
  logic [RequantLanes*SumBits-1:0] sums;
  logic empty, last_beat, last, row_taken, finish, load;

  assign empty = left_q == '0;
  assign last_beat = beat_q == BeatIdx'(Beats - 1);
  assign last = left_q == RowBits'(1) && last_beat;
  // A request ends into the job's place: its last beat waits until that place is free.
  assign s_axis_row_tready = active_q && !empty && !(last && job_valid_q);
  assign row_taken = s_axis_row_tvalid && s_axis_row_tready;
  assign finish = active_q && (empty ? !job_valid_q : row_taken && last);
  assign load = next_valid_q && (!active_q || finish);
  assign s_axis_cmd_tready = !next_valid_q;

  always_ff @(posedge clk_i) begin
    if (s_axis_cmd_tvalid && s_axis_cmd_tready) next_q <= s_axis_cmd_tdata;
    if (load) cmd_q <= next_q;
    if (finish) begin
      job_q <= '{bank: bank_q, empty: empty, norm: cmd_q.norm, shift: cmd_q.shift[ShiftBits-1:0]};
    end
    if (load) begin
      left_q  <= next_q.rows[RowBits-1:0];
      beat_q  <= '0;
      first_q <= 1'b1;
    end else if (row_taken) begin
      beat_q <= last_beat ? '0 : beat_q + 1'b1;
      if (last_beat) begin
        left_q  <= left_q - 1'b1;
        first_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      next_valid_q <= 1'b0;
      active_q     <= 1'b0;
      job_valid_q  <= 1'b0;
      bank_q       <= 1'b0;
    end else begin
      next_valid_q <= s_axis_cmd_tready ? s_axis_cmd_tvalid : !load;
      active_q     <= load || (active_q && !finish);
      job_valid_q  <= finish || (job_valid_q && !job_done);
      if (finish) bank_q <= !bank_q;
    end
  end

  rf_sum_rows #(
      .Lanes    (Lanes),
      .Beats    (Beats),
      .ElemBits (ElemBits),
      .Weighted (1'b0),
      .SumBits  (SumBits),
      .ReadLanes(RequantLanes)
  ) u_sum (
      .clk_i,
      .add_i       (row_taken),
      .first_i     (first_q),
      .bank_i      (bank_q),
      .beat_i      (beat_q),
      .data_i      (s_axis_row_tdata[Lanes*ElemBits-1:0]),
      .weight_i    ('0),
      .read_i      (take),
      .read_bank_i (job_q.bank),
      .read_chunk_i(chunk),
      .read_o      (sums)
  );

  rf_rescale #(
      .Dim        (Dim),
      .Heads      (1),
      .Lanes      (RequantLanes),
      .SumBits    (SumBits),
      .ScaleBits  (NormBits),
      .ProductBits(ProductBits)
  ) u_rescale (
      .clk_i,
      .rst_ni,
      .job_valid_i (job_valid_q),
      .job_done_o  (job_done),
      .job_empty_i (job_q.empty),
      .job_shift_i (job_q.shift),
      .job_scale_i (job_q.norm),
      .read_o      (take),
      .chunk_o     (chunk),
      .sums_i      (sums),
      .m_axis_vec_tdata,
      .m_axis_vec_tvalid,
      .m_axis_vec_tready
  );

  logic unused_bits;
  assign unused_bits = ^{s_axis_row_tdata, next_q.rows, cmd_q};

  rows_within_limit : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    s_axis_cmd_tvalid |-> 32'(s_axis_cmd_tdata.rows) <= MaxRows);

endmodule
