# SPDX-License-Identifier: Apache-2.0
"""Cells that several kernels use."""
