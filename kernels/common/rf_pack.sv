// SPDX-License-Identifier: Apache-2.0
// Gathers narrow beats into one wide beat, low part first: one narrow beat a cycle, also while
// the wide beat before is given; latency one cycle after the last part.

module rf_pack #(
    parameter int unsigned InBits = 128,  // of a narrow beat; divides OutBits
    parameter int unsigned OutBits = 512  // of a wide beat
) (
    input  logic               clk_i,
    input  logic               rst_ni,
    input  logic [InBits-1:0]  s_axis_tdata,
    input  logic               s_axis_tvalid,
    output logic               s_axis_tready,
    output logic [OutBits-1:0] m_axis_tdata,
    output logic               m_axis_tvalid,
    input  logic               m_axis_tready
);

  localparam int unsigned Parts = OutBits / InBits;
  localparam int unsigned PartBits = Parts > 1 ? $clog2(Parts) : 1;

  if (OutBits < 1 || Parts * InBits != OutBits) begin : gen_bad_width
    $fatal(1, "rf_pack: InBits must divide OutBits, at least 1");
  end

  logic [PartBits-1:0] part_q;
  logic take, last;

  assign s_axis_tready = !m_axis_tvalid || m_axis_tready;
  assign take = s_axis_tvalid && s_axis_tready;
  assign last = part_q == PartBits'(Parts - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      m_axis_tvalid <= 1'b0;
      part_q <= '0;
    end else begin
      m_axis_tvalid <= (take && last) || (m_axis_tvalid && !m_axis_tready);
      if (take) part_q <= last ? '0 : part_q + PartBits'(1);
    end
  end

  if (Parts == 1) begin : gen_through
    always_ff @(posedge clk_i) if (take) m_axis_tdata <= s_axis_tdata;
  end else begin : gen_shift
    always_ff @(posedge clk_i) begin
      if (take) m_axis_tdata <= {s_axis_tdata, m_axis_tdata[OutBits-1:InBits]};
    end
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
  waits_for_its_receiver : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && !m_axis_tready);
  refills_while_given : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && take);

endmodule
