// SPDX-License-Identifier: Apache-2.0
// Multi-head attention of one query over a history with the integer softmax: a key and a value
// beat a cycle, a request every rows * Beats + 5 cycles, latency the keys' beats, the values' and
// Dim / RequantLanes + Stages + 35 cycles (Stages = 1 + ceil(log4(a head's lanes in a beat))), one
// more with a slope.

module rf_attention #(
    parameter int unsigned Dim = 64,          // elements of a row, a power of two, 16 to 256
    parameter int unsigned Heads = 2,         // head h owns elements h * Dim / Heads on: 1, 2, 4
    parameter int unsigned KeyBits = 8,       // of a key's element: 4 or 8
    parameter int unsigned ValueBits = 8,     // of a value's element: 4 or 8
    parameter int unsigned BeatBits = 512,    // of a beat: 64, 128, 256 or 512
    parameter int unsigned MaxRows = 1024,    // of a request, 1 to 1024
    parameter int unsigned RequantLanes = 8,  // requantised a cycle, a power of two, 1 to a beat's
    parameter int unsigned Slope = 256,       // of negative logits in 1/256 (LeakyReLU), 0 to 256
    localparam int unsigned VecBits = Dim * rf_pkg::StateBits
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  rf_pkg::attention_cmd_t s_axis_cmd_tdata,
    input  logic                s_axis_cmd_tvalid,
    output logic                s_axis_cmd_tready,
    input  logic [VecBits-1:0]  s_axis_query_tdata,   // one for every request, also an empty one
    input  logic                s_axis_query_tvalid,
    output logic                s_axis_query_tready,
    input  logic [BeatBits-1:0] s_axis_key_tdata,
    input  logic                s_axis_key_tvalid,
    output logic                s_axis_key_tready,
    input  logic [BeatBits-1:0] s_axis_value_tdata,
    input  logic                s_axis_value_tvalid,
    output logic                s_axis_value_tready,
    output logic [VecBits-1:0]  m_axis_vec_tdata,
    output logic                m_axis_vec_tvalid,
    input  logic                m_axis_vec_tready
);

  import rf_pkg::*;

  localparam int unsigned WordBits = Heads * LogitBits;  // the logits of a row
  localparam int unsigned RowBits = $clog2(MaxRows + 1);
  localparam int unsigned RowIdx = MaxRows > 1 ? $clog2(MaxRows) : 1;
  localparam int unsigned ValueLanes =
      Dim * ValueBits < BeatBits ? Dim : BeatBits / ValueBits;

  if (Dim < 16 || Dim > 256 || Dim != 2 ** $clog2(Dim)) begin : gen_bad_dim
    $fatal(1, "rf_attention: Dim must be a power of two, 16 to 256");
  end
  if (Heads != 1 && Heads != 2 && Heads != 4) begin : gen_bad_heads
    $fatal(1, "rf_attention: Heads must be 1, 2 or 4");
  end
  if (KeyBits != 4 && KeyBits != 8) begin : gen_bad_key
    $fatal(1, "rf_attention: KeyBits must be 4 or 8");
  end
  if (ValueBits != 4 && ValueBits != 8) begin : gen_bad_value
    $fatal(1, "rf_attention: ValueBits must be 4 or 8");
  end
  if (BeatBits < 64 || BeatBits > 512 || BeatBits != 2 ** $clog2(BeatBits)) begin : gen_bad_beat
    $fatal(1, "rf_attention: BeatBits must be 64, 128, 256 or 512");
  end
  if (MaxRows < 1 || MaxRows > 1024) begin : gen_bad_rows
    $fatal(1, "rf_attention: MaxRows must be 1 to 1024");
  end
  if (RequantLanes < 1 || RequantLanes > ValueLanes || RequantLanes != 2 ** $clog2(RequantLanes))
  begin : gen_bad_requant
    $fatal(1, "rf_attention: RequantLanes must be a power of two, 1 to a value beat's elements");
  end

  if (Slope > 256) begin : gen_bad_slope
    $fatal(1, "rf_attention: Slope must be 0 to 256");
  end

  // A request's place in the two banks: from its query to its last weight.
  typedef struct packed {
    logic [RowBits-1:0]   rows;
    logic [ShiftBits-1:0] out_shift;
  } info_t;

  attention_cmd_t open_cmd;
  info_t [1:0] info_q;
  logic [1:0][WordBits-1:0] max_q;
  logic [1:0] taken_q, ready_q;  // banks that hold a request; with all its logits
  logic open_bank_q, write_bank_q, read_bank_q;
  logic open, write, close, read, done;
  logic [RowIdx-1:0] write_row, read_row;
  logic [WordBits-1:0] write_word, read_word_q, max;

  logic [WordBits-1:0] memory[2 << RowIdx];

  always_ff @(posedge clk_i) begin
    if (write) memory[{write_bank_q, write_row}] <= write_word;
    if (read) read_word_q <= memory[{read_bank_q, read_row}];
  end

  always_ff @(posedge clk_i) begin
    if (open) begin
      info_q[open_bank_q] <= '{
          rows: open_cmd.rows[RowBits-1:0],
          out_shift: open_cmd.out_shift[ShiftBits-1:0]
      };
    end
    if (close) max_q[write_bank_q] <= max;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      taken_q      <= '0;
      ready_q      <= '0;
      open_bank_q  <= 1'b0;
      write_bank_q <= 1'b0;
      read_bank_q  <= 1'b0;
    end else begin
      if (open) begin
        taken_q[open_bank_q] <= 1'b1;
        open_bank_q <= !open_bank_q;
      end
      if (close) begin
        ready_q[write_bank_q] <= 1'b1;
        write_bank_q <= !write_bank_q;
      end
      if (done) begin
        taken_q[read_bank_q] <= 1'b0;
        ready_q[read_bank_q] <= 1'b0;
        read_bank_q <= !read_bank_q;
      end
    end
  end

  rf_attention_keys #(
      .Dim     (Dim),
      .Heads   (Heads),
      .KeyBits (KeyBits),
      .BeatBits(BeatBits),
      .MaxRows (MaxRows),
      .Slope   (Slope)
  ) u_keys (
      .clk_i,
      .rst_ni,
      .s_axis_cmd_tdata,
      .s_axis_cmd_tvalid,
      .s_axis_cmd_tready,
      .s_axis_query_tdata,
      .s_axis_query_tvalid,
      .s_axis_query_tready,
      .s_axis_key_tdata,
      .s_axis_key_tvalid,
      .s_axis_key_tready,
      .free_i      (!taken_q[open_bank_q]),
      .open_o      (open),
      .open_cmd_o  (open_cmd),
      .write_o     (write),
      .write_row_o (write_row),
      .write_word_o(write_word),
      .close_o     (close),
      .max_o       (max)
  );

  rf_attention_values #(
      .Dim         (Dim),
      .Heads       (Heads),
      .ValueBits   (ValueBits),
      .BeatBits    (BeatBits),
      .MaxRows     (MaxRows),
      .RequantLanes(RequantLanes)
  ) u_values (
      .clk_i,
      .rst_ni,
      .open_i     (ready_q[read_bank_q]),
      .rows_i     (info_q[read_bank_q].rows),
      .max_i      (max_q[read_bank_q]),
      .out_shift_i(info_q[read_bank_q].out_shift),
      .close_o    (done),
      .read_o     (read),
      .read_row_o (read_row),
      .read_word_i(read_word_q),
      .s_axis_value_tdata,
      .s_axis_value_tvalid,
      .s_axis_value_tready,
      .m_axis_vec_tdata,
      .m_axis_vec_tvalid,
      .m_axis_vec_tready
  );


  logic unused_bits;
  assign unused_bits = ^open_cmd;

  rows_within_limit : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    s_axis_cmd_tvalid |-> 32'(s_axis_cmd_tdata.rows) <= MaxRows);

endmodule
