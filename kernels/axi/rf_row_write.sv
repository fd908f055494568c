// SPDX-License-Identifier: Apache-2.0
// AXI4 write master: a stream of beats to consecutive addresses in bursts, one beat a cycle;
// done_o follows the last write response.

module rf_row_write #(
    parameter int unsigned BeatBits = 512,  // of the port: 64, 128, 256 or 512
    parameter int unsigned MaxBurst = 16    // beats of a burst, a power of two, at most 4 KiB
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  logic                start_i,  // a pulse: opens a region; only when the last one is done
    input  logic [63:0]         addr_i,   // 4 KiB aligned
    input  logic [31:0]         beats_i,  // at least 1
    input  logic [BeatBits-1:0] s_axis_beat_tdata,
    input  logic                s_axis_beat_tvalid,
    output logic                s_axis_beat_tready,
    output logic                done_o,   // a pulse: everything is in memory
    output logic                error_o,  // a pulse: a burst was answered SLVERR or DECERR

    output logic [0:0]            m_axi_list_awid,
    output logic [63:0]           m_axi_list_awaddr,
    output logic [7:0]            m_axi_list_awlen,
    output logic [2:0]            m_axi_list_awsize,
    output logic [1:0]            m_axi_list_awburst,
    output logic [3:0]            m_axi_list_awcache,
    output logic [2:0]            m_axi_list_awprot,
    output logic                  m_axi_list_awvalid,
    input  logic                  m_axi_list_awready,
    output logic [BeatBits-1:0]   m_axi_list_wdata,
    output logic [BeatBits/8-1:0] m_axi_list_wstrb,
    output logic                  m_axi_list_wlast,
    output logic                  m_axi_list_wvalid,
    input  logic                  m_axi_list_wready,
    input  logic [0:0]            m_axi_list_bid,
    input  logic [1:0]            m_axi_list_bresp,
    input  logic                  m_axi_list_bvalid,
    output logic                  m_axi_list_bready
);

  localparam int unsigned BeatBytes = BeatBits / 8;
  localparam int unsigned BurstIdx = MaxBurst > 1 ? $clog2(MaxBurst) : 1;

  if (!(BeatBits inside {64, 128, 256, 512})) begin : gen_bad_beat
    $fatal(1, "rf_row_write: BeatBits must be 64, 128, 256 or 512");
  end
  if (MaxBurst < 1 || MaxBurst > 4096 / BeatBytes || MaxBurst != 2 ** $clog2(MaxBurst))
  begin : gen_bad_burst
    $fatal(1, "rf_row_write: MaxBurst must be a power of two, at most 4 KiB");
  end

  logic [63:0] addr_q;           // of the next burst
  logic [31:0] ask_q, left_q;    // beats without an address yet, beats not yet written
  logic [BurstIdx-1:0] beat_q;   // of its burst, the next one to write
  logic [1:0] ahead_q;           // bursts with an address whose data is not all written
  logic [31:0] answers_q;        // bursts without a response
  logic open_q, ask, last, written, burst_done;

  // The next burst's address goes out while this one's data does, so that no cycle is lost; the
  // first one's not before there is data, lest it hold up other masters' writes.
  assign ask = ask_q != '0 && ahead_q < 2'd2 && s_axis_beat_tvalid &&
      (!m_axi_list_awvalid || m_axi_list_awready);
  assign last = beat_q == BurstIdx'(MaxBurst - 1) || left_q == 32'd1;
  assign written = m_axi_list_wvalid && m_axi_list_wready;
  assign burst_done = written && last;

  assign m_axi_list_wvalid = s_axis_beat_tvalid && ahead_q != '0;
  assign s_axis_beat_tready = m_axi_list_wready && ahead_q != '0;
  assign m_axi_list_wdata = s_axis_beat_tdata;
  assign m_axi_list_wstrb = '1;
  assign m_axi_list_wlast = last;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      m_axi_list_awvalid <= 1'b0;
      {ask_q, left_q, beat_q, ahead_q, answers_q, open_q} <= '0;
    end else begin
      m_axi_list_awvalid <= ask || (m_axi_list_awvalid && !m_axi_list_awready);
      open_q <= start_i || (open_q && !done_o);
      if (start_i) ask_q <= beats_i;
      else if (ask) ask_q <= ask_q > MaxBurst ? ask_q - MaxBurst : '0;
      if (start_i) left_q <= beats_i;
      else if (written) left_q <= left_q - 32'd1;
      if (written) beat_q <= last ? '0 : beat_q + 1'b1;
      ahead_q   <= ahead_q + 2'(ask) - 2'(burst_done);
      answers_q <= answers_q + 32'(ask) - 32'(m_axi_list_bvalid);
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) addr_q <= {addr_i[63:12], 12'd0};
    else if (ask) addr_q <= addr_q + 64'(MaxBurst * BeatBytes);
    if (ask) begin
      m_axi_list_awaddr <= addr_q;
      m_axi_list_awlen  <= ask_q > MaxBurst ? 8'(MaxBurst - 1) : 8'(ask_q - 32'd1);
    end
  end

  logic unused_bits;
  assign unused_bits = ^{addr_i[11:0], m_axi_list_bid, m_axi_list_bresp[0]};
  assign m_axi_list_awsize = 3'($clog2(BeatBytes));
  assign m_axi_list_awburst = 2'b01;    // INCR
  assign m_axi_list_awid = '0;
  assign m_axi_list_awcache = 4'b0011;  // modifiable, bufferable: Vivado's default
  assign m_axi_list_awprot = '0;
  assign m_axi_list_bready = 1'b1;
  assign done_o = open_q && left_q == '0 && answers_q == '0;
  assign error_o = m_axi_list_bvalid && m_axi_list_bresp[1];

  address_stable : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axi_list_awvalid && !m_axi_list_awready |=>
        m_axi_list_awvalid && $stable(m_axi_list_awaddr) && $stable(m_axi_list_awlen));

endmodule
