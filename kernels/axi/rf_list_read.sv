// SPDX-License-Identifier: Apache-2.0
// Reads several lists of consecutive beats through one AXI4 port, each into a FIFO of its own:
// bursts in turn, asked for only while the list's FIFO has room, so that no list holds up another.

module rf_list_read #(
    parameter int unsigned Lists = 4,        // 1 to 8
    parameter int unsigned BeatBits = 512,   // of the port: 64, 128, 256 or 512
    parameter int unsigned ListDepth = 32,   // beats of a list held, a power of two
    parameter int unsigned MaxBurst = 16,    // beats of a burst, 1 to ListDepth
    parameter int unsigned FifoDepth = 64    // beats asked for ahead in all, a power of two
) (
    input  logic                           clk_i,
    input  logic                           rst_ni,
    input  logic                           start_i,  // a pulse: reads the lists; only when all
    input  logic [Lists-1:0][63:0]         addr_i,   // beats of the lists before are taken
    input  logic [Lists-1:0][31:0]         beats_i,  // may be 0
    output logic [Lists-1:0][BeatBits-1:0] m_axis_list_tdata,
    output logic [Lists-1:0]               m_axis_list_tvalid,
    input  logic [Lists-1:0]               m_axis_list_tready,
    output logic                           error_o,  // a pulse: a beat came with SLVERR or DECERR

    output logic [0:0]          m_axi_list_arid,
    output logic [63:0]         m_axi_list_araddr,
    output logic [7:0]          m_axi_list_arlen,
    output logic [2:0]          m_axi_list_arsize,
    output logic [1:0]          m_axi_list_arburst,
    output logic [3:0]          m_axi_list_arcache,
    output logic [2:0]          m_axi_list_arprot,
    output logic                m_axi_list_arvalid,
    input  logic                m_axi_list_arready,
    input  logic [0:0]          m_axi_list_rid,
    input  logic [BeatBits-1:0] m_axi_list_rdata,
    input  logic [1:0]          m_axi_list_rresp,
    input  logic                m_axi_list_rlast,
    input  logic                m_axi_list_rvalid,
    output logic                m_axi_list_rready
);

  localparam int unsigned ListIdx = Lists > 1 ? $clog2(Lists) : 1;
  localparam int unsigned RoomBits = $clog2(ListDepth) + 1;
  localparam int unsigned BurstBits = $clog2(MaxBurst + 1);
  localparam int unsigned SizeLog2 = $clog2(BeatBits / 8);

  if (Lists < 1 || Lists > 8) begin : gen_bad_lists
    $fatal(1, "rf_list_read: Lists must be 1 to 8");
  end
  if (MaxBurst < 1 || MaxBurst > ListDepth || ListDepth != 2 ** $clog2(ListDepth))
  begin : gen_bad_depth
    $fatal(1, "rf_list_read: ListDepth must be a power of two, at least MaxBurst");
  end

  logic [ListIdx-1:0] turn_q;
  logic [Lists-1:0][63:SizeLog2] addr_q;    // of the next beat to ask for, in beats
  logic [Lists-1:0][31:0] left_q;           // beats to ask for
  logic [Lists-1:0][RoomBits-1:0] room_q;   // places in the list's FIFO not yet promised
  logic [Lists-1:0] fifo_valid, fifo_ready, given;
  logic [BeatBits-1:0] data;
  logic [31:0] left, left_after;          // of the list whose turn it is: beats to ask for,
  logic [BurstBits-1:0] burst;            // those of them that go at once,
  logic [63:SizeLog2] addr, addr_after;   // and where
  rf_pkg::read_cmd_t cmd;
  rf_pkg::dest_e dest;
  logic cmd_valid, cmd_ready, asked, data_valid;

  assign left = left_q[turn_q];
  assign burst = left < MaxBurst ? BurstBits'(left) : BurstBits'(MaxBurst);
  assign left_after = left - 32'(burst);
  assign addr = addr_q[turn_q];
  assign addr_after = addr + $bits(addr)'(burst);
  assign cmd_valid = burst != '0 && room_q[turn_q] >= RoomBits'(burst);
  assign asked = cmd_valid && cmd_ready;
  assign given = m_axis_list_tvalid & m_axis_list_tready;

  always_comb begin
    cmd = '0;
    cmd.addr = {addr, SizeLog2'(0)};
    cmd.beats = 32'(burst);
    cmd.dest = rf_pkg::dest_e'(turn_q);
  end

  always_ff @(posedge clk_i) begin
    // A turn ends with its burst, or where there is nothing to ask for.
    if (!rst_ni) turn_q <= '0;
    else if (asked || !cmd_valid) turn_q <= turn_q == ListIdx'(Lists - 1) ? '0 : turn_q + 1'b1;
  end

  for (genvar l = 0; l < Lists; l++) begin : gen_list
    logic mine;
    assign mine = asked && turn_q == ListIdx'(l);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        left_q[l] <= '0;
        room_q[l] <= RoomBits'(ListDepth);
      end else begin
        if (start_i) left_q[l] <= beats_i[l];
        else if (mine) left_q[l] <= left_after;
        room_q[l] <= room_q[l] - (mine ? RoomBits'(burst) : '0) + RoomBits'(given[l]);
      end
    end
    always_ff @(posedge clk_i) begin
      if (start_i) addr_q[l] <= addr_i[l][63:SizeLog2];
      else if (mine) addr_q[l] <= addr_after;
    end

    assign fifo_valid[l] = data_valid && ListIdx'(dest) == ListIdx'(l);
    rf_fifo #(
        .Width(BeatBits),
        .Depth(ListDepth)
    ) u_fifo (
        .clk_i,
        .rst_ni,
        .s_axis_tdata (data),
        .s_axis_tvalid(fifo_valid[l]),
        .s_axis_tready(fifo_ready[l]),
        .m_axis_tdata (m_axis_list_tdata[l]),
        .m_axis_tvalid(m_axis_list_tvalid[l]),
        .m_axis_tready(m_axis_list_tready[l]),
        .level_o      ()
    );
  end

  rf_axi_read #(
      .BeatBits (BeatBits),
      .FifoDepth(FifoDepth),
      .MaxBurst (MaxBurst)
  ) u_read (
      .clk_i,
      .rst_ni,
      .s_axis_cmd_tdata  (cmd),
      .s_axis_cmd_tvalid (cmd_valid),
      .s_axis_cmd_tready (cmd_ready),
      .m_axis_data_tdata (data),
      .m_axis_data_tdest (dest),
      .m_axis_data_tid   (),
      .m_axis_data_tuser (),
      .m_axis_data_tvalid(data_valid),
      .m_axis_data_tready(1'b1),  // room_is_kept
      .error_o           (error_o),
      .beat_o            (),
      .m_axi_gmem_arid   (m_axi_list_arid),
      .m_axi_gmem_araddr (m_axi_list_araddr),
      .m_axi_gmem_arlen  (m_axi_list_arlen),
      .m_axi_gmem_arsize (m_axi_list_arsize),
      .m_axi_gmem_arburst(m_axi_list_arburst),
      .m_axi_gmem_arcache(m_axi_list_arcache),
      .m_axi_gmem_arprot (m_axi_list_arprot),
      .m_axi_gmem_arvalid(m_axi_list_arvalid),
      .m_axi_gmem_arready(m_axi_list_arready),
      .m_axi_gmem_rid    (m_axi_list_rid),
      .m_axi_gmem_rdata  (m_axi_list_rdata),
      .m_axi_gmem_rresp  (m_axi_list_rresp),
      .m_axi_gmem_rlast  (m_axi_list_rlast),
      .m_axi_gmem_rvalid (m_axi_list_rvalid),
      .m_axi_gmem_rready (m_axi_list_rready)
  );

  logic unused_dest;  // a few lists do not fill it
  assign unused_dest = ^dest;

  room_is_kept : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    (fifo_valid & ~fifo_ready) == '0);

endmodule
