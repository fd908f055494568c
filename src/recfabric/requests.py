# SPDX-License-Identifier: Apache-2.0
"""Requests to verify and to measure with: ``requests.npz`` beside a contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import ContractError

FILE = "requests.npz"


@dataclass(frozen=True)
class Ragged:
    """Lists of item rows of different lengths: list ``i`` is ``values[indptr[i]:indptr[i + 1]]``.

    ``indptr``: int64 (R + 1,); ``values``: int32 (sum of lengths,).
    """

    indptr: npt.NDArray[np.int64]
    values: npt.NDArray[np.int32]

    @classmethod
    def of(cls, lists: Sequence[npt.ArrayLike]) -> Ragged:
        """Pack a sequence of lists."""
        arrays = [np.asarray(one, dtype=np.int32) for one in lists]
        indptr = np.cumsum([0, *(len(a) for a in arrays)], dtype=np.int64)
        values = np.concatenate(arrays) if arrays else np.zeros(0, np.int32)
        return cls(indptr, values.astype(np.int32))

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, index: int) -> npt.NDArray[np.int32]:
        return self.values[self.indptr[index] : self.indptr[index + 1]]

    def __iter__(self) -> Iterator[npt.NDArray[np.int32]]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True)
class Requests:
    """R requests, what the held-out data says of them, and the trained model's own answers.

    ``history``: the item rows a request brings, oldest first, repeats allowed;
    ``seen``: strictly ascending item rows left out of the answer;
    ``targets``: the held-out item rows (empty lists where there are none);
    ``ids``, ``scores``: int32 (R, K), the QAT model's answers in integers (K may be 0);
    ``users``: R outside names, or none.
    """

    protocol: str
    history: Ragged
    seen: Ragged
    targets: Ragged
    ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.int32]
    users: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.history)

    def save(self, folder: Path) -> None:
        """Write ``requests.npz`` into a contract folder."""
        arrays: dict[str, Any] = {"protocol": self.protocol, "ids": self.ids, "scores": self.scores}
        for name in ("history", "seen", "targets"):
            ragged: Ragged = getattr(self, name)
            arrays |= {f"{name}_{f.name}": getattr(ragged, f.name) for f in fields(ragged)}
        if self.users:
            arrays["users"] = np.array(self.users, dtype=np.str_)
        np.savez_compressed(folder / FILE, **arrays)

    @classmethod
    def load(cls, folder: Path) -> Requests | None:
        """Read a contract folder's requests; None where it brings none."""
        path = folder / FILE
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as a:
                lists = {
                    name: Ragged(a[f"{name}_indptr"], a[f"{name}_values"])
                    for name in ("history", "seen", "targets")
                }
                users = tuple(a["users"].tolist()) if "users" in a.files else ()
                return cls(
                    str(a["protocol"]), **lists, ids=a["ids"], scores=a["scores"], users=users
                )
        except Exception as error:
            raise ContractError(
                f"{path} cannot be read as requests ({error}); export the model again."
            ) from None
