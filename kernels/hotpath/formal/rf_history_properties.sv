// SPDX-License-Identifier: Apache-2.0
// rf_history gives every row of the list in each of the three passes, once and in order: one row,
// any of the list, is followed from the list to each pass. A request opens when the one before is
// done; its list comes after that, and no more of it than it has.

module rf_history_properties #(
    parameter int unsigned MaxRows = 5,
    parameter int unsigned BeatBits = 64
) (
    input logic                clk_i,
    input logic                rst_ni,
    input logic                start_i,
    input logic [15:0]         rows_i,
    input logic [BeatBits-1:0] s_axis_ids_tdata,
    input logic                s_axis_ids_tvalid,
    input logic                m_axis_id_tready,
    input logic [15:0]         mark_row_i
);

  localparam int unsigned PerBeat = BeatBits / 32;
  localparam int unsigned LaneBits = $clog2(PerBeat);
  localparam int unsigned AddrBits = $clog2((MaxRows + PerBeat - 1) / PerBeat);

  logic s_axis_ids_tready, m_axis_id_tvalid, idle;
  logic [31:0] m_axis_id_tdata;
  logic [1:0] m_axis_id_tuser;

  rf_history #(
      .MaxRows (MaxRows),
      .BeatBits(BeatBits)
  ) u_dut (
      .clk_i,
      .rst_ni,
      .start_i,
      .rows_i,
      .s_axis_ids_tdata,
      .s_axis_ids_tvalid,
      .s_axis_ids_tready,
      .m_axis_id_tdata,
      .m_axis_id_tuser,
      .m_axis_id_tvalid,
      .m_axis_id_tready,
      .idle_o(idle)
  );

  // The model: the request's rows, those received, the pass and row to be given next; of the
  // marked row its value.
  logic live_q = 1'b0;
  logic open_q, waited_q, known, push, pop, last, done;
  logic [15:0] rows_q, received_q, next_q, mark_q;
  logic [1:0] pass_q;
  logic [31:0] value_q, lane_value, stored;

  assign push = s_axis_ids_tvalid && s_axis_ids_tready;
  assign pop = m_axis_id_tvalid && m_axis_id_tready;
  assign last = next_q + 16'd1 == rows_q;
  assign done = pass_q == 2'd3 || rows_q == '0;
  assign known = mark_q < received_q;
  assign lane_value = 32'(s_axis_ids_tdata >> (32 * 32'(mark_q[LaneBits-1:0])));

  always_ff @(posedge clk_i) begin
    live_q   <= live_q || !rst_ni;
    waited_q <= rst_ni && !start_i && open_q && pass_q != 2'd3 && next_q < rows_q &&
        next_q < received_q && !m_axis_id_tvalid;
    if (push) begin
      received_q <= received_q + 16'(PerBeat);
      if (mark_q[15:LaneBits] == received_q[15:LaneBits]) value_q <= lane_value;
    end
    if (pop) begin
      next_q <= last ? '0 : next_q + 16'd1;
      if (last) pass_q <= pass_q + 2'd1;
    end
    if (start_i) begin
      open_q     <= 1'b1;
      rows_q     <= rows_i;
      received_q <= '0;
      next_q     <= '0;
      pass_q     <= '0;
      mark_q     <= mark_row_i;
    end
    if (!rst_ni) open_q <= 1'b0;
  end

  rf_stable_properties #(
      .Width(34)
  ) u_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i ({m_axis_id_tuser, m_axis_id_tdata}),
      .valid_i(m_axis_id_tvalid),
      .ready_i(m_axis_id_tready)
  );

  assign stored = 32'(u_dut.memory[mark_q[LaneBits+:AddrBits]] >> (32 * 32'(mark_q[LaneBits-1:0])));

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    opens_while_idle : assume (!start_i || !open_q || done);
    rows_in_range : assume (rows_i <= 16'(MaxRows));
    rows_are_held : assume (!open_q || pass_q == 2'd3 || start_i || rows_i == rows_q);
    list_comes_after_start :
    assume (!s_axis_ids_tvalid || (open_q && !start_i && received_q < rows_q));
    if (live_q && !open_q) begin
      lemma_idle_at_first : assert (idle && u_dut.pass_q == 2'd3);
    end
    if (live_q && open_q) begin
      done_means_idle : assert (start_i || idle == done);
      lemma_rows_within_depth : assert (rows_q <= 16'(MaxRows));
      lemma_received_counted :
      assert (u_dut.taken_q == received_q && received_q[LaneBits-1:0] == '0 &&
              received_q < rows_q + 16'(PerBeat));
      takes_the_list : assert (s_axis_ids_tready);
      lemma_next_in_range : assert (next_q == '0 || next_q < rows_q);
      if (done) begin
        nothing_after_the_end : assert (!m_axis_id_tvalid);
      end
      if (pass_q == 2'd3) begin
        lemma_end_is_at_the_end :
        assert (next_q == '0 && u_dut.pass_q == 2'd3 && received_q >= rows_q);
      end else if (rows_q == '0) begin
        lemma_empty_list_waits : assert (u_dut.pass_q == pass_q && pass_q == '0 && next_q == '0);
      end
      if (m_axis_id_tvalid) begin
        no_loss_no_duplicate :
        assert (m_axis_id_tuser == pass_q && next_q < received_q && next_q < rows_q);
        lemma_next_is_read :
        assert (u_dut.next_q == (last ? '0 : next_q + 16'd1) &&
                u_dut.pass_q == pass_q + 2'(last));
      end else begin
        lemma_reads_in_order : assert (u_dut.next_q == next_q && u_dut.pass_q == pass_q);
      end
      if (pass_q != '0) begin
        lemma_list_is_complete : assert (received_q >= rows_q);
      end
      if (waited_q) begin
        gives_what_it_has : assert (m_axis_id_tvalid);
      end
      if (known) begin
        lemma_marked_is_stored : assert (stored == value_q);
        if (m_axis_id_tvalid && next_q == mark_q) begin
          order_kept : assert (m_axis_id_tdata == value_q);
        end
      end
    end
  end

endmodule
