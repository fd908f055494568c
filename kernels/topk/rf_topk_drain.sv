// SPDX-License-Identifier: Apache-2.0
// Merges the sorted lists of Lanes arrays into the k results of a request: one a cycle, the first
// one log2(Lanes) + 1 cycles after drain_i rises.

module rf_topk_drain
  import rf_topk_pkg::*;
#(
    parameter int unsigned Lanes = 1  // lists, a power of two
) (
    input  logic                    clk_i,
    input  logic                    rst_ni,
    input  logic                    drain_i,      // the lists are complete; steady until done_o
    input  logic [7:0]              k_i,          // results, at least 1
    input  entry_t                  head_i[Lanes],
    output logic [Lanes-1:0]        pop_o,
    output logic                    done_o,       // the last result leaves
    output logic [63:0]             m_axis_result_tdata,
    output logic                    m_axis_result_tvalid,
    output logic                    m_axis_result_tlast,
    input  logic                    m_axis_result_tready
);

  if (Lanes < 1 || Lanes != 2 ** $clog2(Lanes)) begin : gen_bad_lanes
    $fatal(1, "rf_topk_drain: Lanes must be a power of two");
  end

  // A tree in the order of a heap: node n merges the nodes 2n and 2n + 1, the leaves are the lists.
  for (genvar n = 1; n < 2 * Lanes || n == 1; n++) begin : gen_node  // one even where Lanes is 0
    entry_t data;
    logic valid, ready;
    if (n >= Lanes) begin : gen_leaf
      assign data = head_i[n-Lanes];
      assign valid = drain_i;
      assign pop_o[n-Lanes] = ready;
    end else begin : gen_merge
      rf_topk_merge u_merge (
          .clk_i,
          .clear_i  (!drain_i),
          .a_i      (gen_node[2*n].data),
          .a_valid_i(gen_node[2*n].valid),
          .a_ready_o(gen_node[2*n].ready),
          .b_i      (gen_node[2*n+1].data),
          .b_valid_i(gen_node[2*n+1].valid),
          .b_ready_o(gen_node[2*n+1].ready),
          .data_o   (data),
          .valid_o  (valid),
          .ready_i  (ready)
      );
    end
  end

  logic [7:0] left_q;  // results to take from the tree
  logic take;
  rf_pkg::result_t result;

  assign take = gen_node[1].valid && left_q != '0
                && (!m_axis_result_tvalid || m_axis_result_tready);
  assign gen_node[1].ready = take;
  assign done_o = m_axis_result_tvalid && m_axis_result_tready && m_axis_result_tlast;

  always_comb begin
    result = rf_pkg::NoResult;
    if (gen_node[1].data.exists) begin
      result.score = gen_node[1].data.score;
      result.id = rf_pkg::IdBits'(gen_node[1].data.row);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) m_axis_result_tvalid <= 1'b0;
    else m_axis_result_tvalid <= take || (m_axis_result_tvalid && !m_axis_result_tready);
    if (!drain_i) left_q <= k_i;
    else if (take) left_q <= left_q - 8'd1;
    if (take) begin
      m_axis_result_tdata <= result;
      m_axis_result_tlast <= left_q == 8'd1;
    end
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_result_tvalid && !m_axis_result_tready |=>
      m_axis_result_tvalid && $stable(m_axis_result_tdata) && $stable(m_axis_result_tlast));

endmodule
