# SPDX-License-Identifier: Apache-2.0
"""Data sets, training, quantization-aware training, export to a contract."""
