// SPDX-License-Identifier: Apache-2.0
// The kernel's control: register block, start and done (ap_ctrl_hs), checks of the arguments that
// all requests share, status of the last run. A run starts two cycles after its write.

module rf_control #(
    parameter int unsigned Dim = 64,
    parameter int unsigned Heads = 2,
    parameter int unsigned BeatBits = 512,
    parameter int unsigned MessageBits = 8,
    parameter int unsigned KeyBits = 8,
    parameter int unsigned ValueBits = 8,
    parameter int unsigned ItemBits = 8,
    parameter int unsigned KMax = 32,
    parameter int unsigned ScanPorts = 1,
    parameter int unsigned Edges = 0,
    parameter int unsigned EdgeItems = 0,
    parameter int unsigned MaxItems = 1 << 24,    // largest catalogue, at most 2^24
    parameter int unsigned MaxRequests = 1 << 24  // of a batch, at most 2^24
) (
    input  logic                       clk_i,
    input  logic                       rst_ni,
    output rf_pkg::hotpath_args_t      args_o,
    output logic [ScanPorts-1:0][63:0] item_o,   // addresses of the shares
    output logic                       single_o,  // pulses: answer a request,
    output logic                       batch_o,   // answer a batch,
    output logic                       load_o,    // load the weights
    input  logic                       done_i,    // a pulse, only then: that has finished
    input  rf_pkg::status_t            status_i,  // faults to remember
    input  logic [31:0]                gather_i,  // times and beats of the last request
    input  logic [31:0]                attention_i,
    input  logic [31:0]                fuse_i,
    input  logic [31:0]                scan_i,
    input  logic [31:0]                total_i,
    input  logic [31:0]                beats_i,
    output logic                       interrupt_o,

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
    input  logic        s_axi_control_rready
);

  import rf_pkg::*;

  // What the kernels inside would name otherwise.
  if (MessageBits != 4 && MessageBits != 8) begin : gen_bad_message
    $fatal(1, "rf_control: MessageBits must be 4 or 8");
  end
  if (KeyBits != 4 && KeyBits != 8) begin : gen_bad_key
    $fatal(1, "rf_control: KeyBits must be 4 or 8");
  end
  if (ValueBits != 4 && ValueBits != 8) begin : gen_bad_value
    $fatal(1, "rf_control: ValueBits must be 4 or 8");
  end
  if (ItemBits != 4 && ItemBits != 8) begin : gen_bad_item
    $fatal(1, "rf_control: ItemBits must be 4 or 8");
  end

  if (MaxItems < 1 || MaxItems > 2 ** 24) begin : gen_bad_items
    $fatal(1, "rf_control: MaxItems must be 1 to 2^24");
  end
  if (MaxRequests < 1 || MaxRequests > 2 ** 24) begin : gen_bad_requests
    $fatal(1, "rf_control: MaxRequests must be 1 to 2^24");
  end

  if (Edges != 0 && (Edges * 32 < BeatBits || Edges > 128 || Edges != 2 ** $clog2(Edges)))
  begin : gen_bad_edges
    $fatal(1, "rf_control: Edges must be 0 or a power of two, a beat's edges to 128");
  end
  if ((Edges == 0) != (EdgeItems == 0) || EdgeItems > 2 ** 20 ||
      (EdgeItems != 0 && EdgeItems != 2 ** $clog2(EdgeItems))) begin : gen_bad_edge_items
    $fatal(1, "rf_control: EdgeItems must be 0 without Edges, else a power of two to 2^20");
  end

  localparam logic [7:0] Version = 8'd2;
  localparam logic [1:0] ModeSingle = 2'd0;
  localparam logic [1:0] ModeLoad = 2'd1;
  localparam logic [1:0] ModeBatch = 2'd2;
  localparam int unsigned AddrBits = rf_regs_pkg::RF_REGS_MIN_ADDR_WIDTH;

  rf_regs_pkg::rf_regs__in_t hw_in;
  rf_regs_pkg::rf_regs__out_t hw_out;

  logic running_q, bad_argument, taken, finished;
  logic [1:0] mode;  // of a good one
  status_t status_q;

  assign taken = hw_out.ctrl.ap_start.value && !running_q;
  assign finished = done_i || (taken && bad_argument);
  assign mode = args_o.mode[1:0];
  assign single_o = taken && !bad_argument && mode == ModeSingle;
  assign batch_o = taken && !bad_argument && mode == ModeBatch;
  assign load_o = taken && !bad_argument && mode == ModeLoad;

  always_comb begin
    bad_argument = args_o.mode > 32'(ModeBatch);
    if (mode != ModeLoad) begin
      bad_argument = bad_argument || args_o.n_items == '0 || args_o.n_items > MaxItems ||
          args_o.gather_shift > 32'd47 || args_o.logit_shift > 32'd31 ||
          args_o.attention_shift > 32'd47 || args_o.fuse_shift > 32'd31 ||
          args_o.term_shift > 32'd15;  // recfabric.contract.SHIFT_LIMITS
      if (Edges != 0) begin
        bad_argument = bad_argument || args_o.n_items > EdgeItems || args_o.scatter_shift > 32'd47;
      end
    end
    if (mode == ModeBatch) begin
      bad_argument = bad_argument || args_o.count == '0 || args_o.count > MaxRequests;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      running_q <= 1'b0;
      status_q  <= '0;
    end else begin
      running_q <= (taken && !bad_argument) || (running_q && !done_i);
      if (taken) status_q <= '{bad_argument: bad_argument, default: '0};
      else status_q <= status_q | status_i;
    end
  end

  always_comb begin
    hw_in.ctrl.ap_start.hwclr = taken;
    hw_in.ctrl.ap_done.hwset = finished;
    hw_in.ctrl.ap_idle.next = !running_q && !hw_out.ctrl.ap_start.value;
    hw_in.ctrl.ap_ready.hwset = finished;
    hw_in.isr.done.hwset = finished && hw_out.ier.done.value;
    hw_in.isr.ready.hwset = finished && hw_out.ier.ready.value;
    hw_in.status.bus_error.next = status_q.bus_error;
    hw_in.status.bad_row.next = status_q.bad_row;
    hw_in.status.bad_seen.next = status_q.bad_seen;
    hw_in.status.bad_argument.next = status_q.bad_argument;
    hw_in.geometry.dim_log2.next = 4'($clog2(Dim));
    hw_in.geometry.heads_log2.next = 2'($clog2(Heads));
    hw_in.geometry.beat_log2.next = 4'($clog2(BeatBits / 8));
    hw_in.geometry.message_int4.next = MessageBits == 4;
    hw_in.geometry.key_int4.next = KeyBits == 4;
    hw_in.geometry.value_int4.next = ValueBits == 4;
    hw_in.geometry.item_int4.next = ItemBits == 4;
    hw_in.geometry.k_max.next = 8'(KMax);
    hw_in.geometry.version.next = Version;
    hw_in.cycles_gather.value.next = gather_i;
    hw_in.cycles_attention.value.next = attention_i;
    hw_in.cycles_fuse.value.next = fuse_i;
    hw_in.cycles_scan.value.next = scan_i;
    hw_in.cycles_total.value.next = total_i;
    hw_in.beats_read.value.next = beats_i;
    hw_in.ports.count.next = 5'(ScanPorts);
  end

  assign interrupt_o = hw_out.gie.enable.value && (hw_out.isr.done.value || hw_out.isr.ready.value);

  // What starts on a page: the low bits of its address are not looked at.
  function automatic logic [63:0] page(logic [31:0] hi, logic [31:0] lo);
    return {hi, lo} & ~64'hFFF;
  endfunction

  always_comb begin
    args_o.message = page(hw_out.message.hi.value.value, hw_out.message.lo.value.value);
    args_o.key = page(hw_out.key.hi.value.value, hw_out.key.lo.value.value);
    args_o.value = page(hw_out.value.hi.value.value, hw_out.value.lo.value.value);
    args_o.bias = page(hw_out.bias.hi.value.value, hw_out.bias.lo.value.value);
    args_o.descriptor = page(hw_out.descriptor.hi.value.value, hw_out.descriptor.lo.value.value);
    args_o.record = page(hw_out.record.hi.value.value, hw_out.record.lo.value.value);
    args_o.count = hw_out.count.value.value;
    args_o.weight = page(hw_out.weight.hi.value.value, hw_out.weight.lo.value.value);
    args_o.history = {hw_out.history.hi.value.value, hw_out.history.lo.value.value};
    args_o.seen = {hw_out.seen.hi.value.value, hw_out.seen.lo.value.value};
    args_o.result = {hw_out.result.hi.value.value, hw_out.result.lo.value.value};
    args_o.n_items = hw_out.n_items.value.value;
    args_o.n_rows = hw_out.n_rows.value.value;
    if (args_o.n_rows == '0) args_o.n_rows = args_o.n_items;
    args_o.n_history = hw_out.n_history.value.value;
    args_o.n_seen = hw_out.n_seen.value.value;
    args_o.k = hw_out.k.value.value;
    args_o.norm = hw_out.norm.value.value;
    args_o.mode = hw_out.mode.value.value;
    args_o.gather_shift = hw_out.gather_shift.value.value;
    args_o.logit_shift = hw_out.logit_shift.value.value;
    args_o.attention_shift = hw_out.attention_shift.value.value;
    args_o.fuse_shift = hw_out.fuse_shift.value.value;
    args_o.term_shift = hw_out.term_shift.value.value;
    // PeakRDL's way with a name that is a word of SystemVerilog.
    args_o.edges = page(hw_out.edge_.hi.value.value, hw_out.edge_.lo.value.value);
    args_o.scatter_shift = hw_out.scatter_shift.value.value;
  end

  for (genvar p = 0; p < ScanPorts; p++) begin : gen_share
    assign item_o[p] = page(hw_out.item[p].hi.value.value, hw_out.item[p].lo.value.value);
  end

  rf_regs u_regs (
      .clk           (clk_i),
      .rst_n         (rst_ni),
      .s_axil_awready(s_axi_control_awready),
      .s_axil_awvalid(s_axi_control_awvalid),
      .s_axil_awaddr (s_axi_control_awaddr[AddrBits-1:0]),
      .s_axil_awprot (s_axi_control_awprot),
      .s_axil_wready (s_axi_control_wready),
      .s_axil_wvalid (s_axi_control_wvalid),
      .s_axil_wdata  (s_axi_control_wdata),
      .s_axil_wstrb  (s_axi_control_wstrb),
      .s_axil_bready (s_axi_control_bready),
      .s_axil_bvalid (s_axi_control_bvalid),
      .s_axil_bresp  (s_axi_control_bresp),
      .s_axil_arready(s_axi_control_arready),
      .s_axil_arvalid(s_axi_control_arvalid),
      .s_axil_araddr (s_axi_control_araddr[AddrBits-1:0]),
      .s_axil_arprot (s_axi_control_arprot),
      .s_axil_rready (s_axi_control_rready),
      .s_axil_rvalid (s_axi_control_rvalid),
      .s_axil_rdata  (s_axi_control_rdata),
      .s_axil_rresp  (s_axi_control_rresp),
      .hwif_in       (hw_in),
      .hwif_out      (hw_out)
  );

  logic unused_addr;  // an address beyond the block is one within it
  assign unused_addr = ^{s_axi_control_awaddr, s_axi_control_araddr};

endmodule
