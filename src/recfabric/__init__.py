# SPDX-License-Identifier: Apache-2.0
"""RecFabric: from PyTorch to bit-exact FPGA kernels for hybrid GNN + LLM recommenders."""

from importlib.metadata import version

__version__ = version("recfabric")
