# SPDX-License-Identifier: Apache-2.0
"""Backends from a contract to vendor IP."""
