// SPDX-License-Identifier: Apache-2.0
// Turns logits into weights, sums the value rows times their weights, and divides by the weights'
// sum; one value beat a cycle, five cycles between requests, the division beside the next one.
// The first value is taken 4 cycles after open_i, the vector stands Dim / RequantLanes + 27 cycles
// after the last one.

module rf_attention_values #(
    parameter int unsigned Dim = 64,
    parameter int unsigned Heads = 2,
    parameter int unsigned ValueBits = 8,
    parameter int unsigned BeatBits = 512,
    parameter int unsigned MaxRows = 1024,
    parameter int unsigned RequantLanes = 8,
    localparam int unsigned VecBits = Dim * rf_pkg::StateBits,
    localparam int unsigned WordBits = Heads * rf_pkg::LogitBits,
    localparam int unsigned RowBits = $clog2(MaxRows + 1),
    localparam int unsigned RowIdx = MaxRows > 1 ? $clog2(MaxRows) : 1
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    input  logic                         open_i,      // a request's logits stand in the memory
    input  logic [RowBits-1:0]           rows_i,      // of it, held until close_o like max_i
    input  logic [WordBits-1:0]          max_i,       // its heads' maxima
    input  logic [rf_pkg::ShiftBits-1:0] out_shift_i,
    output logic                         close_o,     // its logits are not needed any more
    output logic                         read_o,      // read a row of logits, answered the next
    output logic [RowIdx-1:0]            read_row_o,  // cycle and held until the next read
    input  logic [WordBits-1:0]          read_word_i,
    input  logic [BeatBits-1:0]          s_axis_value_tdata,
    input  logic                         s_axis_value_tvalid,
    output logic                         s_axis_value_tready,
    output logic [VecBits-1:0]           m_axis_vec_tdata,
    output logic                         m_axis_vec_tvalid,
    input  logic                         m_axis_vec_tready
);

  import rf_pkg::*;

  localparam int unsigned Lanes = Dim * ValueBits < BeatBits ? Dim : BeatBits / ValueBits;
  localparam int unsigned Beats = Dim / Lanes;
  localparam int unsigned BeatIdx = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned HeadDim = Heads > 0 ? Dim / Heads : Dim;
  localparam int unsigned Groups = Lanes > HeadDim ? Lanes / HeadDim : 1;  // heads of a beat
  localparam int unsigned HeadBeats = HeadDim * Groups / Lanes;            // beats of these heads
  localparam int unsigned WeightBits = 8;
  localparam int unsigned WeightSumBits = WeightBits + $clog2(MaxRows);  // MaxRows times 255
  localparam int unsigned SumBits = ValueBits + WeightSumBits;           // and the lowest value
  // The maximum's own weight is 255, so that 2^30 / 255 is the largest scale. A sum is at most
  // 2^(ValueBits - 1) times the weights' sum, a product then at most 2^(ValueBits - 1 + 30).
  localparam int unsigned ScaleBits = ReciprocalFrac + 1 - 8;
  localparam int unsigned ProductBits = ReciprocalFrac + ValueBits;
  localparam int unsigned ChunkIdx = Dim > RequantLanes ? $clog2(Dim / RequantLanes) : 1;

  typedef enum logic [1:0] {
    Idle,
    Run,
    Close
  } state_e;

  typedef struct packed {
    logic                 empty;
    logic [ShiftBits-1:0] shift;
  } job_t;

  state_e state_q, state_d;
  job_t job_q;
  logic job_valid_q, job_done, first_q, accept, step, last_beat, last, finish, empty_q;
  logic [ShiftBits-1:0] shift_q;
  logic [RowBits-1:0] reads_q, left_q;  // logits not yet read, rows not yet summed
  logic [RowIdx-1:0] row_q;
  logic [BeatIdx-1:0] beat_q;
  logic logit_valid_q, exponent_valid_q, weight_valid_q;
  logic [Heads*WeightBits-1:0] weights;
  logic [Groups*WeightBits-1:0] beat_weights;
  logic [Heads-1:0] divide_ready, divided;
  logic [Heads*ScaleBits-1:0] scale;
  logic [Heads*WeightSumBits-1:0] weight_sums_q;  // of the job
  logic take;                  // requantise another chunk of sums
  logic [ChunkIdx-1:0] chunk;
  logic [RequantLanes*SumBits-1:0] sums;

  // The weights run ahead of the values and wait for them: a step moves all of them one on.
  assign step = !weight_valid_q || (accept && last_beat);
  assign read_o = step && reads_q != '0;
  assign read_row_o = row_q;
  assign s_axis_value_tready = weight_valid_q;
  assign accept = s_axis_value_tvalid && weight_valid_q;
  assign last_beat = beat_q == BeatIdx'(Beats - 1);
  assign last = left_q == RowBits'(1) && last_beat;
  assign finish = state_q == Close && !job_valid_q && &divide_ready;
  // The bank is free once the last logit has become an exponent: while its values still stream,
  // the next request's keys arrive.
  assign close_o = state_q == Idle ? open_i && rows_i == '0
                                   : step && logit_valid_q && reads_q == '0;

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      Idle: if (open_i) state_d = rows_i == '0 ? Close : Run;
      Run: if (accept && last) state_d = Close;
      Close: if (finish) state_d = Idle;
      default: state_d = Idle;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (state_q == Idle) begin
      row_q   <= '0;
      left_q  <= rows_i;
      beat_q  <= '0;
      first_q <= 1'b1;
      empty_q <= rows_i == '0;
      shift_q <= out_shift_i;
    end else begin
      if (read_o) row_q <= row_q + 1'b1;
      if (accept) beat_q <= last_beat ? '0 : beat_q + 1'b1;
      if (accept && last_beat) begin
        left_q  <= left_q - 1'b1;
        first_q <= 1'b0;
      end
    end
    if (finish) job_q <= '{empty: empty_q, shift: shift_q};
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q          <= Idle;
      reads_q          <= '0;
      logit_valid_q    <= 1'b0;
      exponent_valid_q <= 1'b0;
      weight_valid_q   <= 1'b0;
      job_valid_q      <= 1'b0;
    end else begin
      state_q <= state_d;
      if (state_q == Idle && open_i) reads_q <= rows_i;
      else if (read_o) reads_q <= reads_q - 1'b1;
      if (step) begin
        logit_valid_q    <= read_o;
        exponent_valid_q <= logit_valid_q;
        weight_valid_q   <= exponent_valid_q;
      end
      job_valid_q <= finish || (job_valid_q && !job_done);
    end
  end

  for (genvar h = 0; h < Heads; h++) begin : gen_head
    logic [LogitBits-1:0] exponent_q;  // below the maximum: 0 to 65,535, unsigned
    logic [WeightBits-1:0] weight, weight_q;
    logic [WeightSumBits-1:0] sum_q;
    rf_exp2 u_exp2 (
        .exponent_i(exponent_q),
        .weight_o  (weight)
    );
    always_ff @(posedge clk_i) begin
      if (step && logit_valid_q) begin
        exponent_q <= max_i[h*LogitBits+:LogitBits] - read_word_i[h*LogitBits+:LogitBits];
      end
      if (step && exponent_valid_q) weight_q <= weight;
      if (accept && last_beat) sum_q <= (first_q ? '0 : sum_q) + WeightSumBits'(weight_q);
      if (finish) weight_sums_q[h*WeightSumBits+:WeightSumBits] <= sum_q;
    end
    assign weights[h*WeightBits+:WeightBits] = weight_q;

    rf_divide #(
        .DividendBits(ReciprocalFrac + 1),
        .DivisorBits (WeightSumBits),
        .QuotientBits(ScaleBits)
    ) u_divide (
        .clk_i,
        .rst_ni,
        .s_axis_tdata ({1'b1, {ReciprocalFrac{1'b0}}, sum_q}),
        .s_axis_tvalid(finish && !empty_q),
        .s_axis_tready(divide_ready[h]),
        .m_axis_tdata (scale[h*ScaleBits+:ScaleBits]),
        .m_axis_tvalid(divided[h]),
        .m_axis_tready(job_done)
    );
  end

  if (Groups == Heads) begin : gen_all_weights
    assign beat_weights = weights;
  end else begin : gen_part_weights
    assign beat_weights = weights[32'(beat_q)/HeadBeats*(Groups*WeightBits)+:Groups*WeightBits];
  end

  rf_sum_rows #(
      .Lanes     (Lanes),
      .Beats     (Beats),
      .ElemBits  (ValueBits),
      .Groups    (Groups),
      .WeightBits(WeightBits),
      .Heads     (Heads),
      .TotalBits (WeightSumBits),
      .SumBits   (SumBits),
      .ReadLanes (RequantLanes)
  ) u_sum (
      .clk_i,
      .rst_ni,
      .open_i      (state_q == Idle && open_i),
      .add_i       (accept),
      .beat_i      (beat_q),
      .data_i      (s_axis_value_tdata[Lanes*ValueBits-1:0]),
      .weight_i    (beat_weights),
      .close_i     (finish),
      .read_i      (take),
      .read_chunk_i(chunk),
      .total_i     (weight_sums_q),
      .read_o      (sums)
  );

  rf_rescale #(
      .Dim        (Dim),
      .Heads      (Heads),
      .Lanes      (RequantLanes),
      .SumBits    (SumBits),
      .ScaleBits  (ScaleBits),
      .ProductBits(ProductBits)
  ) u_rescale (
      .clk_i,
      .rst_ni,
      .job_valid_i(job_valid_q && (job_q.empty || &divided)),
      .job_done_o (job_done),
      .job_empty_i(job_q.empty),
      .job_shift_i(job_q.shift),
      .job_scale_i(scale),
      .read_o     (take),
      .chunk_o    (chunk),
      .sums_i     (sums),
      .m_axis_vec_tdata,
      .m_axis_vec_tvalid,
      .m_axis_vec_tready
  );

  value_waited_for : cover property (
    @(posedge clk_i) disable iff (!rst_ni) s_axis_value_tready && !s_axis_value_tvalid);
  weights_waited_for : cover property (
    @(posedge clk_i) disable iff (!rst_ni) s_axis_value_tvalid && !s_axis_value_tready);
  division_waited_for : cover property (
    @(posedge clk_i) disable iff (!rst_ni) state_q == Close && !finish);

  if (Lanes * ValueBits < BeatBits) begin : gen_short_row
    logic unused_value;
    assign unused_value = ^s_axis_value_tdata[BeatBits-1:Lanes*ValueBits];
  end

endmodule
