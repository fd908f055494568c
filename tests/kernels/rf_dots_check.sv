// SPDX-License-Identifier: Apache-2.0
// rf_dots against products written out: one lane takes every combination of factors, several lanes
// take pseudo-random ones, a quarter of which are the extremes. wrong_o is sticky.

module rf_dots_check #(
    parameter int unsigned Rows = 2,
    parameter int unsigned Lanes = 1,
    parameter int unsigned ABits = 8,
    parameter int unsigned BBits = 8,
    parameter int unsigned PortBits = 25,
    parameter int unsigned Fields = 2
) (
    input  logic        clk_i,
    input  logic        run_i,
    input  logic [31:0] count_i,
    output logic        wrong_o,
    output logic        extreme_o  // the largest sum was seen
);

  localparam int unsigned Stages = rf_dots_pkg::stages(Lanes, Fields, ABits, BBits, PortBits);
  localparam int unsigned SumBits = ABits + BBits + $clog2(Lanes);
  localparam int unsigned Bits = Rows * Lanes * ABits + Lanes * BBits;

  logic [Bits-1:0] now, then_q[Stages];
  logic [Rows*SumBits-1:0] sum;
  logic wrong, extreme;
  logic [Stages:0] run_q;

  if (Lanes == 1) begin : gen_sweep
    assign now = Bits'(count_i);
  end else begin : gen_random
    logic [31:0] state_q[(Bits+31)/32];
    logic [(Bits+31)/32*32-1:0] words;
    for (genvar w = 0; w < (Bits + 31) / 32; w++) begin : gen_word
      logic [31:0] a, b;
      assign a = state_q[w] ^ (state_q[w] << 13);  // xorshift32
      assign b = a ^ (a >> 17);
      always_ff @(posedge clk_i) begin
        state_q[w] <= run_i ? b ^ (b << 5) : 32'h9E37_79B9 * (w + 1);
      end
      assign words[w*32+:32] = state_q[w];
    end
    // Extremes: every element -2^(n-1), or every row's 2^(n-1) - 1 against that, and so on.
    always_comb begin
      now = words[Bits-1:0];
      if (count_i[1:0] == 2'b00) begin
        for (int unsigned i = 0; i < Rows * Lanes; i++) begin
          now[i*ABits+:ABits] = {count_i[2] ^ (i / Lanes % 2 == 1 && count_i[4]),
              {(ABits - 1) {!(count_i[2] ^ (i / Lanes % 2 == 1 && count_i[4]))}}};
        end
        for (int unsigned i = 0; i < Lanes; i++) begin
          now[Rows*Lanes*ABits+i*BBits+:BBits] = {count_i[3], {(BBits - 1) {!count_i[3]}}};
        end
      end
    end
  end

  rf_dots #(
      .Rows    (Rows),
      .Lanes   (Lanes),
      .ABits   (ABits),
      .BBits   (BBits),
      .PortBits(PortBits),
      .Fields  (Fields)
  ) u_dots (
      .clk_i,
      .enable_i('1),
      .a_i     (now[Rows*Lanes*ABits-1:0]),
      .b_i     (now[Bits-1:Rows*Lanes*ABits]),
      .sum_o   (sum)
  );

  always_comb begin
    wrong = 1'b0;
    extreme = 1'b0;
    for (int unsigned r = 0; r < Rows; r++) begin
      automatic logic signed [SumBits-1:0] want = '0;
      for (int unsigned l = 0; l < Lanes; l++) begin
        automatic logic signed [ABits-1:0] a = then_q[Stages-1][(r*Lanes+l)*ABits+:ABits];
        automatic
        logic signed [BBits-1:0]
        b = then_q[Stages-1][Rows*Lanes*ABits+l*BBits+:BBits];
        want += SumBits'(a) * SumBits'(b);
      end
      wrong |= sum[r*SumBits+:SumBits] != want;
      extreme |= want == SumBits'(Lanes << (ABits + BBits - 2));
    end
  end

  always_ff @(posedge clk_i) begin
    then_q[0] <= now;
    for (int unsigned s = 1; s < Stages; s++) then_q[s] <= then_q[s-1];
    run_q <= {run_q[Stages-1:0], run_i} & {(Stages + 1) {run_i}};
    wrong_o <= run_i && (wrong_o || (run_q[Stages-1] && wrong));
    extreme_o <= run_i && (extreme_o || (run_q[Stages-1] && extreme));
  end

endmodule
