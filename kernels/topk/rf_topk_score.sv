// SPDX-License-Identifier: Apache-2.0
// Scores of a group of items: query . item + (term << term_shift), one beat a cycle, never held;
// latency 2 + rf_dot's stages from the group's last beat. final_o comes a cycle after that: with
// the next edge the arrays behind have sorted the last scores in.

module rf_topk_score
  import rf_topk_pkg::*;
#(
    parameter int unsigned Lanes = 1,       // items of a group, a power of two
    parameter int unsigned Beats = 1,       // beats of a group; only where Lanes is 1 more than one
    parameter int unsigned BeatElems = 64,  // elements of an item in a beat
    parameter int unsigned ElemBits = 8,    // of an element of an item, signed
    localparam int unsigned GroupBits = RowBits - $clog2(Lanes),
    localparam int unsigned QueryBits = Beats * BeatElems * rf_pkg::StateBits
) (
    input  logic                                           clk_i,
    input  logic                                           rst_ni,
    input  logic                                           clear_i,       // the next group is 0
    input  logic                                           load_i,        // take the query
    input  logic [QueryBits-1:0]                           query_i,
    input  logic [3:0]                                     term_shift_i,  // steady during a scan
    input  logic                                           take_i,        // a beat is given
    input  logic                                           first_i,       // of its group
    input  logic                                           last_i,        // of its group
    input  logic                                           final_i,       // of the scan
    input  logic [Lanes-1:0]                               keep_i,        // lanes that count
    input  logic [Lanes*BeatElems*ElemBits-1:0]            items_i,
    input  logic [Lanes*rf_pkg::TermBits-1:0]              terms_i,       // with the first beat
    output logic [Lanes-1:0]                               scored_o,
    output logic [GroupBits-1:0]                           group_o,
    output logic signed [Lanes-1:0][rf_pkg::ScoreBits-1:0] scores_o,
    output logic                                           final_o
);

  if (Lanes < 1 || Beats < 1 || (Lanes > 1 && Beats > 1)) begin : gen_bad_group
    $fatal(1, "rf_topk_score: Lanes or Beats must be 1");
  end

  localparam int unsigned StateBits = rf_pkg::StateBits;
  localparam int unsigned TermBits = rf_pkg::TermBits;
  localparam int unsigned ScoreBits = rf_pkg::ScoreBits;
  localparam int unsigned SliceBits = BeatElems * StateBits;
  localparam int unsigned ItemBits = BeatElems * ElemBits;
  localparam int unsigned Stages = 1 + ($clog2(BeatElems) + 1) / 2;  // of rf_dot
  localparam int unsigned DotBits = ElemBits + StateBits + $clog2(BeatElems);

  // Bit s: stage s holds a beat; 0 the beat itself, 1 its products, Stages its dot products.
  logic [Stages:0] valid_q, first_q, last_q;
  logic [Stages+2:0] final_q;
  logic [Lanes*ItemBits-1:0] items_q;

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

  // The query turns by one beat with every beat, so that the part that is needed lies lowest.
  logic [QueryBits-1:0] query_q;
  if (Beats == 1) begin : gen_still
    always_ff @(posedge clk_i) begin
      if (load_i) query_q <= query_i;
    end
  end else begin : gen_turning
    always_ff @(posedge clk_i) begin
      if (load_i) query_q <= query_i;
      else if (valid_q[0]) query_q <= {query_q[SliceBits-1:0], query_q[QueryBits-1:SliceBits]};
    end
  end

  // Terms and lanes that count travel beside the dot product; the last step shifts the terms.
  for (genvar s = 0; s < Stages; s++) begin : gen_beside
    logic [Lanes*TermBits-1:0] terms_q;
    logic [Lanes-1:0] keep_q;
    if (s == 0) begin : gen_take
      always_ff @(posedge clk_i) begin
        if (take_i) keep_q <= keep_i;
        if (take_i && first_i) terms_q <= terms_i;
      end
    end else begin : gen_move
      always_ff @(posedge clk_i) begin
        if (valid_q[s-1]) keep_q <= gen_beside[s-1].keep_q;
        if (valid_q[s-1] && first_q[s-1]) terms_q <= gen_beside[s-1].terms_q;
      end
    end
  end

  logic [Lanes-1:0] keep_q;
  always_ff @(posedge clk_i) begin
    if (valid_q[Stages-1]) keep_q <= gen_beside[Stages-1].keep_q;
  end

  logic complete_q;  // scores_o holds a group's scores
  logic [Lanes-1:0] kept_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) complete_q <= 1'b0;
    else complete_q <= valid_q[Stages] && last_q[Stages];
    if (valid_q[Stages]) kept_q <= keep_q;
    if (clear_i) group_o <= '0;
    else if (complete_q) group_o <= group_o + 1'b1;
  end
  assign scored_o = kept_q & {Lanes{complete_q}};

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    // |dot| of 256 products <= 2^22 and |term << 15| <= 2^30: no score wraps in 32 bits.
    logic signed [DotBits-1:0] dot;
    logic signed [TermBits-1:0] term;
    logic signed [ScoreBits-1:0] term_q, score_q;
    rf_dot #(
        .Lanes(BeatElems),
        .ABits(ElemBits),
        .BBits(StateBits)
    ) u_dot (
        .clk_i,
        .enable_i(valid_q[Stages-1:0]),
        .a_i     (items_q[l*ItemBits+:ItemBits]),
        .b_i     (query_q[SliceBits-1:0]),
        .sum_o   (dot)
    );
    assign term = gen_beside[Stages-1].terms_q[l*TermBits+:TermBits];
    always_ff @(posedge clk_i) begin
      if (valid_q[Stages-1] && first_q[Stages-1]) term_q <= ScoreBits'(term) <<< term_shift_i;
      if (valid_q[Stages]) begin
        score_q <= (first_q[Stages] ? term_q : score_q) + ScoreBits'(dot);
      end
    end
    assign scores_o[l] = score_q;
  end

endmodule
