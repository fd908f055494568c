// SPDX-License-Identifier: Apache-2.0
// Scores of a group of items for every user: query . item + (term << term_shift) [+ edge term],
// one beat a cycle, never held; latency 2 + rf_topk_dots' stages from the group's last beat.
// final_o comes a cycle after that: with the next edge the arrays behind have sorted the last
// scores in.
// Items and terms are held once for all users, a query once for all lanes.

module rf_topk_score
  import rf_topk_pkg::*;
#(
    parameter int unsigned Users = 1,       // queries
    parameter int unsigned Lanes = 1,       // items of a group, a power of two
    parameter int unsigned Beats = 1,       // beats of a group
    parameter int unsigned BeatElems = 64,  // elements of an item in a beat
    parameter int unsigned ElemBits = 8,    // of an element of an item, signed
    parameter bit WithEdges = 0,            // edges_i counts
    localparam int unsigned GroupBits = RowBits - $clog2(Lanes),
    localparam int unsigned ItemBits = BeatElems * ElemBits,
    localparam int unsigned QueryBits = Beats * BeatElems * rf_pkg::StateBits,
    localparam int unsigned TermBits = rf_pkg::TermBits,
    localparam int unsigned EdgeBits = rf_pkg::EdgeTermBits,
    localparam int unsigned ScoreBits = rf_pkg::ScoreBits
) (
    input  logic                                       clk_i,
    input  logic                                       rst_ni,
    input  logic                                       clear_i,       // the next group is 0
    input  logic [Users-1:0]                           load_i,        // take the query
    input  logic [Users-1:0][QueryBits-1:0]            query_i,
    input  logic [3:0]                                 term_shift_i,  // steady during a scan
    input  logic                                       take_i,        // a beat is given
    input  logic                                       first_i,       // of its group
    input  logic                                       last_i,        // of its group
    input  logic                                       final_i,       // of the scan
    input  logic [Users-1:0][Lanes-1:0]                keep_i,        // lanes that count
    input  logic [Lanes-1:0][ItemBits-1:0]             items_i,
    input  logic [Lanes-1:0][TermBits-1:0]             terms_i,       // with the first beat
    input  logic [Lanes-1:0][EdgeBits-1:0]             edges_i,       // as terms_i, signed
    output logic [Users-1:0][Lanes-1:0]                scored_o,
    output logic [GroupBits-1:0]                       group_o,
    output logic [Users-1:0][Lanes-1:0][ScoreBits-1:0] scores_o,      // signed
    output logic                                       final_o
);

  localparam int unsigned SliceBits = BeatElems * rf_pkg::StateBits;
  localparam int unsigned Stages = dot_stages(Users, Lanes, BeatElems, ElemBits);
  localparam int unsigned DotBits = ElemBits + rf_pkg::StateBits + $clog2(BeatElems);

  // Bit s: stage s holds a beat; 0 the beat itself, 1 its products, Stages its dot products.
  logic [Stages:0] valid_q, first_q, last_q;
  logic [Stages+2:0] final_q;
  logic [Lanes-1:0][ItemBits-1:0] items_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
      final_q <= '0;
    end else begin
      valid_q <= {valid_q[Stages-1:0], take_i};
      final_q <= {final_q[Stages+1:0], take_i && final_i};
    end
    first_q <= {first_q[Stages-1:0], first_i};
    last_q <= {last_q[Stages-1:0], last_i};
    if (take_i) items_q <= items_i;
  end
  assign final_o = final_q[Stages+2];

  // A query turns by one beat with every beat, so that the part that is needed lies lowest.
  logic [Users-1:0][SliceBits-1:0] slices;
  for (genvar u = 0; u < Users; u++) begin : gen_query
    logic [QueryBits-1:0] query_q;
    if (Beats == 1) begin : gen_still
      always_ff @(posedge clk_i) begin
        if (load_i[u]) query_q <= query_i[u];
      end
    end else begin : gen_turning
      always_ff @(posedge clk_i) begin
        if (load_i[u]) query_q <= query_i[u];
        else if (valid_q[0]) query_q <= {query_q[SliceBits-1:0], query_q[QueryBits-1:SliceBits]};
      end
    end
    assign slices[u] = query_q[SliceBits-1:0];
  end

  logic [Users-1:0][Lanes-1:0][DotBits-1:0] dots;
  rf_topk_dots #(
      .Users    (Users),
      .Lanes    (Lanes),
      .BeatElems(BeatElems),
      .ElemBits (ElemBits)
  ) u_dots (
      .clk_i,
      .enable_i (valid_q[Stages-1:0]),
      .items_i  (items_q),
      .queries_i(slices),
      .dots_o   (dots)
  );

  // Terms and lanes that count travel beside the dot product; the last step shifts the terms. With
  // edges the first one does, and adds the edge terms. |term << 15| <= 2^30, |edge| <= 2^23.
  localparam int unsigned BesideBits = WithEdges ? ScoreBits : TermBits;
  logic [Lanes-1:0][BesideBits-1:0] beside;
  for (genvar l = 0; l < Lanes; l++) begin : gen_given
    if (WithEdges) begin : gen_edges
      logic signed [TermBits-1:0] term;
      logic signed [EdgeBits-1:0] message;
      assign term = terms_i[l];
      assign message = edges_i[l];
      assign beside[l] = (ScoreBits'(term) <<< term_shift_i) + ScoreBits'(message);
    end else begin : gen_term
      assign beside[l] = terms_i[l];
    end
  end
  for (genvar s = 0; s < Stages; s++) begin : gen_beside
    logic [Lanes-1:0][BesideBits-1:0] terms_q;
    logic [Users-1:0][Lanes-1:0] keep_q;
    if (s == 0) begin : gen_take
      always_ff @(posedge clk_i) begin
        if (take_i) keep_q <= keep_i;
        if (take_i && first_i) terms_q <= beside;
      end
    end else begin : gen_move
      always_ff @(posedge clk_i) begin
        if (valid_q[s-1]) keep_q <= gen_beside[s-1].keep_q;
        if (valid_q[s-1] && first_q[s-1]) terms_q <= gen_beside[s-1].terms_q;
      end
    end
  end

  logic complete_q;  // scores_o holds a group's scores
  logic [Users-1:0][Lanes-1:0] keep_q, kept_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) complete_q <= 1'b0;
    else complete_q <= valid_q[Stages] && last_q[Stages];
    if (valid_q[Stages-1]) keep_q <= gen_beside[Stages-1].keep_q;
    if (valid_q[Stages]) kept_q <= keep_q;
    if (clear_i) group_o <= '0;
    else if (complete_q) group_o <= group_o + 1'b1;
  end

  // |dot| of 256 products <= 2^22 and |term << 15| <= 2^30, |edge| <= 2^23: no score wraps.
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic signed [BesideBits-1:0] term;
    logic signed [ScoreBits-1:0] term_q;
    assign term = gen_beside[Stages-1].terms_q[l];
    always_ff @(posedge clk_i) begin
      if (valid_q[Stages-1] && first_q[Stages-1]) begin
        term_q <= WithEdges ? ScoreBits'(term) : ScoreBits'(term) <<< term_shift_i;
      end
    end
    for (genvar u = 0; u < Users; u++) begin : gen_user
      logic signed [DotBits-1:0] dot;
      logic signed [ScoreBits-1:0] score_q;
      assign dot = dots[u][l];
      always_ff @(posedge clk_i) begin
        if (valid_q[Stages]) score_q <= (first_q[Stages] ? term_q : score_q) + ScoreBits'(dot);
      end
      assign scores_o[u][l] = score_q;
      assign scored_o[u][l] = kept_q[u][l] && complete_q;
    end
  end

  if (!WithEdges) begin : gen_no_edges
    logic unused_edges;
    assign unused_edges = ^edges_i;
  end

endmodule
