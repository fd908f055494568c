// SPDX-License-Identifier: Apache-2.0
// Sum of Terms integers and, where asked for, of one carry bit each: radix 4, a register after
// every level, latency ceil(log4(Terms)) steps, one set of terms a step. Adders take all carries but
// one on the way; the sum of everything is sum_o + carry_o.

module rf_sum_tree #(
    parameter int unsigned Terms = 16,
    parameter int unsigned TermBits = 16,
    parameter bit          Signed = 1,   // terms are signed
    parameter bit          Carries = 0,  // carry_i counts; a term and its carry fit TermBits
    localparam int unsigned Levels = ($clog2(Terms) + 1) / 2,
    localparam int unsigned EnableBits = Levels > 0 ? Levels : 1,
    localparam int unsigned SumBits = TermBits + $clog2(Terms)  // Terms terms: no wrap
) (
    input  logic                      clk_i,
    input  logic [EnableBits-1:0]     enable_i,  // bit s: level s takes its inputs
    input  logic [Terms*TermBits-1:0] terms_i,
    input  logic [Terms-1:0]          carry_i,
    output logic [SumBits-1:0]        sum_o,
    output logic                      carry_o
);

  if (Terms < 1 || TermBits < 1) begin : gen_bad_size
    $fatal(1, "rf_sum_tree: Terms and TermBits must be at least 1");
  end

  for (genvar s = 0; s <= Levels; s++) begin : gen_level
    localparam int unsigned Leaves = 4 ** s < Terms ? 4 ** s : Terms;
    localparam int unsigned Bits = TermBits + $clog2(Leaves);
    // One even where Terms is 0: its message would else be lost behind what misses a node.
    localparam int unsigned Nodes = Terms > 1 ? (Terms + 4 ** s - 1) / 4 ** s : 1;
    for (genvar j = 0; j < Nodes; j++) begin : gen_node
      logic [Bits-1:0] sum;
      logic carry;
      if (s == 0) begin : gen_leaf
        assign sum = terms_i[j*TermBits+:TermBits];
        assign carry = Carries && carry_i[j];
      end else begin : gen_sum
        localparam int unsigned Below = (Terms + 4 ** (s - 1) - 1) / 4 ** (s - 1);
        localparam int unsigned PartLeaves = 4 ** (s - 1) < Terms ? 4 ** (s - 1) : Terms;
        localparam int unsigned PartBits = TermBits + $clog2(PartLeaves);
        // Two parts are one bit wider than a part, but never wider than the node.
        localparam int unsigned PairBits = PartBits < Bits ? PartBits + 1 : Bits;
        logic [PairBits-1:0] part[4];
        logic [3:0] carries;
        logic [PairBits:0] pair[2];  // a bit below the sum makes the carry
        logic [Bits:0] total;
        for (genvar i = 0; i < 4; i++) begin : gen_part
          if (4 * j + i < Below) begin : gen_there
            logic [PartBits-1:0] below;
            assign below = gen_level[s-1].gen_node[4*j+i].sum;
            assign part[i] = Signed ? PairBits'($signed(below)) : PairBits'(below);
            assign carries[i] = gen_level[s-1].gen_node[4*j+i].carry;
          end else begin : gen_none
            assign part[i] = '0;
            assign carries[i] = 1'b0;
          end
        end
        assign pair[0] = {part[0], Carries} + {part[1], carries[1]};
        assign pair[1] = {part[2], Carries} + {part[3], carries[3]};
        if (4 * j + 2 < Below) begin : gen_two_pairs
          assign total = Signed ?
              {Bits'($signed(pair[0][PairBits:1])), Carries} +
              {Bits'($signed(pair[1][PairBits:1])), carries[2]} :
              {Bits'(pair[0][PairBits:1]), Carries} + {Bits'(pair[1][PairBits:1]), carries[2]};
        end else begin : gen_one_pair
          assign total = Signed ? {Bits'($signed(pair[0][PairBits:1])), 1'b0} :
                                  {Bits'(pair[0][PairBits:1]), 1'b0};
        end
        always_ff @(posedge clk_i) begin
          if (enable_i[s-1]) sum <= total[Bits:1];
        end
        if (Carries) begin : gen_carry
          always_ff @(posedge clk_i) begin
            if (enable_i[s-1]) carry <= carries[0];
          end
        end else begin : gen_no_carry
          assign carry = 1'b0;
        end
        logic unused_bits;
        assign unused_bits = ^{pair[0][0], pair[1], total[0], carries};
      end
    end
  end

  assign sum_o = gen_level[Levels].gen_node[0].sum;
  assign carry_o = gen_level[Levels].gen_node[0].carry;

  if (Levels == 0) begin : gen_no_level
    logic unused_enable;
    assign unused_enable = ^{clk_i, enable_i};
  end
  if (!Carries) begin : gen_no_carries
    logic unused_carry;
    assign unused_carry = ^carry_i;
  end

endmodule
