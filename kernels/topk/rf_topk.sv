// SPDX-License-Identifier: Apache-2.0
// Exact top-k of query . item + (term << term_shift) over a catalogue, seen items left out: one
// beat of items a cycle, always; then one result a cycle, from rf_dot's stages + 5 + log2(lanes)
// cycles after the last beat.

module rf_topk
  import rf_topk_pkg::*;
#(
    parameter int unsigned Dim = 64,        // elements of an item, a power of two, 16 to 256
    parameter int unsigned ElemBits = 8,    // of an element of an item, signed: 8 or 4
    parameter int unsigned BeatBits = 512,  // of the item stream: 64, 128, 256 or 512
    parameter int unsigned KMax = 32,       // largest k, 1 to 128
    parameter int unsigned MaxSeen = 2048,  // seen rows stored ahead of the scan, a power of two
    localparam int unsigned Lanes = BeatBits > Dim * ElemBits ? BeatBits / (Dim * ElemBits) : 1
) (
    input  logic                             clk_i,
    input  logic                             rst_ni,
    input  logic [63:0]                      s_axis_cmd_tdata,  // rf_pkg::topk_cmd_t
    input  logic                             s_axis_cmd_tvalid,
    output logic                             s_axis_cmd_tready,
    input  logic [Dim*rf_pkg::StateBits-1:0] s_axis_query_tdata,
    input  logic                             s_axis_query_tvalid,
    output logic                             s_axis_query_tready,
    input  logic [BeatBits-1:0]              s_axis_item_tdata,
    input  logic                             s_axis_item_tvalid,
    output logic                             s_axis_item_tready,
    input  logic [Lanes*rf_pkg::TermBits-1:0] s_axis_term_tdata,
    input  logic                             s_axis_term_tvalid,
    output logic                             s_axis_term_tready,
    input  logic [rf_pkg::IdBits-1:0]        s_axis_seen_tdata,
    input  logic                             s_axis_seen_tvalid,
    output logic                             s_axis_seen_tready,
    output logic [63:0]                      m_axis_result_tdata,  // rf_pkg::result_t
    output logic                             m_axis_result_tvalid,
    output logic                             m_axis_result_tlast,
    input  logic                             m_axis_result_tready,
    output logic                             error_o  // seen list not ascending; until next request
);

  if (Dim < 16 || Dim > 256 || Dim != 2 ** $clog2(Dim)) begin : gen_bad_dim
    $fatal(1, "rf_topk: Dim must be a power of two, 16 to 256");
  end
  if (ElemBits != 8 && ElemBits != 4) begin : gen_bad_elem_bits
    $fatal(1, "rf_topk: ElemBits must be 8 or 4");
  end
  if (BeatBits != 64 && BeatBits != 128 && BeatBits != 256 && BeatBits != 512) begin : gen_bad_beat
    $fatal(1, "rf_topk: BeatBits must be 64, 128, 256 or 512");
  end
  if (KMax < 1 || KMax > 128) begin : gen_bad_kmax
    $fatal(1, "rf_topk: KMax must be 1 to 128");
  end

  localparam int unsigned Beats = Dim * ElemBits > BeatBits ? Dim * ElemBits / BeatBits : 1;
  localparam int unsigned BeatElems = Dim / Beats;  // of one item in a beat
  localparam int unsigned LaneBits = $clog2(Lanes);
  localparam int unsigned GroupBits = RowBits - LaneBits;
  localparam int unsigned BeatIndexBits = Beats > 1 ? $clog2(Beats) : 1;

  typedef enum logic [2:0] {Idle, Query, Scan, Settle, Drain, Flush} state_e;
  state_e state_q;

  // Request: only what the scan needs of the command.
  rf_pkg::topk_cmd_t cmd;
  logic [RowBits-1:0] last_row;
  logic [GroupBits-1:0] last_group_q;
  logic [Lanes-1:0] last_lanes_q;  // lanes of the last group that hold an item
  logic [7:0] k_q;
  logic [3:0] term_shift_q;
  logic take_cmd, take_query, settled, drained, seen_empty;

  assign cmd = s_axis_cmd_tdata;
  assign last_row = RowBits'(cmd.items - 32'd1);
  assign s_axis_cmd_tready = state_q == Idle;
  assign take_cmd = s_axis_cmd_tvalid && s_axis_cmd_tready;
  assign s_axis_query_tready = state_q == Query;
  assign take_query = s_axis_query_tvalid && s_axis_query_tready;

  always_ff @(posedge clk_i) begin
    if (take_cmd) begin
      last_group_q <= last_row[RowBits-1:LaneBits];
      for (int unsigned i = 0; i < Lanes; i++) begin
        last_lanes_q[i] <= i <= (32'(last_row) & (Lanes - 1));
      end
      k_q <= cmd.k;
      term_shift_q <= cmd.term_shift[3:0];
    end
  end

  // A group is the items of one beat, or the one item of several beats. Its first beat passes
  // together with its terms, once the filter knows which lanes were seen.
  logic [GroupBits-1:0] group_q;
  logic [BeatIndexBits-1:0] beat_q;
  logic first, last, final_beat, take, take_group, seen_known;
  logic [Lanes-1:0] seen_mask, keep, keep_q;

  assign first = beat_q == '0;
  assign last = beat_q == BeatIndexBits'(Beats - 1);
  assign s_axis_item_tready = state_q == Scan && (!first || (s_axis_term_tvalid && seen_known));
  assign s_axis_term_tready = state_q == Scan && first && s_axis_item_tvalid && seen_known;
  assign take = s_axis_item_tvalid && s_axis_item_tready;
  assign take_group = take && first;
  assign final_beat = last && group_q == last_group_q;
  assign keep = ~seen_mask & (group_q == last_group_q ? last_lanes_q : '1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      unique case (state_q)
        Idle:    if (take_cmd) state_q <= Query;
        Query:   if (take_query) state_q <= Scan;
        Scan:    if (take && final_beat) state_q <= Settle;
        Settle:  if (settled) state_q <= Drain;
        Drain:   if (drained) state_q <= Flush;
        Flush:   if (seen_empty) state_q <= Idle;
        default: state_q <= Idle;
      endcase
    end
    if (take_cmd) begin
      group_q <= '0;
      beat_q  <= '0;
    end else if (take) begin
      beat_q <= last ? '0 : beat_q + 1'b1;
      if (last) group_q <= group_q + 1'b1;
    end
    if (take_group) keep_q <= keep;
  end

  rf_seen #(
      .Lanes  (Lanes),
      .MaxSeen(MaxSeen)
  ) u_seen (
      .clk_i,
      .rst_ni,
      .start_i(take_cmd),
      .count_i(cmd.seen),
      .s_axis_seen_tdata,
      .s_axis_seen_tvalid,
      .s_axis_seen_tready,
      .group_i(group_q),
      .known_o(seen_known),
      .mask_o (seen_mask),
      .pass_i (take_group),
      .flush_i(state_q == Settle || state_q == Drain || state_q == Flush),
      .empty_o(seen_empty),
      .error_o
  );

  // The scores, then one array of the best a lane.
  logic [Lanes-1:0] scored;
  logic [GroupBits-1:0] scored_group;
  logic signed [Lanes-1:0][rf_pkg::ScoreBits-1:0] scores;
  entry_t heads[Lanes];
  logic [Lanes-1:0] pops;

  rf_topk_score #(
      .Lanes    (Lanes),
      .Beats    (Beats),
      .BeatElems(BeatElems),
      .ElemBits (ElemBits)
  ) u_score (
      .clk_i,
      .rst_ni,
      .clear_i     (take_cmd),
      .load_i      (take_query),
      .query_i     (s_axis_query_tdata),
      .term_shift_i(term_shift_q),
      .take_i      (take),
      .first_i     (first),
      .last_i      (last),
      .final_i     (final_beat),
      .keep_i      (first ? keep : keep_q),
      .items_i     (s_axis_item_tdata[Lanes*BeatElems*ElemBits-1:0]),
      .terms_i     (s_axis_term_tdata),
      .scored_o    (scored),
      .group_o     (scored_group),
      .scores_o    (scores),
      .final_o     (settled)
  );

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [RowBits-1:0] row;
    if (Lanes == 1) begin : gen_whole
      assign row = scored_group;
    end else begin : gen_part
      assign row = {scored_group, LaneBits'(l)};
    end
    rf_topk_array #(
        .KMax(KMax)
    ) u_array (
        .clk_i,
        .rst_ni,
        .clear_i(take_cmd),
        .valid_i(scored[l]),
        .score_i(scores[l]),
        .row_i  (row),
        .head_o (heads[l]),
        .pop_i  (pops[l])
    );
  end

  rf_topk_drain #(
      .Lanes(Lanes)
  ) u_drain (
      .clk_i,
      .rst_ni,
      .drain_i(state_q == Drain),
      .k_i    (k_q),
      .head_i (heads),
      .pop_o  (pops),
      .done_o (drained),
      .m_axis_result_tdata,
      .m_axis_result_tvalid,
      .m_axis_result_tlast,
      .m_axis_result_tready
  );

  legal_command : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    take_cmd |-> cmd.items >= 32'd1 && cmd.items <= 32'(2 ** RowBits)
                 && cmd.k >= 8'd1 && cmd.k <= 8'(KMax) && cmd.term_shift <= 8'd15);

endmodule
