// SPDX-License-Identifier: Apache-2.0
// Issues the reads of one port's share of the catalogue: a beat of biases, then the items that it
// covers, and so on; one command a cycle.

module rf_scan_reads #(
    parameter int unsigned BeatBits = 512,  // of the memory port
    parameter int unsigned GroupBeats = 1,  // beats of a group: of an item, or of items in a beat
    parameter int unsigned BiasGroups = 32, // groups that a beat of biases covers
    parameter int unsigned MaxGroups = 1 << 24,  // most of the share
    localparam int unsigned GroupBits = $clog2(MaxGroups + 1)
) (
    input  logic              clk_i,
    input  logic              rst_ni,
    input  logic              start_i,   // a pulse, only while idle: reads the share once
    input  rf_pkg::tag_t      tag_i,
    input  logic [GroupBits-1:0] groups_i,  // of the share, at least 1
    input  logic [63:0]       item_i,
    input  logic [63:0]       bias_i,
    output logic              idle_o,    // everything is asked for
    output rf_pkg::read_cmd_t m_axis_cmd_tdata,
    output logic              m_axis_cmd_tvalid,
    input  logic              m_axis_cmd_tready
);

  import rf_pkg::*;

  localparam int unsigned BeatLog2 = $clog2(BeatBits / 8);
  localparam int unsigned ChunkBits = $clog2(BiasGroups + 1);

  logic [GroupBits-1:0] left_q;  // groups not yet asked for
  logic [ChunkBits-1:0] chunk;  // those of the next beat of biases
  logic [31:0] chunk_beats;
  logic [63:BeatLog2] bias_q, item_q;  // addresses, in beats
  tag_t tag_q;
  logic items_q, given;  // the items are next, not their biases

  assign idle_o = left_q == '0;
  assign chunk = 32'(left_q) < BiasGroups ? ChunkBits'(left_q) : ChunkBits'(BiasGroups);
  assign chunk_beats = 32'(chunk) * GroupBeats;
  assign m_axis_cmd_tvalid = !idle_o;
  assign m_axis_cmd_tdata = items_q ?
      '{tag: tag_q, addr: {item_q, BeatLog2'(0)}, beats: chunk_beats, dest: DestItem} :
      '{tag: tag_q, addr: {bias_q, BeatLog2'(0)}, beats: 32'd1, dest: DestTerm};
  assign given = m_axis_cmd_tvalid && m_axis_cmd_tready;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q  <= '0;
      items_q <= 1'b0;
    end else if (start_i) begin
      left_q  <= groups_i;
      items_q <= 1'b0;
    end else if (given) begin
      items_q <= !items_q;
      if (items_q) left_q <= left_q - GroupBits'(chunk);
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      tag_q  <= tag_i;
      bias_q <= bias_i[63:BeatLog2];
      item_q <= item_i[63:BeatLog2];
    end else if (given) begin
      if (items_q) item_q <= item_q + $bits(item_q)'(chunk_beats);
      else bias_q <= bias_q + 1'b1;
    end
  end

  logic unused_bits;
  assign unused_bits = ^{item_i[BeatLog2-1:0], bias_i[BeatLog2-1:0]};

  only_while_idle : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    start_i |-> idle_o && groups_i != '0);

endmodule
