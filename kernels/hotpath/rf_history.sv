// SPDX-License-Identifier: Apache-2.0
// Keeps the beats of a history's item rows and gives the rows several times, once for each table:
// the first pass runs along while the list is still coming in. A beat in and a row out a cycle
// (so that a list never holds up the rows behind it), latency two cycles.

module rf_history #(
    parameter int unsigned MaxRows = 1024,  // longest history, 2 to 1024
    parameter int unsigned BeatBits = 512,  // of the memory port: 64, 128, 256 or 512
    parameter int unsigned Passes = 3       // 3, or 4 with edges
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  logic                start_i,           // a pulse: opens a request
    input  logic [15:0]         rows_i,            // of the history; held during the request
    input  logic [BeatBits-1:0] s_axis_ids_tdata,  // item rows, the first one in the low bits
    input  logic                s_axis_ids_tvalid,
    output logic                s_axis_ids_tready,
    output logic [31:0]         m_axis_id_tdata,
    output logic [ 1:0]         m_axis_id_tuser,   // pass: 0 messages, 1 keys, 2 values, 3 edges
    output logic                m_axis_id_tvalid,
    input  logic                m_axis_id_tready,
    output logic                idle_o             // all passes are given
);

  if (MaxRows < 2 || MaxRows > 1024) begin : gen_bad_rows
    $fatal(1, "rf_history: MaxRows must be 2 to 1024");
  end
  if (!(BeatBits inside {64, 128, 256, 512})) begin : gen_bad_beat
    $fatal(1, "rf_history: BeatBits must be 64, 128, 256 or 512");
  end

  if (Passes != 3 && Passes != 4) begin : gen_bad_passes
    $fatal(1, "rf_history: Passes must be 3 or 4");
  end

  localparam int unsigned PerBeat = BeatBits / 32;
  localparam int unsigned LaneBits = $clog2(PerBeat);
  localparam int unsigned Depth = (MaxRows + PerBeat - 1) / PerBeat;
  localparam int unsigned AddrBits = Depth > 1 ? $clog2(Depth) : 1;
  localparam int unsigned RowBits = $clog2(Depth * PerBeat + 1);
  localparam int unsigned PassBits = $clog2(Passes + 1);

  logic [BeatBits-1:0] memory[Depth];
  logic [BeatBits-1:0] beat_q;
  logic [LaneBits-1:0] lane_q;
  logic [RowBits-1:0] rows;  // at most MaxRows
  logic [RowBits-1:0] taken_q, next_q;  // those in memory, by whole beats; the next one to read
  logic [PassBits-1:0] pass_q;
  logic read, last;

  assign rows = RowBits'(rows_i);
  assign s_axis_ids_tready = 1'b1;  // the list is asked for once
  assign read = pass_q != PassBits'(Passes) && next_q < taken_q &&
      (!m_axis_id_tvalid || m_axis_id_tready);
  assign last = next_q + RowBits'(1) == rows;
  assign idle_o = (pass_q == PassBits'(Passes) || rows == '0) && !m_axis_id_tvalid;
  assign m_axis_id_tdata = beat_q[32*32'(lane_q)+:32];

  always_ff @(posedge clk_i) begin
    if (s_axis_ids_tvalid) memory[taken_q[LaneBits+:AddrBits]] <= s_axis_ids_tdata;
    if (read) begin
      beat_q <= memory[next_q[LaneBits+:AddrBits]];
      lane_q <= next_q[LaneBits-1:0];
      m_axis_id_tuser <= pass_q[1:0];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      taken_q <= '0;
      next_q <= '0;
      pass_q <= PassBits'(Passes);
      m_axis_id_tvalid <= 1'b0;
    end else if (start_i) begin
      taken_q <= '0;
      next_q <= '0;
      pass_q <= '0;
    end else begin
      if (s_axis_ids_tvalid) taken_q <= taken_q + RowBits'(PerBeat);
      if (read) begin
        next_q <= last ? '0 : next_q + RowBits'(1);
        if (last) pass_q <= pass_q + 1'b1;
      end
      m_axis_id_tvalid <= read || (m_axis_id_tvalid && !m_axis_id_tready);
    end
  end

  logic unused_rows;
  assign unused_rows = ^rows_i;

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_id_tvalid && !m_axis_id_tready |=> m_axis_id_tvalid && $stable(m_axis_id_tdata));

endmodule
