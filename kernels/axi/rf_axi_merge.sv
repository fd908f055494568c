// SPDX-License-Identifier: Apache-2.0
// Joins the reads of several masters into one AXI4 read port of one ID: a burst a cycle, one cycle
// of latency; the answers go back by the order of the addresses. The first channel goes first; the
// last one, which asks for long bursts, gets every (Turns + 1)-th grant at least.

module rf_axi_merge #(
    parameter int unsigned Channels = 4,    // masters, 2 to 8
    parameter int unsigned BeatBits = 512,  // of the memory port
    parameter int unsigned FlightMax = 128, // bursts in flight, a power of two
    parameter int unsigned Turns = 8        // bursts before which the last channel waits
) (
    input  logic                      clk_i,
    input  logic                      rst_ni,
    input  logic [Channels-1:0][63:0] s_axi_araddr,
    input  logic [Channels-1:0][ 7:0] s_axi_arlen,
    input  logic [Channels-1:0]       s_axi_arvalid,
    output logic [Channels-1:0]       s_axi_arready,
    output logic [Channels-1:0]       s_axi_rvalid,  // the beat of the port is this channel's
    input  logic [Channels-1:0]       s_axi_rready,

    output logic [0:0]                m_axi_gmem_arid,
    output logic [63:0]               m_axi_gmem_araddr,
    output logic [7:0]                m_axi_gmem_arlen,
    output logic [2:0]                m_axi_gmem_arsize,
    output logic [1:0]                m_axi_gmem_arburst,
    output logic [3:0]                m_axi_gmem_arcache,
    output logic [2:0]                m_axi_gmem_arprot,
    output logic                      m_axi_gmem_arvalid,
    input  logic                      m_axi_gmem_arready,
    input  logic                      m_axi_gmem_rlast,  // the rest of the beat goes to all
    input  logic                      m_axi_gmem_rvalid,
    output logic                      m_axi_gmem_rready
);

  if (Channels < 2 || Channels > 8) begin : gen_bad_channels
    $fatal(1, "rf_axi_merge: Channels must be 2 to 8");
  end
  if (Turns < 1 || Turns > 255) begin : gen_bad_turns
    $fatal(1, "rf_axi_merge: Turns must be 1 to 255");
  end

  localparam int unsigned ChannelBits = $clog2(Channels);
  localparam int unsigned Last = Channels - 1;

  logic [ChannelBits-1:0] pick, back;
  logic [7:0] turns_q;  // bursts of other channels since the last one began to wait
  logic issue, track_ready, back_valid;

  always_comb begin
    pick = ChannelBits'(Last);
    for (int unsigned i = 0; i < Last; i++) begin
      if (s_axi_arvalid[Last-1-i]) pick = ChannelBits'(Last - 1 - i);
    end
    if (s_axi_arvalid[Last] && turns_q == 8'(Turns)) pick = ChannelBits'(Last);
  end

  assign issue = |s_axi_arvalid && track_ready && (!m_axi_gmem_arvalid || m_axi_gmem_arready);

  for (genvar c = 0; c < Channels; c++) begin : gen_channel
    assign s_axi_arready[c] = issue && pick == ChannelBits'(c);
    assign s_axi_rvalid[c] = m_axi_gmem_rvalid && back_valid && back == ChannelBits'(c);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      turns_q <= '0;
      m_axi_gmem_arvalid <= 1'b0;
    end else begin
      if (issue) begin
        if (pick == ChannelBits'(Last)) turns_q <= '0;
        else if (s_axi_arvalid[Last] && turns_q != 8'(Turns)) turns_q <= turns_q + 8'd1;
      end
      m_axi_gmem_arvalid <= issue || (m_axi_gmem_arvalid && !m_axi_gmem_arready);
    end
  end

  always_ff @(posedge clk_i) begin
    if (issue) begin
      m_axi_gmem_araddr <= s_axi_araddr[pick];
      m_axi_gmem_arlen  <= s_axi_arlen[pick];
    end
  end

  assign m_axi_gmem_arsize = 3'($clog2(BeatBits / 8));
  assign m_axi_gmem_arburst = 2'b01;  // INCR
  assign m_axi_gmem_arid = '0;  // one ID: the answers come in order
  assign m_axi_gmem_arcache = 4'b0011;  // modifiable, bufferable: Vivado's default
  assign m_axi_gmem_arprot = '0;

  // Whose the bursts in flight are.
  rf_fifo #(
      .Width(ChannelBits),
      .Depth(FlightMax)
  ) u_flight (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (pick),
      .s_axis_tvalid(issue),
      .s_axis_tready(track_ready),
      .m_axis_tdata (back),
      .m_axis_tvalid(back_valid),
      .m_axis_tready(m_axi_gmem_rvalid && m_axi_gmem_rready && m_axi_gmem_rlast),
      .level_o      ()
  );

  assign m_axi_gmem_rready = back_valid && s_axi_rready[back];

  address_stable : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axi_gmem_arvalid && !m_axi_gmem_arready |=>
        m_axi_gmem_arvalid && $stable(m_axi_gmem_araddr) && $stable(m_axi_gmem_arlen));
  channel_is_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    back_valid && m_axi_gmem_rvalid |-> m_axi_gmem_rready);

endmodule
