// SPDX-License-Identifier: Apache-2.0
// The memory's read side: a master with credits and a FIFO of its own for the descriptors, the seen
// lists, the rows and each share of the scan, so that none waits for what another one's consumer
// does not take. With one scan port all share an AXI4 port; with several, each scan has its own.

module rf_read_ports #(
    parameter int unsigned BeatBits = 512,
    parameter int unsigned ScanPorts = 1,    // shares of the scan: 1, 2, 4, 8 or 16
    parameter int unsigned FifoDepth = 256,  // beats a scan asks for ahead
    parameter int unsigned MaxBurst = 16,
    localparam int unsigned AxiPorts = ScanPorts == 1 ? 1 : 1 + ScanPorts,
    localparam int unsigned CountBits = $clog2(AxiPorts + 1),
    // Descriptors, seen lists, rows, then the scan; or the biases and every port's items.
    localparam int unsigned Streams = ScanPorts == 1 ? 4 : 4 + ScanPorts
) (
    input  logic                             clk_i,
    input  logic                             rst_ni,
    input  rf_pkg::read_cmd_t [Streams-1:0]  s_axis_cmd_tdata,
    input  logic [Streams-1:0]               s_axis_cmd_tvalid,
    output logic [Streams-1:0]               s_axis_cmd_tready,
    output logic [Streams-1:0][BeatBits-1:0] m_axis_data_tdata,
    output rf_pkg::dest_e [Streams-1:0]      m_axis_data_tdest,
    output logic [Streams-1:0]               m_axis_data_tuser,  // the beat came with an error
    output logic [Streams-1:0]               m_axis_data_tvalid,
    input  logic [Streams-1:0]               m_axis_data_tready,
    output logic [rf_pkg::Flight-1:0]        bus_error_o,  // by tag: such a beat is there
    output logic                             load_error_o, // of the weights, which have no tag
    output logic [CountBits-1:0]             beats_o,      // beats that came in this cycle

    output logic [AxiPorts-1:0][         0:0] m_axi_gmem_arid,
    output logic [AxiPorts-1:0][        63:0] m_axi_gmem_araddr,
    output logic [AxiPorts-1:0][         7:0] m_axi_gmem_arlen,
    output logic [AxiPorts-1:0][         2:0] m_axi_gmem_arsize,
    output logic [AxiPorts-1:0][         1:0] m_axi_gmem_arburst,
    output logic [AxiPorts-1:0][         3:0] m_axi_gmem_arcache,
    output logic [AxiPorts-1:0][         2:0] m_axi_gmem_arprot,
    output logic [AxiPorts-1:0]               m_axi_gmem_arvalid,
    input  logic [AxiPorts-1:0]               m_axi_gmem_arready,
    input  logic [AxiPorts-1:0][         0:0] m_axi_gmem_rid,
    input  logic [AxiPorts-1:0][BeatBits-1:0] m_axi_gmem_rdata,
    input  logic [AxiPorts-1:0][         1:0] m_axi_gmem_rresp,
    input  logic [AxiPorts-1:0]               m_axi_gmem_rlast,
    input  logic [AxiPorts-1:0]               m_axi_gmem_rvalid,
    output logic [AxiPorts-1:0]               m_axi_gmem_rready
);

  import rf_pkg::*;

  if (!(ScanPorts inside {1, 2, 4, 8, 16})) begin : gen_bad_ports
    $fatal(1, "rf_read_ports: ScanPorts must be 1, 2, 4, 8 or 16");
  end
  if (MaxBurst < 1 || MaxBurst > 256) begin : gen_bad_burst
    $fatal(1, "rf_read_ports: MaxBurst must be 1 to 256");
  end

  localparam int unsigned Shared = 4;                       // streams on the first port
  localparam int unsigned Descriptor = 0;                   // the stream of the descriptors
  localparam int unsigned Rows = 2;                         // the stream of the rows

  // Rows need what a memory latency holds; the short lists a burst or two.
  function automatic int unsigned depth(int unsigned stream);
    int unsigned wanted;
    wanted = stream > Rows ? FifoDepth : stream == Rows ? 128 : 32;
    return FifoDepth < wanted ? FifoDepth : wanted;
  endfunction

  logic [Streams-1:0][63:0] araddr;
  logic [Streams-1:0][7:0] arlen;
  logic [Streams-1:0] arvalid, arready, rvalid, rready, beat;
  tag_t [Streams-1:0] tag;

  for (genvar s = 0; s < Streams; s++) begin : gen_stream
    localparam int unsigned Depth = depth(s);
    localparam int unsigned Port = s < Shared ? 0 : s - Shared + 1;
    logic [1:0] unused_burst;
    logic [2:0] unused_size, unused_prot;
    logic [3:0] unused_cache;
    logic [0:0] unused_id;
    logic unused_error;
    rf_axi_read #(
        .BeatBits (BeatBits),
        .FifoDepth(Depth),
        .MaxBurst (MaxBurst < Depth ? MaxBurst : Depth)
    ) u_read (
        .clk_i,
        .rst_ni,
        .s_axis_cmd_tdata  (s_axis_cmd_tdata[s]),
        .s_axis_cmd_tvalid (s_axis_cmd_tvalid[s]),
        .s_axis_cmd_tready (s_axis_cmd_tready[s]),
        .m_axis_data_tdata (m_axis_data_tdata[s]),
        .m_axis_data_tdest (m_axis_data_tdest[s]),
        .m_axis_data_tid   (tag[s]),
        .m_axis_data_tuser (m_axis_data_tuser[s]),
        .m_axis_data_tvalid(m_axis_data_tvalid[s]),
        .m_axis_data_tready(m_axis_data_tready[s]),
        .error_o           (unused_error),
        .beat_o            (beat[s]),
        .m_axi_gmem_arid   (unused_id),
        .m_axi_gmem_araddr (araddr[s]),
        .m_axi_gmem_arlen  (arlen[s]),
        .m_axi_gmem_arsize (unused_size),
        .m_axi_gmem_arburst(unused_burst),
        .m_axi_gmem_arcache(unused_cache),
        .m_axi_gmem_arprot (unused_prot),
        .m_axi_gmem_arvalid(arvalid[s]),
        .m_axi_gmem_arready(arready[s]),
        .m_axi_gmem_rid    (1'b0),
        .m_axi_gmem_rdata  (m_axi_gmem_rdata[Port]),
        .m_axi_gmem_rresp  (m_axi_gmem_rresp[Port]),
        .m_axi_gmem_rlast  (m_axi_gmem_rlast[Port]),
        .m_axi_gmem_rvalid (rvalid[s]),
        .m_axi_gmem_rready (rready[s])
    );
  end

  rf_axi_merge #(
      .Channels(Shared),
      .BeatBits(BeatBits)
  ) u_merge (
      .clk_i,
      .rst_ni,
      .s_axi_araddr      (araddr[Shared-1:0]),
      .s_axi_arlen       (arlen[Shared-1:0]),
      .s_axi_arvalid     (arvalid[Shared-1:0]),
      .s_axi_arready     (arready[Shared-1:0]),
      .s_axi_rvalid      (rvalid[Shared-1:0]),
      .s_axi_rready      (rready[Shared-1:0]),
      .m_axi_gmem_arid   (m_axi_gmem_arid[0]),
      .m_axi_gmem_araddr (m_axi_gmem_araddr[0]),
      .m_axi_gmem_arlen  (m_axi_gmem_arlen[0]),
      .m_axi_gmem_arsize (m_axi_gmem_arsize[0]),
      .m_axi_gmem_arburst(m_axi_gmem_arburst[0]),
      .m_axi_gmem_arcache(m_axi_gmem_arcache[0]),
      .m_axi_gmem_arprot (m_axi_gmem_arprot[0]),
      .m_axi_gmem_arvalid(m_axi_gmem_arvalid[0]),
      .m_axi_gmem_arready(m_axi_gmem_arready[0]),
      .m_axi_gmem_rlast  (m_axi_gmem_rlast[0]),
      .m_axi_gmem_rvalid (m_axi_gmem_rvalid[0]),
      .m_axi_gmem_rready (m_axi_gmem_rready[0])
  );

  for (genvar p = 1; p < AxiPorts; p++) begin : gen_scan_port
    localparam int unsigned Stream = Shared + p - 1;
    assign m_axi_gmem_arid[p] = '0;
    assign m_axi_gmem_araddr[p] = araddr[Stream];
    assign m_axi_gmem_arlen[p] = arlen[Stream];
    assign m_axi_gmem_arsize[p] = m_axi_gmem_arsize[0];
    assign m_axi_gmem_arburst[p] = m_axi_gmem_arburst[0];
    assign m_axi_gmem_arcache[p] = m_axi_gmem_arcache[0];
    assign m_axi_gmem_arprot[p] = m_axi_gmem_arprot[0];
    assign m_axi_gmem_arvalid[p] = arvalid[Stream];
    assign m_axi_gmem_rready[p] = rready[Stream];
    assign arready[Stream] = m_axi_gmem_arready[p];
    assign rvalid[Stream] = m_axi_gmem_rvalid[p];
  end

  // A beat's error is its request's while it waits, too: by its end, all its beats are taken.
  logic [Streams-1:0] bad;
  assign bad = m_axis_data_tvalid & m_axis_data_tuser;
  assign load_error_o = bad[Rows] && m_axis_data_tdest[Rows] == DestWeight;

  always_comb begin
    bus_error_o = '0;
    beats_o = '0;
    for (int unsigned s = 0; s < Streams; s++) begin
      if (bad[s] && s != Descriptor && !(s == Rows && load_error_o)) begin
        bus_error_o[tag[s]] = 1'b1;
      end
      beats_o = beats_o + CountBits'(beat[s]);
    end
  end

  logic unused_rid;
  assign unused_rid = ^m_axi_gmem_rid;

endmodule
