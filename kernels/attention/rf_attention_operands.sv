// SPDX-License-Identifier: Apache-2.0
// The keys and values of two heads, and the array's operand from them: Pe keys (Depth elements of
// each) or Pe columns of the values (Depth rows of each) a cycle, latency one cycle.
// One head loads, a beat of keys and of values a cycle, while another is read.

module rf_attention_operands #(
    parameter int unsigned Dim = 64,
    parameter int unsigned MaxRows = 64,
    parameter int unsigned Pe = 16,
    parameter int unsigned Depth = 64,
    localparam int unsigned BeatBits = Depth * rf_pkg::StateBits,
    localparam int unsigned RowBits = $clog2(MaxRows + 1),
    localparam int unsigned KeySteps = Dim / Depth,
    localparam int unsigned Blocks = MaxRows / Pe,
    localparam int unsigned Groups = Dim / Pe,
    localparam int unsigned ValueSteps = MaxRows / Depth,
    localparam int unsigned MaxOuter = Blocks > Groups ? Blocks : Groups,
    localparam int unsigned OuterBits = MaxOuter > 1 ? $clog2(MaxOuter) : 1,
    localparam int unsigned MaxSteps = KeySteps > ValueSteps ? KeySteps : ValueSteps,
    localparam int unsigned InnerBits = MaxSteps > 1 ? $clog2(MaxSteps) : 1
) (
    input  logic                   clk_i,
    input  logic                   rst_ni,
    input  logic                   key_open_i,     // a head waits for its keys; until key_done_o
    input  logic                   key_bank_i,     // where they go
    input  logic [RowBits-1:0]     key_rows_i,
    output logic                   key_done_o,
    input  logic [BeatBits-1:0]    s_axis_key_tdata,
    input  logic                   s_axis_key_tvalid,
    output logic                   s_axis_key_tready,
    input  logic                   value_open_i,   // the same for the values
    input  logic                   value_bank_i,
    input  logic [RowBits-1:0]     value_rows_i,
    output logic                   value_done_o,
    input  logic [BeatBits-1:0]    s_axis_value_tdata,
    input  logic                   s_axis_value_tvalid,
    output logic                   s_axis_value_tready,
    input  logic                   read_i,
    input  logic                   read_value_i,   // values, not keys
    input  logic                   read_bank_i,
    input  logic [OuterBits-1:0]   read_outer_i,   // which Pe keys, or which Pe columns
    input  logic [InnerBits-1:0]   read_inner_i,   // which Depth elements, or which Depth rows
    // Of dot product p: bits p * BeatBits on. Of values, row r stands at element
    // (r + Pe * read_outer_i) mod Depth.
    output logic [Pe*BeatBits-1:0] operand_o
);

  import rf_pkg::*;

  localparam int unsigned ColumnBits = Pe * StateBits;
  localparam int unsigned Parts = Depth / Pe;
  localparam int unsigned RowIdx = $clog2(MaxRows);
  localparam int unsigned PeIdx = $clog2(Pe);
  localparam int unsigned KeyAddr = $clog2(2 * Blocks * KeySteps);
  localparam int unsigned ValueAddr = $clog2(2 * Groups * ValueSteps);
  localparam int unsigned StepBits = KeySteps > 1 ? $clog2(KeySteps) : 1;
  localparam int unsigned PartBits = Parts > 1 ? $clog2(Parts) : 1;

  logic key_write, value_write;
  logic [RowIdx-1:0] key_row, value_row;
  logic [StepBits-1:0] key_step, value_step;
  logic [KeyAddr-1:0] key_write_at, key_read_at;
  logic [ValueAddr-1:0] value_read_at;
  logic [Pe*BeatBits-1:0] key_words;
  logic [Depth*ColumnBits-1:0] value_words;

  rf_attention_load #(
      .MaxRows(MaxRows),
      .Steps  (KeySteps)
  ) u_load_keys (
      .clk_i,
      .rst_ni,
      .open_i       (key_open_i),
      .rows_i       (key_rows_i),
      .s_axis_tvalid(s_axis_key_tvalid),
      .s_axis_tready(s_axis_key_tready),
      .write_o      (key_write),
      .row_o        (key_row),
      .step_o       (key_step),
      .done_o       (key_done_o)
  );

  rf_attention_load #(
      .MaxRows(MaxRows),
      .Steps  (KeySteps)
  ) u_load_values (
      .clk_i,
      .rst_ni,
      .open_i       (value_open_i),
      .rows_i       (value_rows_i),
      .s_axis_tvalid(s_axis_value_tvalid),
      .s_axis_tready(s_axis_value_tready),
      .write_o      (value_write),
      .row_o        (value_row),
      .step_o       (value_step),
      .done_o       (value_done_o)
  );

  assign key_write_at = KeyAddr'(
      (32'(key_bank_i) * Blocks + 32'(key_row) / Pe) * KeySteps + 32'(key_step));
  assign key_read_at = KeyAddr'(
      (32'(read_bank_i) * Blocks + 32'(read_outer_i)) * KeySteps + 32'(read_inner_i));
  assign value_read_at = ValueAddr'(
      (32'(read_bank_i) * Groups + 32'(read_outer_i)) * ValueSteps + 32'(read_inner_i));

  // Row j of the keys stands in memory j mod Pe.
  for (genvar p = 0; p < Pe; p++) begin : gen_key
    logic [BeatBits-1:0] memory[2*Blocks*KeySteps];
    always_ff @(posedge clk_i) begin
      if (key_write && key_row[PeIdx-1:0] == PeIdx'(p)) memory[key_write_at] <= s_axis_key_tdata;
    end
    assign key_words[p*BeatBits+:BeatBits] = memory[key_read_at];
  end

  // Group g of row j of the values (Pe elements) stands in memory (j + g * Pe) mod Depth: a beat's
  // groups are written at once, and a group of Depth rows is read at once.
  for (genvar b = 0; b < Parts; b++) begin : gen_value_block
    logic [PartBits-1:0] part;
    logic [ValueAddr-1:0] write_at;
    logic [ColumnBits-1:0] data;
    assign part = PartBits'((b + Parts - 32'(value_row) / Pe % Parts) % Parts);
    assign write_at = ValueAddr'(
        ((32'(value_bank_i) * KeySteps + 32'(value_step)) * Parts + 32'(part)) * ValueSteps +
        32'(value_row) / Depth);
    assign data = s_axis_value_tdata[part*ColumnBits+:ColumnBits];
    for (genvar p = 0; p < Pe; p++) begin : gen_value
      logic [ColumnBits-1:0] memory[2*Groups*ValueSteps];
      always_ff @(posedge clk_i) begin
        if (value_write && value_row[PeIdx-1:0] == PeIdx'(p)) memory[write_at] <= data;
      end
      assign value_words[(b*Pe+p)*ColumnBits+:ColumnBits] = memory[value_read_at];
    end
  end

  for (genvar p = 0; p < Pe; p++) begin : gen_operand
    logic [BeatBits-1:0] column, operand_q;
    for (genvar d = 0; d < Depth; d++) begin : gen_element
      assign column[d*StateBits+:StateBits] = value_words[(d*Pe+p)*StateBits+:StateBits];
    end
    always_ff @(posedge clk_i) begin
      if (read_i) operand_q <= read_value_i ? column : key_words[p*BeatBits+:BeatBits];
    end
    assign operand_o[p*BeatBits+:BeatBits] = operand_q;
  end

endmodule
