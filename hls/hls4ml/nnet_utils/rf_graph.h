// SPDX-License-Identifier: Apache-2.0
// Message passing over a whole graph in CSR, and the matrix behind it: the two halves of a
// recfabric.kernels.graph.model.GraphLayer. All tensors are integers (ap_int).
#ifndef RF_GRAPH_H_
#define RF_GRAPH_H_

#include "rf_common.h"

namespace nnet {

struct rf_graph_config {
    static const unsigned columns = 1; // rows of the table that is read
    static const unsigned nodes = 1;
    static const unsigned edges = 1;
    static const unsigned dim = 16;
    static const unsigned beats = 1; // 512-bit beats of a row: the initiation interval of an edge
};

// res[n] = sat(rne(norm[n] * reduce(weight[e] * x[col[e]]), shift[n])) over node n's edges, the
// sum or (op 1) the maximum; an edge each `beats` cycles, then a node's requantisation.
template <class data_T, class res_T, typename CONFIG_T>
void rf_graph(const data_T x[CONFIG_T::columns * CONFIG_T::dim], res_T res[CONFIG_T::nodes * CONFIG_T::dim],
              const typename CONFIG_T::row_ptr_t row_ptr[CONFIG_T::nodes + 1],
              const typename CONFIG_T::col_t col[CONFIG_T::edges],
              const typename CONFIG_T::weight_t weight[CONFIG_T::edges],
              const typename CONFIG_T::norm_t norm[CONFIG_T::nodes],
              const typename CONFIG_T::shift_t shift[CONFIG_T::nodes],
              const typename CONFIG_T::op_t op[CONFIG_T::nodes]) {
rf_graph_nodes:
    for (unsigned n = 0; n < CONFIG_T::nodes; n++) {
        int sums[CONFIG_T::dim];
        #pragma HLS ARRAY_PARTITION variable=sums complete
        for (unsigned d = 0; d < CONFIG_T::dim; d++) {
            #pragma HLS UNROLL
            sums[d] = 0;
        }
        const unsigned first = row_ptr[n].to_uint();
        const unsigned last = row_ptr[n + 1].to_uint();
        const bool maximum = op[n].to_uint() == 1;
    rf_graph_edges:
        for (unsigned e = first; e < last; e++) {
            #pragma HLS PIPELINE II=CONFIG_T::beats
            const unsigned row = col[e].to_uint() * CONFIG_T::dim;
            for (unsigned d = 0; d < CONFIG_T::dim; d++) {
                #pragma HLS UNROLL
                const int message = int(weight[e]) * rf_integer(x[row + d]);
                if (!maximum)
                    sums[d] += message;
                else if (e == first || message > sums[d])
                    sums[d] = message;
            }
        }
        const long long factor = norm[n].to_uint();
        for (unsigned d = 0; d < CONFIG_T::dim; d++) {
            #pragma HLS UNROLL factor=8
            res[n * CONFIG_T::dim + d] =
                rf_number<res_T>(rf_requantise<res_T::width>(sums[d] * factor, shift[n].to_uint()));
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void rf_graph(hls::stream<data_T> &x_stream, hls::stream<res_T> &res_stream,
              const typename CONFIG_T::row_ptr_t row_ptr[CONFIG_T::nodes + 1],
              const typename CONFIG_T::col_t col[CONFIG_T::edges],
              const typename CONFIG_T::weight_t weight[CONFIG_T::edges],
              const typename CONFIG_T::norm_t norm[CONFIG_T::nodes],
              const typename CONFIG_T::shift_t shift[CONFIG_T::nodes],
              const typename CONFIG_T::op_t op[CONFIG_T::nodes]) {
    static typename data_T::value_type x[CONFIG_T::columns * CONFIG_T::dim];
    static typename res_T::value_type res[CONFIG_T::nodes * CONFIG_T::dim];
    rf_take<CONFIG_T::columns * CONFIG_T::dim>(x_stream, x);
    rf_graph<typename data_T::value_type, typename res_T::value_type, CONFIG_T>(x, res, row_ptr, col, weight, norm,
                                                                             shift, op);
    rf_give<CONFIG_T::nodes * CONFIG_T::dim>(res, res_stream);
}

struct rf_rows_dense_config {
    static const unsigned vectors = 1;
    static const unsigned n_in = 16;
    static const unsigned n_out = 16;
    static const unsigned shift = 0;
    static const bool relu = false;
};

// res[v] = sat(rne(matrix * x[v] + bias, shift)), perhaps not below zero; an output a cycle.
template <class data_T, class res_T, typename CONFIG_T>
void rf_rows_dense(const data_T x[CONFIG_T::vectors * CONFIG_T::n_in], res_T res[CONFIG_T::vectors * CONFIG_T::n_out],
                   const typename CONFIG_T::matrix_t matrix[CONFIG_T::n_out * CONFIG_T::n_in],
                   const typename CONFIG_T::bias_t bias[CONFIG_T::n_out]) {
rf_rows_dense_vectors:
    for (unsigned v = 0; v < CONFIG_T::vectors; v++) {
        for (unsigned r = 0; r < CONFIG_T::n_out; r++) {
            #pragma HLS PIPELINE II=1
            int sum = bias[r].to_int();
            for (unsigned c = 0; c < CONFIG_T::n_in; c++) {
                #pragma HLS UNROLL
                sum += int(matrix[r * CONFIG_T::n_in + c]) * rf_integer(x[v * CONFIG_T::n_in + c]);
            }
            const int y = rf_requantise<res_T::width>(sum, CONFIG_T::shift);
            res[v * CONFIG_T::n_out + r] = rf_number<res_T>(CONFIG_T::relu && y < 0 ? 0 : y);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void rf_rows_dense(hls::stream<data_T> &x_stream, hls::stream<res_T> &res_stream,
                   const typename CONFIG_T::matrix_t matrix[CONFIG_T::n_out * CONFIG_T::n_in],
                   const typename CONFIG_T::bias_t bias[CONFIG_T::n_out]) {
    static typename data_T::value_type x[CONFIG_T::vectors * CONFIG_T::n_in];
    static typename res_T::value_type res[CONFIG_T::vectors * CONFIG_T::n_out];
    rf_take<CONFIG_T::vectors * CONFIG_T::n_in>(x_stream, x);
    rf_rows_dense<typename data_T::value_type, typename res_T::value_type, CONFIG_T>(x, res, matrix, bias);
    rf_give<CONFIG_T::vectors * CONFIG_T::n_out>(res, res_stream);
}

} // namespace nnet

#endif
