// SPDX-License-Identifier: Apache-2.0
// Gives the edges of a beat to the banks of their targets, one a bank and cycle: a beat without a
// conflict a cycle, a beat whose edges all meet in one bank in as many cycles as it has edges;
// latency two cycles. Unused edges and those beyond the catalogue are dropped.

module rf_scatter_issue #(
    parameter int unsigned BeatBits = 512,  // of the stream of edges
    parameter int unsigned Banks = 16,      // a power of two, at least 2
    parameter int unsigned Depth = 2048,    // entries of a bank, a power of two, at least 2
    localparam int unsigned AddrBits = $clog2(Depth),
    localparam int unsigned TargetBits = rf_pkg::EdgeTargetBits,
    localparam int unsigned WeightBits = rf_pkg::EdgeWeightBits
) (
    input  logic                             clk_i,
    input  logic                             rst_ni,
    input  logic                             open_i,        // beats are taken
    input  logic [TargetBits:0]              items_i,       // of the catalogue; steady while open
    input  logic [BeatBits-1:0]              s_axis_edge_tdata,
    input  logic                             s_axis_edge_tvalid,
    output logic                             s_axis_edge_tready,
    output logic [Banks-1:0]                 add_o,
    output logic [Banks-1:0][AddrBits-1:0]   addr_o,
    output logic [Banks-1:0][WeightBits-1:0] weight_o,
    output logic                             idle_o         // all edges taken are given
);

  localparam int unsigned PerBeat = BeatBits / $bits(rf_pkg::edge_t);
  localparam int unsigned SlotBits = $clog2(PerBeat);
  localparam int unsigned BankBits = $clog2(Banks);

  typedef struct packed {
    logic [WeightBits-1:0] weight;
    logic [AddrBits-1:0]   addr;
  } add_t;

  rf_pkg::edge_t [PerBeat-1:0] given;
  logic [PerBeat-1:0] pending_q, granted, counts;
  logic [PerBeat-1:0][BankBits-1:0] bank_q;
  add_t [PerBeat-1:0] add_q;
  logic [Banks-1:0] any;
  logic [Banks-1:0][PerBeat-1:0] wants, first;
  logic [Banks-1:0][SlotBits-1:0] slot;
  logic take;

  assign given = s_axis_edge_tdata;
  assign s_axis_edge_tready = open_i && (pending_q & ~granted) == '0;
  assign take = s_axis_edge_tvalid && s_axis_edge_tready;
  assign idle_o = pending_q == '0 && add_o == '0;

  for (genvar e = 0; e < PerBeat; e++) begin : gen_slot
    assign counts[e] = given[e].weight != '0 && (TargetBits + 1)'(given[e].target) < items_i;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) pending_q[e] <= 1'b0;
      else if (take) pending_q[e] <= counts[e];
      else pending_q[e] <= pending_q[e] && !granted[e];
      if (take) begin
        bank_q[e] <= given[e].target[BankBits-1:0];
        add_q[e]  <= '{weight: given[e].weight, addr: given[e].target[BankBits+:AddrBits]};
      end
    end
  end

  // Each bank takes the first of the edges that want it.
  always_comb begin
    granted = '0;
    for (int unsigned b = 0; b < Banks; b++) begin
      any[b]  = 1'b0;
      slot[b] = '0;
      for (int unsigned e = 0; e < PerBeat; e++) begin
        wants[b][e] = pending_q[e] && bank_q[e] == BankBits'(b);
        first[b][e] = wants[b][e] && !any[b];
        any[b] |= wants[b][e];
        if (first[b][e]) slot[b] |= SlotBits'(e);
        granted[e] |= first[b][e];
      end
    end
  end

  for (genvar b = 0; b < Banks; b++) begin : gen_bank
    add_t add;
    assign add = add_q[slot[b]];
    always_ff @(posedge clk_i) begin
      if (!rst_ni) add_o[b] <= 1'b0;
      else add_o[b] <= any[b];
      if (any[b]) begin
        addr_o[b]   <= add.addr;
        weight_o[b] <= add.weight;
      end
    end
  end

  all_at_once : cover property (
    @(posedge clk_i) disable iff (!rst_ni) pending_q == '1 && granted == '1);
  all_in_one_bank : cover property (
    @(posedge clk_i) disable iff (!rst_ni) pending_q == '1 && $onehot(granted));
  right_behind_a_conflict : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    take && pending_q != '0 && $past(pending_q & ~granted) != '0);
  beat_waits : cover property (
    @(posedge clk_i) disable iff (!rst_ni) open_i && s_axis_edge_tvalid && !s_axis_edge_tready);
  beat_of_nothing : cover property (@(posedge clk_i) disable iff (!rst_ni) take && counts == '0);
  drops_a_target : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    take && given[0].weight != '0 && (TargetBits + 1)'(given[0].target) == items_i);

endmodule
