# SPDX-License-Identifier: Apache-2.0
"""The language model's half of training: encoding, adapting, items nobody has met yet."""
