// SPDX-License-Identifier: Apache-2.0
// One user's part of a scan: the filter of the items seen, the best of every lane, the results.
// A user whose k is 0 takes no part: it has no seen list and gives no result.

module rf_topk_user
  import rf_topk_pkg::*;
#(
    parameter int unsigned Lanes = 1,       // items of a group, a power of two
    parameter int unsigned KMax = 32,       // entries kept a lane
    parameter int unsigned MaxSeen = 2048,  // seen entries that can be stored, a power of two
    localparam int unsigned LaneBits = $clog2(Lanes),
    localparam int unsigned GroupBits = RowBits - LaneBits,
    localparam int unsigned CellsMax = 16  // above it a merge sort is smaller than an array
) (
    input  logic                                    clk_i,
    input  logic                                    rst_ni,
    input  logic                                    start_i,      // a request opens:
    input  logic [7:0]                              k_i,          // its results,
    input  logic [15:0]                             count_i,      // its seen rows
    input  logic [rf_pkg::IdBits-1:0]               s_axis_seen_tdata,
    input  logic                                    s_axis_seen_tvalid,
    output logic                                    s_axis_seen_tready,
    input  logic [GroupBits-1:0]                    group_i,      // asked for, ascending
    output logic                                    known_o,      // keep_o is right
    output logic [Lanes-1:0]                        keep_o,       // lanes not seen
    input  logic                                    pass_i,       // the group passes
    input  logic [Lanes-1:0]                        scored_i,     // scores are given
    input  logic [GroupBits-1:0]                    scored_group_i,
    input  logic [Lanes-1:0][rf_pkg::ScoreBits-1:0] scores_i,     // signed
    input  logic                                    flush_i,      // the last group has passed
    input  logic                                    end_i,        // the last scores were given
    output logic                                    sorted_o,     // every list is complete
    input  logic                                    drain_i,      // give the results
    output logic                                    drained_o,    // the last result leaves or left
    output logic                                    seen_empty_o,
    output logic [63:0]                             m_axis_result_tdata,
    output logic                                    m_axis_result_tvalid,
    output logic                                    m_axis_result_tlast,
    input  logic                                    m_axis_result_tready,
    output logic                                    error_o       // list not ascending; until start
);

  logic [7:0] k_q;
  logic active_q, done, done_q;
  logic [Lanes-1:0] seen, sorted, pops;
  entry_t heads[Lanes];

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      k_q <= k_i;
      active_q <= k_i != '0;
    end
    done_q <= drain_i && (done_q || done);
  end
  assign drained_o = !active_q || done_q || done;

  rf_seen #(
      .Lanes  (Lanes),
      .MaxSeen(MaxSeen)
  ) u_seen (
      .clk_i,
      .rst_ni,
      .start_i,
      .count_i(k_i == '0 ? '0 : count_i),
      .s_axis_seen_tdata,
      .s_axis_seen_tvalid,
      .s_axis_seen_tready,
      .group_i,
      .known_o,
      .mask_o (seen),
      .pass_i,
      .flush_i,
      .empty_o(seen_empty_o),
      .error_o
  );
  assign keep_o = active_q ? ~seen : '0;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [RowBits-1:0] row;
    if (Lanes == 1) begin : gen_whole
      assign row = scored_group_i;
    end else begin : gen_part
      assign row = {scored_group_i, LaneBits'(l)};
    end
    if (KMax > CellsMax) begin : gen_sort
      rf_topk_sort #(
          .KMax(KMax)
      ) u_sort (
          .clk_i,
          .rst_ni,
          .clear_i (start_i),
          .valid_i (scored_i[l]),
          .score_i (scores_i[l]),
          .row_i   (row),
          .end_i,
          .sorted_o(sorted[l]),
          .head_o  (heads[l]),
          .pop_i   (pops[l])
      );
    end else begin : gen_cells
      rf_topk_array #(
          .KMax(KMax)
      ) u_array (
          .clk_i,
          .rst_ni,
          .clear_i(start_i),
          .valid_i(scored_i[l]),
          .score_i(scores_i[l]),
          .row_i  (row),
          .head_o (heads[l]),
          .pop_i  (pops[l])
      );
      assign sorted[l] = end_i;  // with the next edge
    end
  end
  assign sorted_o = &sorted;

  rf_topk_drain #(
      .Lanes(Lanes)
  ) u_drain (
      .clk_i,
      .rst_ni,
      .drain_i,
      .k_i    (k_q),
      .head_i (heads),
      .pop_o  (pops),
      .done_o (done),
      .m_axis_result_tdata,
      .m_axis_result_tvalid,
      .m_axis_result_tlast,
      .m_axis_result_tready
  );

  all_seen : cover property (
    @(posedge clk_i) disable iff (!rst_ni) pass_i && active_q && seen == '1);
  if (Lanes > 1) begin : gen_some_seen
    some_seen : cover property (
      @(posedge clk_i) disable iff (!rst_ni) pass_i && active_q && seen != '0 && seen != '1);
  end
  waits_for_other_users : cover property (
    @(posedge clk_i) disable iff (!rst_ni) drain_i && done_q);

endmodule
