// SPDX-License-Identifier: Apache-2.0
// Sums the rows of a table lane by lane, each row times its weight: one beat a cycle, in the sum
// two cycles after it. Two banks: one fills while the other is read.
// Two neighbouring lanes share a weight and so a multiplier: the even one is multiplied as
// element + 2^(ElemBits-1), which is not negative and borrows nothing from the odd one; what that
// adds to its sum, 2^(ElemBits-1) times the weights' sum, is taken away when it is read.

module rf_sum_rows #(
    parameter int unsigned Lanes = 64,      // elements of a beat
    parameter int unsigned Beats = 1,       // of a row
    parameter int unsigned ElemBits = 8,    // of a signed element
    parameter int unsigned Groups = 1,      // neighbouring lanes that share a weight, in a beat
    parameter int unsigned WeightBits = 8,  // of an unsigned weight
    parameter int unsigned Heads = 1,       // neighbouring sums whose rows had the same weights
    parameter int unsigned TotalBits = 8,   // of the unsigned sum of a head's weights
    parameter int unsigned SumBits = 18,    // of a signed sum
    parameter int unsigned ReadLanes = 8,   // sums read at once
    localparam int unsigned BeatIdx = Beats > 1 ? $clog2(Beats) : 1,
    localparam int unsigned Chunks = Lanes * Beats / ReadLanes,
    localparam int unsigned ChunkIdx = Chunks > 1 ? $clog2(Chunks) : 1
) (
    input  logic                         clk_i,
    input  logic                         add_i,       // take this beat
    input  logic                         first_i,     // it belongs to the first row of a sum
    input  logic                         bank_i,      // bank to add to
    input  logic [BeatIdx-1:0]           beat_i,      // which beat of the row
    input  logic [Lanes*ElemBits-1:0]    data_i,
    input  logic [Groups*WeightBits-1:0] weight_i,
    input  logic                         read_i,      // read sums: they stand in read_o from the
    input  logic                         read_bank_i, // next cycle to the next read
    input  logic [ChunkIdx-1:0]          read_chunk_i,
    input  logic [Heads*TotalBits-1:0]   total_i,     // of the bank that is read
    output logic [ReadLanes*SumBits-1:0] read_o
);

  localparam int unsigned TermBits = ElemBits + WeightBits;  // of a product
  localparam int unsigned PerBeat = Lanes / ReadLanes;  // chunks of a beat
  localparam int unsigned LaneIdx = $clog2(Lanes);
  localparam int unsigned HeadDim = Lanes * Beats / Heads;

  if (Lanes % ReadLanes != 0 || Lanes % Groups != 0) begin : gen_bad_lanes
    $fatal(1, "rf_sum_rows: ReadLanes and Groups must divide Lanes");
  end
  if (Lanes / Groups % 2 != 0) begin : gen_bad_pairs
    $fatal(1, "rf_sum_rows: the lanes of a group must be even");
  end
  if (SumBits < TermBits) begin : gen_bad_sum
    $fatal(1, "rf_sum_rows: SumBits must hold at least one term");
  end

  logic add_q, first_q, bank_q;  // beside the products
  logic [BeatIdx-1:0] beat_q;
  logic signed [SumBits-1:0] even[Lanes], odd[Lanes];  // the banks, at the beat that is read

  always_ff @(posedge clk_i) begin
    add_q <= add_i;
    if (add_i) begin
      first_q <= first_i;
      bank_q  <= bank_i;
      beat_q  <= beat_i;
    end
  end

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [SumBits-1:0] term;

    if (l % 2 == 0) begin : gen_product
      // Above the even lane's product, which is not negative, stands the odd lane's.
      logic [WeightBits-1:0] weight;
      logic signed [TermBits+ElemBits-1:0] pair;
      logic [2*TermBits-1:0] products_q;
      assign weight = weight_i[(l*Groups/Lanes)*WeightBits+:WeightBits];
      assign pair = {data_i[(l+1)*ElemBits+:ElemBits], WeightBits'(0),
                     ~data_i[(l+1)*ElemBits-1], data_i[l*ElemBits+:ElemBits-1]};
      always_ff @(posedge clk_i) begin
        if (add_i) begin
          products_q <= (2 * TermBits)'(pair) * (2 * TermBits)'($signed({1'b0, weight}));
        end
      end
      assign term = SumBits'(products_q[TermBits-1:0]);
    end else begin : gen_beside
      assign term = SumBits'($signed(gen_lane[l-1].gen_product.products_q[2*TermBits-1:TermBits]));
    end

    if (Beats == 1) begin : gen_registers
      logic signed [SumBits-1:0] even_q, odd_q;
      // One adder for both banks, inside the condition so that a simulator skips it when idle.
      always_ff @(posedge clk_i) begin
        if (add_q) begin : p_add
          automatic logic signed [SumBits-1:0] total;
          // verilog_lint: waive always-ff-non-blocking (a local of the block, not a register)
          total = term + (first_q ? '0 : bank_q ? odd_q : even_q);
          if (bank_q) odd_q <= total;
          else even_q <= total;
        end
      end
      assign even[l] = even_q;
      assign odd[l] = odd_q;
    end else begin : gen_memory
      logic signed [SumBits-1:0] memory[2*Beats];
      logic [BeatIdx:0] write_at, read_at;
      assign write_at = {bank_q, beat_q};
      assign read_at = {read_bank_i, BeatIdx'(read_chunk_i / ChunkIdx'(PerBeat))};
      always_ff @(posedge clk_i) begin
        if (add_q) memory[write_at] <= term + (first_q ? '0 : memory[write_at]);
      end
      assign even[l] = memory[read_at];
      assign odd[l] = even[l];
    end
  end

  for (genvar j = 0; j < ReadLanes; j++) begin : gen_read
    logic [31:0] index;  // of the sum
    logic [TotalBits-1:0] total;
    logic signed [SumBits-1:0] sum, sum_q;
    logic [LaneIdx-1:0] lane;
    assign lane = LaneIdx'(32'(read_chunk_i) % PerBeat * ReadLanes + j);
    assign sum = read_bank_i ? odd[lane] : even[lane];
    assign index = 32'(read_chunk_i) * ReadLanes + j;
    assign total = index[0] ? '0 : total_i[index/HeadDim*TotalBits+:TotalBits];
    always_ff @(posedge clk_i) begin
      if (read_i) sum_q <= sum - (SumBits'(total) << (ElemBits - 1));
    end
    assign read_o[j*SumBits+:SumBits] = sum_q;
  end

  // No reset: the kernels add and read only after theirs.
  first_row_of_an_odd_bank : cover property (@(posedge clk_i) add_q && first_q && bank_q);
  first_row_of_an_even_bank : cover property (@(posedge clk_i) add_q && first_q && !bank_q);
  adds_to_an_odd_bank : cover property (@(posedge clk_i) add_q && !first_q && bank_q);
  adds_to_an_even_bank : cover property (@(posedge clk_i) add_q && !first_q && !bank_q);
  adds_beside_a_read : cover property (@(posedge clk_i) add_q && read_i && bank_q != read_bank_i);

  if (Beats == 1) begin : gen_one_beat
    logic unused_beat;
    assign unused_beat = ^beat_q;
  end
  if (Chunks == 1) begin : gen_one_chunk
    logic unused_chunk;
    assign unused_chunk = ^read_chunk_i;
  end

endmodule
