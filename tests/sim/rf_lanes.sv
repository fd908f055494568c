// SPDX-License-Identifier: Apache-2.0
// For the harness' test: ports as packed arrays, each an address stream that becomes one-beat reads.

module rf_lanes #(
    parameter int unsigned Ports = 4
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  logic [Ports-1:0][63:0] s_axis_addr_tdata,
    input  logic [Ports-1:0]       s_axis_addr_tvalid,
    output logic [Ports-1:0]       s_axis_addr_tready,
    output logic [Ports-1:0][63:0] m_axis_data_tdata,
    output logic [Ports-1:0]       m_axis_data_tvalid,
    input  logic [Ports-1:0]       m_axis_data_tready,
    output logic [Ports-1:0][63:0] m_axi_gmem_araddr,
    output logic [Ports-1:0]       m_axi_gmem_arvalid,
    input  logic [Ports-1:0]       m_axi_gmem_arready,
    input  logic [Ports-1:0][63:0] m_axi_gmem_rdata,
    input  logic [Ports-1:0]       m_axi_gmem_rvalid,
    output logic [Ports-1:0]       m_axi_gmem_rready
);

  assign m_axi_gmem_araddr = s_axis_addr_tdata;
  assign m_axi_gmem_arvalid = s_axis_addr_tvalid;
  assign s_axis_addr_tready = m_axi_gmem_arready;
  assign m_axis_data_tdata = m_axi_gmem_rdata;
  assign m_axis_data_tvalid = m_axi_gmem_rvalid;
  assign m_axi_gmem_rready = m_axis_data_tready;

endmodule
