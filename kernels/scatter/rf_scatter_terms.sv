// SPDX-License-Identifier: Apache-2.0
// Reads the sums of a request in order, Lanes consecutive rows a cycle, and makes terms of them:
// sat24(rne(sum * norm, shift)); latency four cycles, a group a cycle.

module rf_scatter_terms #(
    parameter int unsigned Lanes = 1,      // rows of a group, a power of two, at most Banks
    parameter int unsigned Banks = 16,     // row r lies in bank r % Banks
    parameter int unsigned Depth = 2048,   // entries of a bank
    parameter int unsigned SumBits = 18,   // of a signed sum
    localparam int unsigned AddrBits = $clog2(Depth),
    // Groups of an address.
    localparam int unsigned Slices = Lanes > 0 && Banks > Lanes ? Banks / Lanes : 1,
    localparam int unsigned SliceBits = Slices > 1 ? $clog2(Slices) : 1,
    localparam int unsigned GroupBits = AddrBits + $clog2(Slices),
    localparam int unsigned TermBits = rf_pkg::EdgeTermBits
) (
    input  logic                            clk_i,
    input  logic                            rst_ni,
    input  logic                            start_i,   // a pulse, only while idle
    input  logic [GroupBits:0]              groups_i,  // to read, at least 1
    input  logic [rf_pkg::NormBits-1:0]     norm_i,
    input  logic [rf_pkg::ShiftBits-1:0]    shift_i,
    output logic                            idle_o,    // every term has left
    output logic [Banks-1:0]                read_o,    // read these banks' entries of addr_o: they
    output logic [AddrBits-1:0]             addr_o,    // must stand from the next cycle to the
    input  logic [Banks-1:0][SumBits-1:0]   sums_i,    // next read
    output logic [Lanes-1:0][TermBits-1:0]  m_axis_term_tdata,  // signed, the first row lowest
    output logic                            m_axis_term_tvalid,
    input  logic                            m_axis_term_tready
);

  import rf_pkg::*;

  localparam int unsigned ProductBits = SumBits + NormBits;  // signed times unsigned

  logic [GroupBits:0] left_q;
  logic [GroupBits-1:0] group_q;
  logic [SliceBits-1:0] slice, slice_q;
  logic [NormBits-1:0] norm_q;
  logic [ShiftBits-1:0] shift_q;
  logic advance, read, read_q, sum_valid_q, product_valid_q;
  logic [Slices-1:0][Lanes-1:0][SumBits-1:0] slices;
  logic [Lanes-1:0][SumBits-1:0] sums_q;
  logic [Lanes-1:0][TermBits-1:0] terms;

  // Everything stands still while a group of terms waits for its receiver.
  assign advance = !m_axis_term_tvalid || m_axis_term_tready;
  assign read = advance && left_q != '0;
  assign idle_o = left_q == '0 && !read_q && !sum_valid_q && !product_valid_q &&
      !m_axis_term_tvalid;
  assign slices = sums_i;

  if (Slices == 1) begin : gen_all_banks
    assign slice  = '0;
    assign addr_o = group_q;
    assign read_o = {Banks{read}};
  end else begin : gen_some_banks
    assign slice  = group_q[SliceBits-1:0];
    assign addr_o = group_q[SliceBits+:AddrBits];
    for (genvar b = 0; b < Banks; b++) begin : gen_bank
      assign read_o[b] = read && slice == SliceBits'(b / Lanes);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q <= '0;
      read_q <= 1'b0;
      sum_valid_q <= 1'b0;
      product_valid_q <= 1'b0;
      m_axis_term_tvalid <= 1'b0;
    end else begin
      if (start_i) left_q <= groups_i;
      else if (read) left_q <= left_q - 1'b1;
      if (advance) begin
        read_q <= read;
        sum_valid_q <= read_q;
        product_valid_q <= sum_valid_q;
        m_axis_term_tvalid <= product_valid_q;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      norm_q  <= norm_i;
      shift_q <= shift_i;
      group_q <= '0;
    end else if (read) begin
      group_q <= group_q + 1'b1;
    end
    if (read) slice_q <= slice;
    if (advance && read_q) sums_q <= slices[slice_q];
    if (advance && product_valid_q) m_axis_term_tdata <= terms;
  end

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic signed [SumBits-1:0] operand;
    logic signed [NormBits:0] factor;
    logic signed [ProductBits-1:0] product_q;
    assign operand = sums_q[l];
    assign factor  = $signed({1'b0, norm_q});
    always_ff @(posedge clk_i) begin
      if (advance && sum_valid_q) product_q <= ProductBits'(operand) * ProductBits'(factor);
    end
    rf_requant #(
        .InBits (ProductBits),
        .OutBits(TermBits)
    ) u_requant (
        .data_i (product_q),
        .shift_i(shift_q),
        .data_o (terms[l])
    );
    saturates_high : cover property (
      @(posedge clk_i) disable iff (!rst_ni) advance && product_valid_q && u_requant.above);
    saturates_low : cover property (
      @(posedge clk_i) disable iff (!rst_ni) advance && product_valid_q && u_requant.under);
    tie_up_to_even : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      advance && product_valid_q && u_requant.half && !u_requant.rest && u_requant.up);
    tie_down_to_even : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      advance && product_valid_q && u_requant.half && !u_requant.rest && !u_requant.up);
    rounds_a_negative : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      advance && product_valid_q && u_requant.half && u_requant.rest && product_q < 0);
  end

  only_while_idle : assert property (
    @(posedge clk_i) disable iff (!rst_ni) start_i |-> idle_o && groups_i != '0);
  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_term_tvalid && !m_axis_term_tready |=>
        m_axis_term_tvalid && $stable(m_axis_term_tdata));
  stalls_with_groups_inside : cover property (
    @(posedge clk_i) disable iff (!rst_ni) !advance && read_q && sum_valid_q && product_valid_q);

endmodule
