// SPDX-License-Identifier: Apache-2.0
// Counts the beats of a head's rows into a memory: one a cycle, the next head right behind. A head
// without rows passes in one cycle.

module rf_attention_load #(
    parameter int unsigned MaxRows = 64,  // of a head
    parameter int unsigned Steps = 1,     // beats of a row
    localparam int unsigned RowBits = $clog2(MaxRows + 1),
    localparam int unsigned RowIdx = $clog2(MaxRows),
    localparam int unsigned StepBits = Steps > 1 ? $clog2(Steps) : 1
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  logic                open_i,         // a head waits for its rows; held until done_o
    input  logic [RowBits-1:0]  rows_i,         // of it, 0 to MaxRows
    input  logic                s_axis_tvalid,
    output logic                s_axis_tready,
    output logic                write_o,
    output logic [RowIdx-1:0]   row_o,
    output logic [StepBits-1:0] step_o,
    output logic                done_o          // the head's last write, or it has none
);

  logic last_step, last_row;

  assign last_step = step_o == StepBits'(Steps - 1);
  assign last_row = RowBits'(row_o) + RowBits'(1) == rows_i;
  assign write_o = open_i && rows_i != '0 && s_axis_tvalid;
  assign s_axis_tready = open_i && rows_i != '0;
  assign done_o = open_i && (rows_i == '0 || (write_o && last_step && last_row));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      step_o <= '0;
      row_o  <= '0;
    end else if (write_o) begin
      step_o <= last_step ? '0 : step_o + 1'b1;
      if (last_step) row_o <= last_row ? '0 : row_o + 1'b1;
    end
  end

endmodule
