// SPDX-License-Identifier: Apache-2.0
// AXI4 write master for results: gathers 64-bit words into beats and writes them as one burst.
// One word a cycle; done_o follows the write response. A burst must not cross 4 KiB.

module rf_axi_write #(
    parameter int unsigned BeatBits = 512  // of the memory port: 64, 128, 256 or 512
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  logic                  start_i,             // a pulse: opens a burst
    input  logic [63:0]           addr_i,              // a multiple of the beat's bytes
    input  logic [7:0]            words_i,             // 64-bit words, 1 to 128
    input  logic [63:0]           s_axis_word_tdata,
    input  logic                  s_axis_word_tvalid,
    output logic                  s_axis_word_tready,
    output logic                  done_o,              // a pulse: everything is in memory
    output logic                  error_o,             // a pulse with done_o: SLVERR or DECERR

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

  localparam int unsigned BeatBytes = BeatBits / 8;
  localparam int unsigned SizeLog2 = $clog2(BeatBytes);
  localparam int unsigned BeatWords = BeatBits / 64;
  localparam int unsigned LaneBits = BeatWords > 1 ? $clog2(BeatWords) : 1;

  if (!(BeatBits inside {64, 128, 256, 512})) begin : gen_bad_beat
    $fatal(1, "rf_axi_write: BeatBits must be 64, 128, 256 or 512");
  end

  logic [7:0] left_q;  // words still to come
  logic [LaneBits-1:0] lane_q;
  logic word_taken, beat_full, open_q;  // open: the burst's address is not yet given

  assign s_axis_word_tready = left_q != '0 && (!m_axi_gmem_wvalid || m_axi_gmem_wready);
  assign word_taken = s_axis_word_tvalid && s_axis_word_tready;
  assign beat_full = word_taken && (lane_q == LaneBits'(BeatWords - 1) || left_q == 8'd1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      m_axi_gmem_awvalid <= 1'b0;
      m_axi_gmem_wvalid <= 1'b0;
      left_q <= '0;
      lane_q <= '0;
      open_q <= 1'b0;
    end else begin
      // The address waits for the first beat, lest it hold up other masters' writes.
      m_axi_gmem_awvalid <= (open_q && beat_full) || (m_axi_gmem_awvalid && !m_axi_gmem_awready);
      open_q <= start_i || (open_q && !beat_full);
      m_axi_gmem_wvalid <= beat_full || (m_axi_gmem_wvalid && !m_axi_gmem_wready);
      if (start_i) left_q <= words_i;
      else if (word_taken) left_q <= left_q - 8'd1;
      if (word_taken) lane_q <= beat_full ? '0 : lane_q + LaneBits'(1);
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      m_axi_gmem_awaddr <= {addr_i[63:SizeLog2], SizeLog2'(0)};
      m_axi_gmem_awlen  <= 8'((32'(words_i) + BeatWords - 1) / BeatWords - 1);
    end
    if (word_taken) begin
      m_axi_gmem_wlast <= left_q == 8'd1;
      if (lane_q == '0) begin
        m_axi_gmem_wdata <= BeatBits'(s_axis_word_tdata);
        m_axi_gmem_wstrb <= (BeatBits / 8)'(8'hFF);
      end else begin
        m_axi_gmem_wdata[32'(lane_q)*64+:64] <= s_axis_word_tdata;
        m_axi_gmem_wstrb[32'(lane_q)*8+:8]   <= 8'hFF;
      end
    end
  end

  logic unused_low;
  assign unused_low = ^{addr_i[SizeLog2-1:0], m_axi_gmem_bid, m_axi_gmem_bresp[0]};
  assign m_axi_gmem_awsize = 3'(SizeLog2);
  assign m_axi_gmem_awburst = 2'b01;  // INCR
  assign m_axi_gmem_awid = '0;
  assign m_axi_gmem_awcache = 4'b0011;  // modifiable, bufferable: Vivado's default
  assign m_axi_gmem_awprot = '0;
  assign m_axi_gmem_bready = 1'b1;
  assign done_o = m_axi_gmem_bvalid;
  assign error_o = m_axi_gmem_bvalid && m_axi_gmem_bresp[1];

  data_stable : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axi_gmem_wvalid && !m_axi_gmem_wready |=>
        m_axi_gmem_wvalid && $stable(m_axi_gmem_wdata) && $stable(m_axi_gmem_wstrb));
  last_beat_is_partial : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    BeatWords == 1 || (beat_full && lane_q != LaneBits'(BeatWords - 1)));
  longest_burst : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    start_i && words_i == 8'd128);
  one_word : cover property (@(posedge clk_i) disable iff (!rst_ni) start_i && words_i == 8'd1);
  address_waits : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axi_gmem_awvalid && !m_axi_gmem_awready);
  data_before_its_address : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axi_gmem_awvalid && !m_axi_gmem_awready && m_axi_gmem_wvalid && m_axi_gmem_wready);
  beat_waits : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axi_gmem_wvalid && !m_axi_gmem_wready);
  word_waits : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    s_axis_word_tvalid && left_q != '0 && !s_axis_word_tready);
  memory_reports_an_error : cover property (@(posedge clk_i) disable iff (!rst_ni) error_o);

endmodule
