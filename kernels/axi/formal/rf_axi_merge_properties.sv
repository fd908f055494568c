// SPDX-License-Identifier: Apache-2.0
// rf_axi_merge gives every beat to the channel whose burst it is of, and grants the last channel
// one burst after Turns others at most. The channels keep an address until it is taken and are
// ready for the beats they asked for; the memory sends no beat that was not asked for.

module rf_axi_merge_properties #(
    parameter int unsigned Channels = 3,
    parameter int unsigned FlightMax = 4,
    parameter int unsigned Turns = 2
) (
    input logic                      clk_i,
    input logic                      rst_ni,
    input logic [Channels-1:0][63:0] s_axi_araddr,
    input logic [Channels-1:0][ 7:0] s_axi_arlen,
    input logic [Channels-1:0]       s_axi_arvalid,
    input logic                      m_axi_gmem_arready,
    input logic                      m_axi_gmem_rlast,
    input logic                      m_axi_gmem_rvalid,
    input logic                      mark_i
);

  localparam int unsigned ChannelBits = $clog2(Channels);
  localparam int unsigned PlaceBits = $clog2(FlightMax);
  localparam int unsigned CountBits = PlaceBits + 2;

  logic [Channels-1:0] s_axi_arready, s_axi_rvalid;
  logic [0:0] m_axi_gmem_arid;
  logic [63:0] m_axi_gmem_araddr;
  logic [7:0] m_axi_gmem_arlen;
  logic [2:0] m_axi_gmem_arsize, m_axi_gmem_arprot;
  logic [1:0] m_axi_gmem_arburst;
  logic [3:0] m_axi_gmem_arcache;
  logic m_axi_gmem_arvalid, m_axi_gmem_rready;

  rf_axi_merge #(
      .Channels (Channels),
      .BeatBits (64),
      .FlightMax(FlightMax),
      .Turns    (Turns)
  ) u_dut (
      .s_axi_rready('1),
      .*
  );

  // The model: bursts granted and not yet answered, those of them given to the memory; of a marked
  // burst its channel and how many are before it; others granted while the last channel waited.
  logic live_q = 1'b0;
  logic granted, given, came, marked_q;
  logic [CountBits-1:0] flying_q, memory_q, ahead_q;
  logic [ChannelBits-1:0] channel, channel_q, stored;
  logic [7:0] waited_q;
  logic [PlaceBits-1:0] place;
  logic [Channels-1:0] granted_one;

  assign granted_one = s_axi_arvalid & s_axi_arready;
  assign granted = |granted_one;
  assign given = m_axi_gmem_arvalid && m_axi_gmem_arready;
  assign came = m_axi_gmem_rvalid && m_axi_gmem_rready && m_axi_gmem_rlast;

  always_comb begin
    channel = '0;
    for (int unsigned c = 0; c < Channels; c++) begin
      if (granted_one[c]) channel = ChannelBits'(c);
    end
  end

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    flying_q <= flying_q + CountBits'(granted) - CountBits'(came);
    memory_q <= memory_q + CountBits'(given) - CountBits'(came);
    if (granted && channel == ChannelBits'(Channels - 1)) waited_q <= '0;
    else if (granted && s_axi_arvalid[Channels-1]) waited_q <= waited_q + 8'd1;
    if (!marked_q) begin
      marked_q  <= granted && mark_i;
      channel_q <= channel;
      ahead_q   <= flying_q - CountBits'(came);
    end else if (came) begin
      marked_q <= ahead_q != '0;
      ahead_q  <= ahead_q - 1'b1;
    end
    if (!rst_ni) begin
      flying_q <= '0;
      memory_q <= '0;
      waited_q <= '0;
      marked_q <= 1'b0;
    end
  end

  rf_stable_properties #(
      .Width(72)
  ) u_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i ({m_axi_gmem_araddr, m_axi_gmem_arlen}),
      .valid_i(m_axi_gmem_arvalid),
      .ready_i(m_axi_gmem_arready)
  );

  assign place = PlaceBits'(u_dut.u_flight.head_q) + PlaceBits'(ahead_q) -
      PlaceBits'(u_dut.back_valid);
  assign stored = u_dut.u_flight.memory[place];

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    memory_sends_what_was_asked : assume (!m_axi_gmem_rvalid || memory_q != '0);
    if (live_q) begin
      one_at_a_time : assert ((granted_one & (granted_one - 1'b1)) == '0);
      lemma_flight_counted :
      assert (flying_q == CountBits'(u_dut.u_flight.level_o) + CountBits'(u_dut.back_valid) &&
              u_dut.u_flight.level_o <= FlightMax);
      lemma_memory_counted : assert (flying_q == memory_q + CountBits'(m_axi_gmem_arvalid));
      lemma_turns_counted : assert (waited_q == u_dut.turns_q && waited_q <= 8'(Turns));
      last_channel_gets_its_turn : assert (waited_q <= 8'(Turns));
      if (m_axi_gmem_rvalid) begin
        one_channel_gets_a_beat : assert ((s_axi_rvalid & (s_axi_rvalid - 1'b1)) == '0);
      end
      if (marked_q) begin
        lemma_marked_is_inside : assert (ahead_q < flying_q);
        if (u_dut.back_valid && ahead_q == '0) begin
          lemma_marked_is_next : assert (u_dut.back == channel_q);
          beats_go_to_who_asked :
          assert (!m_axi_gmem_rvalid || s_axi_rvalid == Channels'(1) << channel_q);
        end else begin
          lemma_marked_is_stored : assert (stored == channel_q);
        end
      end
    end
  end

endmodule
