// SPDX-License-Identifier: Apache-2.0
// Reads the rows of a table by their numbers through several AXI4 ports in turn and gives them in
// the order asked for: one beat a cycle while Ports * FifoDepth beats cover the memory's latency.

module rf_row_read #(
    parameter int unsigned Ports = 2,       // AXI4 read ports, 1 to 16
    parameter int unsigned BeatBits = 512,  // of a port: 64, 128, 256 or 512
    parameter int unsigned Beats = 1,       // of a row, a power of two, 1 to FifoDepth
    parameter int unsigned FifoDepth = 64   // beats asked for ahead at each port, a power of two
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  logic [63:0]         base_i,           // of the table, a multiple of a row's bytes; held
    input  logic [31:0]         s_axis_id_tdata,  // while rows are outstanding
    input  logic                s_axis_id_tvalid,
    output logic                s_axis_id_tready,
    output logic [BeatBits-1:0] m_axis_row_tdata,
    output logic                m_axis_row_tvalid,
    input  logic                m_axis_row_tready,
    output logic                m_axis_row_tlast,  // the row's last beat
    output logic                error_o,           // a pulse: a beat came with SLVERR or DECERR

    output logic [Ports-1:0][0:0]          m_axi_row_arid,
    output logic [Ports-1:0][63:0]         m_axi_row_araddr,
    output logic [Ports-1:0][7:0]          m_axi_row_arlen,
    output logic [Ports-1:0][2:0]          m_axi_row_arsize,
    output logic [Ports-1:0][1:0]          m_axi_row_arburst,
    output logic [Ports-1:0][3:0]          m_axi_row_arcache,
    output logic [Ports-1:0][2:0]          m_axi_row_arprot,
    output logic [Ports-1:0]               m_axi_row_arvalid,
    input  logic [Ports-1:0]               m_axi_row_arready,
    input  logic [Ports-1:0][0:0]          m_axi_row_rid,
    input  logic [Ports-1:0][BeatBits-1:0] m_axi_row_rdata,
    input  logic [Ports-1:0][1:0]          m_axi_row_rresp,
    input  logic [Ports-1:0]               m_axi_row_rlast,
    input  logic [Ports-1:0]               m_axi_row_rvalid,
    output logic [Ports-1:0]               m_axi_row_rready
);

  localparam int unsigned PortIdx = Ports > 1 ? $clog2(Ports) : 1;
  localparam int unsigned BeatIdx = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned RowLog2 = $clog2(Beats * BeatBits / 8);  // bytes of a row

  if (Ports < 1 || Ports > 16) begin : gen_bad_ports
    $fatal(1, "rf_row_read: Ports must be 1 to 16");
  end
  if (Beats < 1 || Beats > FifoDepth || Beats != 2 ** $clog2(Beats)) begin : gen_bad_beats
    $fatal(1, "rf_row_read: Beats must be a power of two, 1 to FifoDepth");
  end

  logic [PortIdx-1:0] ask_q, give_q;  // whose turn it is to be asked, to give
  logic [BeatIdx-1:0] beat_q;         // of the row being given
  logic [Ports-1:0] cmd_valid, cmd_ready, row_valid, row_ready, error;
  logic [Ports-1:0][BeatBits-1:0] row;
  rf_pkg::read_cmd_t cmd;
  logic asked, given;

  always_comb begin
    cmd = '0;
    cmd.addr = base_i + (64'(s_axis_id_tdata) << RowLog2);
    cmd.beats = 32'(Beats);
  end

  assign s_axis_id_tready = cmd_ready[ask_q];
  assign asked = s_axis_id_tvalid && s_axis_id_tready;
  assign m_axis_row_tdata = row[give_q];
  assign m_axis_row_tvalid = row_valid[give_q];
  assign m_axis_row_tlast = beat_q == BeatIdx'(Beats - 1);
  assign given = m_axis_row_tvalid && m_axis_row_tready;
  assign error_o = |error;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      ask_q  <= '0;
      give_q <= '0;
      beat_q <= '0;
    end else begin
      if (asked) ask_q <= ask_q == PortIdx'(Ports - 1) ? '0 : ask_q + 1'b1;
      if (given) beat_q <= m_axis_row_tlast ? '0 : beat_q + 1'b1;
      if (given && m_axis_row_tlast) give_q <= give_q == PortIdx'(Ports - 1) ? '0 : give_q + 1'b1;
    end
  end

  for (genvar p = 0; p < Ports; p++) begin : gen_port
    assign cmd_valid[p] = s_axis_id_tvalid && ask_q == PortIdx'(p);
    assign row_ready[p] = m_axis_row_tready && give_q == PortIdx'(p);

    rf_axi_read #(
        .BeatBits (BeatBits),
        .FifoDepth(FifoDepth),
        .MaxBurst (Beats)
    ) u_read (
        .clk_i,
        .rst_ni,
        .s_axis_cmd_tdata  (cmd),
        .s_axis_cmd_tvalid (cmd_valid[p]),
        .s_axis_cmd_tready (cmd_ready[p]),
        .m_axis_data_tdata (row[p]),
        .m_axis_data_tdest (),
        .m_axis_data_tid   (),
        .m_axis_data_tuser (),
        .m_axis_data_tvalid(row_valid[p]),
        .m_axis_data_tready(row_ready[p]),
        .error_o           (error[p]),
        .beat_o            (),
        .m_axi_gmem_arid   (m_axi_row_arid[p]),
        .m_axi_gmem_araddr (m_axi_row_araddr[p]),
        .m_axi_gmem_arlen  (m_axi_row_arlen[p]),
        .m_axi_gmem_arsize (m_axi_row_arsize[p]),
        .m_axi_gmem_arburst(m_axi_row_arburst[p]),
        .m_axi_gmem_arcache(m_axi_row_arcache[p]),
        .m_axi_gmem_arprot (m_axi_row_arprot[p]),
        .m_axi_gmem_arvalid(m_axi_row_arvalid[p]),
        .m_axi_gmem_arready(m_axi_row_arready[p]),
        .m_axi_gmem_rid    (m_axi_row_rid[p]),
        .m_axi_gmem_rdata  (m_axi_row_rdata[p]),
        .m_axi_gmem_rresp  (m_axi_row_rresp[p]),
        .m_axi_gmem_rlast  (m_axi_row_rlast[p]),
        .m_axi_gmem_rvalid (m_axi_row_rvalid[p]),
        .m_axi_gmem_rready (m_axi_row_rready[p])
    );
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_row_tvalid && !m_axis_row_tready |=> m_axis_row_tvalid && $stable(m_axis_row_tdata));

endmodule
