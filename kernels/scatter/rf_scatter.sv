// SPDX-License-Identifier: Apache-2.0
// Messages along item-item edges: adds the edges of a history's rows into a banked score array and
// gives term[j] = sat24(rne(norm * sum[j], shift)) for every item j in order. A bank adds an edge a
// cycle; Lanes terms a cycle, read and cleared while the next request's edges are added to the
// other one of two arrays. The first terms 8 cycles after the last beat of edges without conflict.

module rf_scatter #(
    parameter int unsigned Items = 32768,   // entries of an array, a power of two, 2 Banks to 2^20
    parameter int unsigned Edges = 32,      // edge slots of a row, a power of two, a beat's to 128
    parameter int unsigned BeatBits = 512,  // of a beat of edges: 64, 128, 256 or 512
    parameter int unsigned Lanes = 1,       // terms a cycle, a power of two, 1 to 32
    parameter int unsigned Banks = 16,      // of an array, a power of two, Lanes (or 2) to 64
    parameter int unsigned MaxRows = 1024,  // longest history, 1 to 1024
    localparam int unsigned TermsBits = Lanes * rf_pkg::EdgeTermBits
) (
    input  logic                 clk_i,
    input  logic                 rst_ni,
    input  rf_pkg::scatter_cmd_t s_axis_cmd_tdata,
    input  logic                 s_axis_cmd_tvalid,
    output logic                 s_axis_cmd_tready,
    input  logic [BeatBits-1:0]  s_axis_edge_tdata,   // rf_pkg::edge_t, slot 0 in the low bits
    input  logic                 s_axis_edge_tvalid,
    output logic                 s_axis_edge_tready,
    output logic [TermsBits-1:0] m_axis_term_tdata,   // signed, the first row in the low bits
    output logic                 m_axis_term_tvalid,
    input  logic                 m_axis_term_tready
);

  import rf_pkg::*;

  if (Items > 2 ** 20 || Items < 2 * Banks || Items != 2 ** $clog2(Items)) begin : gen_bad_items
    $fatal(1, "rf_scatter: Items must be a power of two, twice Banks to 2^20");
  end
  if (!(BeatBits inside {64, 128, 256, 512})) begin : gen_bad_beat
    $fatal(1, "rf_scatter: BeatBits must be 64, 128, 256 or 512");
  end
  if (Edges * 32 < BeatBits || Edges > 128 || Edges != 2 ** $clog2(Edges)) begin : gen_bad_edges
    $fatal(1, "rf_scatter: Edges must be a power of two, a beat's edges to 128");
  end
  if (Lanes < 1 || Lanes > 32 || Lanes != 2 ** $clog2(Lanes)) begin : gen_bad_lanes
    $fatal(1, "rf_scatter: Lanes must be a power of two, 1 to 32");
  end
  if (Banks < 2 || Banks < Lanes || Banks > 64 || Banks != 2 ** $clog2(Banks)) begin : gen_bad_banks
    $fatal(1, "rf_scatter: Banks must be a power of two, Lanes (or 2) to 64");
  end
  if (MaxRows < 1 || MaxRows > 1024) begin : gen_bad_rows
    $fatal(1, "rf_scatter: MaxRows must be 1 to 1024");
  end

  localparam int unsigned Depth = Banks > 0 ? Items / Banks : 2;
  localparam int unsigned AddrBits = $clog2(Depth);
  localparam int unsigned SumBits = EdgeWeightBits + $clog2(MaxRows);  // MaxRows weights of -128
  localparam int unsigned BeatsLog2 = $clog2(Edges * $bits(edge_t) / BeatBits);  // of a row
  localparam int unsigned LeftBits = $clog2(MaxRows + 1) + BeatsLog2;
  localparam int unsigned LaneBits = $clog2(Lanes);
  localparam int unsigned GroupBits = $clog2(Items) - LaneBits;

  // ---- after a reset: every entry of both arrays becomes 0 ----
  logic sweep_q;
  logic [AddrBits-1:0] sweep_addr_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sweep_q <= 1'b1;
      sweep_addr_q <= '0;
    end else if (sweep_q) begin
      sweep_q <= sweep_addr_q != '1;
      sweep_addr_q <= sweep_addr_q + 1'b1;
    end
  end

  // ---- a request is added to one array while the terms of the one before are read of the other;
  // both change places when both have come to their end ----
  scatter_cmd_t cmd_q;
  logic open_q, turn_q, take_cmd, take_beat, swap, added, given;
  logic [LeftBits-1:0] left_q;  // beats not yet taken
  logic [GroupBits:0] groups;

  assign s_axis_cmd_tready = !open_q && !sweep_q;
  assign take_cmd = s_axis_cmd_tvalid && s_axis_cmd_tready;
  assign take_beat = s_axis_edge_tvalid && s_axis_edge_tready;
  assign swap = open_q && left_q == '0 && added && given;
  assign groups = (GroupBits + 1)'((cmd_q.items + 32'(Lanes - 1)) >> LaneBits);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      open_q <= 1'b0;
      turn_q <= 1'b0;
    end else begin
      open_q <= take_cmd || (open_q && !swap);
      if (swap) turn_q <= !turn_q;
    end
    if (take_cmd) begin
      cmd_q  <= s_axis_cmd_tdata;
      left_q <= LeftBits'(s_axis_cmd_tdata.rows) << BeatsLog2;
    end else if (take_beat) begin
      left_q <= left_q - 1'b1;
    end
  end

  logic [Banks-1:0] add, read;
  logic [Banks-1:0][AddrBits-1:0] add_addr;
  logic [Banks-1:0][EdgeWeightBits-1:0] weight;
  logic [AddrBits-1:0] read_addr, clear_addr;
  logic [1:0][Banks-1:0][SumBits-1:0] sums;

  rf_scatter_issue #(
      .BeatBits(BeatBits),
      .Banks   (Banks),
      .Depth   (Depth)
  ) u_issue (
      .clk_i,
      .rst_ni,
      .open_i  (open_q && left_q != '0),
      .items_i (cmd_q.items[EdgeTargetBits:0]),
      .s_axis_edge_tdata,
      .s_axis_edge_tvalid,
      .s_axis_edge_tready,
      .add_o   (add),
      .addr_o  (add_addr),
      .weight_o(weight),
      .idle_o  (added)
  );

  assign clear_addr = sweep_q ? sweep_addr_q : read_addr;

  for (genvar a = 0; a < 2; a++) begin : gen_array
    logic adds;
    assign adds = turn_q == 1'(a) && !sweep_q;
    for (genvar b = 0; b < Banks; b++) begin : gen_bank
      rf_scatter_array #(
          .Depth  (Depth),
          .SumBits(SumBits)
      ) u_array (
          .clk_i,
          .rst_ni,
          .step_i  (adds ? add[b] : read[b] || sweep_q),
          .add_i   (adds),
          .addr_i  (adds ? add_addr[b] : clear_addr),
          .weight_i(weight[b]),
          .sum_o   (sums[a][b])
      );
    end
  end

  rf_scatter_terms #(
      .Lanes  (Lanes),
      .Banks  (Banks),
      .Depth  (Depth),
      .SumBits(SumBits)
  ) u_terms (
      .clk_i,
      .rst_ni,
      .start_i (swap),
      .groups_i(groups),
      .norm_i  (cmd_q.norm),
      .shift_i (cmd_q.shift[ShiftBits-1:0]),
      .idle_o  (given),
      .read_o  (read),
      .addr_o  (read_addr),
      .sums_i  (sums[!turn_q]),
      .m_axis_term_tdata,
      .m_axis_term_tvalid,
      .m_axis_term_tready
  );

  logic unused_bits;
  assign unused_bits = ^cmd_q;

  legal_command : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    take_cmd |-> s_axis_cmd_tdata.items >= 32'd1 && s_axis_cmd_tdata.items <= 32'(Items) &&
        32'(s_axis_cmd_tdata.rows) <= MaxRows);
  cmd_waits : cover property (
    @(posedge clk_i) disable iff (!rst_ni) s_axis_cmd_tvalid && !s_axis_cmd_tready && !sweep_q);
  waits_for_the_sweep : cover property (
    @(posedge clk_i) disable iff (!rst_ni) s_axis_cmd_tvalid && sweep_q);
  waits_for_an_edge : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    open_q && left_q != '0 && added && !s_axis_edge_tvalid);
  no_rows : cover property (
    @(posedge clk_i) disable iff (!rst_ni) take_cmd && s_axis_cmd_tdata.rows == '0);
  adds_while_the_other_is_read : cover property (
    @(posedge clk_i) disable iff (!rst_ni) add != '0 && read != '0);
  terms_wait_for_the_edges : cover property (
    @(posedge clk_i) disable iff (!rst_ni) open_q && given && !added);
  edges_wait_for_the_terms : cover property (
    @(posedge clk_i) disable iff (!rst_ni) open_q && left_q == '0 && added && !given);
  part_of_last_group : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    Lanes == 1 || (swap && (cmd_q.items & 32'(Lanes - 1)) != '0));

endmodule
