// SPDX-License-Identifier: Apache-2.0
// Issues a request's reads in the order the kernels need them: the history, its message, key and
// value rows, then the scan (a beat of biases before the items they belong to). The seen list is
// read between the rows, a beat after as many rows as it holds entries, so that its entries are
// taken one a cycle without holding up what comes behind. One read command a cycle.

module rf_sequencer #(
    parameter int unsigned BeatBits = 512,
    parameter int unsigned Dim = 64,
    parameter int unsigned MessageBits = 8,
    parameter int unsigned KeyBits = 8,
    parameter int unsigned ValueBits = 8,
    parameter int unsigned ItemBits = 8,
    parameter int unsigned WeightBeats = 132  // of the fuse layer's memory image
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  logic                  start_i,    // a pulse: opens a request
    input  logic                  load_i,     // with start_i: read the weights and nothing else
    input  rf_pkg::hotpath_args_t args_i,     // held during the request
    input  logic [31:0]           s_axis_id_tdata,
    input  logic [1:0]            s_axis_id_tuser,
    input  logic                  s_axis_id_tvalid,
    output logic                  s_axis_id_tready,
    input  logic                  history_idle_i,
    output rf_pkg::read_cmd_t     m_axis_cmd_tdata,
    output logic                  m_axis_cmd_tvalid,
    input  logic                  m_axis_cmd_tready,
    output logic                  bad_row_o   // a pulse: a history row beyond the catalogue
);

  import rf_pkg::*;

  localparam int unsigned BeatLog2 = $clog2(BeatBits / 8);
  localparam int unsigned IdsLog2 = BeatLog2 - 2;   // item rows of a beat, log2
  localparam int unsigned BiasLog2 = BeatLog2 - 1;  // biases of a beat, log2
  localparam int unsigned ItemRowBits = Dim * ItemBits;
  // Beats of the items that one beat of biases covers, and log2 of items a beat and beats an item.
  localparam int unsigned PerBeatLog2 = ItemRowBits < BeatBits ? $clog2(BeatBits / ItemRowBits) : 0;
  localparam int unsigned PerItemLog2 = ItemRowBits > BeatBits ? $clog2(ItemRowBits / BeatBits) : 0;

  function automatic int unsigned row_log2(int unsigned bits);  // bytes of a gathered row, log2
    return Dim * bits > BeatBits ? $clog2(Dim * bits / 8) : BeatLog2;
  endfunction

  typedef enum logic [2:0] {
    Idle,
    Weights,
    History,
    Rows,
    Seen,
    Term,
    Item
  } state_e;

  state_e state_q, state_d;
  logic [31:0] left_q;   // items not yet asked for
  logic [63:0] bias_q, item_q, seen_q;
  logic [31:0] seen_left_q;   // beats of the seen list not yet asked for
  logic [IdsLog2:0] since_q;  // rows asked for since the last of them
  logic [31:0] chunk, chunk_beats;
  logic given, last_chunk, id_bad, seen_turn;
  logic [63:0] row;

  assign given = m_axis_cmd_tvalid && m_axis_cmd_tready;
  assign last_chunk = left_q <= 32'(1 << BiasLog2);
  assign chunk = last_chunk ? left_q : 32'(1 << BiasLog2);
  assign chunk_beats = ((chunk + 32'((1 << PerBeatLog2) - 1)) >> PerBeatLog2) << PerItemLog2;
  assign id_bad = s_axis_id_tdata >= args_i.n_items;
  assign row = id_bad ? 64'd0 : 64'(s_axis_id_tdata);
  assign seen_turn = seen_left_q != '0 && since_q == (IdsLog2 + 1)'(1 << IdsLog2);
  assign s_axis_id_tready = state_q == Rows && m_axis_cmd_tready && !seen_turn;
  assign bad_row_o = s_axis_id_tvalid && s_axis_id_tready && id_bad;

  function automatic logic [31:0] list_beats(logic [31:0] rows);
    return (rows + 32'((1 << IdsLog2) - 1)) >> IdsLog2;
  endfunction

  always_comb begin
    state_d = state_q;
    m_axis_cmd_tvalid = 1'b0;
    m_axis_cmd_tdata = '{addr: args_i.weight, beats: 32'(WeightBeats), dest: DestWeight};
    unique case (state_q)
      Idle: if (start_i) state_d = load_i ? Weights : History;
      Weights: begin
        m_axis_cmd_tvalid = 1'b1;
        if (m_axis_cmd_tready) state_d = Idle;
      end
      History: begin
        m_axis_cmd_tdata = '{args_i.history, list_beats(args_i.n_history), DestHistory};
        m_axis_cmd_tvalid = args_i.n_history != '0;
        if (m_axis_cmd_tready || !m_axis_cmd_tvalid) state_d = Rows;
      end
      Rows: begin
        m_axis_cmd_tvalid = s_axis_id_tvalid || seen_turn;
        if (seen_turn) begin
          m_axis_cmd_tdata = '{seen_q, 32'd1, DestSeen};
        end else begin
          unique case (s_axis_id_tuser)
            2'd0: m_axis_cmd_tdata = row_cmd(args_i.message, row_log2(MessageBits), DestMessage);
            2'd1: m_axis_cmd_tdata = row_cmd(args_i.key, row_log2(KeyBits), DestKey);
            default: m_axis_cmd_tdata = row_cmd(args_i.value, row_log2(ValueBits), DestValue);
          endcase
        end
        if (history_idle_i && !seen_turn) state_d = Seen;
      end
      Seen: begin
        m_axis_cmd_tdata = '{seen_q, seen_left_q, DestSeen};
        m_axis_cmd_tvalid = seen_left_q != '0;
        if (m_axis_cmd_tready || !m_axis_cmd_tvalid) state_d = Term;
      end
      Term: begin
        m_axis_cmd_tdata = '{bias_q, 32'd1, DestTerm};
        m_axis_cmd_tvalid = 1'b1;
        if (m_axis_cmd_tready) state_d = Item;
      end
      Item: begin
        m_axis_cmd_tdata = '{item_q, chunk_beats, DestItem};
        m_axis_cmd_tvalid = 1'b1;
        if (m_axis_cmd_tready) state_d = last_chunk ? Idle : Term;
      end
      default: state_d = Idle;
    endcase
  end

  function automatic read_cmd_t row_cmd(logic [63:0] base, int unsigned size, dest_e dest);
    return '{addr: base + (row << size), beats: 32'd1 << (size - BeatLog2), dest: dest};
  endfunction

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= Idle;
    else state_q <= state_d;
  end

  always_ff @(posedge clk_i) begin
    if (state_q == Idle) begin
      left_q <= args_i.n_items;
      bias_q <= args_i.bias;
      item_q <= args_i.item;
      seen_q <= args_i.seen;
      seen_left_q <= list_beats(args_i.n_seen);
      since_q <= '0;
    end else if (state_q == Rows && given && seen_turn) begin
      seen_q <= seen_q + 64'(BeatBits / 8);
      seen_left_q <= seen_left_q - 32'd1;
      since_q <= '0;
    end else if (state_q == Rows && given) begin
      if (since_q != (IdsLog2 + 1)'(1 << IdsLog2)) since_q <= since_q + 1'b1;
    end else if (state_q == Item && given) begin
      left_q <= left_q - chunk;
      bias_q <= bias_q + 64'(BeatBits / 8);
      item_q <= item_q + (64'(chunk_beats) << BeatLog2);
    end
  end

  logic unused_args;
  assign unused_args = ^{args_i.result, args_i.k, args_i.norm, args_i.mode, args_i.gather_shift,
                         args_i.logit_shift, args_i.attention_shift, args_i.fuse_shift,
                         args_i.term_shift};

endmodule
