// SPDX-License-Identifier: Apache-2.0
// rf_scatter answers every request with the sums of its own edges, row by row, whatever came before
// and however the requests overlap: norm 1 and shift 0 let the terms be the sums. One row, any of
// them, is followed through the requests of either array.

module rf_scatter_properties #(
    parameter int unsigned Items = 4,
    parameter int unsigned Banks = 2,
    parameter int unsigned MaxRows = 2  // both edges of the one row may lead to one item
) (
    input logic        clk_i,
    input logic        rst_ni,
    input logic [2:0]  items_i,
    input logic        rows_i,
    input logic        cmd_valid_i,
    input logic [15:0] weights_i,
    input logic [3:0]  targets_i,
    input logic        edge_valid_i,
    input logic        term_ready_i,
    input logic [1:0]  mark_i
);

  localparam int unsigned TermBits = rf_pkg::EdgeTermBits;

  rf_pkg::scatter_cmd_t cmd;
  rf_pkg::edge_t [1:0] beat;
  logic cmd_ready, edge_ready, term_valid, take_cmd, take_beat, pop;
  logic signed [TermBits-1:0] term;

  assign cmd = '{items: 32'(items_i), rows: 16'(rows_i), shift: '0, norm: 16'd1};
  assign beat[0] = '{weight: weights_i[7:0], target: 24'(targets_i[1:0])};
  assign beat[1] = '{weight: weights_i[15:8], target: 24'(targets_i[3:2])};

  rf_scatter #(
      .Items   (Items),
      .Edges   (2),
      .BeatBits(64),
      .Lanes   (1),
      .Banks   (Banks),
      .MaxRows (MaxRows)
  ) u_dut (
      .clk_i,
      .rst_ni,
      .s_axis_cmd_tdata  (cmd),
      .s_axis_cmd_tvalid (cmd_valid_i),
      .s_axis_cmd_tready (cmd_ready),
      .s_axis_edge_tdata (beat),
      .s_axis_edge_tvalid(edge_valid_i),
      .s_axis_edge_tready(edge_ready),
      .m_axis_term_tdata (term),
      .m_axis_term_tvalid(term_valid),
      .m_axis_term_tready(term_ready_i)
  );

  assign take_cmd = cmd_valid_i && cmd_ready;
  assign take_beat = edge_valid_i && edge_ready;
  assign pop = term_valid && term_ready_i;

  // The model: the marked row's sums of the requests in flight, the oldest one first.
  logic live_q = 1'b0;
  logic [1:0] mark_q;
  logic [1:0] flight_q;  // requests taken and not wholly answered
  logic [2:0] row_q;     // of the oldest one, to be given next
  logic [2:0][2:0] items_q;
  logic signed [2:0][TermBits-1:0] sum_q;
  logic signed [TermBits-1:0] added, wanted;
  logic last;
  logic [1:0] newest, place;

  assign last   = pop && row_q + 3'd1 == items_q[0];
  assign newest = flight_q - 2'd1;
  assign place  = flight_q - 2'(last);
  assign wanted = sum_q[0];

  always_comb begin
    added = '0;
    for (int unsigned e = 0; e < 2; e++) begin
      if (beat[e].target == 24'(mark_q) && 3'(mark_q) < items_q[newest]) begin
        added = added + TermBits'($signed(beat[e].weight));
      end
    end
  end

  always_ff @(posedge clk_i) begin
    live_q   <= live_q || !rst_ni;
    flight_q <= flight_q + 2'(take_cmd) - 2'(last);
    if (pop) row_q <= last ? '0 : row_q + 1'b1;
    if (last) begin
      for (int unsigned i = 0; i < 2; i++) begin
        items_q[i] <= items_q[i+1];
        sum_q[i]   <= sum_q[i+1];
      end
    end
    if (take_beat) sum_q[newest-2'(last)] <= sum_q[newest] + added;
    if (take_cmd) begin
      items_q[place] <= items_i;
      sum_q[place]   <= '0;
    end
    if (!rst_ni) begin
      flight_q <= '0;
      row_q <= '0;
      mark_q <= mark_i;
    end
  end

  always_comb begin
    starts_in_reset : assume (live_q || !rst_ni);
    items_in_range : assume (items_i >= 3'd1 && items_i <= 3'd4);
    if (live_q) begin
      answers_its_requests : assert (!term_valid || flight_q != '0);
      two_in_flight : assert (flight_q <= 2'd2);
      edges_of_a_request : assert (!edge_ready || flight_q != '0);
      if (term_valid && row_q == 3'(mark_q)) begin
        terms_are_the_sums : assert (term == wanted);
      end
    end
  end

endmodule
