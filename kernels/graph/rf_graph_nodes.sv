// SPDX-License-Identifier: Apache-2.0
// Makes a gather command of each node: its degree, the difference of two row pointers, and its
// scale word. One node a cycle.

module rf_graph_nodes #(
    parameter int unsigned BeatBits = 512  // of the lists: 64, 128, 256 or 512
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  logic                start_i,  // a pulse: opens a layer
    input  logic [31:0]         nodes_i,
    input  logic [BeatBits-1:0] s_axis_row_ptr_tdata,
    input  logic                s_axis_row_ptr_tvalid,
    output logic                s_axis_row_ptr_tready,
    input  logic [BeatBits-1:0] s_axis_scale_tdata,
    input  logic                s_axis_scale_tvalid,
    output logic                s_axis_scale_tready,
    output rf_pkg::gather_cmd_t m_axis_cmd_tdata,
    output logic                m_axis_cmd_tvalid,
    input  logic                m_axis_cmd_tready
);

  logic [31:0] pointer, scale, degree, last_q;  // last: the pointer before, the node's own
  logic pointer_valid, pointer_ready, scale_valid, scale_ready, open_q, given;

  rf_unpack #(
      .InBits (BeatBits),
      .OutBits(32)
  ) u_row_ptr (
      .clk_i,
      .rst_ni,
      .start_i,
      .count_i      (nodes_i + 32'd1),
      .s_axis_tdata (s_axis_row_ptr_tdata),
      .s_axis_tvalid(s_axis_row_ptr_tvalid),
      .s_axis_tready(s_axis_row_ptr_tready),
      .m_axis_tdata (pointer),
      .m_axis_tvalid(pointer_valid),
      .m_axis_tready(pointer_ready),
      .m_axis_tlast ()
  );

  rf_unpack #(
      .InBits (BeatBits),
      .OutBits(32)
  ) u_scale (
      .clk_i,
      .rst_ni,
      .start_i,
      .count_i      (nodes_i),
      .s_axis_tdata (s_axis_scale_tdata),
      .s_axis_tvalid(s_axis_scale_tvalid),
      .s_axis_tready(s_axis_scale_tready),
      .m_axis_tdata (scale),
      .m_axis_tvalid(scale_valid),
      .m_axis_tready(scale_ready),
      .m_axis_tlast ()
  );

  assign degree = pointer - last_q;
  assign m_axis_cmd_tvalid = open_q && pointer_valid && scale_valid;
  assign given = m_axis_cmd_tvalid && m_axis_cmd_tready;
  assign pointer_ready = !open_q || given;  // the first pointer opens the first node
  assign scale_ready = given;

  always_comb begin
    m_axis_cmd_tdata.rows = degree[23:0];
    m_axis_cmd_tdata.op = rf_pkg::gather_op_e'(scale[31:24]);
    m_axis_cmd_tdata.shift = scale[23:16];
    m_axis_cmd_tdata.norm = scale[15:0];
  end

  always_ff @(posedge clk_i) begin
    if (start_i) open_q <= 1'b0;  // no pointer comes before it
    else if (pointer_valid) open_q <= 1'b1;
    if (pointer_valid && pointer_ready) last_q <= pointer;
  end

  logic unused_degree;
  assign unused_degree = ^degree[31:24];

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_cmd_tvalid && !m_axis_cmd_tready |=> m_axis_cmd_tvalid && $stable(m_axis_cmd_tdata));

endmodule
