// SPDX-License-Identifier: Apache-2.0
// rf_axi_write writes each word of a packet once, to its place, in one burst that no page border
// cuts, and strobes nothing else: one word, any of the packet, is followed to its beat and lane.
// A packet lies in one page and opens when the one before was answered; the memory answers what
// it was given whole.

module rf_axi_write_properties #(
    parameter int unsigned BeatBits = 128
) (
    input logic        clk_i,
    input logic        rst_ni,
    input logic        start_i,
    input logic [63:0] addr_i,
    input logic [7:0]  words_i,
    input logic [63:0] s_axis_word_tdata,
    input logic        s_axis_word_tvalid,
    input logic        m_axi_gmem_awready,
    input logic        m_axi_gmem_wready,
    input logic [0:0]  m_axi_gmem_bid,
    input logic [1:0]  m_axi_gmem_bresp,
    input logic        m_axi_gmem_bvalid,
    input logic [7:0]  mark_word_i
);

  localparam int unsigned BeatWords = BeatBits / 64;
  localparam int unsigned LaneBits = $clog2(BeatWords);
  localparam int unsigned SizeLog2 = $clog2(BeatBits / 8);
  localparam int unsigned PageBeats = 4096 * 8 / BeatBits;

  logic s_axis_word_tready, done, error;
  logic [0:0] m_axi_gmem_awid;
  logic [63:0] m_axi_gmem_awaddr;
  logic [7:0] m_axi_gmem_awlen;
  logic [2:0] m_axi_gmem_awsize, m_axi_gmem_awprot;
  logic [1:0] m_axi_gmem_awburst;
  logic [3:0] m_axi_gmem_awcache;
  logic m_axi_gmem_awvalid, m_axi_gmem_wvalid, m_axi_gmem_wlast, m_axi_gmem_bready;
  logic [BeatBits-1:0] m_axi_gmem_wdata;
  logic [BeatBits/8-1:0] m_axi_gmem_wstrb;

  rf_axi_write #(
      .BeatBits(BeatBits)
  ) u_dut (
      .done_o (done),
      .error_o(error),
      .*
  );

  // The model: the packet that is open, its words taken and its beats given, whether its address
  // was given; of the marked word its value.
  logic live_q = 1'b0;
  logic open_q, addressed_q, taken, given, addressed;
  logic [63:0] base_q, value_q;
  logic [7:0] words_q, taken_q, mark_q, beats, formed;
  logic [7:0] given_q;

  assign taken = s_axis_word_tvalid && s_axis_word_tready;
  assign given = m_axi_gmem_wvalid && m_axi_gmem_wready;
  assign addressed = m_axi_gmem_awvalid && m_axi_gmem_awready;
  assign beats = (words_q >> LaneBits) + 8'(words_q[LaneBits-1:0] != '0);
  // Beats that the words taken so far have filled; the last word fills its beat.
  assign formed = taken_q == words_q ? beats : taken_q >> LaneBits;

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    if (taken) begin
      taken_q <= taken_q + 8'd1;
      if (taken_q == mark_q) value_q <= s_axis_word_tdata;
    end
    if (given) given_q <= given_q + 8'd1;
    if (addressed) addressed_q <= 1'b1;
    if (m_axi_gmem_bvalid) open_q <= 1'b0;
    if (start_i) begin
      open_q      <= 1'b1;
      addressed_q <= 1'b0;
      base_q      <= addr_i;
      words_q     <= words_i;
      mark_q      <= mark_word_i;
      taken_q     <= '0;
      given_q     <= '0;
    end
    if (!rst_ni) open_q <= 1'b0;
  end

  rf_stable_properties #(
      .Width(72)
  ) u_address_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i ({m_axi_gmem_awaddr, m_axi_gmem_awlen}),
      .valid_i(m_axi_gmem_awvalid),
      .ready_i(m_axi_gmem_awready)
  );
  rf_stable_properties #(
      .Width(BeatBits + BeatBits / 8 + 1)
  ) u_data_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i ({m_axi_gmem_wlast, m_axi_gmem_wstrb, m_axi_gmem_wdata}),
      .valid_i(m_axi_gmem_wvalid),
      .ready_i(m_axi_gmem_wready)
  );

  // Of the lanes of the beat that is given: to be written, and the marked word's.
  logic [BeatWords-1:0] owned, strobed, whole, marked, kept, stored;
  for (genvar l = 0; l < BeatWords; l++) begin : gen_lane
    assign owned[l] = 32'(given_q) * BeatWords + l < 32'(words_q);
    assign strobed[l] = m_axi_gmem_wstrb[8*l+:8] == 8'hFF;
    assign whole[l] = strobed[l] || m_axi_gmem_wstrb[8*l+:8] == 8'h00;
    assign marked[l] = 32'(given_q) * BeatWords + l == 32'(mark_q);
    assign kept[l] = !marked[l] || m_axi_gmem_wdata[64*l+:64] == value_q;
    // While a beat fills: the lanes below the next one are there, those above are not strobed.
    assign stored[l] = u_dut.lane_q == '0 ||
        (l < 32'(u_dut.lane_q) ? strobed[l] && kept[l] : m_axi_gmem_wstrb[8*l+:8] == 8'h00);
  end

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    opens_when_answered : assume (!start_i || !open_q);
    words_in_range : assume (!start_i || (words_i != '0 && words_i <= 8'd128));
    packet_within_page :
    assume (!start_i || (32'(words_i) + BeatWords - 1) / BeatWords +
            32'(addr_i[11:SizeLog2]) <= PageBeats);
    mark_in_packet : assume (!start_i || mark_word_i < words_i);
    memory_answers_a_whole_burst :
    assume (!m_axi_gmem_bvalid || (open_q && addressed_q && given_q == beats));
    if (live_q) begin
      takes_only_its_words : assert (!taken || (open_q && taken_q < words_q));
      no_loss_no_duplicate :
      assert (!open_q || formed == given_q + 8'(m_axi_gmem_wvalid));
      one_address_a_packet :
      assert (!m_axi_gmem_awvalid || (open_q && !addressed_q && formed != '0));
      if (!open_q) begin
        quiet_between_packets :
        assert (!m_axi_gmem_awvalid && !m_axi_gmem_wvalid && !s_axis_word_tready);
        lemma_closed : assert (u_dut.left_q == '0 && u_dut.lane_q == '0 && !u_dut.open_q);
      end else begin
        lemma_words_in_range :
        assert (words_q <= 8'd128 && taken_q <= words_q && mark_q < words_q);
        lemma_left_counted : assert (u_dut.left_q == words_q - taken_q);
        lemma_lane_counted :
        assert (u_dut.lane_q == (taken_q == words_q ? '0 : taken_q[LaneBits-1:0]));
        lemma_address_waits_for_data :
        assert (u_dut.open_q == (formed == '0) &&
                (formed != '0) == (addressed_q || m_axi_gmem_awvalid));
        lemma_page_kept : assert (32'(beats) + 32'(base_q[11:SizeLog2]) <= PageBeats);
        lemma_address_held :
        assert (m_axi_gmem_awaddr == {base_q[63:SizeLog2], SizeLog2'(0)}
                && m_axi_gmem_awlen == beats - 8'd1);
        accepts_while_there_is_room :
        assert (s_axis_word_tready || taken_q == words_q || m_axi_gmem_wvalid);
        lemma_partial_beat : assert (m_axi_gmem_wvalid ? u_dut.lane_q == '0 : &stored);
      end
      if (m_axi_gmem_awvalid) begin
        address_and_length :
        assert (m_axi_gmem_awaddr == {base_q[63:SizeLog2], SizeLog2'(0)}
                && m_axi_gmem_awlen == beats - 8'd1);
        burst_within_page :
        assert (32'(m_axi_gmem_awaddr[11:SizeLog2]) + 32'(m_axi_gmem_awlen) < PageBeats);
      end
      if (m_axi_gmem_wvalid) begin
        writes_its_words_alone : assert (strobed == owned && &whole);
        order_kept : assert (&kept);
        last_marks_the_end : assert (m_axi_gmem_wlast == (given_q + 8'd1 == beats));
      end
    end
  end

endmodule
