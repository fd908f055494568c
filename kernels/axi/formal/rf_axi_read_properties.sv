// SPDX-License-Identifier: Apache-2.0
// rf_axi_read asks for the beats of its commands, each once and in order, in bursts that no page
// border cuts, and never for more than its FIFO holds; what comes back leaves once and in order.
// The memory sends no beat that was not asked for; when it sends them, and RLAST, are free.

module rf_axi_read_properties #(
    parameter int unsigned BeatBits = 64,
    parameter int unsigned FifoDepth = 4,
    parameter int unsigned MaxBurst = 3
) (
    input logic                clk_i,
    input logic                rst_ni,
    input rf_pkg::read_cmd_t   s_axis_cmd_tdata,
    input logic                s_axis_cmd_tvalid,
    input logic                m_axis_data_tready,
    input logic                m_axi_gmem_arready,
    input logic [0:0]          m_axi_gmem_rid,
    input logic [BeatBits-1:0] m_axi_gmem_rdata,
    input logic [1:0]          m_axi_gmem_rresp,
    input logic                m_axi_gmem_rlast,
    input logic                m_axi_gmem_rvalid,
    input logic                mark_i
);

  localparam int unsigned SizeLog2 = $clog2(BeatBits / 8);
  localparam int unsigned PageBeats = 4096 * 8 / BeatBits;
  localparam int unsigned PlaceBits = $clog2(FifoDepth);
  localparam int unsigned CountBits = PlaceBits + 10;  // a burst has up to 256 beats

  logic s_axis_cmd_tready, m_axis_data_tvalid, error, beat;
  logic [BeatBits-1:0] m_axis_data_tdata;
  rf_pkg::dest_e m_axis_data_tdest;
  rf_pkg::tag_t m_axis_data_tid;
  logic m_axis_data_tuser;
  logic [0:0] m_axi_gmem_arid;
  logic [63:0] m_axi_gmem_araddr;
  logic [7:0] m_axi_gmem_arlen;
  logic [2:0] m_axi_gmem_arsize, m_axi_gmem_arprot;
  logic [1:0] m_axi_gmem_arburst;
  logic [3:0] m_axi_gmem_arcache;
  logic m_axi_gmem_arvalid, m_axi_gmem_rready;

  rf_axi_read #(
      .BeatBits (BeatBits),
      .FifoDepth(FifoDepth),
      .MaxBurst (MaxBurst)
  ) u_dut (
      .error_o(error),
      .beat_o (beat),
      .*
  );

  // The model: beats asked for and not yet come, come and not yet taken; what was commanded and
  // what was asked for; of a marked beat its value and how many are before it.
  logic live_q = 1'b0;
  logic asked, came, taken, commanded, fresh_q, marked_q;
  logic [CountBits-1:0] flying_q, inside_q, burst, ahead_q, pending;
  logic [31:0] commanded_q, asked_q;
  logic [63:0] base_q, from_q, next_addr;
  logic [BeatBits-1:0] value_q, stored;

  assign commanded = s_axis_cmd_tvalid && s_axis_cmd_tready;
  assign asked = m_axi_gmem_arvalid && m_axi_gmem_arready;
  assign came = m_axi_gmem_rvalid && m_axi_gmem_rready;
  assign taken = m_axis_data_tvalid && m_axis_data_tready;
  assign burst = CountBits'(m_axi_gmem_arlen) + 1'b1;
  assign pending = m_axi_gmem_arvalid ? burst : '0;
  assign next_addr = fresh_q ? base_q : from_q + (64'(burst) << SizeLog2);

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    flying_q <= flying_q + (asked ? burst : '0) - CountBits'(came);
    inside_q <= inside_q + CountBits'(came) - CountBits'(taken);
    if (commanded) commanded_q <= commanded_q + s_axis_cmd_tdata.beats;
    if (asked) asked_q <= asked_q + 32'(burst);
    if (commanded) base_q <= {s_axis_cmd_tdata.addr[63:SizeLog2], SizeLog2'(0)};
    if (u_dut.issue) from_q <= next_addr;
    fresh_q <= commanded || (fresh_q && !u_dut.issue);
    if (!marked_q) begin
      marked_q <= came && mark_i;
      value_q  <= m_axi_gmem_rdata;
      ahead_q  <= inside_q - CountBits'(taken);
    end else if (taken) begin
      marked_q <= ahead_q != '0;
      ahead_q  <= ahead_q - 1'b1;
    end
    if (!rst_ni) begin
      flying_q <= '0;
      inside_q <= '0;
      commanded_q <= '0;
      asked_q <= '0;
      fresh_q <= 1'b0;
      marked_q <= 1'b0;
    end
  end

  rf_stable_properties #(
      .Width(72)
  ) u_address_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i ({m_axi_gmem_araddr, m_axi_gmem_arlen}),
      .valid_i(m_axi_gmem_arvalid),
      .ready_i(m_axi_gmem_arready)
  );
  rf_stable_properties #(
      .Width(BeatBits + rf_pkg::DestBits)
  ) u_data_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i ({m_axis_data_tdest, m_axis_data_tdata}),
      .valid_i(m_axis_data_tvalid),
      .ready_i(m_axis_data_tready)
  );

  logic [PlaceBits-1:0] place;
  assign place = PlaceBits'(u_dut.u_data.head_q) + PlaceBits'(ahead_q) -
      PlaceBits'(m_axis_data_tvalid);
  assign stored = BeatBits'(u_dut.u_data.memory[place]);

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    memory_sends_what_was_asked : assume (!m_axi_gmem_rvalid || flying_q != '0);
    if (live_q) begin
      outstanding_within_depth :
      assert (flying_q <= CountBits'(FifoDepth) && inside_q <= CountBits'(FifoDepth) &&
              flying_q + inside_q <= CountBits'(FifoDepth));
      lemma_credits_counted :
      assert (CountBits'(u_dut.free_q) + pending + flying_q + inside_q == CountBits'(FifoDepth) &&
              CountBits'(u_dut.free_q) <= CountBits'(FifoDepth));
      no_loss_no_duplicate :
      assert (inside_q == CountBits'(u_dut.u_data.level_o) + CountBits'(m_axis_data_tvalid));
      room_for_what_comes : assert (!came || u_dut.data_ready);
      every_beat_is_asked_for_once :
      assert (commanded_q == asked_q + 32'(pending) + u_dut.left_q);
      if (u_dut.left_q != '0) begin
        lemma_next_address_counted : assert (u_dut.addr_q == next_addr);
      end
      if (m_axi_gmem_arvalid) begin
        addresses_in_order : assert (m_axi_gmem_araddr == from_q);
        burst_within_page :
        assert (32'(m_axi_gmem_araddr[11:SizeLog2]) + 32'(m_axi_gmem_arlen) < PageBeats);
        burst_within_limit : assert (32'(m_axi_gmem_arlen) < MaxBurst);
      end
      if (marked_q) begin
        lemma_marked_is_inside : assert (ahead_q < inside_q);
        if (m_axis_data_tvalid && ahead_q == '0) begin
          order_kept : assert (m_axis_data_tdata == value_q);
        end else begin
          lemma_marked_is_stored : assert (stored == value_q);
        end
      end
    end
  end

endmodule
