// SPDX-License-Identifier: Apache-2.0
// Requantisation of a tensor: res[i] = sat(rne(data[i] * 2^-shift)), optionally not below zero.
#ifndef RF_REQUANTISE_H_
#define RF_REQUANTISE_H_

#include "rf_common.h"

namespace nnet {

struct rf_requantise_config {
    static const unsigned size = 1;
    static const unsigned shift = 0; // frac of the input minus frac of the result
    static const bool relu = false;
};

template <class data_T, class res_T, typename CONFIG_T>
void rf_requantise_layer(const data_T data[CONFIG_T::size], res_T res[CONFIG_T::size]) {
    for (unsigned i = 0; i < CONFIG_T::size; i++) {
        #pragma HLS UNROLL factor=16
        const int x = rf_requantise<res_T::width>(rf_integer(data[i]), CONFIG_T::shift);
        res[i] = rf_number<res_T>(CONFIG_T::relu && x < 0 ? 0 : x);
    }
}

// A packet a cycle; input and output packets have the same size.
template <class data_T, class res_T, typename CONFIG_T>
void rf_requantise_layer(hls::stream<data_T> &data_stream, hls::stream<res_T> &res_stream) {
    static_assert(data_T::size == res_T::size, "packets of one size");
    for (unsigned i = 0; i < CONFIG_T::size / data_T::size; i++) {
        #pragma HLS PIPELINE II=1
        const data_T data = data_stream.read();
        res_T res;
        for (unsigned j = 0; j < data_T::size; j++) {
            #pragma HLS UNROLL
            const int x = rf_requantise<res_T::value_type::width>(rf_integer(data[j]), CONFIG_T::shift);
            res[j] = rf_number<typename res_T::value_type>(CONFIG_T::relu && x < 0 ? 0 : x);
        }
        res_stream.write(res);
    }
}

} // namespace nnet

#endif
