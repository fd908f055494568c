// SPDX-License-Identifier: Apache-2.0
// A recommendation's hot path behind one kernel ABI: gathers the user vector over the history,
// attends over the items' texts, fuses both, sends messages along the items' edges and scans the
// catalogue for the exact top k. The requests of a batch overlap: one every scan, or every front
// end where that is longer.

module rf_hotpath #(
    parameter int unsigned Dim = 64,            // of a table row: 16, 32, 64, 128 or 256
    parameter int unsigned Heads = 2,           // of the attention: 1, 2 or 4
    parameter int unsigned MessageBits = 8,     // of a table's element: 4 or 8
    parameter int unsigned KeyBits = 8,
    parameter int unsigned ValueBits = 8,
    parameter int unsigned ItemBits = 8,
    parameter int unsigned BeatBits = 512,      // of the memory port: 64, 128, 256 or 512
    parameter int unsigned MaxRows = 1024,      // longest history, at most 1024
    parameter int unsigned MaxSeen = 2048,      // longest seen list
    parameter int unsigned KMax = 32,           // most answers, 1 to 128
    parameter int unsigned Pe = 16,             // folding of the fuse layer: outputs at a time
    parameter int unsigned Simd = 16,           // and inputs at a time
    parameter int unsigned RequantLanes = 8,    // elements requantised at a time
    parameter int unsigned FifoDepth = 256,     // beats of the scan asked for ahead
    parameter int unsigned MaxBurst = 16,       // beats of a burst
    parameter int unsigned ScanPorts = 1,       // 1, or 2, 4, 8 or 16 of the items' own
    parameter int unsigned Edges = 0,           // slots for edges an item; 0: no rf_scatter
    parameter int unsigned EdgeItems = 0,       // entries of its array of scores
    parameter int unsigned MaxItems = 1 << 24,  // largest catalogue, at most 2^24
    parameter int unsigned MaxRequests = 1 << 24,  // of a batch, at most 2^24
    parameter int unsigned TimeBits = 32,       // of counts of cycles and beats, 8 to 32
    localparam int unsigned AxiPorts = ScanPorts == 1 ? 1 : 1 + ScanPorts
) (
    input  logic clk_i,
    input  logic rst_ni,
    output logic interrupt_o,

    input  logic [ 9:0] s_axi_control_awaddr,
    input  logic [ 2:0] s_axi_control_awprot,
    input  logic        s_axi_control_awvalid,
    output logic        s_axi_control_awready,
    input  logic [31:0] s_axi_control_wdata,
    input  logic [ 3:0] s_axi_control_wstrb,
    input  logic        s_axi_control_wvalid,
    output logic        s_axi_control_wready,
    output logic [ 1:0] s_axi_control_bresp,
    output logic        s_axi_control_bvalid,
    input  logic        s_axi_control_bready,
    input  logic [ 9:0] s_axi_control_araddr,
    input  logic [ 2:0] s_axi_control_arprot,
    input  logic        s_axi_control_arvalid,
    output logic        s_axi_control_arready,
    output logic [31:0] s_axi_control_rdata,
    output logic [ 1:0] s_axi_control_rresp,
    output logic        s_axi_control_rvalid,
    input  logic        s_axi_control_rready,

    output logic [           0:0] m_axi_gmem_awid,
    output logic [          63:0] m_axi_gmem_awaddr,
    output logic [           7:0] m_axi_gmem_awlen,
    output logic [           2:0] m_axi_gmem_awsize,
    output logic [           1:0] m_axi_gmem_awburst,
    output logic [           3:0] m_axi_gmem_awcache,
    output logic [           2:0] m_axi_gmem_awprot,
    output logic                  m_axi_gmem_awvalid,
    input  logic                  m_axi_gmem_awready,
    output logic [  BeatBits-1:0] m_axi_gmem_wdata,
    output logic [BeatBits/8-1:0] m_axi_gmem_wstrb,
    output logic                  m_axi_gmem_wlast,
    output logic                  m_axi_gmem_wvalid,
    input  logic                  m_axi_gmem_wready,
    input  logic [           0:0] m_axi_gmem_bid,
    input  logic [           1:0] m_axi_gmem_bresp,
    input  logic                  m_axi_gmem_bvalid,
    output logic                  m_axi_gmem_bready,
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

  localparam int unsigned VectorBits = Dim * StateBits;
  localparam int unsigned PortLanes =
      Dim * ItemBits > 0 && Dim * ItemBits < BeatBits ? BeatBits / (Dim * ItemBits) : 1;
  localparam int unsigned Lanes = ScanPorts * PortLanes;  // items that the scan takes at a time
  localparam int unsigned Streams = ScanPorts == 1 ? 4 : 4 + ScanPorts;
  localparam int unsigned Descriptor = 0;  // streams of the memory's read side
  localparam int unsigned Seen = 1;
  localparam int unsigned Rows = 2;
  localparam int unsigned Scan = 3;
  localparam int unsigned CountBits = $clog2(AxiPorts + 1);

  // ---- control ----
  hotpath_args_t args;
  logic [ScanPorts-1:0][63:0] item;
  logic single, batch, load, run_done, load_done, finished;
  status_t status;
  logic [TimeBits-1:0] gather_time, attention_time, fuse_time, scan_time, total_time, beats_read;

  rf_control #(
      .Dim(Dim),
      .Heads(Heads),
      .BeatBits(BeatBits),
      .MessageBits(MessageBits),
      .KeyBits(KeyBits),
      .ValueBits(ValueBits),
      .ItemBits(ItemBits),
      .KMax(KMax),
      .ScanPorts(ScanPorts),
      .Edges(Edges),
      .EdgeItems(EdgeItems),
      .MaxItems(MaxItems),
      .MaxRequests(MaxRequests)
  ) u_control (
      .args_o     (args),
      .item_o     (item),
      .single_o   (single),
      .batch_o    (batch),
      .load_o     (load),
      .done_i     (run_done || load_done),
      .status_i   (status),
      .gather_i   (32'(gather_time)),
      .attention_i(32'(attention_time)),
      .fuse_i     (32'(fuse_time)),
      .scan_i     (32'(scan_time)),
      .total_i    (32'(total_time)),
      .beats_i    (32'(beats_read)),
      .*
  );

  // ---- memory ----
  read_cmd_t [Streams-1:0] cmd;
  logic [Streams-1:0] cmd_valid, cmd_ready, data_error, data_valid, data_ready;
  logic [Streams-1:0][BeatBits-1:0] data;
  dest_e [Streams-1:0] data_dest;
  logic [Flight-1:0] bus_error;
  logic load_error;
  logic [CountBits-1:0] beats;

  rf_read_ports #(
      .BeatBits (BeatBits),
      .ScanPorts(ScanPorts),
      .FifoDepth(FifoDepth),
      .MaxBurst (MaxBurst)
  ) u_ports (
      .s_axis_cmd_tdata  (cmd),
      .s_axis_cmd_tvalid (cmd_valid),
      .s_axis_cmd_tready (cmd_ready),
      .m_axis_data_tdata (data),
      .m_axis_data_tdest (data_dest),
      .m_axis_data_tuser (data_error),
      .m_axis_data_tvalid(data_valid),
      .m_axis_data_tready(data_ready),
      .bus_error_o       (bus_error),
      .load_error_o      (load_error),
      .beats_o           (beats),
      .*
  );

  // ---- requests ----
  logic open, compute;
  front_job_t front_job;
  scan_job_t scan_job;
  finish_job_t finish_job;

  rf_dispatch #(
      .BeatBits(BeatBits),
      .MaxRows (MaxRows),
      .MaxSeen (MaxSeen),
      .KMax    (KMax),
      .MaxRequests(MaxRequests)
  ) u_dispatch (
      .clk_i,
      .rst_ni,
      .single_i          (single),
      .batch_i           (batch),
      .args_i            (args),
      .done_o            (run_done),
      .m_axis_cmd_tdata  (cmd[Descriptor]),
      .m_axis_cmd_tvalid (cmd_valid[Descriptor]),
      .m_axis_cmd_tready (cmd_ready[Descriptor]),
      .s_axis_data_tdata (data[Descriptor]),
      .s_axis_data_tuser (data_error[Descriptor]),
      .s_axis_data_tvalid(data_valid[Descriptor]),
      .s_axis_data_tready(data_ready[Descriptor]),
      .compute_o         (compute),
      .open_o            (open),
      .front_o           (front_job),
      .scan_o            (scan_job),
      .finish_o          (finish_job),
      .finished_i        (finished)
  );

  // ---- front end: from the history to the vector that scores ----
  logic [VectorBits-1:0] fused;
  logic [Lanes*EdgeTermBits-1:0] edge_terms;
  logic edge_valid, edge_ready;
  logic fused_valid, fused_ready, issued, gathered, attended, bad_row;
  tag_t bad_row_tag;

  rf_front #(
      .Dim(Dim),
      .Heads(Heads),
      .MessageBits(MessageBits),
      .KeyBits(KeyBits),
      .ValueBits(ValueBits),
      .BeatBits(BeatBits),
      .MaxRows(MaxRows),
      .Pe(Pe),
      .Simd(Simd),
      .RequantLanes(RequantLanes),
      .Edges(Edges),
      .EdgeItems(EdgeItems),
      .ScanLanes(Lanes)
  ) u_front (
      .clk_i,
      .rst_ni,
      .args_i            (args),
      .load_i            (load),
      .load_done_o       (load_done),
      .job_i             (front_job),
      .open_i            (open && compute),
      .m_axis_cmd_tdata  (cmd[Rows]),
      .m_axis_cmd_tvalid (cmd_valid[Rows]),
      .m_axis_cmd_tready (cmd_ready[Rows]),
      .s_axis_data_tdata (data[Rows]),
      .s_axis_data_tdest (data_dest[Rows]),
      .s_axis_data_tvalid(data_valid[Rows]),
      .s_axis_data_tready(data_ready[Rows]),
      .m_axis_vec_tdata  (fused),
      .m_axis_vec_tvalid (fused_valid),
      .m_axis_vec_tready (fused_ready),
      .m_axis_edge_tdata (edge_terms),
      .m_axis_edge_tvalid(edge_valid),
      .m_axis_edge_tready(edge_ready),
      .issued_o          (issued),
      .gathered_o        (gathered),
      .attended_o        (attended),
      .bad_row_o         (bad_row),
      .bad_tag_o         (bad_row_tag)
  );

  // ---- back end: the scan ----
  result_t result;
  logic result_valid, result_ready, fuse_taken, scanned, settled, bad_seen;
  tag_t scan_tag;

  rf_scan #(
      .Dim(Dim),
      .ItemBits(ItemBits),
      .BeatBits(BeatBits),
      .KMax(KMax),
      .MaxSeen(MaxSeen),
      .MaxItems(MaxItems),
      .Ports(ScanPorts),
      .Lanes(Lanes),
      .WithEdges(Edges != 0)
  ) u_scan (
      .clk_i,
      .rst_ni,
      .args_i                (args),
      .item_i                (item),
      .job_i                 (scan_job),
      .open_i                (open && compute),
      .issued_i              (issued),
      .s_axis_vec_tdata      (fused),
      .s_axis_vec_tvalid     (fused_valid),
      .s_axis_vec_tready     (fused_ready),
      .s_axis_edge_tdata     (edge_terms),
      .s_axis_edge_tvalid    (edge_valid),
      .s_axis_edge_tready    (edge_ready),
      .m_axis_seen_cmd_tdata (cmd[Seen]),
      .m_axis_seen_cmd_tvalid(cmd_valid[Seen]),
      .m_axis_seen_cmd_tready(cmd_ready[Seen]),
      .s_axis_seen_tdata     (data[Seen]),
      .s_axis_seen_tvalid    (data_valid[Seen]),
      .s_axis_seen_tready    (data_ready[Seen]),
      .m_axis_scan_cmd_tdata (cmd[Streams-1:Scan]),
      .m_axis_scan_cmd_tvalid(cmd_valid[Streams-1:Scan]),
      .m_axis_scan_cmd_tready(cmd_ready[Streams-1:Scan]),
      .s_axis_scan_tdata     (data[Streams-1:Scan]),
      .s_axis_scan_tdest     (data_dest[Streams-1:Scan]),
      .s_axis_scan_tvalid    (data_valid[Streams-1:Scan]),
      .s_axis_scan_tready    (data_ready[Streams-1:Scan]),
      .m_axis_result_tdata   (result),
      .m_axis_result_tvalid  (result_valid),
      .m_axis_result_tready  (result_ready),
      .fused_o               (fuse_taken),
      .scanned_o             (scanned),
      .tag_o                 (scan_tag),
      .settled_o             (settled),
      .bad_seen_o            (bad_seen)
  );

  // ---- answers and records ----
  rf_finish #(
      .BeatBits (BeatBits),
      .KMax     (KMax),
      .BeatCount(CountBits),
      .TimeBits (TimeBits)
  ) u_finish (
      .start_i             (single || batch || load),
      .job_i               (finish_job),
      .open_i              (open),
      .gathered_i          (gathered),
      .attended_i          (attended),
      .fused_i             (fuse_taken),
      .scanned_i           (scanned),
      .scan_tag_i          (scan_tag),
      .settled_i           (settled),
      .bad_seen_i          (bad_seen),
      .bus_error_i         (bus_error),
      .load_error_i        (load_error),
      .bad_row_i           (bad_row ? Flight'(1) << bad_row_tag : '0),
      .beats_i             (beats),
      .s_axis_result_tdata (result),
      .s_axis_result_tvalid(result_valid),
      .s_axis_result_tready(result_ready),
      .finished_o          (finished),
      .status_o            (status),
      .gather_o            (gather_time),
      .attention_o         (attention_time),
      .fuse_o              (fuse_time),
      .scan_o              (scan_time),
      .total_o             (total_time),
      .beats_o             (beats_read),
      .*
  );

  logic unused_dest;
  assign unused_dest = ^{data_dest[Descriptor], data_dest[Seen], data_error};

endmodule
