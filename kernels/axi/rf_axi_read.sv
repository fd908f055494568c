// SPDX-License-Identifier: Apache-2.0
// AXI4 read master: turns commands into bursts and returns their beats in order, one a cycle.
// Reads are asked for only while the data FIFO has room for them (credits), so RREADY never
// waits for a consumer; a command of one burst is taken every cycle. Bursts never cross 4 KiB.

module rf_axi_read #(
    parameter int unsigned BeatBits = 512,  // of the memory port: 64, 128, 256 or 512
    parameter int unsigned FifoDepth = 512, // beats asked for and not yet taken, a power of two
    parameter int unsigned MaxBurst = 16    // beats of a burst, 1 to 256, at most FifoDepth
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  rf_pkg::read_cmd_t   s_axis_cmd_tdata,
    input  logic                s_axis_cmd_tvalid,
    output logic                s_axis_cmd_tready,
    output logic [BeatBits-1:0] m_axis_data_tdata,
    output rf_pkg::dest_e       m_axis_data_tdest,
    output rf_pkg::tag_t        m_axis_data_tid,
    output logic                m_axis_data_tuser,  // the beat came with SLVERR or DECERR
    output logic                m_axis_data_tvalid,
    input  logic                m_axis_data_tready,
    output logic                error_o,            // a pulse: a beat came with an error
    output logic                beat_o,             // a pulse: a beat came

    output logic [0:0]          m_axi_gmem_arid,
    output logic [63:0]         m_axi_gmem_araddr,
    output logic [7:0]          m_axi_gmem_arlen,
    output logic [2:0]          m_axi_gmem_arsize,
    output logic [1:0]          m_axi_gmem_arburst,
    output logic [3:0]          m_axi_gmem_arcache,
    output logic [2:0]          m_axi_gmem_arprot,
    output logic                m_axi_gmem_arvalid,
    input  logic                m_axi_gmem_arready,
    input  logic [0:0]          m_axi_gmem_rid,
    input  logic [BeatBits-1:0] m_axi_gmem_rdata,
    input  logic [1:0]          m_axi_gmem_rresp,
    input  logic                m_axi_gmem_rlast,
    input  logic                m_axi_gmem_rvalid,
    output logic                m_axi_gmem_rready
);

  localparam int unsigned BeatBytes = BeatBits / 8;
  localparam int unsigned SizeLog2 = $clog2(BeatBytes);
  localparam int unsigned PageBeats = 4096 / BeatBytes;
  localparam int unsigned CreditBits = $clog2(FifoDepth) + 1;
  localparam int unsigned RouteBits = rf_pkg::TagBits + rf_pkg::DestBits;

  if (!(BeatBits inside {64, 128, 256, 512})) begin : gen_bad_beat
    $fatal(1, "rf_axi_read: BeatBits must be 64, 128, 256 or 512");
  end
  if (FifoDepth < 2 || FifoDepth != 2 ** $clog2(FifoDepth)) begin : gen_bad_depth
    $fatal(1, "rf_axi_read: FifoDepth must be a power of two, at least 2");
  end
  if (MaxBurst < 1 || MaxBurst > 256 || MaxBurst > FifoDepth) begin : gen_bad_burst
    $fatal(1, "rf_axi_read: MaxBurst must be 1 to 256 and at most FifoDepth");
  end

  // The command in hand, cut into bursts.
  logic [63:0] addr_q;
  logic [31:0] left_q;
  logic [RouteBits-1:0] route_q;  // tag and destination
  logic [CreditBits-1:0] free_q;  // places in the data FIFO not yet promised
  logic [31:0] page_left;
  logic [8:0] burst;
  logic issue, cmd_taken, data_taken, track_ready;

  always_comb begin
    page_left = 32'(PageBeats) - 32'(addr_q[11:SizeLog2]);
    burst = 9'(MaxBurst);
    if (left_q < 32'(burst)) burst = left_q[8:0];
    if (page_left < 32'(burst)) burst = page_left[8:0];
    issue = left_q != '0 && 32'(free_q) >= 32'(burst) && track_ready &&
        (!m_axi_gmem_arvalid || m_axi_gmem_arready);
  end

  assign s_axis_cmd_tready = left_q == '0 || (issue && left_q == 32'(burst));
  assign cmd_taken = s_axis_cmd_tvalid && s_axis_cmd_tready;
  assign data_taken = m_axis_data_tvalid && m_axis_data_tready;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q <= '0;
      free_q <= CreditBits'(FifoDepth);
    end else begin
      if (cmd_taken) left_q <= s_axis_cmd_tdata.beats;
      else if (issue) left_q <= left_q - 32'(burst);
      free_q <= free_q - (issue ? CreditBits'(burst) : '0) + CreditBits'(data_taken);
    end
  end

  always_ff @(posedge clk_i) begin
    if (cmd_taken) begin
      addr_q <= {s_axis_cmd_tdata.addr[63:SizeLog2], SizeLog2'(0)};
      route_q <= {s_axis_cmd_tdata.tag, s_axis_cmd_tdata.dest};
    end else if (issue) begin
      addr_q <= addr_q + (64'(burst) << SizeLog2);
    end
  end

  // Address channel.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) m_axi_gmem_arvalid <= 1'b0;
    else m_axi_gmem_arvalid <= issue || (m_axi_gmem_arvalid && !m_axi_gmem_arready);
  end

  always_ff @(posedge clk_i) begin
    if (issue) begin
      m_axi_gmem_araddr <= addr_q;
      m_axi_gmem_arlen  <= 8'(burst - 9'd1);
    end
  end

  assign m_axi_gmem_arsize = 3'(SizeLog2);
  assign m_axi_gmem_arburst = 2'b01;  // INCR
  assign m_axi_gmem_arid = '0;  // one ID: the answers come in order
  assign m_axi_gmem_arcache = 4'b0011;  // modifiable, bufferable: Vivado's default
  assign m_axi_gmem_arprot = '0;

  // Where the bursts in flight go.
  logic [RouteBits-1:0] flight_route;
  logic flight_valid;

  rf_fifo #(
      .Width(RouteBits),
      .Depth(FifoDepth)
  ) u_flight (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (route_q),
      .s_axis_tvalid(issue),
      .s_axis_tready(track_ready),
      .m_axis_tdata (flight_route),
      .m_axis_tvalid(flight_valid),
      .m_axis_tready(m_axi_gmem_rvalid && m_axi_gmem_rlast),
      .level_o      ()
  );

  // Data channel.
  logic data_ready;
  logic [RouteBits-1:0] data_route;

  assign m_axi_gmem_rready = flight_valid;
  assign beat_o = m_axi_gmem_rvalid && m_axi_gmem_rready;
  assign error_o = beat_o && m_axi_gmem_rresp[1];
  logic unused_r;
  assign unused_r = ^{m_axi_gmem_rid, m_axi_gmem_rresp[0]};  // OKAY and EXOKAY alike
  assign m_axis_data_tdest = rf_pkg::dest_e'(data_route[rf_pkg::DestBits-1:0]);
  assign m_axis_data_tid = data_route[RouteBits-1:rf_pkg::DestBits];

  rf_fifo #(
      .Width(1 + RouteBits + BeatBits),
      .Depth(FifoDepth)
  ) u_data (
      .clk_i,
      .rst_ni,
      .s_axis_tdata ({m_axi_gmem_rresp[1], flight_route, m_axi_gmem_rdata}),
      .s_axis_tvalid(beat_o),
      .s_axis_tready(data_ready),
      .m_axis_tdata ({m_axis_data_tuser, data_route, m_axis_data_tdata}),
      .m_axis_tvalid(m_axis_data_tvalid),
      .m_axis_tready(m_axis_data_tready),
      .level_o      ()
  );

  credits_hold : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    beat_o |-> data_ready);
  address_stable : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axi_gmem_arvalid && !m_axi_gmem_arready |=>
        m_axi_gmem_arvalid && $stable(m_axi_gmem_araddr) && $stable(m_axi_gmem_arlen));
  page_cuts_a_burst : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    issue && page_left < left_q && page_left < 32'(MaxBurst));
  longest_burst : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    issue && 32'(burst) == MaxBurst);
  no_credit : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    left_q != '0 && 32'(free_q) < 32'(burst));
  credit_used_and_given_at_once : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    issue && data_taken);
  address_waits : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axi_gmem_arvalid && !m_axi_gmem_arready);
  data_waits : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_data_tvalid && !m_axis_data_tready);
  command_right_behind : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    cmd_taken && issue);
  memory_reports_an_error : cover property (@(posedge clk_i) disable iff (!rst_ni) error_o);

endmodule
