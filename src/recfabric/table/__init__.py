# SPDX-License-Identifier: Apache-2.0
"""The comparison: graph alone, language model alone and the hybrid, optimised step by step."""
