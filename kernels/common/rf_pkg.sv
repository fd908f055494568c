// SPDX-License-Identifier: Apache-2.0
// Types and constants that every kernel shares; recfabric.contract says the same in Python.

package rf_pkg;

  // The integer softmax (recfabric.contract.exp2_table): round(255 * 2^(-i/32)).
  parameter int unsigned Exp2Frac = 5;
  parameter int unsigned ReciprocalFrac = 30;
  parameter logic [31:0][7:0] Exp2Table = {
    8'd130, 8'd133, 8'd136, 8'd139, 8'd142, 8'd145, 8'd148, 8'd152,
    8'd155, 8'd158, 8'd162, 8'd165, 8'd169, 8'd173, 8'd176, 8'd180,
    8'd184, 8'd188, 8'd192, 8'd197, 8'd201, 8'd205, 8'd210, 8'd214,
    8'd219, 8'd224, 8'd229, 8'd234, 8'd239, 8'd244, 8'd250, 8'd255
  };

  // Widths of the streams between kernels, in bits.
  parameter int unsigned StateBits = 8;   // user vector, attention, fused vector
  parameter int unsigned NormBits = 16;   // multiplier of a history's length, unsigned
  parameter int unsigned LogitBits = 16;  // exponent of the softmax, Exp2Frac fractional bits
  parameter int unsigned TermBits = 16;   // per-item term of a score (the item's bias)
  parameter int unsigned IdBits = 32;     // item row
  parameter int unsigned ScoreBits = 32;
  parameter int unsigned ShiftBits = 6;

  // What a gather makes of the rows.
  typedef enum logic [7:0] {
    GatherSum,  // of the weighted rows; a mean by its norm
    GatherMax   // of the weighted rows
  } gather_op_e;

  // One command opens one request; the fields are whole bytes, the first one in the high bits.
  typedef struct packed {
    logic [23:0]         rows;   // of the history or node, 0 to MaxRows
    gather_op_e          op;
    logic [7:0]          shift;
    logic [NormBits-1:0] norm;
  } gather_cmd_t;

  typedef struct packed {
    logic [15:0] rows;
    logic [7:0]  logit_shift;
    logic [7:0]  out_shift;
  } attention_cmd_t;

  typedef struct packed {
    logic [15:0] queries;  // of the head, at least 1
    logic [15:0] keys;     // and values, 0 to MaxRows
    logic [7:0]  logit_shift;
    logic [7:0]  out_shift;
  } attention_matrix_cmd_t;

  typedef struct packed {
    logic [31:0] items;       // of the catalogue, 1 to 2^24
    logic [15:0] seen;        // length of the seen list
    logic [7:0]  k;           // answers wanted, 1 to KMax
    logic [7:0]  term_shift;  // left shift of the per-item term
  } topk_cmd_t;

  // An edge as it lies in memory, the target in the low bits; one of weight 0 is none.
  parameter int unsigned EdgeTargetBits = 24;
  parameter int unsigned EdgeWeightBits = 8;
  parameter int unsigned EdgeTermBits = 24;  // what an item's edges add to its score
  typedef struct packed {
    logic signed [EdgeWeightBits-1:0] weight;
    logic [EdgeTargetBits-1:0]        target;  // item row
  } edge_t;

  typedef struct packed {
    logic [31:0]         items;  // of the catalogue, 1 to the entries of an array
    logic [15:0]         rows;   // of the history, 0 to MaxRows
    logic [7:0]          shift;
    logic [NormBits-1:0] norm;
  } scatter_cmd_t;

  typedef struct packed {
    logic signed [ScoreBits-1:0] score;
    logic [IdBits-1:0]           id;
  } result_t;

  // What a top-k answer holds where fewer than k items are left.
  parameter result_t NoResult = '{score: 32'sh8000_0000, id: 32'hFFFF_FFFF};

  // Requests in flight have tags in turn; every beat that is read for one carries its tag.
  parameter int unsigned TagBits = 2;
  parameter int unsigned Flight = 1 << TagBits;
  typedef logic [TagBits-1:0] tag_t;

  // A read of consecutive beats, and where its data goes.
  parameter int unsigned DestBits = 3;
  typedef enum logic [DestBits-1:0] {
    DestHistory,
    DestMessage,
    DestKey,
    DestValue,
    DestEdge,
    DestTerm,
    DestItem,
    DestWeight
  } dest_e;

  typedef struct packed {
    tag_t        tag;
    logic [63:0] addr;   // a multiple of the beat's bytes
    logic [31:0] beats;  // 0: nothing is read
    dest_e       dest;
  } read_cmd_t;

  // The arguments as the register block holds them (rf_regs.rdl), all but the item shards; those
  // from the descriptor on are of a batch, those from the history on of a single request.
  typedef struct packed {
    logic [63:0] message;
    logic [63:0] key;
    logic [63:0] value;
    logic [63:0] bias;
    logic [63:0] weight;
    logic [31:0] n_items;
    logic [31:0] n_rows;
    logic [31:0] mode;
    logic [31:0] gather_shift;
    logic [31:0] logit_shift;
    logic [31:0] attention_shift;
    logic [31:0] fuse_shift;
    logic [31:0] term_shift;
    logic [63:0] edges;
    logic [31:0] scatter_shift;
    logic [63:0] descriptor;
    logic [63:0] record;
    logic [31:0] count;
    logic [63:0] history;
    logic [63:0] seen;
    logic [63:0] result;
    logic [31:0] n_history;
    logic [31:0] n_seen;
    logic [31:0] k;
    logic [31:0] norm;
  } hotpath_args_t;

  // A request of a batch as it lies in memory, the last field in the low bits: 64 bytes.
  typedef struct packed {
    logic [191:0] reserved;
    logic [31:0]  norm;
    logic [31:0]  k;
    logic [31:0]  n_seen;
    logic [31:0]  n_history;
    logic [63:0]  result;
    logic [63:0]  seen;
    logic [63:0]  history;
  } descriptor_t;

  // What each part of the kernel needs of a request.
  typedef struct packed {
    tag_t                tag;
    logic [63:0]         history;
    logic [15:0]         rows;
    logic [NormBits-1:0] norm;
  } front_job_t;

  typedef struct packed {
    tag_t        tag;
    logic [63:0] seen;
    logic [15:0] n_seen;
    logic [7:0]  k;
  } scan_job_t;

  typedef struct packed {
    tag_t        tag;
    logic        run;        // it is computed; else its arguments or its descriptor were bad
    logic        bus_error;  // its descriptor came with an error
    logic        batch;      // a record is wanted
    logic [63:0] result;
    logic [63:0] record;
    logic [7:0]  k;
  } finish_job_t;

  // The status of a request: rf_regs.rdl says what each means.
  typedef struct packed {
    logic bad_argument;
    logic bad_seen;
    logic bad_row;
    logic bus_error;
  } status_t;

endpackage
