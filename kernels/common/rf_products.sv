// SPDX-License-Identifier: Apache-2.0
// Products of neighbouring signed elements with one weight, all of one multiplication; they stand in
// term_o Stages steps later, and enable_i[s] lets stage s take its inputs.
// Signed weights: the products themselves; a stage more joins the elements. Unsigned ones: all
// elements but the last count as element + 2^(ElemBits-1), which is not negative and needs no
// joining; the caller takes 2^(ElemBits-1) times the weight away.

module rf_products #(
    parameter int unsigned Fields = 2,      // products
    parameter int unsigned ElemBits = 8,
    parameter int unsigned WeightBits = 8,
    parameter bit          Signed = 0,      // the weight is
    parameter int unsigned PortBits = rf_dots_pkg::SmallPort,  // of the multiplier, 25 or 27
    localparam int unsigned Stages = rf_dots_pkg::term_stages(
        Fields, ElemBits, WeightBits, Signed, PortBits
    ),
    localparam int unsigned TermBits = ElemBits + WeightBits
) (
    input  logic                       clk_i,
    input  logic [Stages-1:0]          enable_i,
    input  logic [Fields*ElemBits-1:0] elem_i,
    input  logic [WeightBits-1:0]      weight_i,
    output logic [Fields*TermBits-1:0] term_o     // signed, or unsigned but for the last one
);

  import rf_dots_pkg::offset;

  localparam int unsigned Room = PortBits - 32'(Signed);  // joined elements have a bit more
  localparam int unsigned Top = offset(Fields - 1, Fields, ElemBits, WeightBits, Room);
  localparam int unsigned WideBits = Top + ElemBits + 32'(Signed);
  localparam int unsigned WordBits = Top + TermBits;
  localparam int unsigned First = 32'(Signed);  // the stage that multiplies

  logic [WideBits-1:0] joined;
  logic [Fields*ElemBits-1:0] given, elem;  // elements as they count; beside the multiplier
  logic signed [WideBits-1:0] wide;
  logic signed [WeightBits:0] weight;
  logic [WordBits-1:0] word_q;

  if (Signed) begin : gen_join
    logic [WideBits-1:0] joined_q;
    logic [Fields*ElemBits-1:0] elem_q;
    logic [WeightBits-1:0] weight_q;
    always_ff @(posedge clk_i) begin
      if (enable_i[0]) begin
        joined_q <= joined;
        elem_q   <= given;
        weight_q <= weight_i;
      end
    end
    assign wide = joined_q;
    assign elem = elem_q;
    assign weight = {weight_q[WeightBits-1], weight_q};
  end else begin : gen_apart
    assign wide = joined;
    assign elem = given;
    assign weight = {1'b0, weight_i};
  end

  always_ff @(posedge clk_i) begin
    if (enable_i[First]) word_q <= WordBits'(wide) * WordBits'(weight);
  end

  // word = sum_f (product_f << offset_f): a field shows the low bits of its product and of what
  // overflows from the field below. As in rf_dots_group, where products are summed first,
  //   product_f = {carry_f, field_f} - carry_(f-1)
  // and the field above tells the carry: its low bits less those of its own product. Where fields
  // do not overlap, the carry is the sign.
  for (genvar f = 0; f < Fields; f++) begin : gen_field
    localparam bit Last = f == Fields - 1;
    localparam int unsigned At = offset(f, Fields, ElemBits, WeightBits, Room);
    localparam int unsigned Above =
        Last ? Top + TermBits : offset(f + 1, Fields, ElemBits, WeightBits, Room);
    localparam int unsigned Gap = Above - At;
    localparam int unsigned CarryBits = TermBits > Gap ? TermBits - Gap : 1;
    logic [ElemBits:0] slot;  // the element, less what the one below borrows
    logic signed [CarryBits:0] carry;  // into the field above
    logic [TermBits-1:0] field, below;

    if (Signed && f > 0) begin : gen_borrow
      assign given[f*ElemBits+:ElemBits] = elem_i[f*ElemBits+:ElemBits];
      logic borrow;
      assign borrow = gen_field[f-1].slot[ElemBits];
      assign slot = {elem_i[(f+1)*ElemBits-1], elem_i[f*ElemBits+:ElemBits]} -
          (ElemBits + 1)'(borrow);
    end else begin : gen_own
      assign given[f*ElemBits+:ElemBits] =
          elem_i[f*ElemBits+:ElemBits] ^ {!Signed && !Last, {(ElemBits - 1) {1'b0}}};
      assign slot = {(Signed || Last) && given[(f+1)*ElemBits-1], given[f*ElemBits+:ElemBits]};
    end
    if (Last) begin : gen_last
      assign joined[WideBits-1:At] = slot[WideBits-At-1:0];
    end else begin : gen_below
      assign joined[Above-1:At] = Gap'($signed(slot));
    end

    if (Gap < TermBits) begin : gen_overlap
      logic signed [ElemBits:0] factor;
      logic [CarryBits-1:0] low_q, told;  // low bits of the product above; the carry's bits
      assign factor = {
        (Signed || f + 2 == Fields) && elem[(f+2)*ElemBits-1], elem[(f+1)*ElemBits+:ElemBits]
      };
      always_ff @(posedge clk_i) begin
        if (enable_i[First]) low_q <= CarryBits'(factor) * CarryBits'(weight);
      end
      assign told  = word_q[Above+:CarryBits] - low_q;
      assign carry = {Signed && told[CarryBits-1], told};
      assign field = {told, word_q[At+:Gap]};
      logic unused_factor;
      assign unused_factor = ^factor;
    end else begin : gen_whole
      assign carry = {2{Signed && !Last && word_q[Above-1]}};
      assign field = word_q[At+:TermBits];
    end

    if (f > 0) begin : gen_carry
      assign below = TermBits'(gen_field[f-1].carry);
    end else begin : gen_lowest
      assign below = '0;
    end
    if (Stages > First + 1) begin : gen_register
      logic [TermBits-1:0] term_q;
      always_ff @(posedge clk_i) if (enable_i[First+1]) term_q <= field - below;
      assign term_o[f*TermBits+:TermBits] = term_q;
    end else begin : gen_through
      assign term_o[f*TermBits+:TermBits] = field - below;
    end
  end

  logic unused_elem;
  assign unused_elem = ^{elem, gen_field[Fields-1].carry, gen_field[Fields-1].slot};

endmodule
