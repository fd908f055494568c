// SPDX-License-Identifier: Apache-2.0
// The weights and biases of rf_dense: loaded as a stream of beats, one a cycle, read by word and
// by fold, one of each a cycle, latency one cycle (registered memory reads).

module rf_dense_weights #(
    parameter int unsigned Words = 32,      // weight words, in the order in which they are read
    parameter int unsigned WordBits = 2048, // of a weight word
    parameter int unsigned Folds = 4,       // groups of Pe rows
    parameter int unsigned Pe = 16,         // biases read at once, a power of two
    parameter int unsigned BeatBits = 512,  // of the load, a power of two, at least 32
    localparam int unsigned WordAddrBits = Words > 1 ? $clog2(Words) : 1,
    localparam int unsigned FoldBits = Folds > 1 ? $clog2(Folds) : 1
) (
    input  logic                    clk_i,
    input  logic                    rst_ni,
    input  logic [BeatBits-1:0]     s_axis_weight_tdata,
    input  logic                    s_axis_weight_tvalid,
    output logic                    s_axis_weight_tready,
    input  logic                    word_read_i,
    input  logic [WordAddrBits-1:0] word_addr_i,
    output logic [WordBits-1:0]     word_o,
    input  logic                    bias_read_i,
    input  logic [FoldBits-1:0]     bias_fold_i,
    output logic [Pe*32-1:0]        bias_o
);

  if (Pe != 2 ** $clog2(Pe)) begin : gen_bad_pe
    $fatal(1, "rf_dense_weights: Pe must be a power of two");
  end
  if (BeatBits < 32 || BeatBits != 2 ** $clog2(BeatBits)) begin : gen_bad_beat
    $fatal(1, "rf_dense_weights: BeatBits must be a power of two, at least 32");
  end

  // A memory bank is as wide as a beat; a word lies in the same row of one bank or several.
  localparam int unsigned Banks = (WordBits + BeatBits - 1) / BeatBits;
  localparam int unsigned BankBits = Banks > 1 ? $clog2(Banks) : 1;
  // Likewise the biases: of Pe at once, several banks, or one bank that holds several folds a row.
  localparam int unsigned PerBeat = BeatBits / 32;
  localparam int unsigned BiasBanks = Pe > PerBeat ? Pe / PerBeat : 1;
  localparam int unsigned FoldsPerRow = Pe > PerBeat ? 1 : PerBeat / Pe;
  localparam int unsigned BiasRows = (Folds + FoldsPerRow - 1) / FoldsPerRow;
  localparam int unsigned BiasBankBits = BiasBanks > 1 ? $clog2(BiasBanks) : 1;
  localparam int unsigned BiasRowBits = BiasRows > 1 ? $clog2(BiasRows) : 1;

  // The load: all words, bank after bank, then all biases; then from the start.
  logic biases_q;
  logic [WordAddrBits-1:0] word_q;
  logic [BankBits-1:0] bank_q;
  logic [BiasRowBits-1:0] row_q;
  logic [BiasBankBits-1:0] bias_bank_q;
  logic load_word, load_bias, last_bank, last_word, last_bias_bank, last_row;

  assign s_axis_weight_tready = 1'b1;
  assign load_word = s_axis_weight_tvalid && !biases_q;
  assign load_bias = s_axis_weight_tvalid && biases_q;
  assign last_bank = bank_q == BankBits'(Banks - 1);
  assign last_word = last_bank && word_q == WordAddrBits'(Words - 1);
  assign last_bias_bank = bias_bank_q == BiasBankBits'(BiasBanks - 1);
  assign last_row = last_bias_bank && row_q == BiasRowBits'(BiasRows - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {biases_q, word_q, bank_q, row_q, bias_bank_q} <= '0;
    end else begin
      if (load_word) begin
        bank_q   <= last_bank ? '0 : bank_q + 1'b1;
        if (last_bank) word_q <= last_word ? '0 : word_q + 1'b1;
        biases_q <= last_word;
      end
      if (load_bias) begin
        bias_bank_q <= last_bias_bank ? '0 : bias_bank_q + 1'b1;
        if (last_bias_bank) row_q <= last_row ? '0 : row_q + 1'b1;
        biases_q <= !last_row;
      end
    end
  end

  for (genvar b = 0; b < Banks; b++) begin : gen_bank
    localparam int unsigned Rest = WordBits - b * BeatBits;
    localparam int unsigned Bits = Rest < BeatBits ? Rest : BeatBits;
    logic [Bits-1:0] memory[Words];
    logic [Bits-1:0] data_q;
    always_ff @(posedge clk_i) begin
      if (load_word && bank_q == BankBits'(b)) memory[word_q] <= s_axis_weight_tdata[Bits-1:0];
      if (word_read_i) data_q <= memory[word_addr_i];
    end
    assign word_o[b*BeatBits+:Bits] = data_q;
  end

  if (FoldsPerRow == 1) begin : gen_bias_banks
    for (genvar b = 0; b < BiasBanks; b++) begin : gen_bank
      logic [BeatBits-1:0] memory[BiasRows];
      logic [BeatBits-1:0] data_q;
      always_ff @(posedge clk_i) begin
        if (load_bias && bias_bank_q == BiasBankBits'(b)) memory[row_q] <= s_axis_weight_tdata;
        if (bias_read_i) data_q <= memory[bias_fold_i];
      end
      assign bias_o[b*BeatBits+:BeatBits] = data_q;
    end
  end else begin : gen_bias_rows
    // Each fold of a row has a memory of its own, so that only the narrow choice follows the read.
    localparam int unsigned SlotBits = $clog2(FoldsPerRow);
    logic [FoldsPerRow*Pe*32-1:0] slots;
    logic [SlotBits-1:0] slot_q;
    logic [BiasRowBits-1:0] read_row;
    assign read_row = BiasRowBits'(bias_fold_i >> SlotBits);
    for (genvar f = 0; f < FoldsPerRow; f++) begin : gen_slot
      logic [Pe*32-1:0] memory[BiasRows];
      logic [Pe*32-1:0] data_q;
      always_ff @(posedge clk_i) begin
        if (load_bias) memory[row_q] <= s_axis_weight_tdata[f*Pe*32+:Pe*32];
        if (bias_read_i) data_q <= memory[read_row];
      end
      assign slots[f*Pe*32+:Pe*32] = data_q;
    end
    always_ff @(posedge clk_i) begin
      if (bias_read_i) slot_q <= SlotBits'(bias_fold_i);
    end
    assign bias_o = slots[slot_q*Pe*32+:Pe*32];
  end

endmodule
