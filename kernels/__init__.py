# SPDX-License-Identifier: Apache-2.0
"""Kernels: one folder each with its RTL, its integer model and its page."""
