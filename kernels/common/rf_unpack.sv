// SPDX-License-Identifier: Apache-2.0
// Cuts a wide beat into narrow ones, low part first: one narrow beat a cycle, no bubble between
// wide beats, latency one cycle. Parts beyond count_i of the last wide beat are dropped.

module rf_unpack #(
    parameter int unsigned InBits = 512,  // of a wide beat
    parameter int unsigned OutBits = 32   // of a narrow beat; divides InBits
) (
    input  logic               clk_i,
    input  logic               rst_ni,
    input  logic               start_i,        // a pulse: opens a packet; only while idle
    input  logic [31:0]        count_i,        // narrow beats of the packet, may be 0
    input  logic [InBits-1:0]  s_axis_tdata,
    input  logic               s_axis_tvalid,
    output logic               s_axis_tready,
    output logic [OutBits-1:0] m_axis_tdata,
    output logic               m_axis_tvalid,
    input  logic               m_axis_tready,
    output logic               m_axis_tlast    // the packet's last narrow beat
);

  localparam int unsigned Parts = InBits / OutBits;
  localparam int unsigned PartBits = Parts > 1 ? $clog2(Parts) : 1;

  if (InBits < 1 || Parts * OutBits != InBits) begin : gen_bad_width
    $fatal(1, "rf_unpack: OutBits must divide InBits, at least 1");
  end

  logic [InBits-1:0] data_q;
  logic [31:0] left_q;  // narrow beats of the packet not yet given
  logic [PartBits-1:0] part_q;
  logic valid_q, given, empties, take;

  assign m_axis_tvalid = valid_q;
  assign m_axis_tdata = data_q[OutBits-1:0];
  assign m_axis_tlast = left_q == 32'd1;
  assign given = m_axis_tvalid && m_axis_tready;
  assign empties = given && (part_q == PartBits'(Parts - 1) || m_axis_tlast);
  // A wide beat is taken while one more is owed beyond those in hand.
  assign s_axis_tready = left_q != '0 && (!valid_q || (empties && !m_axis_tlast));
  assign take = s_axis_tvalid && s_axis_tready;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      left_q  <= '0;
      part_q  <= '0;
    end else begin
      valid_q <= take || (valid_q && !empties);
      if (start_i) left_q <= count_i;
      else if (given) left_q <= left_q - 32'd1;
      if (given) part_q <= empties ? '0 : part_q + PartBits'(1);
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) data_q <= s_axis_tdata;
    else if (given) data_q <= data_q >> OutBits;
  end

  stable_until_ready : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
  waits_for_its_receiver : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    m_axis_tvalid && !m_axis_tready);
  next_beat_without_a_bubble : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    take && empties);
  waits_for_a_beat : cover property (
    @(posedge clk_i) disable iff (!rst_ni)
    left_q != '0 && !valid_q && !s_axis_tvalid);

endmodule
