// SPDX-License-Identifier: Apache-2.0
// The messages along edges: rf_scatter with the requests that wait for it, four at most.

module rf_edges #(
    parameter int unsigned Edges = 32,         // slots of a row of edges
    parameter int unsigned EdgeItems = 32768,  // entries of the array of scores
    parameter int unsigned BeatBits = 512,
    parameter int unsigned MaxRows = 1024,
    parameter int unsigned Lanes = 1,          // items that the scan takes at a time
    localparam int unsigned TermsBits = Lanes * rf_pkg::EdgeTermBits
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  rf_pkg::hotpath_args_t args_i,  // held while anything runs
    input  rf_pkg::front_job_t    job_i,
    input  logic                  open_i,  // a pulse: one more request, at most four
    input  logic [BeatBits-1:0]   s_axis_edge_tdata,
    input  logic                  s_axis_edge_tvalid,
    output logic                  s_axis_edge_tready,
    output logic [TermsBits-1:0]  m_axis_term_tdata,
    output logic                  m_axis_term_tvalid,
    input  logic                  m_axis_term_tready
);

  import rf_pkg::*;

  localparam int unsigned Banks = Lanes > 16 ? Lanes : 16;  // HotPathConfig.edge_banks

  scatter_cmd_t cmd, next;
  logic next_valid, next_ready;

  assign cmd = '{
      items: args_i.n_items,
      rows: job_i.rows,
      shift: args_i.scatter_shift[7:0],
      norm: job_i.norm
  };

  rf_fifo #(
      .Width($bits(scatter_cmd_t)),
      .Depth(Flight)
  ) u_cmds (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (cmd),
      .s_axis_tvalid(open_i),
      .s_axis_tready(),
      .m_axis_tdata (next),
      .m_axis_tvalid(next_valid),
      .m_axis_tready(next_ready),
      .level_o      ()
  );

  rf_scatter #(
      .Items   (EdgeItems),
      .Edges   (Edges),
      .BeatBits(BeatBits),
      .Lanes   (Lanes),
      .Banks   (Banks),
      .MaxRows (MaxRows)
  ) u_scatter (
      .clk_i,
      .rst_ni,
      .s_axis_cmd_tdata (next),
      .s_axis_cmd_tvalid(next_valid),
      .s_axis_cmd_tready(next_ready),
      .s_axis_edge_tdata,
      .s_axis_edge_tvalid,
      .s_axis_edge_tready,
      .m_axis_term_tdata,
      .m_axis_term_tvalid,
      .m_axis_term_tready
  );

  logic unused_bits;
  assign unused_bits = ^{args_i, job_i};

endmodule
