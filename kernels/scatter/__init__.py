# SPDX-License-Identifier: Apache-2.0
"""The kernel rf_scatter."""
