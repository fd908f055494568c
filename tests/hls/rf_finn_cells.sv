// SPDX-License-Identifier: Apache-2.0
// Our modules for FINN's graphs side by side, each on streams of its own: one build for their tests.

module rf_finn_cells (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic [ 5:0] logit_shift_i,
    input  logic [ 5:0] out_shift_i,
    // add_multi: five addends; sums 2 (signed) and 5 (unsigned) cycles later
    input  logic [39:0] s_axis_args_tdata,
    input  logic        s_axis_args_tvalid,
    output logic        s_axis_args_tready,
    output logic [15:0] m_axis_signed_tdata,
    output logic        m_axis_signed_tvalid,
    input  logic        m_axis_signed_tready,
    output logic [15:0] m_axis_unsigned_tdata,
    output logic        m_axis_unsigned_tvalid,
    input  logic        m_axis_unsigned_tready,
    // rf_finn_duplicate
    input  logic [15:0] s_axis_copy_tdata,
    input  logic        s_axis_copy_tvalid,
    output logic        s_axis_copy_tready,
    output logic [47:0] m_axis_copy_tdata,
    output logic [ 2:0] m_axis_copy_tvalid,
    input  logic [ 2:0] m_axis_copy_tready,
    // rf_finn_add: three lanes, int6 + uint4 = int7
    input  logic [23:0] s_axis_a_tdata,
    input  logic        s_axis_a_tvalid,
    output logic        s_axis_a_tready,
    input  logic [15:0] s_axis_b_tdata,
    input  logic        s_axis_b_tvalid,
    output logic        s_axis_b_tready,
    output logic [23:0] m_axis_add_tdata,
    output logic        m_axis_add_tvalid,
    input  logic        m_axis_add_tready,
    // rf_finn_pace: 3 beats in 10 cycles
    input  logic [ 7:0] s_axis_pace_tdata,
    input  logic        s_axis_pace_tvalid,
    output logic        s_axis_pace_tready,
    output logic [ 7:0] m_axis_pace_tdata,
    output logic        m_axis_pace_tvalid,
    input  logic        m_axis_pace_tready,
    // rf_finn_softmax: rows of 16, four lanes
    input  logic [79:0] s_axis_logit_tdata,
    input  logic        s_axis_logit_tvalid,
    output logic        s_axis_logit_tready,
    output logic [31:0] m_axis_weight_tdata,
    output logic        m_axis_weight_tvalid,
    input  logic        m_axis_weight_tready,
    output logic [11:0] m_axis_total_tdata,
    output logic        m_axis_total_tvalid,
    input  logic        m_axis_total_tready,
    // rf_finn_scale: rows of 8, two lanes
    input  logic [47:0] s_axis_mix_tdata,
    input  logic        s_axis_mix_tvalid,
    output logic        s_axis_mix_tready,
    input  logic [11:0] s_axis_divisor_tdata,
    input  logic        s_axis_divisor_tvalid,
    output logic        s_axis_divisor_tready,
    output logic [15:0] m_axis_scaled_tdata,
    output logic        m_axis_scaled_tvalid,
    input  logic        m_axis_scaled_tready
);

  logic [7:0] arg[5];
  logic [mvu_pkg::sumwidth(5, 8, -128, 127)-1:0] signed_sum;
  logic [mvu_pkg::sumwidth(5, 8, 0, 255)-1:0] unsigned_sum;
  logic [4:0] valid_q;

  for (genvar i = 0; i < 5; i++) begin : gen_arg
    assign arg[i] = s_axis_args_tdata[8*i+:8];
  end
  assign s_axis_args_tready = m_axis_signed_tready || m_axis_unsigned_tready;
  always_ff @(posedge clk_i) begin
    valid_q <= rst_ni ? {valid_q[3:0], s_axis_args_tvalid && s_axis_args_tready} : '0;
  end
  assign m_axis_signed_tvalid = valid_q[1];
  assign m_axis_unsigned_tvalid = valid_q[4];
  assign m_axis_signed_tdata = 16'($signed(signed_sum));
  assign m_axis_unsigned_tdata = 16'(unsigned_sum);

  add_multi #(
      .N(5),
      .DEPTH(2),
      .ARG_WIDTH(8),
      .ARG_LO(-128),
      .ARG_HI(127)
  ) u_signed (
      .clk(clk_i),
      .rst(!rst_ni),
      .en (1'b1),
      .arg,
      .sum(signed_sum)
  );

  add_multi #(
      .N(5),
      .DEPTH(5),
      .ARG_WIDTH(8),
      .ARG_LO(0),
      .ARG_HI(255)
  ) u_unsigned (
      .clk(clk_i),
      .rst(!rst_ni),
      .en (1'b1),
      .arg,
      .sum(unsigned_sum)
  );

  rf_finn_duplicate #(
      .Width(16),
      .Outputs(3)
  ) u_duplicate (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (s_axis_copy_tdata),
      .s_axis_tvalid(s_axis_copy_tvalid),
      .s_axis_tready(s_axis_copy_tready),
      .m_axis_tdata (m_axis_copy_tdata),
      .m_axis_tvalid(m_axis_copy_tvalid),
      .m_axis_tready(m_axis_copy_tready)
  );

  rf_finn_add #(
      .Lanes(3),
      .ABits(6),
      .BBits(4),
      .OutBits(7),
      .ASigned(1),
      .BSigned(0)
  ) u_add (
      .clk_i,
      .rst_ni,
      .s_axis_a_tdata,
      .s_axis_a_tvalid,
      .s_axis_a_tready,
      .s_axis_b_tdata,
      .s_axis_b_tvalid,
      .s_axis_b_tready,
      .m_axis_tdata (m_axis_add_tdata),
      .m_axis_tvalid(m_axis_add_tvalid),
      .m_axis_tready(m_axis_add_tready)
  );

  rf_finn_pace #(
      .Width(8),
      .Beats(3),
      .Cycles(10)
  ) u_pace (
      .clk_i,
      .rst_ni,
      .s_axis_tdata (s_axis_pace_tdata),
      .s_axis_tvalid(s_axis_pace_tvalid),
      .s_axis_tready(s_axis_pace_tready),
      .m_axis_tdata (m_axis_pace_tdata),
      .m_axis_tvalid(m_axis_pace_tvalid),
      .m_axis_tready(m_axis_pace_tready)
  );

  rf_finn_softmax #(
      .Columns(16),
      .Lanes(4),
      .SumBits(20)
  ) u_softmax (
      .clk_i,
      .rst_ni,
      .logit_shift_i,
      .s_axis_sum_tdata (s_axis_logit_tdata),
      .s_axis_sum_tvalid(s_axis_logit_tvalid),
      .s_axis_sum_tready(s_axis_logit_tready),
      .m_axis_weight_tdata,
      .m_axis_weight_tvalid,
      .m_axis_weight_tready,
      .m_axis_total_tdata,
      .m_axis_total_tvalid,
      .m_axis_total_tready
  );

  rf_finn_scale #(
      .Columns(8),
      .Lanes(2),
      .SumBits(24),
      .TotalBits(12)
  ) u_scale (
      .clk_i,
      .rst_ni,
      .out_shift_i,
      .s_axis_sum_tdata   (s_axis_mix_tdata),
      .s_axis_sum_tvalid  (s_axis_mix_tvalid),
      .s_axis_sum_tready  (s_axis_mix_tready),
      .s_axis_total_tdata (s_axis_divisor_tdata),
      .s_axis_total_tvalid(s_axis_divisor_tvalid),
      .s_axis_total_tready(s_axis_divisor_tready),
      .m_axis_tdata       (m_axis_scaled_tdata),
      .m_axis_tvalid      (m_axis_scaled_tvalid),
      .m_axis_tready      (m_axis_scaled_tready)
  );

endmodule
