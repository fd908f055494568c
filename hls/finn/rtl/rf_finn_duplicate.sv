// SPDX-License-Identifier: Apache-2.0
// Gives every beat of a stream to several: FINN's DuplicateStreams, which FINN has in HLS alone.
// Combinational; each output takes its beat when it likes, the input goes on when all have.

module rf_finn_duplicate #(
    parameter int unsigned Width = 8,   // of a beat
    parameter int unsigned Outputs = 2  // at least 2
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    input  logic [Width-1:0]         s_axis_tdata,
    input  logic                     s_axis_tvalid,
    output logic                     s_axis_tready,
    output logic [Outputs*Width-1:0] m_axis_tdata,  // the same beat for each
    output logic [Outputs-1:0]       m_axis_tvalid,
    input  logic [Outputs-1:0]       m_axis_tready
);

  if (Outputs < 2) begin : gen_bad_outputs
    $fatal(1, "rf_finn_duplicate: Outputs must be at least 2");
  end

  logic [Outputs-1:0] taken_q, taken;  // which outputs have had this beat

  assign taken = taken_q | (m_axis_tvalid & m_axis_tready);
  assign m_axis_tdata = {Outputs{s_axis_tdata}};
  assign m_axis_tvalid = {Outputs{s_axis_tvalid}} & ~taken_q;
  assign s_axis_tready = s_axis_tvalid && (&taken);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || s_axis_tready) taken_q <= '0;
    else taken_q <= taken;
  end

endmodule
