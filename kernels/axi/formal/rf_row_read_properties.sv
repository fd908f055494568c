// SPDX-License-Identifier: Apache-2.0
// rf_row_read asks the ports for rows in turn, each row once and at its address, and takes whole
// rows from them in the same turn, so that rows leave in the order asked for; what a port does in
// between is rf_axi_read's, which has a proof of its own.

module rf_row_read_properties #(
    parameter int unsigned Ports = 3,
    parameter int unsigned BeatBits = 64,
    parameter int unsigned Beats = 2,
    parameter int unsigned FifoDepth = 2
) (
    input logic                           clk_i,
    input logic                           rst_ni,
    input logic [63:0]                    base_i,
    input logic [31:0]                    s_axis_id_tdata,
    input logic                           s_axis_id_tvalid,
    input logic                           m_axis_row_tready,
    input logic [Ports-1:0]               m_axi_row_arready,
    input logic [Ports-1:0][0:0]          m_axi_row_rid,
    input logic [Ports-1:0][BeatBits-1:0] m_axi_row_rdata,
    input logic [Ports-1:0][1:0]          m_axi_row_rresp,
    input logic [Ports-1:0]               m_axi_row_rlast,
    input logic [Ports-1:0]               m_axi_row_rvalid
);

  localparam int unsigned RowBytes = Beats * BeatBits / 8;

  logic s_axis_id_tready, m_axis_row_tvalid, m_axis_row_tlast, error;
  logic [BeatBits-1:0] m_axis_row_tdata;
  logic [Ports-1:0][0:0] m_axi_row_arid;
  logic [Ports-1:0][63:0] m_axi_row_araddr;
  logic [Ports-1:0][7:0] m_axi_row_arlen;
  logic [Ports-1:0][2:0] m_axi_row_arsize, m_axi_row_arprot;
  logic [Ports-1:0][1:0] m_axi_row_arburst;
  logic [Ports-1:0][3:0] m_axi_row_arcache;
  logic [Ports-1:0] m_axi_row_arvalid, m_axi_row_rready;

  rf_row_read #(
      .Ports(Ports),
      .BeatBits(BeatBits),
      .Beats(Beats),
      .FifoDepth(FifoDepth)
  ) u_dut (
      .error_o(error),
      .*
  );

  // The model: the port whose turn it is, as a bit, to be asked and to give; beats of the row.
  logic live_q = 1'b0;
  logic [Ports-1:0] ask_q, give_q, asked, given, lands;
  logic [31:0] beat_q;

  assign asked = u_dut.cmd_valid & u_dut.cmd_ready;
  assign given = u_dut.row_valid & u_dut.row_ready;

  // The address on a port's master in the cycle after its command is the row's.
  for (genvar p = 0; p < Ports; p++) begin : gen_port
    logic asked_q;
    logic [63:0] row_q;
    always_ff @(posedge clk_i) begin
      asked_q <= rst_ni && asked[p];
      row_q   <= base_i + 64'(s_axis_id_tdata) * RowBytes;
    end
    assign lands[p] = !asked_q || {u_dut.gen_port[p].u_read.addr_q[63:3],
        u_dut.gen_port[p].u_read.left_q} == {row_q[63:3], 32'(Beats)};
  end

  always_ff @(posedge clk_i) begin
    live_q <= live_q || !rst_ni;
    if (s_axis_id_tvalid && s_axis_id_tready) ask_q <= {ask_q[Ports-2:0], ask_q[Ports-1]};
    if (m_axis_row_tvalid && m_axis_row_tready) begin
      beat_q <= beat_q == 32'(Beats - 1) ? '0 : beat_q + 32'd1;
      if (beat_q == 32'(Beats - 1)) give_q <= {give_q[Ports-2:0], give_q[Ports-1]};
    end
    if (!rst_ni) begin
      ask_q  <= Ports'(1);
      give_q <= Ports'(1);
      beat_q <= '0;
    end
  end

  rf_stable_properties #(
      .Width(1 + BeatBits)
  ) u_stable (
      .clk_i,
      .rst_ni,
      .live_i (live_q),
      .data_i ({m_axis_row_tlast, m_axis_row_tdata}),
      .valid_i(m_axis_row_tvalid),
      .ready_i(m_axis_row_tready)
  );

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    if (live_q) begin
      lemma_turns_counted :
      assert (ask_q == Ports'(1) << u_dut.ask_q && give_q == Ports'(1) << u_dut.give_q &&
              32'(u_dut.ask_q) < Ports && 32'(u_dut.give_q) < Ports &&
              beat_q == 32'(u_dut.beat_q) && beat_q < 32'(Beats));
      rows_are_asked_for_in_turn :
      assert (asked == (s_axis_id_tvalid && s_axis_id_tready ? ask_q : '0));
      a_row_is_read_at_its_address : assert (&lands);
      rows_are_taken_in_turn :
      assert (given == (m_axis_row_tvalid && m_axis_row_tready ? give_q : '0));
      last_marks_the_end : assert (m_axis_row_tlast == (beat_q == 32'(Beats - 1)));
    end
  end

endmodule
