// SPDX-License-Identifier: Apache-2.0
// Says which lanes of a group of items are on the list of rows seen already: takes one row a
// cycle, joins the rows of one group into one stored entry, answers one group a cycle.

module rf_seen
  import rf_topk_pkg::*;
#(
    parameter int unsigned Lanes = 1,       // items of a group, a power of two up to 128
    parameter int unsigned MaxSeen = 2048,  // entries that can be stored, a power of two
    localparam int unsigned LaneBits = $clog2(Lanes),
    localparam int unsigned GroupBits = RowBits - LaneBits
) (
    input  logic                      clk_i,
    input  logic                      rst_ni,
    input  logic                      start_i,  // a request opens: count_i rows will come
    input  logic [15:0]               count_i,
    input  logic [rf_pkg::IdBits-1:0] s_axis_seen_tdata,
    input  logic                      s_axis_seen_tvalid,
    output logic                      s_axis_seen_tready,
    input  logic [GroupBits-1:0]      group_i,  // asked for, ascending
    output logic                      known_o,  // mask_o is right
    output logic [Lanes-1:0]          mask_o,   // lanes of the group that were seen
    input  logic                      pass_i,   // the group passes; only when known
    input  logic                      flush_i,  // nothing more is asked: drop what is left
    output logic                      empty_o,  // every row was taken and nothing is stored
    output logic                      error_o   // a row was not above the one before; until start
);

  if (Lanes < 1 || Lanes > 128 || Lanes != 2 ** LaneBits) begin : gen_bad_lanes
    $fatal(1, "rf_seen: Lanes must be a power of two, 1 to 128");
  end
  if (MaxSeen < 2 || MaxSeen > 32768 || MaxSeen != 2 ** $clog2(MaxSeen)) begin : gen_bad_max
    $fatal(1, "rf_seen: MaxSeen must be a power of two, 2 to 32768");
  end

  logic [15:0] left_q;                   // rows to be taken
  logic [rf_pkg::IdBits-1:0] before_q;   // the row taken last
  logic any_q;                           // one was taken
  logic open_q;                          // an entry is being joined
  logic [GroupBits-1:0] open_group_q;
  logic [Lanes-1:0] open_mask_q;
  logic take, same, possible, push, store_ready, head_valid, pop;
  logic [GroupBits-1:0] row_group, head_group;
  logic [Lanes-1:0] row_mask, head_mask;
  logic [$clog2(MaxSeen):0] level;

  assign s_axis_seen_tready = left_q != '0 && store_ready;
  assign take = s_axis_seen_tvalid && s_axis_seen_tready;
  assign row_group = s_axis_seen_tdata[RowBits-1:LaneBits];
  if (Lanes == 1) begin : gen_one_lane
    assign row_mask = 1'b1;
  end else begin : gen_lanes
    assign row_mask = Lanes'(1) << s_axis_seen_tdata[LaneBits-1:0];
  end
  // A row outside every catalogue is counted but never stored, lest it be taken for another one.
  assign possible = s_axis_seen_tdata[rf_pkg::IdBits-1:RowBits] == '0;
  assign same = open_q && possible && open_group_q == row_group;
  assign push = open_q && store_ready && ((take && !same) || left_q == '0);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q  <= '0;
      open_q  <= 1'b0;
      any_q   <= 1'b0;
      error_o <= 1'b0;
    end else if (start_i) begin
      left_q  <= count_i;
      any_q   <= 1'b0;
      error_o <= 1'b0;
    end else begin
      if (take) begin
        left_q <= left_q - 16'd1;
        any_q  <= 1'b1;
        if (any_q && s_axis_seen_tdata <= before_q) error_o <= 1'b1;
      end
      if (take && possible) open_q <= 1'b1;
      else if (push) open_q <= 1'b0;
    end
    if (take) begin
      before_q <= s_axis_seen_tdata;
      open_group_q <= row_group;
      open_mask_q <= row_mask | (same ? open_mask_q : '0);
    end
  end

  rf_fifo #(
      .Width(GroupBits + Lanes),
      .Depth(MaxSeen)
  ) u_store (
      .clk_i,
      .rst_ni,
      .s_axis_tdata ({open_group_q, open_mask_q}),
      .s_axis_tvalid(push),
      .s_axis_tready(store_ready),
      .m_axis_tdata ({head_group, head_mask}),
      .m_axis_tvalid(head_valid),
      .m_axis_tready(pop),
      .level_o      (level)
  );

  // An entry behind the group asked for can only come from an unsorted list; it is dropped.
  logic head_here, head_behind;
  assign head_here = head_valid && head_group == group_i;
  assign head_behind = head_valid && head_group < group_i;
  assign empty_o = left_q == '0 && !open_q && level == '0 && !head_valid;
  assign known_o = head_valid ? !head_behind : empty_o;
  assign mask_o = head_here ? head_mask : '0;
  assign pop = (pass_i && head_here) || head_behind || flush_i;

  joined : cover property (@(posedge clk_i) disable iff (!rst_ni) take && any_q && same);
  outside : cover property (@(posedge clk_i) disable iff (!rst_ni) take && !possible);
  store_full : cover property (
    @(posedge clk_i) disable iff (!rst_ni) s_axis_seen_tvalid && left_q != '0 && !store_ready);
  hit : cover property (@(posedge clk_i) disable iff (!rst_ni) pass_i && head_here);
  beyond : cover property (
    @(posedge clk_i) disable iff (!rst_ni) pass_i && head_valid && !head_here);
  behind : cover property (@(posedge clk_i) disable iff (!rst_ni) head_behind);
  flushed : cover property (@(posedge clk_i) disable iff (!rst_ni) flush_i && head_valid);
  unsorted : cover property (@(posedge clk_i) disable iff (!rst_ni) error_o);

endmodule
