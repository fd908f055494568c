# SPDX-License-Identifier: Apache-2.0
"""Search with hardware in the loop: quality, traffic, cycles and cells of contracts, by Optuna."""
