// SPDX-License-Identifier: Apache-2.0
// Takes a vector of Steps beats and issues it Folds times, one beat a step; holds two vectors, so
// that the next one arrives meanwhile. A beat can be issued one cycle after it was taken; vec_o
// shows it one step after issue_o.

module rf_dense_replay #(
    parameter int unsigned Width = 128,  // of a beat in bits
    parameter int unsigned Steps = 8,    // beats of a vector
    parameter int unsigned Folds = 4,    // times that a vector is issued
    localparam int unsigned AddrBits = Folds * Steps > 1 ? $clog2(Folds * Steps) : 1
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    input  logic [Width-1:0]    s_axis_tdata,
    input  logic                s_axis_tvalid,
    output logic                s_axis_tready,
    input  logic                step_i,   // the pipeline moves
    output logic                issue_o,  // a beat enters the pipeline with this step
    output logic                first_o,  // it is the first one of its fold
    output logic                last_o,   // it is the last one of its fold
    output logic [AddrBits-1:0] addr_o,   // fold * Steps + beat
    output logic [Width-1:0]    vec_o
);

  if (Width < 1 || Steps < 1 || Folds < 1) begin : gen_bad_size
    $fatal(1, "rf_dense_replay: Width, Steps and Folds must be at least 1");
  end

  localparam int unsigned StepBits = Steps > 1 ? $clog2(Steps) : 1;
  localparam int unsigned LevelBits = $clog2(2 * Steps + 1);

  logic [Width-1:0] memory[2**(StepBits+1)];
  logic [StepBits-1:0] take_q, beat_q;  // beat to be taken, beat to be issued
  logic take_half_q, issue_half_q;      // the half of the memory that holds its vector
  logic [LevelBits-1:0] level_q;        // beats held, those of the issued vector until its end
  logic [AddrBits-1:0] addr_q;
  logic take, issue, release_vector;

  assign s_axis_tready = level_q != LevelBits'(2 * Steps);
  assign take = s_axis_tvalid && s_axis_tready;

  assign issue_o = level_q > LevelBits'(beat_q);
  assign first_o = beat_q == '0;
  assign last_o = beat_q == StepBits'(Steps - 1);
  assign addr_o = addr_q;
  assign issue = step_i && issue_o;
  assign release_vector = issue && addr_q == AddrBits'(Folds * Steps - 1);

  always_ff @(posedge clk_i) begin
    if (take) memory[{take_half_q, take_q}] <= s_axis_tdata;
    if (issue) vec_o <= memory[{issue_half_q, beat_q}];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {take_q, take_half_q, beat_q, issue_half_q, addr_q, level_q} <= '0;
    end else begin
      if (take) begin
        take_q <= take_q == StepBits'(Steps - 1) ? '0 : take_q + 1'b1;
        take_half_q <= take_half_q ^ (take_q == StepBits'(Steps - 1));
      end
      if (issue) begin
        beat_q <= last_o ? '0 : beat_q + 1'b1;
        addr_q <= release_vector ? '0 : addr_q + 1'b1;
        issue_half_q <= issue_half_q ^ release_vector;
      end
      level_q <= level_q + LevelBits'(take) - (release_vector ? LevelBits'(Steps) : '0);
    end
  end

endmodule
