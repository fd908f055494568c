// SPDX-License-Identifier: Apache-2.0
// rf_products against products written out, each packing with the first 2**CountBits of its 2**24
// factors. The only output beat comes behind them: a wrong bit and a bit for the largest product,
// for each packing.

module rf_products_sweep #(
    parameter int unsigned CountBits = 24
) (
    input  logic        clk_i,
    input  logic        rst_ni,
    output logic [11:0] m_axis_done_tdata,  // wrong in the low half
    output logic        m_axis_done_tvalid,
    input  logic        m_axis_done_tready
);

  localparam int unsigned Packings = 6;
  localparam int unsigned Fields[Packings] = '{2, 4, 4, 2, 4, 4};
  localparam int unsigned ElemBits[Packings] = '{8, 4, 4, 8, 4, 4};
  localparam int unsigned PortBits[Packings] = '{25, 25, 27, 25, 25, 25};
  localparam bit Signed[Packings] = '{0, 0, 0, 1, 1, 1};
  localparam int unsigned WeightBits[Packings] = '{8, 8, 8, 8, 8, 3};

  logic [31:0] count;
  rf_sweep_count #(
      .CountBits(CountBits)
  ) u_count (
      .clk_i,
      .rst_ni,
      .count_o(count),
      .m_axis_done_tvalid,
      .m_axis_done_tready
  );

  for (genvar p = 0; p < Packings; p++) begin : gen_packing
    localparam int unsigned Bits = ElemBits[p];
    localparam int unsigned Weight = WeightBits[p];
    localparam int unsigned TermBits = Bits + Weight;
    localparam int unsigned Stages = 1 + 32'(Signed[p]) + 32'(Fields[p] == 4);
    logic [23:0] then_q[Stages];
    logic [Fields[p]*TermBits-1:0] term;
    logic wrong, largest, wrong_q, largest_q;

    rf_products #(
        .Fields    (Fields[p]),
        .ElemBits  (Bits),
        .WeightBits(Weight),
        .Signed    (Signed[p]),
        .PortBits  (PortBits[p])
    ) u_products (
        .clk_i,
        .enable_i('1),
        .elem_i  (count[Weight+:Fields[p]*Bits]),
        .weight_i(count[Weight-1:0]),
        .term_o  (term)
    );

    logic signed [Weight:0] weight;
    assign weight = $signed({Signed[p] && then_q[Stages-1][Weight-1],
                             then_q[Stages-1][Weight-1:0]});
    always_comb begin
      wrong   = 1'b0;
      largest = 1'b1;
      for (int unsigned f = 0; f < Fields[p]; f++) begin
        automatic logic signed [Bits-1:0] elem = then_q[Stages-1][Weight+f*Bits+:Bits];
        automatic logic signed [TermBits:0] factor = (TermBits + 1)'(elem);
        if (!Signed[p] && f != Fields[p] - 1) factor += (TermBits + 1)'(2 ** (Bits - 1));
        wrong |= term[f*TermBits+:TermBits] != TermBits'(factor * (TermBits + 1)'(weight));
        largest &= elem == {Signed[p], {(Bits - 1) {!Signed[p]}}};
      end
      largest &= weight == (Signed[p] ? -(2 ** (Weight - 1)) : 2 ** Weight - 1);
    end

    always_ff @(posedge clk_i) begin
      then_q[0] <= count[23:0];
      for (int unsigned s = 1; s < Stages; s++) then_q[s] <= then_q[s-1];
      wrong_q   <= rst_ni && (wrong_q || (count >= Stages && wrong));
      largest_q <= rst_ni && (largest_q || (count >= Stages && largest));
    end
    assign m_axis_done_tdata[p] = wrong_q;
    assign m_axis_done_tdata[Packings+p] = largest_q;
  end

endmodule
