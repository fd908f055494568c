// SPDX-License-Identifier: Apache-2.0
// What the parts of rf_topk hand to each other.

package rf_topk_pkg;

  parameter int unsigned RowBits = 24;  // an item row: the catalogue has at most 2^24 items

  // A candidate for the answer; without `exists` it is the end of a list, worse than any item.
  typedef struct packed {
    logic                                exists;
    logic signed [rf_pkg::ScoreBits-1:0] score;
    logic [RowBits-1:0]                  row;
  } entry_t;

  // The same inside a merge sort, where no item has NoEntry's score: |score| < 2^31.
  typedef struct packed {
    logic signed [rf_pkg::ScoreBits-1:0] score;
    logic [RowBits-1:0]                  row;
  } scored_t;
  parameter scored_t NoEntry = '{score: 32'sh8000_0000, row: '0};

  // Higher score first, then lower row.
  function automatic logic better(entry_t a, entry_t b);
    return a.exists && (!b.exists || a.score > b.score || (a.score == b.score && a.row < b.row));
  endfunction

  // Products of one multiplication in rf_topk_dots: of several lanes with a user's query or, where
  // there is one lane, of several users' queries with its item.
  function automatic int unsigned dot_fields(int unsigned users, int unsigned lanes,
                                             int unsigned elem_bits);
    return lanes > 1 ? rf_dots_pkg::most_fields(lanes, elem_bits)
                     : rf_dots_pkg::most_fields(users, rf_pkg::StateBits);
  endfunction

  // Latency of rf_topk_dots, on every part the same: for the narrower one's multiplier.
  function automatic int unsigned dot_stages(int unsigned users, int unsigned lanes,
                                             int unsigned elems, int unsigned elem_bits);
    return rf_dots_pkg::stages(elems, dot_fields(users, lanes, elem_bits),
                               lanes > 1 ? elem_bits : rf_pkg::StateBits,
                               lanes > 1 ? rf_pkg::StateBits : elem_bits,
                               rf_dots_pkg::SmallPort);
  endfunction

endpackage
