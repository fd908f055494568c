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

  // Higher score first, then lower row.
  function automatic logic better(entry_t a, entry_t b);
    return a.exists && (!b.exists || a.score > b.score || (a.score == b.score && a.row < b.row));
  endfunction

endpackage
