// SPDX-License-Identifier: Apache-2.0
// Pipelined sum of N addends, DEPTH cycles of latency, one sum a cycle. It stands for the module of
// this name in FINN's library, whose constant function below a generate no open tool elaborates;
// name, parameters and ports are therefore FINN's.

module add_multi
  import mvu_pkg::*;
#(
    int unsigned N,              // addends
    int unsigned DEPTH,          // cycles from the addends to their sum
    int unsigned ARG_WIDTH,      // of an addend, signed where ARG_LO is negative
    int          ARG_LO = 0,     // the least value of an addend
    int          ARG_HI = 0,     // and the greatest
    bit          RESET_ZERO = 1, // kept for FINN's callers: registers are reset to 0 in any case

    localparam int unsigned SUM_WIDTH = sumwidth(N, ARG_WIDTH, ARG_LO, ARG_HI)
) (
    input  logic                 clk,
    input  logic                 rst,
    input  logic                 en,
    input  logic [ARG_WIDTH-1:0] arg[N],
    output logic [SUM_WIDTH-1:0] sum
);

  localparam int unsigned Levels = $clog2(N);
  localparam int unsigned Inside = Levels < DEPTH ? Levels : DEPTH;  // registers in the tree
  localparam int unsigned Behind = DEPTH - Inside;                   // and after it

  // Sums wrap at SUM_WIDTH: the total fits, whatever the partial sums do.
  for (genvar l = 0; l <= Levels; l++) begin : gen_level
    localparam int unsigned Count = (N + 2 ** l - 1) / 2 ** l;
    logic [SUM_WIDTH-1:0] node[Count];
    if (l == 0) begin : gen_leaves
      for (genvar i = 0; i < Count; i++) begin : gen_leaf
        if (ARG_LO < 0) begin : gen_signed
          assign node[i] = SUM_WIDTH'($signed(arg[i]));
        end else begin : gen_unsigned
          assign node[i] = SUM_WIDTH'(arg[i]);
        end
      end
    end else begin : gen_sums
      localparam int unsigned Below = (N + 2 ** (l - 1) - 1) / 2 ** (l - 1);
      localparam bit Register = l * Inside / Levels > (l - 1) * Inside / Levels;
      for (genvar i = 0; i < Count; i++) begin : gen_sum
        logic [SUM_WIDTH-1:0] total;
        if (2 * i + 1 < Below) begin : gen_pair
          assign total = gen_level[l-1].node[2*i] + gen_level[l-1].node[2*i+1];
        end else begin : gen_single
          assign total = gen_level[l-1].node[2*i];
        end
        if (Register) begin : gen_register
          always_ff @(posedge clk) begin
            if (rst) node[i] <= '0;
            else if (en) node[i] <= total;
          end
        end else begin : gen_wire
          assign node[i] = total;
        end
      end
    end
  end

  if (Behind == 0) begin : gen_direct
    assign sum = gen_level[Levels].node[0];
  end else begin : gen_delay
    logic [SUM_WIDTH-1:0] late_q[Behind];
    always_ff @(posedge clk) begin
      if (rst) late_q <= '{default: '0};
      else begin
        for (int unsigned i = 1; i < Behind; i++) late_q[i] <= late_q[i-1];
        late_q[0] <= gen_level[Levels].node[0];
      end
    end
    assign sum = late_q[Behind-1];
  end

endmodule
