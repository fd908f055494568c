// SPDX-License-Identifier: Apache-2.0
// Lets Beats beats pass in Cycles cycles, evenly: the rate at which FIFOs are sized. Combinational;
// for simulation.

module rf_finn_pace #(
    parameter int unsigned Width = 8,   // of a beat
    parameter int unsigned Beats = 1,   // that pass
    parameter int unsigned Cycles = 1   // in so many cycles, at least Beats
) (
    input  logic             clk_i,
    input  logic             rst_ni,
    input  logic [Width-1:0] s_axis_tdata,
    input  logic             s_axis_tvalid,
    output logic             s_axis_tready,
    output logic [Width-1:0] m_axis_tdata,
    output logic             m_axis_tvalid,
    input  logic             m_axis_tready
);

  if (Beats < 1 || Cycles < Beats) begin : gen_bad_rate
    $fatal(1, "rf_finn_pace: Cycles must be at least Beats, and Beats at least 1");
  end

  localparam int unsigned CreditBits = $clog2(2 * Cycles + 1) + 1;
  logic [CreditBits-1:0] credit_q;  // in beats times Cycles; one beat costs Cycles
  logic open, pass;

  assign open = credit_q >= CreditBits'(Cycles);
  assign pass = s_axis_tvalid && s_axis_tready;
  assign m_axis_tdata = s_axis_tdata;
  assign m_axis_tvalid = s_axis_tvalid && open;
  assign s_axis_tready = m_axis_tready && open;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) credit_q <= CreditBits'(Cycles);
    else if (pass) credit_q <= credit_q - CreditBits'(Cycles) + CreditBits'(Beats);
    else if (!open) credit_q <= credit_q + CreditBits'(Beats);
  end

endmodule
