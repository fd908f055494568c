// SPDX-License-Identifier: Apache-2.0
// rf_row_write asks for every beat of a region once and writes it once, in bursts that no page
// border cuts, one behind the other, at most two ahead of their data, and is done when all are
// answered. A region opens when the one before is done; the memory answers what it has whole.

module rf_row_write_properties #(
    parameter int unsigned BeatBits = 64,
    parameter int unsigned MaxBurst = 4
) (
    input logic                clk_i,
    input logic                rst_ni,
    input logic                start_i,
    input logic [63:0]         addr_i,
    input logic [31:0]         beats_i,
    input logic [BeatBits-1:0] s_axis_beat_tdata,
    input logic                s_axis_beat_tvalid,
    input logic                m_axi_list_awready,
    input logic                m_axi_list_wready,
    input logic [0:0]          m_axi_list_bid,
    input logic [1:0]          m_axi_list_bresp,
    input logic                m_axi_list_bvalid
);

  localparam int unsigned SizeLog2 = $clog2(BeatBits / 8);
  localparam int unsigned PageBeats = 4096 * 8 / BeatBits;
  localparam int unsigned BurstLog2 = $clog2(MaxBurst);
  localparam int unsigned CountBits = 40;  // of more beats than a region has

  logic s_axis_beat_tready, done, error;
  logic [0:0] m_axi_list_awid;
  logic [63:0] m_axi_list_awaddr;
  logic [7:0] m_axi_list_awlen;
  logic [2:0] m_axi_list_awsize, m_axi_list_awprot;
  logic [1:0] m_axi_list_awburst;
  logic [3:0] m_axi_list_awcache;
  logic m_axi_list_awvalid, m_axi_list_wvalid, m_axi_list_wlast, m_axi_list_bready;
  logic [BeatBits-1:0] m_axi_list_wdata;
  logic [BeatBits/8-1:0] m_axi_list_wstrb;

  rf_row_write #(
      .BeatBits(BeatBits),
      .MaxBurst(MaxBurst)
  ) u_dut (
      .done_o (done),
      .error_o(error),
      .*
  );

  // The model: the region that is open, its beats, those that the memory has addresses of and
  // those it has; bursts asked for, of which the address may still wait, whole and answered.
  logic live_q = 1'b0;
  logic open_q, addressed, written, asks, ends;
  logic [63:0] base_q;
  logic [CountBits-1:0] beats_q, given_q, written_q, pending, asked, bursts_q, whole_q, answered_q;

  assign addressed = m_axi_list_awvalid && m_axi_list_awready;
  assign written = m_axi_list_wvalid && m_axi_list_wready;
  assign pending = m_axi_list_awvalid ? CountBits'(m_axi_list_awlen) + 1'b1 : '0;
  assign asked = given_q + pending;
  assign asks = u_dut.ask;
  assign ends = written && m_axi_list_wlast;

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    if (addressed) given_q <= given_q + pending;
    written_q <= written_q + CountBits'(written);
    bursts_q <= bursts_q + CountBits'(asks);
    whole_q <= whole_q + CountBits'(ends);
    answered_q <= answered_q + CountBits'(m_axi_list_bvalid);
    if (done) open_q <= 1'b0;
    if (start_i) begin
      open_q  <= 1'b1;
      base_q  <= {addr_i[63:12], 12'd0};
      beats_q <= CountBits'(beats_i);
    end
    if (start_i || !rst_ni) {given_q, written_q, bursts_q, whole_q, answered_q} <= '0;
    if (!rst_ni) open_q <= 1'b0;
  end

  rf_stable_properties #(
      .Width(72)
  ) u_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i ({m_axi_list_awaddr, m_axi_list_awlen}),
      .valid_i(m_axi_list_awvalid),
      .ready_i(m_axi_list_awready)
  );

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    opens_when_done : assume (!start_i || (!open_q && beats_i != '0));
    memory_answers_a_whole_burst :
    assume (!m_axi_list_bvalid || (answered_q < whole_q &&
            answered_q < bursts_q - CountBits'(m_axi_list_awvalid)));
    if (live_q) begin
      lemma_open_kept : assert (open_q == u_dut.open_q);
      beats_pass_as_they_are :
      assert ((s_axis_beat_tvalid && s_axis_beat_tready) == written &&
              (!written || (m_axi_list_wdata == s_axis_beat_tdata && &m_axi_list_wstrb)));
      if (!open_q) begin
        quiet_between_regions : assert (!m_axi_list_awvalid && !m_axi_list_wvalid && !done);
        lemma_closed :
        assert (u_dut.ask_q == '0 && u_dut.left_q == '0 && u_dut.ahead_q == '0 &&
                u_dut.beat_q == '0 && u_dut.answers_q == '0 && bursts_q == whole_q &&
                answered_q == bursts_q);
      end else begin
        lemma_beats_in_range : assert (beats_q != '0 && beats_q <= CountBits'(32'hFFFF_FFFF));
        every_beat_is_asked_for_once : assert (beats_q == asked + CountBits'(u_dut.ask_q));
        every_beat_is_written_once : assert (beats_q == written_q + CountBits'(u_dut.left_q));
        lemma_written_was_asked_for : assert (written_q <= asked);
        lemma_bursts_in_range : assert (bursts_q <= beats_q);
        lemma_bursts_are_whole :
        assert (u_dut.ask_q != '0 ? asked == bursts_q << BurstLog2 :
                asked <= bursts_q << BurstLog2 && asked + MaxBurst > bursts_q << BurstLog2);
        lemma_addresses_are_whole :
        assert (!m_axi_list_awvalid || (bursts_q != '0 &&
                given_q == (bursts_q - 1'b1) << BurstLog2));
        lemma_beat_counted :
        assert (u_dut.left_q != '0 ? written_q == (whole_q << BurstLog2) +
                CountBits'(u_dut.beat_q) : u_dut.beat_q == '0 && whole_q == bursts_q);
        lemma_ahead_counted :
        assert (bursts_q == whole_q + CountBits'(u_dut.ahead_q) && u_dut.ahead_q <= 2'd2);
        lemma_answers_counted :
        assert (bursts_q == answered_q + CountBits'(u_dut.answers_q) && answered_q <= whole_q &&
                answered_q + CountBits'(m_axi_list_awvalid) <= bursts_q);
        lemma_address_counted :
        assert (u_dut.ask_q == '0 || u_dut.addr_q == base_q + (64'(asked) << SizeLog2));
        lemma_base_is_a_page : assert (base_q[11:0] == '0);
        done_when_all_is_answered :
        assert (done == (written_q == beats_q && answered_q == bursts_q));
        if (m_axi_list_awvalid) begin
          addresses_in_order :
          assert (m_axi_list_awaddr == base_q + (64'(given_q) << SizeLog2));
          burst_within_limit : assert (32'(m_axi_list_awlen) < MaxBurst);
          burst_within_page :
          assert (32'(m_axi_list_awaddr[11:SizeLog2]) + 32'(m_axi_list_awlen) < PageBeats);
        end
        if (m_axi_list_wvalid) begin
          no_beat_before_its_address : assert (written_q < asked);
          last_marks_the_end :
          assert (m_axi_list_wlast == (written_q + 1'b1 == beats_q ||
                  &written_q[BurstLog2-1:0]));
        end
      end
    end
  end

endmodule
