// SPDX-License-Identifier: Apache-2.0
// Dot products of Rows vectors with one shared vector of signed elements, two products a DSP, or
// four where the rows' elements have 4 bits at most: one set a step, latency Stages steps
// (rf_dots_pkg). The caller owns the pipeline's valid bits: enable_i[s] lets stage s take its inputs.

module rf_dots #(
    parameter int unsigned Rows = 2,
    parameter int unsigned Lanes = 64,     // elements of a vector
    parameter int unsigned ABits = 8,      // of an element of a row, 2 to 8
    parameter int unsigned BBits = 8,      // of an element of the shared vector, 2 to 9
    parameter int unsigned PortBits = rf_dots_pkg::SmallPort,  // of the multiplier, 25 or 27
    parameter int unsigned Fields = rf_dots_pkg::most_fields(Rows, ABits),  // products a DSP
    localparam int unsigned Stages =
        rf_dots_pkg::stages(Lanes, Fields, ABits, BBits, PortBits),
    localparam int unsigned SumBits = ABits + BBits + $clog2(Lanes)  // Lanes products: no wrap
) (
    input  logic                        clk_i,
    input  logic [Stages-1:0]           enable_i,
    input  logic [Rows*Lanes*ABits-1:0] a_i,    // row after row
    input  logic [Lanes*BBits-1:0]      b_i,
    output logic [Rows*SumBits-1:0]     sum_o   // signed, row after row
);

  if (Rows < 1 || Lanes < 1) begin : gen_bad_size
    $fatal(1, "rf_dots: Rows and Lanes must be at least 1");
  end
  if (ABits < 2 || ABits > 8 || BBits < 2 || BBits > 9) begin : gen_bad_bits
    $fatal(1, "rf_dots: ABits must be 2 to 8, BBits must be 2 to 9");
  end
  if (PortBits != 25 && PortBits != 27) begin : gen_bad_port
    $fatal(1, "rf_dots: PortBits must be 25 or 27");
  end
  if (Fields < 1 || Fields > 4 || (Fields > 2 && ABits > 4)) begin : gen_bad_fields
    $fatal(1, "rf_dots: Fields must be 1 to 4, and at most 2 where ABits is above 4");
  end

  localparam bit Deep = rf_dots_pkg::deep(Fields, ABits, BBits, PortBits);
  localparam int unsigned Levels = ($clog2(Lanes) + 1) / 2;
  localparam int unsigned LevelBits = Levels > 0 ? Levels : 1;
  localparam int unsigned First = 1 + 32'(Deep);  // the first stage of the sums
  localparam int unsigned Groups = (Rows + Fields - 1) / Fields;
  localparam int unsigned RowBits = Lanes * ABits;

  // All rows of a group but the last are multiplied as a + 2^(ABits-1), which is not negative and
  // needs no borrow from the row above: what that adds to their sums is taken away at the end.
  logic [SumBits-1:0] excess;
  if (Fields > 1) begin : gen_excess
    localparam int unsigned TotalBits = BBits + $clog2(Lanes);
    logic [TotalBits-1:0] total;
    logic [Lanes*BBits-1:0] terms;
    logic [First-1:0][Lanes*BBits-1:0] stage_q;
    for (genvar s = 0; s < First; s++) begin : gen_stage
      always_ff @(posedge clk_i) begin
        if (enable_i[s]) stage_q[s] <= s == 0 ? b_i : stage_q[s>0?s-1:0];
      end
    end
    assign terms = stage_q[First-1];
    logic unused_carry;
    rf_sum_tree #(
        .Terms   (Lanes),
        .TermBits(BBits)
    ) u_sum (
        .clk_i,
        .enable_i(LevelBits'(enable_i >> First)),
        .terms_i (terms),
        .carry_i ('0),
        .sum_o   (total),
        .carry_o (unused_carry)
    );
    assign excess = -(SumBits'($signed(total)) << (ABits - 1));
  end else begin : gen_no_excess
    assign excess = '0;
  end

  for (genvar g = 0; g < Groups; g++) begin : gen_group
    localparam int unsigned Count = Rows - g * Fields < Fields ? Rows - g * Fields : Fields;
    rf_dots_group #(
        .Fields  (Count),
        .Lanes   (Lanes),
        .ABits   (ABits),
        .BBits   (BBits),
        .PortBits(PortBits),
        .Deep    (Deep),
        .Several (Fields > 1)
    ) u_group (
        .clk_i,
        .enable_i,
        .a_i     (a_i[g*Fields*RowBits+:Count*RowBits]),
        .b_i,
        .excess_i(excess),
        .sum_o   (sum_o[g*Fields*SumBits+:Count*SumBits])
    );
  end

endmodule
