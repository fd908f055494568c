// SPDX-License-Identifier: Apache-2.0
// Message passing for one node: out[d] = sat8(rne(norm * sum_i w_i rows_i[d], shift)), or the
// maximum in the sum's place; one beat a cycle also across requests, latency rows * Beats +
// Dim / RequantLanes + 4 cycles (2 more with weights, 3 at int4).

module rf_gather #(
    parameter int unsigned Dim = 64,          // elements of a row, a power of two, 16 to 256
    parameter int unsigned ElemBits = 8,      // of an element: 4 or 8
    parameter int unsigned BeatBits = 512,    // of a beat: 64, 128, 256 or 512
    parameter int unsigned MaxRows = 1024,    // of a request, 1 to 1048576
    parameter int unsigned RequantLanes = 8,  // requantised a cycle, a power of two, 1 to Lanes
    parameter int unsigned WeightBits = 0,    // of a row's signed weight, 2 to 8; 0: none
    parameter bit          WithMax = 0,       // 1: the command may ask for the maximum
    localparam int unsigned WeightPort = WeightBits > 0 ? WeightBits : 1,
    localparam int unsigned VecBits = Dim * rf_pkg::StateBits
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  rf_pkg::gather_cmd_t   s_axis_cmd_tdata,
    input  logic                  s_axis_cmd_tvalid,
    output logic                  s_axis_cmd_tready,
    input  logic [BeatBits-1:0]   s_axis_row_tdata,
    input  logic [WeightPort-1:0] s_axis_row_tuser,  // weight, the same with every beat of a row
    input  logic                  s_axis_row_tvalid,
    output logic                  s_axis_row_tready,
    output logic [VecBits-1:0]    m_axis_vec_tdata,
    output logic                  m_axis_vec_tvalid,
    input  logic                  m_axis_vec_tready
);

  import rf_pkg::*;

  localparam int unsigned Lanes = Dim * ElemBits < BeatBits ? Dim : BeatBits / ElemBits;
  localparam int unsigned Beats = Dim / Lanes;
  localparam int unsigned BeatIdx = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned RowBits = $clog2(MaxRows + 1);
  // MaxRows times the most negative element, and times the most negative weight.
  localparam int unsigned SumBits = ElemBits + WeightBits + $clog2(MaxRows);
  localparam int unsigned ProductBits = SumBits + NormBits;  // signed times unsigned
  localparam int unsigned ChunkIdx = Dim > RequantLanes ? $clog2(Dim / RequantLanes) : 1;
  localparam int unsigned Fields = rf_dots_pkg::most_fields(Lanes, ElemBits);
  localparam int unsigned Stages = WeightBits == 0 ? 0 :  // of the products
      rf_dots_pkg::term_stages(Fields, ElemBits, WeightBits, 1'b1, rf_dots_pkg::SmallPort);

  if (Dim < 16 || Dim > 256 || Dim != 2 ** $clog2(Dim)) begin : gen_bad_dim
    $fatal(1, "rf_gather: Dim must be a power of two, 16 to 256");
  end
  if (ElemBits != 4 && ElemBits != 8) begin : gen_bad_elem
    $fatal(1, "rf_gather: ElemBits must be 4 or 8");
  end
  if (BeatBits < 64 || BeatBits > 512 || BeatBits != 2 ** $clog2(BeatBits)) begin : gen_bad_beat
    $fatal(1, "rf_gather: BeatBits must be 64, 128, 256 or 512");
  end
  if (MaxRows < 1 || MaxRows > 1048576) begin : gen_bad_rows
    $fatal(1, "rf_gather: MaxRows must be 1 to 1048576");
  end
  if (RequantLanes < 1 || RequantLanes > Lanes || RequantLanes != 2 ** $clog2(RequantLanes))
  begin : gen_bad_requant
    $fatal(1, "rf_gather: RequantLanes must be a power of two, 1 to a beat's elements");
  end
  if (WeightBits == 1 || WeightBits > 8) begin : gen_bad_weight
    $fatal(1, "rf_gather: WeightBits must be 0 or 2 to 8");
  end

  typedef struct packed {
    logic                 bank;
    logic                 empty;
    logic [NormBits-1:0]  norm;
    logic [ShiftBits-1:0] shift;
  } job_t;

  // What goes along with a beat, or for a request without rows in its place.
  typedef struct packed {
    logic               add;     // a beat of a row
    logic               finish;  // the request's end
    logic               first;
    logic               max;
    logic [BeatIdx-1:0] beat;
    job_t               job;
  } slot_t;

  gather_cmd_t next_q, cmd_q;  // waiting; being reduced
  slot_t head, tail;           // taken now; at the end of the products' pipeline
  job_t job_q;                 // being requantised
  logic next_valid_q, active_q, job_valid_q, job_done;
  logic bank_q, first_q;
  logic [RowBits-1:0] left_q;  // rows not yet taken
  logic [BeatIdx-1:0] beat_q;
  logic read;                  // requantise another chunk of results
  logic [ChunkIdx-1:0] chunk;
  logic [RequantLanes*SumBits-1:0] sums;
  logic empty, last_beat, last, row_taken, load, step, busy;

  assign empty = left_q == '0;
  assign last_beat = beat_q == BeatIdx'(Beats - 1);
  assign last = left_q == RowBits'(1) && last_beat;
  // A request ends into the job's place: its last beat waits until that place is free.
  assign busy = job_valid_q && !job_done;
  assign s_axis_row_tready = active_q && !empty && step;
  assign row_taken = s_axis_row_tvalid && s_axis_row_tready;
  assign load = next_valid_q && (!active_q || head.finish);
  assign s_axis_cmd_tready = !next_valid_q || load;

  always_comb begin
    head.add = row_taken;
    head.finish = active_q && step && (empty || (row_taken && last));
    head.first = first_q;
    head.max = WithMax && cmd_q.op == GatherMax;
    head.beat = beat_q;
    head.job = '{bank: bank_q, empty: empty, norm: cmd_q.norm, shift: cmd_q.shift[ShiftBits-1:0]};
  end

  if (Stages == 0) begin : gen_direct
    assign tail = head;
    assign step = !(busy && (empty || last));
  end else begin : gen_pipeline
    slot_t [Stages-1:0] slot_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        for (int unsigned s = 0; s < Stages; s++) {slot_q[s].add, slot_q[s].finish} <= '0;
      end else if (step) begin
        slot_q <= {slot_q[Stages-2:0], head};
      end
    end
    assign step = !(busy && slot_q[Stages-1].finish);
    always_comb begin
      tail = slot_q[Stages-1];
      if (!step) {tail.add, tail.finish} = '0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (s_axis_cmd_tvalid && s_axis_cmd_tready) next_q <= s_axis_cmd_tdata;
    if (tail.finish) job_q <= tail.job;
    if (load) begin
      cmd_q   <= next_q;
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
      next_valid_q <= s_axis_cmd_tready ? s_axis_cmd_tvalid : next_valid_q;
      active_q     <= load || (active_q && !head.finish);
      job_valid_q  <= tail.finish || busy;
      if (head.finish) bank_q <= !bank_q;
    end
  end

  rf_gather_lanes #(
      .Lanes     (Lanes),
      .Beats     (Beats),
      .ElemBits  (ElemBits),
      .WeightBits(WeightBits),
      .WithMax   (WithMax),
      .SumBits   (SumBits),
      .Stages    (Stages),
      .ReadLanes (RequantLanes)
  ) u_lanes (
      .clk_i,
      .step_i      (step),
      .data_i      (s_axis_row_tdata[Lanes*ElemBits-1:0]),
      .weight_i    (s_axis_row_tuser),
      .add_i       (tail.add),
      .first_i     (tail.first),
      .max_i       (tail.max),
      .bank_i      (tail.job.bank),
      .beat_i      (tail.beat),
      .read_i      (read),
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
      .read_o      (read),
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

  end_waits_for_the_requantiser : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    active_q && !step);
  answer_waits_for_its_receiver : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_vec_tvalid && !m_axis_vec_tready && job_valid_q);
  waits_for_a_row : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    active_q && !empty && step && !s_axis_row_tvalid);
  no_rows : cover property (@(posedge clk_i) disable iff (!rst_ni) head.finish && empty);
  one_row : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    head.finish && first_q && !empty);
  next_right_behind : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    row_taken && $past(head.finish));
  job_right_behind : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    tail.finish && job_valid_q && job_done);
  maximum : cover property (@(posedge clk_i) disable iff (!rst_ni) tail.finish && tail.max);

endmodule
