// SPDX-License-Identifier: Apache-2.0
// Issues the reads of the front end: the history, then its message, key, value and edge rows, one
// read command a cycle; or the weights of the fuse layer. The next request follows when the last
// row of the one before is asked for.

module rf_row_reads #(
    parameter int unsigned BeatBits = 512,
    parameter int unsigned Dim = 64,
    parameter int unsigned MessageBits = 8,
    parameter int unsigned KeyBits = 8,
    parameter int unsigned ValueBits = 8,
    parameter int unsigned MaxRows = 1024,    // of a history
    parameter int unsigned Edges = 0,         // slots of a row of edges; 0: none are read
    parameter int unsigned WeightBeats = 132  // of the fuse layer's memory image
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  rf_pkg::hotpath_args_t args_i,  // held while anything runs
    input  logic                  load_i,  // a pulse: read the weights; only while nothing runs
    input  rf_pkg::front_job_t    s_axis_job_tdata,
    input  logic                  s_axis_job_tvalid,
    output logic                  s_axis_job_tready,
    output logic [15:0]           rows_o,  // of the request in hand
    input  logic [31:0]           s_axis_id_tdata,
    input  logic [1:0]            s_axis_id_tuser,
    input  logic                  s_axis_id_tvalid,
    output logic                  s_axis_id_tready,
    input  logic                  history_idle_i,
    output rf_pkg::read_cmd_t     m_axis_cmd_tdata,
    output logic                  m_axis_cmd_tvalid,
    input  logic                  m_axis_cmd_tready,
    output logic                  issued_o,   // a pulse: all rows of the request are asked for
    output logic                  bad_row_o,  // there is a row beyond the catalogue, of
    output rf_pkg::tag_t          tag_o       // the request of this tag
);

  import rf_pkg::*;

  localparam int unsigned BeatLog2 = $clog2(BeatBits / 8);
  localparam int unsigned IdsLog2 = BeatLog2 - 2;  // item rows of a beat, log2

  localparam int unsigned RowBits = $clog2(MaxRows + 1);  // of a history's length
  localparam int unsigned SumBits = $clog2(MaxRows + (1 << IdsLog2));

  // Beats of a row of each table, log2.
  localparam int unsigned MessageLog2 = row_log2(Dim * MessageBits);
  localparam int unsigned KeyLog2 = row_log2(Dim * KeyBits);
  localparam int unsigned ValueLog2 = row_log2(Dim * ValueBits);
  localparam int unsigned EdgeLog2 = row_log2(Edges * $bits(edge_t));

  function automatic int unsigned row_log2(int unsigned bits);
    return bits > BeatBits ? $clog2(bits / BeatBits) : 0;
  endfunction

  typedef enum logic [1:0] {
    Idle,
    Weights,
    History,
    Rows
  } state_e;

  state_e state_q, state_d;
  tag_t tag_q;
  logic [63:BeatLog2] history_q;  // where the list lies, in beats
  logic [RowBits-1:0] rows_q;
  logic [SumBits-1:0] list_beats;
  logic id_bad;
  logic [63:BeatLog2] row, place;  // the row; where to read, in beats
  logic [31:0] beats;
  dest_e dest;

  assign id_bad = s_axis_id_tdata >= args_i.n_rows;
  assign row = id_bad ? '0 : $bits(row)'(s_axis_id_tdata);
  assign list_beats = (SumBits'(rows_q) + SumBits'((1 << IdsLog2) - 1)) >> IdsLog2;
  assign rows_o = 16'(rows_q);
  assign tag_o = tag_q;
  assign s_axis_job_tready = state_q == Idle;
  assign s_axis_id_tready = m_axis_cmd_tready;  // ids come in Rows alone
  assign bad_row_o = s_axis_id_tvalid && id_bad;
  assign issued_o = state_q == Rows && history_idle_i;

  assign m_axis_cmd_tdata = '{
      tag: tag_q, addr: {place, BeatLog2'(0)}, beats: beats, dest: dest
  };

  always_comb begin
    state_d = state_q;
    m_axis_cmd_tvalid = 1'b0;
    place = args_i.weight[63:BeatLog2];
    beats = 32'(WeightBeats);
    dest = DestWeight;
    unique case (state_q)
      Idle: begin
        if (load_i) state_d = Weights;
        else if (s_axis_job_tvalid) state_d = History;
      end
      Weights: begin
        m_axis_cmd_tvalid = 1'b1;
        if (m_axis_cmd_tready) state_d = Idle;
      end
      History: begin
        place = history_q;
        beats = 32'(list_beats);
        dest = DestHistory;
        m_axis_cmd_tvalid = 1'b1;  // an empty list is no beats
        if (m_axis_cmd_tready) state_d = Rows;
      end
      default: begin
        m_axis_cmd_tvalid = s_axis_id_tvalid;
        unique case (s_axis_id_tuser)
          2'd0: begin
            place = args_i.message[63:BeatLog2] + (row << MessageLog2);
            beats = 32'd1 << MessageLog2;
            dest = DestMessage;
          end
          2'd1: begin
            place = args_i.key[63:BeatLog2] + (row << KeyLog2);
            beats = 32'd1 << KeyLog2;
            dest = DestKey;
          end
          default: begin
            place = args_i.value[63:BeatLog2] + (row << ValueLog2);
            beats = 32'd1 << ValueLog2;
            dest = DestValue;
          end
        endcase
        if (Edges != 0 && s_axis_id_tuser == 2'd3) begin
          place = args_i.edges[63:BeatLog2] + (row << EdgeLog2);
          beats = 32'd1 << EdgeLog2;
          dest = DestEdge;
        end
        if (history_idle_i) state_d = Idle;
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= Idle;
    else state_q <= state_d;
  end

  always_ff @(posedge clk_i) begin
    if (s_axis_job_tvalid && s_axis_job_tready) begin
      tag_q <= s_axis_job_tdata.tag;
      history_q <= s_axis_job_tdata.history[63:BeatLog2];
      rows_q <= RowBits'(s_axis_job_tdata.rows);
    end
  end

  logic unused_bits;
  assign unused_bits = ^{args_i, s_axis_job_tdata};

  loads_while_nothing_runs : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    load_i |-> state_q == Idle && !s_axis_job_tvalid);
  ids_come_with_their_rows : assert property (
    @(posedge clk_i) disable iff (!rst_ni)
    s_axis_id_tvalid |-> state_q == Rows);

endmodule
