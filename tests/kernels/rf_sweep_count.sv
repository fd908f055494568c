// SPDX-License-Identifier: Apache-2.0
// Counts through 2**CountBits cases and a pipeline's length more, then gives one output beat.

module rf_sweep_count #(
    parameter int unsigned CountBits = 24
) (
    input  logic        clk_i,
    input  logic        rst_ni,
    output logic [31:0] count_o,
    output logic        m_axis_done_tvalid,
    input  logic        m_axis_done_tready
);

  localparam int unsigned Last = 2 ** CountBits + 16;

  logic [31:0] count_q;
  logic run, done_q;
  assign run = count_q != Last;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      count_q <= '0;
      done_q  <= 1'b0;
    end else begin
      count_q <= count_q + 32'(run);
      done_q  <= done_q || (m_axis_done_tvalid && m_axis_done_tready);
    end
  end
  assign count_o = count_q;
  assign m_axis_done_tvalid = !run && !done_q;

endmodule
