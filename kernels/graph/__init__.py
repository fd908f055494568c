# SPDX-License-Identifier: Apache-2.0
"""The kernel rf_graph: message passing over a whole graph, layer by layer."""
