// SPDX-License-Identifier: Apache-2.0
// What every output stream keeps: a beat that is not taken is there in the next cycle, unchanged.

module rf_stable_properties #(
    parameter int unsigned Width = 8
) (
    input logic             clk_i,
    input logic             rst_ni,
    input logic             live_i,   // a reset was seen
    input logic [Width-1:0] data_i,
    input logic             valid_i,
    input logic             ready_i
);

  logic waits_q;
  logic [Width-1:0] data_q;

  always_ff @(posedge clk_i) begin
    waits_q <= rst_ni && valid_i && !ready_i;
    data_q  <= data_i;
  end

  always_comb begin
    if (live_i && waits_q) begin
      stable_until_ready : assert (valid_i && data_i == data_q);
    end
  end

endmodule
