// SPDX-License-Identifier: Apache-2.0
// What a layer of message passing is asked for; recfabric.kernels.graph.layer says the same.

package rf_graph_pkg;

  // Addresses are 4 KiB aligned; the fields are whole bytes, the last one in the low bits.
  typedef struct packed {
    logic [63:0] dense;        // the load of rf_dense; ignored without a dense part
    logic [63:0] out;          // rows written
    logic [63:0] table_rows;   // rows read
    logic [63:0] weight;       // of the edges; ignored without weights
    logic [63:0] col;          // of the edges: rows of the table
    logic [63:0] scale;        // of the nodes: {op, shift, norm} as in gather_cmd_t
    logic [63:0] row_ptr;      // of the nodes, and one more
    logic [31:0] edges;
    logic [31:0] nodes;        // at least 1; with a dense part of wider vectors, a multiple
    logic [7:0]  relu;         // 1: negative outputs become 0
    logic [7:0]  dense_shift;
  } layer_cmd_t;

endpackage
