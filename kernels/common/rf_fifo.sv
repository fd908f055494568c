// SPDX-License-Identifier: Apache-2.0
// A FIFO between two AXI-Stream ports: one beat in and one out a cycle, latency two cycles.
// The storage is a memory with a registered read, so that deep ones become block RAM.

module rf_fifo #(
    parameter int unsigned Width = 8,   // of a beat in bits
    parameter int unsigned Depth = 16   // beats, a power of two, at least 2
) (
    input  logic                   clk_i,
    input  logic                   rst_ni,
    input  logic [Width-1:0]       s_axis_tdata,
    input  logic                   s_axis_tvalid,
    output logic                   s_axis_tready,
    output logic [Width-1:0]       m_axis_tdata,
    output logic                   m_axis_tvalid,
    input  logic                   m_axis_tready,
    output logic [$clog2(Depth):0] level_o         // beats stored, the output register aside
);

  if (Width < 1) begin : gen_bad_width
    $fatal(1, "rf_fifo: Width must be at least 1");
  end
  if (Depth < 2 || Depth != 2 ** $clog2(Depth)) begin : gen_bad_depth
    $fatal(1, "rf_fifo: Depth must be a power of two, at least 2");
  end

  localparam int unsigned AddrBits = $clog2(Depth);

  logic [Width-1:0] memory[Depth];
  logic [AddrBits:0] head_q, tail_q;  // one bit more than an address tells full from empty
  logic [Width-1:0] data_q;
  logic valid_q, push, pop;

  assign level_o = tail_q - head_q;
  assign s_axis_tready = level_o != (AddrBits + 1)'(Depth);
  assign push = s_axis_tvalid && s_axis_tready;
  assign pop = level_o != '0 && (!valid_q || m_axis_tready);
  assign m_axis_tvalid = valid_q;
  assign m_axis_tdata = data_q;

  always_ff @(posedge clk_i) begin
    if (push) memory[tail_q[AddrBits-1:0]] <= s_axis_tdata;
    if (pop) data_q <= memory[head_q[AddrBits-1:0]];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      head_q  <= '0;
      tail_q  <= '0;
      valid_q <= 1'b0;
    end else begin
      if (push) tail_q <= tail_q + 1'b1;
      if (pop) head_q <= head_q + 1'b1;
      valid_q <= pop || (valid_q && !m_axis_tready);
    end
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
  full : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    s_axis_tvalid && !s_axis_tready);
  empties : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    level_o == '0 && m_axis_tvalid && m_axis_tready && !push);
  in_and_out_at_once : cover property (@(posedge clk_i) disable iff (!rst_ni) push && pop);
  waits_for_its_receiver : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && !m_axis_tready);

endmodule
