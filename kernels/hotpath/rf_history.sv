// SPDX-License-Identifier: Apache-2.0
// Keeps the item rows of a history and gives the list three times, once for each table: the
// first pass runs along while the list is still coming in. One row a cycle, latency two cycles.

module rf_history #(
    parameter int unsigned MaxRows = 1024  // longest history, 2 to 1024
) (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic        start_i,       // a pulse: opens a request
    input  logic [15:0] rows_i,        // of the history; held during the request
    input  logic [31:0] s_axis_id_tdata,
    input  logic        s_axis_id_tvalid,
    output logic        s_axis_id_tready,
    output logic [31:0] m_axis_id_tdata,
    output logic [ 1:0] m_axis_id_tuser,  // pass: 0 messages, 1 keys, 2 values
    output logic        m_axis_id_tvalid,
    input  logic        m_axis_id_tready,
    output logic        idle_o            // all passes are given
);

  if (MaxRows < 2 || MaxRows > 1024) begin : gen_bad_rows
    $fatal(1, "rf_history: MaxRows must be 2 to 1024");
  end

  localparam int unsigned AddrBits = $clog2(MaxRows);
  localparam logic [1:0] Passes = 2'd3;

  logic [31:0] memory[MaxRows];
  logic [15:0] taken_q, next_q;  // rows in memory; the next row to read
  logic [1:0] pass_q;
  logic take, read;

  assign s_axis_id_tready = taken_q != rows_i;
  assign take = s_axis_id_tvalid && s_axis_id_tready;
  assign read = pass_q != Passes && next_q < taken_q && (!m_axis_id_tvalid || m_axis_id_tready);
  assign idle_o = (pass_q == Passes || rows_i == '0) && !m_axis_id_tvalid;

  always_ff @(posedge clk_i) begin
    if (take) memory[taken_q[AddrBits-1:0]] <= s_axis_id_tdata;
    if (read) begin
      m_axis_id_tdata <= memory[next_q[AddrBits-1:0]];
      m_axis_id_tuser <= pass_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      taken_q <= '0;
      next_q <= '0;
      pass_q <= Passes;
      m_axis_id_tvalid <= 1'b0;
    end else if (start_i) begin
      taken_q <= '0;
      next_q <= '0;
      pass_q <= '0;
    end else begin
      if (take) taken_q <= taken_q + 16'd1;
      if (read) begin
        next_q <= next_q + 16'd1 == rows_i ? '0 : next_q + 16'd1;
        if (next_q + 16'd1 == rows_i) pass_q <= pass_q + 2'd1;
      end
      m_axis_id_tvalid <= read || (m_axis_id_tvalid && !m_axis_id_tready);
    end
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_id_tvalid && !m_axis_id_tready |=> m_axis_id_tvalid && $stable(m_axis_id_tdata));

endmodule
