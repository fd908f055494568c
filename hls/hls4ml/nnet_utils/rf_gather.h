// SPDX-License-Identifier: Apache-2.0
// Message passing for one node: res[d] = sat(rne(sum_i message[ids[i]][d] * norm[count], shift)).
#ifndef RF_GATHER_H_
#define RF_GATHER_H_

#include "rf_common.h"

namespace nnet {

struct rf_gather_config {
    static const unsigned rows = 1;     // of the table
    static const unsigned dim = 16;     // elements of a row
    static const unsigned max_rows = 1; // of a history
    static const unsigned beats = 1;    // 512-bit beats of a row: the initiation interval of a row
    static const unsigned shift = 0;
};

// One row each `beats` cycles when the table's port is 512 bits wide, then `dim` multiplications.
template <class id_T, class count_T, class res_T, typename CONFIG_T>
void rf_gather(const id_T ids[CONFIG_T::max_rows], const count_T count[1], res_T res[CONFIG_T::dim],
               const typename CONFIG_T::message_t message[CONFIG_T::rows * CONFIG_T::dim],
               const typename CONFIG_T::norm_t norm[CONFIG_T::max_rows + 1]) {
    int sums[CONFIG_T::dim];
    #pragma HLS ARRAY_PARTITION variable=sums complete
    const unsigned n = count[0].to_uint();
    for (unsigned d = 0; d < CONFIG_T::dim; d++) {
        #pragma HLS UNROLL
        sums[d] = 0;
    }
rf_gather_rows:
    for (unsigned i = 0; i < CONFIG_T::max_rows; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::beats
        if (i >= n)
            break;
        const unsigned row = ids[i].to_uint() * CONFIG_T::dim;
        for (unsigned d = 0; d < CONFIG_T::dim; d++) {
            #pragma HLS UNROLL
            sums[d] += int(message[row + d]);
        }
    }
    const long long factor = norm[n].to_uint();
rf_gather_requantise:
    for (unsigned d = 0; d < CONFIG_T::dim; d++) {
        #pragma HLS PIPELINE II=1
        res[d] = rf_number<res_T>(rf_requantise<res_T::width>(sums[d] * factor, CONFIG_T::shift));
    }
}

template <class id_T, class count_T, class res_T, typename CONFIG_T>
void rf_gather(hls::stream<id_T> &ids_stream, hls::stream<count_T> &count_stream, hls::stream<res_T> &res_stream,
               const typename CONFIG_T::message_t message[CONFIG_T::rows * CONFIG_T::dim],
               const typename CONFIG_T::norm_t norm[CONFIG_T::max_rows + 1]) {
    typename id_T::value_type ids[CONFIG_T::max_rows];
    typename res_T::value_type res[CONFIG_T::dim];
    #pragma HLS ARRAY_PARTITION variable=res complete
    const count_T count = count_stream.read();
    rf_take<CONFIG_T::max_rows>(ids_stream, ids);
    rf_gather<typename id_T::value_type, typename count_T::value_type, typename res_T::value_type, CONFIG_T>(
        ids, count.data, res, message, norm);
    rf_give<CONFIG_T::dim>(res, res_stream);
}

} // namespace nnet

#endif
