# SPDX-License-Identifier: Apache-2.0
"""FINN's RTL layers compiled, stitched and co-simulated without Vivado; FINN is a process."""
