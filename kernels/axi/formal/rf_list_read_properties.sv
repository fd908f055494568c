// SPDX-License-Identifier: Apache-2.0
// rf_list_read asks for every beat of every list once and in order, and for no more of a list than
// its store has room for. Lists open when all of the ones before is taken; a list's store gives
// what was asked for and not yet given (rf_fifo and rf_axi_read have proofs of their own).

module rf_list_read_properties #(
    parameter int unsigned Lists = 2,
    parameter int unsigned BeatBits = 64,
    parameter int unsigned ListDepth = 4,
    parameter int unsigned MaxBurst = 2,
    parameter int unsigned FifoDepth = 4
) (
    input logic                   clk_i,
    input logic                   rst_ni,
    input logic                   start_i,
    input logic [Lists-1:0][63:0] addr_i,
    input logic [Lists-1:0][31:0] beats_i,
    input logic [Lists-1:0]       m_axis_list_tready,
    input logic                   m_axi_list_arready,
    input logic [0:0]             m_axi_list_rid,
    input logic [BeatBits-1:0]    m_axi_list_rdata,
    input logic [1:0]             m_axi_list_rresp,
    input logic                   m_axi_list_rlast,
    input logic                   m_axi_list_rvalid
);

  localparam int unsigned SizeLog2 = $clog2(BeatBits / 8);

  logic [Lists-1:0][BeatBits-1:0] m_axis_list_tdata;
  logic [Lists-1:0] m_axis_list_tvalid;
  logic error;
  logic [0:0] m_axi_list_arid;
  logic [63:0] m_axi_list_araddr;
  logic [7:0] m_axi_list_arlen;
  logic [2:0] m_axi_list_arsize, m_axi_list_arprot;
  logic [1:0] m_axi_list_arburst;
  logic [3:0] m_axi_list_arcache;
  logic m_axi_list_arvalid, m_axi_list_rready;

  rf_list_read #(
      .Lists(Lists),
      .BeatBits(BeatBits),
      .ListDepth(ListDepth),
      .MaxBurst(MaxBurst),
      .FifoDepth(FifoDepth)
  ) u_dut (
      .error_o(error),
      .*
  );

  // The model, list by list: where it lies, its beats, those asked for, and of these the ones that
  // are not yet given.
  logic live_q = 1'b0;
  logic [Lists-1:0] asks, gives, whole, ordered, roomy, counted, empty, owes;
  logic [31:0] burst;

  assign burst = u_dut.cmd.beats;

  for (genvar l = 0; l < Lists; l++) begin : gen_list
    logic [63:0] base_q;
    logic [31:0] beats_q, asked_q, held_q;
    assign asks[l] = u_dut.asked && 32'(u_dut.turn_q) == l;
    assign gives[l] = m_axis_list_tvalid[l] && m_axis_list_tready[l];
    always_ff @(posedge clk_i) begin
      asked_q <= asked_q + (asks[l] ? burst : '0);
      held_q  <= held_q + (asks[l] ? burst : '0) - 32'(gives[l]);
      if (start_i) begin
        base_q  <= {addr_i[l][63:SizeLog2], SizeLog2'(0)};
        beats_q <= beats_i[l];
        asked_q <= '0;
      end
      if (!rst_ni) {beats_q, asked_q, held_q} <= '0;
    end
    assign whole[l] = beats_q == asked_q + u_dut.left_q[l];
    assign ordered[l] = u_dut.left_q[l] == '0 ||
        {u_dut.addr_q[l], SizeLog2'(0)} == base_q + (64'(asked_q) << SizeLog2);
    assign counted[l] = 32'(u_dut.room_q[l]) + held_q == 32'(ListDepth) && asked_q <= beats_q;
    assign roomy[l] = held_q <= 32'(ListDepth);
    assign empty[l] = u_dut.left_q[l] == '0 && held_q == '0;
    assign owes[l] = held_q != '0;
  end

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    opens_when_all_is_taken : assume (!start_i || &empty);
    a_store_gives_what_was_asked_for : assume ((gives & ~owes) == '0);
    if (live_q) begin
      every_beat_is_asked_for_once : assert (&whole);
      lemma_addresses_counted : assert (&ordered);
      lemma_room_counted : assert (&counted);
      held_within_depth : assert (&roomy);
      if (u_dut.cmd_valid) begin
        burst_within_limit : assert (burst != '0 && burst <= 32'(MaxBurst));
        addresses_in_order :
        assert (u_dut.cmd.addr == {u_dut.addr_q[u_dut.turn_q], SizeLog2'(0)} &&
            ordered[u_dut.turn_q]);
        goes_to_its_list : assert (32'(u_dut.cmd.dest) == 32'(u_dut.turn_q));
      end
      lemma_turn_in_range : assert (32'(u_dut.turn_q) < Lists);
    end
  end

  always_ff @(posedge clk_i) live_q <= live_q || !rst_ni;

endmodule
