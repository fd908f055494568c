# SPDX-License-Identifier: Apache-2.0
"""All kernels composed behind one kernel ABI."""
