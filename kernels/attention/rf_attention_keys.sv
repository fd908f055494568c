// SPDX-License-Identifier: Apache-2.0
// The logits of one query: sat16(rne(query . key, shift)) of each row and head, and their maximum;
// one key beat a cycle, one idle cycle between requests; close_o 3 + Stages cycles after the beat,
// one more with a slope.

module rf_attention_keys #(
    parameter int unsigned Dim = 64,
    parameter int unsigned Heads = 2,
    parameter int unsigned KeyBits = 8,
    parameter int unsigned BeatBits = 512,
    parameter int unsigned MaxRows = 1024,
    parameter int unsigned Slope = 256,  // of negative logits in 1/256
    localparam int unsigned QueryBits = Dim * rf_pkg::StateBits,
    localparam int unsigned WordBits = Heads * rf_pkg::LogitBits,
    localparam int unsigned RowIdx = MaxRows > 1 ? $clog2(MaxRows) : 1
) (
    input  logic                 clk_i,
    input  logic                 rst_ni,
    input  rf_pkg::attention_cmd_t s_axis_cmd_tdata,
    input  logic                 s_axis_cmd_tvalid,
    output logic                 s_axis_cmd_tready,
    input  logic [QueryBits-1:0] s_axis_query_tdata,
    input  logic                 s_axis_query_tvalid,
    output logic                 s_axis_query_tready,
    input  logic [BeatBits-1:0]  s_axis_key_tdata,
    input  logic                 s_axis_key_tvalid,
    output logic                 s_axis_key_tready,
    input  logic                 free_i,       // there is room for the logits of another request
    output logic                 open_o,       // a request is taken; open_cmd_o is its command
    output rf_pkg::attention_cmd_t open_cmd_o,
    output logic                 write_o,      // the logits of a row, head 0 in the low bits
    output logic [RowIdx-1:0]    write_row_o,
    output logic [WordBits-1:0]  write_word_o,
    output logic                 close_o,      // the request's logits are all written
    output logic [WordBits-1:0]  max_o         // with close_o: the maximum of each head
);

  import rf_pkg::*;

  localparam int unsigned Lanes = Dim * KeyBits < BeatBits ? Dim : BeatBits / KeyBits;
  localparam int unsigned Beats = Dim / Lanes;
  localparam int unsigned BeatIdx = Beats > 1 ? $clog2(Beats) : 1;
  localparam int unsigned HeadDim = Heads > 0 ? Dim / Heads : Dim;
  localparam int unsigned Groups = Lanes > HeadDim ? Lanes / HeadDim : 1;  // heads of a beat
  localparam int unsigned GroupLanes = Lanes / Groups;
  localparam int unsigned HeadBeats = HeadDim / GroupLanes;                // beats of a head
  localparam int unsigned Stages = 1 + ($clog2(GroupLanes) + 1) / 2;       // of rf_dot
  localparam int unsigned DotBits = StateBits + KeyBits + $clog2(GroupLanes);
  localparam int unsigned FullBits = StateBits + KeyBits + $clog2(HeadDim);  // HeadDim products
  localparam int unsigned TotalBits = FullBits > LogitBits ? FullBits : LogitBits;
  localparam int unsigned RowBits = $clog2(MaxRows + 1);
  localparam int unsigned Tail = Slope == 256 ? Stages : Stages + 1;  // from a beat to its logits

  typedef struct packed {
    logic head_first;  // beat of its head
    logic head_last;
    logic row_last;    // beat of its row
    logic first;       // row of its request
    logic last;        // beat of its request
    logic empty;       // a request of no rows, which passes as one beat without logits
    logic [ShiftBits-1:0] shift;
  } tag_t;

  attention_cmd_t next_q;         // waiting
  logic [ShiftBits-1:0] shift_q;  // of the request being worked on
  logic next_valid_q, active_q, first_q;
  logic [RowBits-1:0] left_q;     // rows not yet taken
  logic [BeatIdx-1:0] beat_q;
  logic [QueryBits-1:0] query_q;
  logic [Lanes*StateBits-1:0] query;
  logic empty, last_beat, issue, finish;
  tag_t tag;
  tag_t [Tail:0] tag_q;           // beside the registers of rf_dot and the totals after them
  logic [Tail:0] valid_q;         // of tag_q, the oldest in the high bit
  logic word_valid_q, close_q;
  tag_t word_tag_q;

  // A request opens with its command and its query.
  assign s_axis_cmd_tready = !next_valid_q;
  assign s_axis_query_tready = next_valid_q && !active_q && free_i;
  assign open_o = s_axis_query_tready && s_axis_query_tvalid;
  assign open_cmd_o = next_q;

  assign empty = left_q == '0;
  assign last_beat = beat_q == BeatIdx'(Beats - 1);
  assign s_axis_key_tready = active_q && !empty;
  assign issue = active_q && (empty || s_axis_key_tvalid);
  assign finish = issue && tag.last;

  always_comb begin
    tag.head_first = HeadBeats == 1 || 32'(beat_q) % HeadBeats == 0;
    tag.head_last = HeadBeats == 1 || 32'(beat_q) % HeadBeats == HeadBeats - 1;
    tag.row_last = last_beat;
    tag.first = first_q;
    tag.last = empty || (left_q == RowBits'(1) && last_beat);
    tag.empty = empty;
    tag.shift = shift_q;
  end

  always_ff @(posedge clk_i) begin
    if (s_axis_cmd_tvalid && s_axis_cmd_tready) next_q <= s_axis_cmd_tdata;
    if (open_o) begin
      shift_q <= next_q.logit_shift[ShiftBits-1:0];
      query_q <= s_axis_query_tdata;
      left_q  <= next_q.rows[RowBits-1:0];
      beat_q  <= '0;
      first_q <= 1'b1;
    end else if (issue) begin
      beat_q <= last_beat ? '0 : beat_q + 1'b1;
      if (last_beat) begin
        left_q  <= left_q - 1'b1;
        first_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      next_valid_q <= 1'b0;
      active_q     <= 1'b0;
      valid_q      <= '0;
      word_valid_q <= 1'b0;
      close_q      <= 1'b0;
      write_row_o  <= '0;
    end else begin
      next_valid_q <= s_axis_cmd_tready ? s_axis_cmd_tvalid : !open_o;
      active_q     <= open_o || (active_q && !finish);
      valid_q      <= {valid_q[Tail-1:0], issue};
      word_valid_q <= valid_q[Tail];
      close_q      <= word_valid_q && word_tag_q.last;
      if (word_valid_q && word_tag_q.row_last) begin
        write_row_o <= word_tag_q.last ? '0 : write_row_o + 1'b1;
      end
    end
  end

  if (Beats == 1) begin : gen_whole_query
    assign query = query_q;
  end else begin : gen_query_part
    assign query = query_q[beat_q*(Lanes*StateBits)+:Lanes*StateBits];
  end

  logic [Groups*LogitBits-1:0] logits;
  for (genvar g = 0; g < Groups; g++) begin : gen_group
    logic signed [DotBits-1:0] dot;
    logic signed [TotalBits-1:0] total_q;
    logic signed [LogitBits-1:0] logit;
    rf_dot #(
        .Lanes(GroupLanes),
        .ABits(StateBits),
        .BBits(KeyBits)
    ) u_dot (
        .clk_i,
        .enable_i({valid_q[Stages-2:0], issue}),
        .a_i     (query[g*GroupLanes*StateBits+:GroupLanes*StateBits]),
        .b_i     (s_axis_key_tdata[g*GroupLanes*KeyBits+:GroupLanes*KeyBits]),
        .sum_o   (dot)
    );
    always_ff @(posedge clk_i) begin
      if (valid_q[Stages-1]) begin
        total_q <= (tag_q[Stages-1].head_first ? '0 : total_q) + TotalBits'(dot);
      end
    end
    rf_requant #(
        .InBits (TotalBits),
        .OutBits(LogitBits)
    ) u_requant (
        .data_i (total_q),
        .shift_i(tag_q[Stages].shift),
        .data_o (logit)
    );
    if (Slope == 256) begin : gen_logit
      assign logits[g*LogitBits+:LogitBits] = logit;
    end else begin : gen_slope
      logic signed [LogitBits-1:0] logit_q;
      always_ff @(posedge clk_i) begin
        if (valid_q[Stages]) logit_q <= logit;
      end
      rf_leaky #(
          .Bits (LogitBits),
          .Slope(Slope)
      ) u_leaky (
          .data_i(logit_q),
          .data_o(logits[g*LogitBits+:LogitBits])
      );
    end

    logic counts;
    assign counts = valid_q[Stages] && tag_q[Stages].head_last && !tag_q[Stages].empty;
    logit_saturates_high : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      counts && u_requant.rounded > u_requant.Max);
    logit_saturates_low : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      counts && u_requant.rounded < u_requant.Min);
    logit_tie_up : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      counts && u_requant.half && !u_requant.rest && u_requant.up);
    logit_tie_down : cover property (
      @(posedge clk_i) disable iff (!rst_ni)
      counts && u_requant.half && !u_requant.rest && !u_requant.up);
  end

  // The tags follow the beats; the heads of a row gather in a word, head 0 in the low bits.
  always_ff @(posedge clk_i) begin
    if (issue) tag_q[0] <= tag;
    for (int unsigned s = 1; s <= Tail; s++) begin
      if (valid_q[s-1]) tag_q[s] <= tag_q[s-1];
    end
    if (valid_q[Tail]) word_tag_q <= tag_q[Tail];
    if (valid_q[Tail] && tag_q[Tail].head_last) begin
      write_word_o <= WordBits'({logits, write_word_o} >> (Groups * LogitBits));
    end
  end

  assign write_o = word_valid_q && word_tag_q.row_last && !word_tag_q.empty;
  assign close_o = close_q;

  for (genvar h = 0; h < Heads; h++) begin : gen_max
    logic signed [LogitBits-1:0] logit, max_q;
    assign logit = write_word_o[h*LogitBits+:LogitBits];
    always_ff @(posedge clk_i) begin
      if (write_o && (word_tag_q.first || logit > max_q)) max_q <= logit;
    end
    assign max_o[h*LogitBits+:LogitBits] = max_q;
    max_rises : cover property (
      @(posedge clk_i) disable iff (!rst_ni) write_o && !word_tag_q.first && logit > max_q);
    max_stays : cover property (
      @(posedge clk_i) disable iff (!rst_ni) write_o && !word_tag_q.first && logit == max_q);
  end

  empty_request : cover property (@(posedge clk_i) disable iff (!rst_ni) issue && empty);
  key_waited_for : cover property (
    @(posedge clk_i) disable iff (!rst_ni) s_axis_key_tready && !s_axis_key_tvalid);
  bank_waited_for : cover property (
    @(posedge clk_i) disable iff (!rst_ni) next_valid_q && !active_q && !free_i);

  logic unused_bits;
  assign unused_bits = ^{s_axis_key_tdata, word_tag_q, next_q};

endmodule
