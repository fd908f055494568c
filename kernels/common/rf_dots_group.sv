// SPDX-License-Identifier: Apache-2.0
// The rows of rf_dots that share its multipliers: one multiplication a lane gives Fields products,
// each at its offset in the word; they are told apart, summed over the lanes and put together.

module rf_dots_group #(
    parameter int unsigned Fields = 2,
    parameter int unsigned Lanes = 64,
    parameter int unsigned ABits = 8,
    parameter int unsigned BBits = 8,
    parameter int unsigned PortBits = 25,
    parameter bit          Deep = 0,     // a stage tells the fields apart
    parameter bit          Several = 1,  // a stage puts them together
    localparam int unsigned Stages = 1 + ($clog2(Lanes) + 1) / 2 + 32'(Deep) + 32'(Several),
    localparam int unsigned SumBits = ABits + BBits + $clog2(Lanes)
) (
    input  logic                          clk_i,
    input  logic [Stages-1:0]             enable_i,
    input  logic [Fields*Lanes*ABits-1:0] a_i,
    input  logic [Lanes*BBits-1:0]        b_i,
    input  logic [SumBits-1:0]            excess_i,  // of a row that is not the last one, negated
    output logic [Fields*SumBits-1:0]     sum_o
);

  import rf_dots_pkg::offset;

  localparam int unsigned Full = ABits + BBits;  // of a product
  localparam int unsigned Top = offset(Fields - 1, Fields, ABits, BBits, PortBits);
  localparam int unsigned WideBits = Top + ABits;
  localparam int unsigned WordBits = Top + Full;
  localparam int unsigned Levels = ($clog2(Lanes) + 1) / 2;
  localparam int unsigned LevelBits = Levels > 0 ? Levels : 1;
  localparam int unsigned First = 1 + 32'(Deep);  // the first stage of the sums

  logic [LevelBits-1:0] enable_levels;
  assign enable_levels = LevelBits'(enable_i >> First);

  // word = sum_f (product_f << offset_f). A field shows the low bits of its product and of what
  // overflows from the field below; what it passes on to the field above is
  //   carry_f = (product_f + carry_(f-1)) >>> gap_f,   Full - gap_f bits, or its sign where none
  // and is told by the field above: its low bits less those of its own product, found in LUTs.
  for (genvar l = 0; l < Lanes; l++) begin : gen_product
    logic [WordBits-1:0] word_q;  // a register a lane: an array of them is a memory to Yosys
    logic signed [WideBits-1:0] wide;
    logic signed [BBits-1:0] b;
    assign b = b_i[l*BBits+:BBits];
    for (genvar f = 0; f < Fields; f++) begin : gen_factor
      // Constants of a generate block: in a loop a simulator would find them anew every cycle.
      localparam int unsigned At = offset(f, Fields, ABits, BBits, PortBits);
      localparam int unsigned End =
          f + 1 < Fields ? offset(f + 1, Fields, ABits, BBits, PortBits) : WideBits;
      logic [ABits-1:0] a;
      assign a = a_i[(f*Lanes+l)*ABits+:ABits] ^ {f + 1 < Fields, {(ABits - 1) {1'b0}}};
      assign wide[End-1:At] = (End - At)'(a);
    end
    always_ff @(posedge clk_i) begin
      if (enable_i[0]) word_q <= WordBits'(wide) * WordBits'(b);
    end
  end

  for (genvar f = 0; f < Fields; f++) begin : gen_field
    localparam int unsigned At = offset(f, Fields, ABits, BBits, PortBits);
    localparam bit Last = f == Fields - 1;
    localparam int unsigned Gap =
        Last ? Full : offset(f + 1, Fields, ABits, BBits, PortBits) - At;
    localparam int unsigned CarryBits = Full > Gap ? Full - Gap : 1;
    // A deep field is summed as it stands, without its sign, which is in the carry.
    localparam int unsigned TermBits = Deep && !Last ? Gap : Full;
    localparam int unsigned TermSumBits = TermBits + $clog2(Lanes);
    localparam int unsigned CarrySumBits = CarryBits + $clog2(Lanes);
    logic [Lanes*TermBits-1:0] terms;
    logic [Lanes*CarryBits-1:0] carries;  // signed, of the last field none
    logic [TermSumBits-1:0] term_sum;
    logic [CarrySumBits-1:0] carry_sum;
    logic borrow_left;

    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      logic [CarryBits-1:0] carry;
      if (Last) begin : gen_last
        assign carry = '0;
      end else if (Gap >= Full) begin : gen_sign
        assign carry = gen_product[l].word_q[At+Full-1];
      end else begin : gen_overlap
        // The low bits of the product above: of its factors' low bits.
        logic [ABits-1:0] a;
        logic [CarryBits-1:0] low, low_q;
        assign a = a_i[((f+1)*Lanes+l)*ABits+:ABits] ^
            {f + 2 < Fields, {(ABits - 1) {1'b0}}};
        assign low = CarryBits'($signed({f + 2 == Fields && a[ABits-1], a})) *
            CarryBits'(b_i[l*BBits+:BBits]);
        always_ff @(posedge clk_i) begin
          if (enable_i[0]) low_q <= low;
        end
        assign carry = gen_product[l].word_q[At+Gap+:CarryBits] - low_q;
      end
      if (Deep) begin : gen_deep
        logic [TermBits-1:0] term_q;
        logic [CarryBits-1:0] carry_q;
        always_ff @(posedge clk_i) begin
          if (enable_i[1]) begin
            term_q  <= gen_product[l].word_q[At+:TermBits];
            carry_q <= carry;
          end
        end
        assign terms[l*TermBits+:TermBits] = term_q;
        assign carries[l*CarryBits+:CarryBits] = carry_q;
      end else if (Gap < Full) begin : gen_signed
        assign terms[l*TermBits+:TermBits] = {carry, gen_product[l].word_q[At+:Gap]};
        assign carries[l*CarryBits+:CarryBits] = carry;
      end else begin : gen_whole
        assign terms[l*TermBits+:TermBits] = gen_product[l].word_q[At+:Full];
        assign carries[l*CarryBits+:CarryBits] = carry;
      end
    end

    if (!Deep && f > 0) begin : gen_borrows
      // A carry of -1 or 0 is an addend of 1 or 0, which the sum's adders take on the way.
      rf_sum_tree #(
          .Terms   (Lanes),
          .TermBits(TermBits),
          .Carries (1'b1)
      ) u_sum (
          .clk_i,
          .enable_i(enable_levels),
          .terms_i (terms),
          .carry_i (gen_field[f-1].carries),
          .sum_o   (term_sum),
          .carry_o (borrow_left)
      );
    end else begin : gen_plain
      logic unused_carry;
      rf_sum_tree #(
          .Terms   (Lanes),
          .TermBits(TermBits),
          .Signed  (!Deep || Last)
      ) u_sum (
          .clk_i,
          .enable_i(enable_levels),
          .terms_i (terms),
          .carry_i ('0),
          .sum_o   (term_sum),
          .carry_o (unused_carry)
      );
      assign borrow_left = 1'b0;
    end
    if (Deep && !Last) begin : gen_carries
      logic unused_carry;
      rf_sum_tree #(
          .Terms   (Lanes),
          .TermBits(CarryBits)
      ) u_sum (
          .clk_i,
          .enable_i(enable_levels),
          .terms_i (carries),
          .carry_i ('0),
          .sum_o   (carry_sum),
          .carry_o (unused_carry)
      );
    end else begin : gen_no_carries
      logic unused_carries;
      assign unused_carries = ^carries;
      assign carry_sum = '0;
    end

    // sum_f = terms + (carries << gap) - carries of the field below - excess
    logic [SumBits-1:0] excess, sum;
    assign excess = Last ? '0 : excess_i;
    if (Deep) begin : gen_put_together
      logic [SumBits-1:0] low, high;
      assign low = (Last ? SumBits'($signed(term_sum)) : SumBits'(term_sum)) + excess;
      if (f > 0) begin : gen_upper
        assign high = (SumBits'($signed(carry_sum)) << Gap) -
            SumBits'($signed(gen_field[f-1].carry_sum));
      end else begin : gen_lowest
        assign high = SumBits'($signed(carry_sum)) << Gap;
      end
      assign sum = low + high;
      logic unused_borrow;
      assign unused_borrow = borrow_left;
    end else begin : gen_take_excess
      logic [SumBits:0] total;
      assign total = {SumBits'($signed(term_sum)), f > 0} + {excess, borrow_left};
      assign sum = total[SumBits:1];
      logic unused_bits;
      assign unused_bits = ^{total[0], carry_sum};
    end
    if (Several) begin : gen_register
      logic [SumBits-1:0] sum_q;
      always_ff @(posedge clk_i) begin
        if (enable_i[Stages-1]) sum_q <= sum;
      end
      assign sum_o[f*SumBits+:SumBits] = sum_q;
    end else begin : gen_through
      assign sum_o[f*SumBits+:SumBits] = sum;
    end
  end

endmodule
