// SPDX-License-Identifier: Apache-2.0
// rf_gather with its own readers: commands and the numbers of rows in, vectors out. One row's beat
// a cycle; latency that of the memory, rows * Beats + Dim / RequantLanes + 8 cycles, with weights as
// many more as rf_gather.

module rf_gather_rows #(
    parameter int unsigned Dim = 64,          // as of rf_gather
    parameter int unsigned ElemBits = 8,
    parameter int unsigned BeatBits = 512,
    parameter int unsigned MaxRows = 1024,
    parameter int unsigned RequantLanes = 8,
    parameter int unsigned WeightBits = 0,
    parameter bit          WithMax = 0,
    parameter int unsigned RowPorts = 2,      // AXI4 read ports, 1 to 16
    parameter int unsigned FifoDepth = 64,    // beats asked for ahead at each, a power of two
    localparam int unsigned WeightPort = WeightBits > 0 ? WeightBits : 1,
    localparam int unsigned VecBits = Dim * rf_pkg::StateBits
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  logic [63:0]           base_i,  // of the table, 4 KiB aligned; held while rows are read
    input  rf_pkg::gather_cmd_t   s_axis_cmd_tdata,
    input  logic                  s_axis_cmd_tvalid,
    output logic                  s_axis_cmd_tready,
    input  logic [31:0]           s_axis_id_tdata,      // of the rows, in order; they may come
    input  logic                  s_axis_id_tvalid,     // before their command
    output logic                  s_axis_id_tready,
    input  logic [WeightPort-1:0] s_axis_weight_tdata,  // one a row; not used without weights
    input  logic                  s_axis_weight_tvalid,
    output logic                  s_axis_weight_tready,
    output logic [VecBits-1:0]    m_axis_vec_tdata,
    output logic                  m_axis_vec_tvalid,
    input  logic                  m_axis_vec_tready,
    output logic                  error_o,  // a pulse: a beat came with SLVERR or DECERR

    output logic [RowPorts-1:0][0:0]          m_axi_row_arid,
    output logic [RowPorts-1:0][63:0]         m_axi_row_araddr,
    output logic [RowPorts-1:0][7:0]          m_axi_row_arlen,
    output logic [RowPorts-1:0][2:0]          m_axi_row_arsize,
    output logic [RowPorts-1:0][1:0]          m_axi_row_arburst,
    output logic [RowPorts-1:0][3:0]          m_axi_row_arcache,
    output logic [RowPorts-1:0][2:0]          m_axi_row_arprot,
    output logic [RowPorts-1:0]               m_axi_row_arvalid,
    input  logic [RowPorts-1:0]               m_axi_row_arready,
    input  logic [RowPorts-1:0][0:0]          m_axi_row_rid,
    input  logic [RowPorts-1:0][BeatBits-1:0] m_axi_row_rdata,
    input  logic [RowPorts-1:0][1:0]          m_axi_row_rresp,
    input  logic [RowPorts-1:0]               m_axi_row_rlast,
    input  logic [RowPorts-1:0]               m_axi_row_rvalid,
    output logic [RowPorts-1:0]               m_axi_row_rready
);

  localparam int unsigned RowBits = Dim * ElemBits;

  logic [BeatBits-1:0] row;
  logic row_valid, row_ready, row_last, message_valid, message_ready, weight_there;

  rf_row_read #(
      .Ports(RowPorts),
      .BeatBits(BeatBits),
      .Beats(RowBits > BeatBits ? RowBits / BeatBits : 1),
      .FifoDepth(FifoDepth)
  ) u_rows (
      .m_axis_row_tdata (row),
      .m_axis_row_tvalid(row_valid),
      .m_axis_row_tready(row_ready),
      .m_axis_row_tlast (row_last),
      .*
  );

  // A row goes on with its weight.
  assign weight_there = WeightBits == 0 || s_axis_weight_tvalid;
  assign message_valid = row_valid && weight_there;
  assign row_ready = message_ready && weight_there;
  assign s_axis_weight_tready = row_valid && message_ready && row_last;

  rf_gather #(
      .Dim(Dim),
      .ElemBits(ElemBits),
      .BeatBits(BeatBits),
      .MaxRows(MaxRows),
      .RequantLanes(RequantLanes),
      .WeightBits(WeightBits),
      .WithMax(WithMax)
  ) u_gather (
      .s_axis_row_tdata (row),
      .s_axis_row_tuser (s_axis_weight_tdata),
      .s_axis_row_tvalid(message_valid),
      .s_axis_row_tready(message_ready),
      .*
  );

endmodule
