// SPDX-License-Identifier: Apache-2.0
// How rf_dots packs several products with one shared factor into one multiplication.

package rf_dots_pkg;

  localparam int unsigned SmallPort = 25;  // bits of a DSP48E1's wide port; a DSP48E2 has 27

  // Products of one multiplication: two, or four where the separate factors are 4 bits at most.
  function automatic int unsigned most_fields(int unsigned rows, int unsigned a_bits);
    if (rows < 2) return 1;
    return a_bits <= 4 && rows >= 4 ? 4 : 2;
  endfunction

  // The lowest bit of a field. The highest field ends with the port, the gaps below it are equal
  // but for one bit, and never wider than a product of a_bits + b_bits, which needs no more.
  function automatic int unsigned offset(int unsigned field, int unsigned fields,
                                         int unsigned a_bits, int unsigned b_bits,
                                         int unsigned port_bits);
    int unsigned room, full;
    room = port_bits - a_bits;
    full = a_bits + b_bits;
    if (fields < 2) return 0;
    if (room / (fields - 1) >= full) return field * full;
    return field * room / (fields - 1);
  endfunction

  // By how many bits a product is wider than the narrowest gap.
  function automatic int unsigned overlap(int unsigned fields, int unsigned a_bits,
                                          int unsigned b_bits, int unsigned port_bits);
    int unsigned gap;
    if (fields < 2) return 0;
    gap = offset(1, fields, a_bits, b_bits, port_bits);
    return a_bits + b_bits - gap;
  endfunction

  // Fields that overlap by more than a carry take a stage of their own to be told apart.
  function automatic bit deep(int unsigned fields, int unsigned a_bits, int unsigned b_bits,
                              int unsigned port_bits);
    return overlap(fields, a_bits, b_bits, port_bits) > 1;
  endfunction

  // Registers from the factors to the sums: products, fields where they overlap, radix-4 sums,
  // fields put together where there are several.
  function automatic int unsigned stages(int unsigned lanes, int unsigned fields,
                                         int unsigned a_bits, int unsigned b_bits,
                                         int unsigned port_bits);
    return 1 + ($clog2(lanes) + 1) / 2 + 32'(fields > 1) +
        32'(deep(fields, a_bits, b_bits, port_bits));
  endfunction

  // Registers from the factors to the products themselves, see rf_products: elements joined where
  // the weight is signed, products, fields told apart where they overlap.
  function automatic int unsigned term_stages(int unsigned fields, int unsigned elem_bits,
                                              int unsigned weight_bits, bit is_signed,
                                              int unsigned port_bits);
    return 1 + 32'(is_signed) +
        32'(overlap(fields, elem_bits, weight_bits, port_bits - 32'(is_signed)) > 0);
  endfunction

endpackage
