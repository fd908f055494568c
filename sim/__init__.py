# SPDX-License-Identifier: Apache-2.0
"""Simulation: Verilator builds, cocotb tools, the Verilated device."""
