// SPDX-License-Identifier: Apache-2.0
// Ends requests in order: writes the answers, then, for a request of a batch, a record of 32 bytes
// with its status and times, so that a record in memory says its answers are there too.
// Times are cycles since the start of the run.

module rf_finish #(
    parameter int unsigned BeatBits = 512,  // of the memory port
    parameter int unsigned KMax = 32,       // most answers
    parameter int unsigned BeatCount = 5,   // width of beats_i
    parameter int unsigned TimeBits = 32    // of the counts of cycles and beats: 8 to 32
) (
    input  logic                       clk_i,
    input  logic                       rst_ni,
    input  logic                       start_i,  // a pulse: a run begins, the clock starts
    input  rf_pkg::finish_job_t        job_i,
    input  logic                       open_i,   // a pulse: one more request, at most four
    input  logic                       gathered_i,  // pulses of the requests in order
    input  logic                       attended_i,
    input  logic                       fused_i,
    input  logic                       scanned_i,   // the last one of scan_tag_i counts
    input  rf_pkg::tag_t               scan_tag_i,
    input  logic                       settled_i,
    input  logic                       bad_seen_i,  // with settled_i
    input  logic [rf_pkg::Flight-1:0]  bus_error_i, // by tag: a beat with an error
    input  logic                       load_error_i, // a beat of the weights with an error
    input  logic [rf_pkg::Flight-1:0]  bad_row_i,   // by tag
    input  logic [BeatCount-1:0]       beats_i,     // beats that came in this cycle
    input  rf_pkg::result_t            s_axis_result_tdata,
    input  logic                       s_axis_result_tvalid,
    output logic                       s_axis_result_tready,
    output logic                       finished_o,  // a pulse
    output rf_pkg::status_t            status_o,    // faults to remember, at any time
    output logic [TimeBits-1:0]        gather_o,    // times of the last request that was finished
    output logic [TimeBits-1:0]        attention_o,
    output logic [TimeBits-1:0]        fuse_o,
    output logic [TimeBits-1:0]        scan_o,
    output logic [TimeBits-1:0]        total_o,
    output logic [TimeBits-1:0]        beats_o,     // beats read since the start

    output logic [0:0]            m_axi_gmem_awid,
    output logic [63:0]           m_axi_gmem_awaddr,
    output logic [7:0]            m_axi_gmem_awlen,
    output logic [2:0]            m_axi_gmem_awsize,
    output logic [1:0]            m_axi_gmem_awburst,
    output logic [3:0]            m_axi_gmem_awcache,
    output logic [2:0]            m_axi_gmem_awprot,
    output logic                  m_axi_gmem_awvalid,
    input  logic                  m_axi_gmem_awready,
    output logic [BeatBits-1:0]   m_axi_gmem_wdata,
    output logic [BeatBits/8-1:0] m_axi_gmem_wstrb,
    output logic                  m_axi_gmem_wlast,
    output logic                  m_axi_gmem_wvalid,
    input  logic                  m_axi_gmem_wready,
    input  logic [0:0]            m_axi_gmem_bid,
    input  logic [1:0]            m_axi_gmem_bresp,
    input  logic                  m_axi_gmem_bvalid,
    output logic                  m_axi_gmem_bready
);

  import rf_pkg::*;

  if (TimeBits < 8 || TimeBits > 32) begin : gen_bad_time
    $fatal(1, "rf_finish: TimeBits must be 8 to 32");
  end

  localparam int unsigned RecordWords = 4;
  localparam int unsigned KBits = $clog2(KMax + 1);
  localparam int unsigned BeatLog2 = $clog2(BeatBits / 8);

  // ---- the clock, and when each request in flight passed each stage ----
  typedef enum logic [1:0] {Gathered, Attended, Fused, Scanned} event_e;
  localparam int unsigned Events = 4;

  logic [TimeBits-1:0] now_q, beats_q;
  logic [Events-1:0] event_now;
  tag_t [Events-1:0] event_tag;
  logic [Events-1:0][TimeBits-1:0] event_time;  // of the one in hand, 0 where not computed
  logic [TimeBits-1:0] opened;
  finish_job_t job;

  always_ff @(posedge clk_i) begin
    now_q   <= start_i ? '0 : now_q + 1'b1;
    beats_q <= start_i ? '0 : beats_q + TimeBits'(beats_i);
  end

  assign event_now = {scanned_i, fused_i, attended_i, gathered_i};
  assign event_tag[Scanned] = scan_tag_i;
  for (genvar e = 0; e < 3; e++) begin : gen_tag  // those computed pass these in order, once each
    tag_t tag_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) tag_q <= '0;
      else if (event_now[e]) tag_q <= tag_q + 1'b1;
    end
    assign event_tag[e] = tag_q;
  end
  for (genvar e = 0; e < Events; e++) begin : gen_time
    logic [TimeBits-1:0] time_q[Flight];
    always_ff @(posedge clk_i) if (event_now[e]) time_q[event_tag[e]] <= now_q;
    assign event_time[e] = job.run ? time_q[job.tag] : '0;
  end

  // ---- requests in order ----
  typedef enum logic [2:0] {Idle, Answers, Settle, Record, RecordWords0, Finish} state_e;
  state_e state_q;
  logic job_valid, settled_q, seen_q, write_done, write_error, write_start, word_ready;
  logic recording, result_bad;
  logic [Flight-1:0] bus_q, row_q, mine;
  logic [1:0] word_q;
  logic [RecordWords-1:0][63:0] record;
  logic [TimeBits-1:0] end_q;
  logic [63:BeatLog2] place;  // of what is written: answers and records start on a beat
  status_t status;

  rf_fifo #(
      .Width(TimeBits + $bits(finish_job_t)),
      .Depth(Flight)
  ) u_jobs (
      .clk_i,
      .rst_ni,
      .s_axis_tdata ({now_q, job_i}),
      .s_axis_tvalid(open_i),
      .s_axis_tready(),
      .m_axis_tdata ({opened, job}),
      .m_axis_tvalid(job_valid),
      .m_axis_tready(finished_o),
      .level_o      ()
  );

  assign mine = Flight'(1) << job.tag;
  assign recording = state_q == RecordWords0;
  assign finished_o = state_q == Finish;
  assign write_start = (state_q == Idle && job_valid && job.run) || state_q == Record;
  assign place = state_q == Record ? job.record[63:BeatLog2] : job.result[63:BeatLog2];
  assign result_bad = state_q == Answers && write_done && write_error;

  always_comb begin
    status = '{
        bad_argument: !job.run && !job.bus_error,
        bad_seen: job.run && seen_q,
        bad_row: job.run && |(row_q & mine),
        bus_error: job.bus_error || (job.run && |(bus_q & mine))
    };
    record = {
      {32'(end_q), 32'(event_time[Scanned])},
      {32'(event_time[Fused]), 32'(event_time[Attended])},
      {32'(event_time[Gathered]), 32'(opened)},
      {32'(beats_q), 32'(status)}
    };
  end

  always_comb begin  // apart from the record, which no input changes within a cycle
    status_o = finished_o ? status : '0;
    if ((write_done && write_error) || load_error_i) status_o.bus_error = 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      unique case (state_q)
        Idle:         if (job_valid) state_q <= job.run ? Answers : job.batch ? Record : Finish;
        Answers:      if (write_done) state_q <= Settle;
        Settle:       if (settled_q) state_q <= job.batch ? Record : Finish;
        Record:       state_q <= RecordWords0;
        RecordWords0: if (write_done) state_q <= Finish;
        default:      state_q <= Idle;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {bus_q, row_q, settled_q} <= '0;
    end else begin
      bus_q <= (bus_q & ~(finished_o && job.run ? mine : '0)) | bus_error_i |
          (result_bad ? mine : '0);
      row_q <= (row_q & ~(finished_o && job.run ? mine : '0)) | bad_row_i;
      settled_q <= settled_i || (settled_q && !finished_o);
    end
  end

  always_ff @(posedge clk_i) begin
    if (settled_i) seen_q <= bad_seen_i;
    if (!recording) word_q <= '0;
    else if (word_ready) word_q <= word_q + 1'b1;
    if (state_q != RecordWords0) end_q <= now_q;
    if (start_i) begin
      {gather_o, attention_o, fuse_o, scan_o, total_o, beats_o} <= '0;
    end else if (finished_o) begin
      gather_o    <= event_time[Gathered];
      attention_o <= event_time[Attended];
      fuse_o      <= event_time[Fused];
      scan_o      <= event_time[Scanned];
      total_o     <= now_q;
      beats_o     <= beats_q;
    end
  end

  // ---- writes: answers, then the record ----
  assign s_axis_result_tready = word_ready && state_q == Answers;

  rf_axi_write #(
      .BeatBits(BeatBits)
  ) u_write (
      .start_i           (write_start),
      .addr_i            ({place, BeatLog2'(0)}),
      .words_i           (state_q == Record ? 8'(RecordWords) : 8'(KBits'(job.k))),
      .s_axis_word_tdata (recording ? record[word_q] : s_axis_result_tdata),
      .s_axis_word_tvalid(recording || (s_axis_result_tvalid && state_q == Answers)),
      .s_axis_word_tready(word_ready),
      .done_o            (write_done),
      .error_o           (write_error),
      .*
  );

  one_at_a_time : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    settled_i |-> !settled_q);

endmodule
