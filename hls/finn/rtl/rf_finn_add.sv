// SPDX-License-Identifier: Apache-2.0
// Lane-wise sum of two streams: FINN's addition of streams, which FINN has in HLS alone on devices
// without DSP58. One beat a cycle, one cycle of latency; padding bits of the output are 0.

module rf_finn_add #(
    parameter int unsigned Lanes = 1,     // elements of a beat
    parameter int unsigned ABits = 8,     // of an element of the first stream
    parameter int unsigned BBits = 8,     // of the second
    parameter int unsigned OutBits = 9,   // of their sum; a sum that does not fit wraps
    parameter bit          ASigned = 1,   // whether the elements are signed
    parameter bit          BSigned = 1,
    parameter int unsigned AWidth = (Lanes * ABits + 7) / 8 * 8,      // beats, padded to bytes
    parameter int unsigned BWidth = (Lanes * BBits + 7) / 8 * 8,
    parameter int unsigned OutWidth = (Lanes * OutBits + 7) / 8 * 8
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  logic [AWidth-1:0]   s_axis_a_tdata,
    input  logic                s_axis_a_tvalid,
    output logic                s_axis_a_tready,
    input  logic [BWidth-1:0]   s_axis_b_tdata,
    input  logic                s_axis_b_tvalid,
    output logic                s_axis_b_tready,
    output logic [OutWidth-1:0] m_axis_tdata,
    output logic                m_axis_tvalid,
    input  logic                m_axis_tready
);

  if (Lanes < 1 || ABits < 1 || BBits < 1 || OutBits < 2) begin : gen_bad_width
    $fatal(1, "rf_finn_add: Lanes, ABits and BBits must be at least 1, OutBits at least 2");
  end

  localparam int unsigned SumBits = (ABits > BBits ? ABits : BBits) + 2;

  logic step, take;
  assign step = !m_axis_tvalid || m_axis_tready;
  assign take = step && s_axis_a_tvalid && s_axis_b_tvalid;
  assign s_axis_a_tready = take;
  assign s_axis_b_tready = take;

  logic [OutWidth-1:0] sums;
  if (OutWidth > Lanes * OutBits) begin : gen_padding
    assign sums[OutWidth-1:Lanes*OutBits] = '0;
  end
  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    logic [ABits-1:0] a;
    logic [BBits-1:0] b;
    logic signed [SumBits-1:0] sum;
    assign a = s_axis_a_tdata[i*ABits+:ABits];
    assign b = s_axis_b_tdata[i*BBits+:BBits];
    assign sum = SumBits'($signed({ASigned && a[ABits-1], a})) +
        SumBits'($signed({BSigned && b[BBits-1], b}));
    assign sums[i*OutBits+:OutBits] = OutBits'(sum);
    logic unused_wrap;
    assign unused_wrap = ^sum;
  end

  logic unused_padding;
  assign unused_padding = ^{s_axis_a_tdata, s_axis_b_tdata};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) m_axis_tvalid <= 1'b0;
    else if (step) m_axis_tvalid <= take;
    if (take) m_axis_tdata <= sums;
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));

endmodule
