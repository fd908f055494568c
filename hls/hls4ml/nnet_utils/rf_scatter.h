// SPDX-License-Identifier: Apache-2.0
// Messages along item-item edges: res[j] = sat(rne(sum of the weights of a history's edges to j *
// norm[count], shift)), for every item j of the catalogue.
#ifndef RF_SCATTER_H_
#define RF_SCATTER_H_

#include "rf_common.h"

namespace nnet {

struct rf_scatter_config {
    static const unsigned rows = 1;     // items
    static const unsigned edges = 16;   // slots of an item, whole 512-bit beats of 16
    static const unsigned max_rows = 1; // of a history
    static const unsigned shift = 0;
};

// An edge is 32 bits: the target row in the low 24, the int8 weight in the high 8.
static const unsigned rf_edge_target_bits = 24;

// A slot each two cycles, the read and the write of a sum; targets beyond the catalogue are left out.
template <class id_T, typename CONFIG_T>
void rf_scatter_add(const id_T ids[CONFIG_T::max_rows], unsigned n, ap_int<18> sums[CONFIG_T::rows],
                    const typename CONFIG_T::edge_t edge[CONFIG_T::rows * CONFIG_T::edges]) {
rf_scatter_rows:
    for (unsigned i = 0; i < CONFIG_T::max_rows; i++) {
        if (i >= n)
            break;
    rf_scatter_edges:
        for (unsigned e = 0; e < CONFIG_T::edges; e++) {
            #pragma HLS PIPELINE II=2
            const ap_uint<32> word = edge[ids[i].to_uint() * CONFIG_T::edges + e];
            const unsigned target = word.range(rf_edge_target_bits - 1, 0).to_uint();
            const ap_int<8> weight = word.range(31, rf_edge_target_bits);
            if (target < CONFIG_T::rows)
                sums[target] = sums[target] + weight;
        }
    }
}

// One item's message; its sum is cleared behind it, for the next request.
template <class message_T, typename CONFIG_T>
message_T rf_scatter_take(ap_int<18> sums[CONFIG_T::rows], unsigned item, long long factor) {
    #pragma HLS INLINE
    const int sum = sums[item].to_int();
    sums[item] = 0;
    return rf_number<message_T>(rf_requantise<message_T::width>(sum * factor, CONFIG_T::shift));
}

// After the edges an item a cycle, in the order of the rows.
template <class id_T, class count_T, class res_T, typename CONFIG_T>
void rf_scatter(const id_T ids[CONFIG_T::max_rows], const count_T count[1], res_T res[CONFIG_T::rows],
                const typename CONFIG_T::edge_t edge[CONFIG_T::rows * CONFIG_T::edges],
                const typename CONFIG_T::norm_t norm[CONFIG_T::max_rows + 1]) {
    static ap_int<18> sums[CONFIG_T::rows]; // zero between requests
    const unsigned n = count[0].to_uint();
    const long long factor = norm[n].to_uint();
    rf_scatter_add<id_T, CONFIG_T>(ids, n, sums, edge);
rf_scatter_items:
    for (unsigned j = 0; j < CONFIG_T::rows; j++) {
        #pragma HLS PIPELINE II=1
        res[j] = rf_scatter_take<res_T, CONFIG_T>(sums, j, factor);
    }
}

// A packet is one item.
template <class id_T, class count_T, class res_T, typename CONFIG_T>
void rf_scatter(hls::stream<id_T> &ids_stream, hls::stream<count_T> &count_stream, hls::stream<res_T> &res_stream,
                const typename CONFIG_T::edge_t edge[CONFIG_T::rows * CONFIG_T::edges],
                const typename CONFIG_T::norm_t norm[CONFIG_T::max_rows + 1]) {
    static_assert(res_T::size == 1, "packets of one item");
    static ap_int<18> sums[CONFIG_T::rows];
    typename id_T::value_type ids[CONFIG_T::max_rows];
    const unsigned n = count_stream.read()[0].to_uint();
    const long long factor = norm[n].to_uint();
    rf_take<CONFIG_T::max_rows>(ids_stream, ids);
    rf_scatter_add<typename id_T::value_type, CONFIG_T>(ids, n, sums, edge);
rf_scatter_items:
    for (unsigned j = 0; j < CONFIG_T::rows; j++) {
        #pragma HLS PIPELINE II=1
        res_T packet;
        packet[0] = rf_scatter_take<typename res_T::value_type, CONFIG_T>(sums, j, factor);
        res_stream.write(packet);
    }
}

} // namespace nnet

#endif
