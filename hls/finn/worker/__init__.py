# SPDX-License-Identifier: Apache-2.0
"""Runs inside FINN's environment only; nothing of RecFabric is imported here, nor it from there."""
