# SPDX-License-Identifier: Apache-2.0
"""Words at request time: milliseconds of a request with a text and without, in one run."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.config import tool_versions
from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.host.recommender import Recommender
from recfabric.words import TEXT_FILE, TextEncoder

P99_MS = 40.0  # most of a request with a text
_K = 10
_WARM = 20  # requests before the first that counts
_WORDS = [
    "a",
    "the",
    "about",
    "with",
    "of",
    "in",
    "two",
    "brothers",
    "friends",
    "dark",
    "funny",
    "tender",
    "slow",
    "old",
    "young",
    "lost",
    "comedy",
    "drama",
    "romance",
    "horror",
    "western",
    "thriller",
    "war",
    "chess",
    "space",
    "sea",
    "bank",
    "city",
    "school",
    "island",
    "winter",
    "murder",
    "robbery",
    "detective",
    "robot",
    "ghost",
    "journey",
    "music",
    "love",
    "money",
    "revenge",
]


def wish(rng: np.random.Generator) -> str:
    """A text of 3 to 15 words, as a user may ask for something."""
    return " ".join(rng.choice(_WORDS, rng.integers(3, 16)))


@dataclass(frozen=True)
class WordsResult:
    """Milliseconds on the soft device, texts of 3 to 15 words; ``calls``: texts that the model read
    during the requests without a text (there must be none) and with one."""

    contract: str
    models: tuple[str, ...]
    requests: int
    plain_p50_ms: float
    plain_p99_ms: float
    text_p50_ms: float
    text_p99_ms: float
    plain_calls: int
    text_calls: int
    seed: int

    @property
    def met(self) -> bool:
        """Whether the limit is kept and no request without a text called the model."""
        return self.text_p99_ms < P99_MS and self.plain_calls == 0

    def record(self) -> dict[str, Any]:
        """For a JSON file."""
        return asdict(self) | {"met": self.met, "versions": tool_versions()}

    def table(self) -> str:
        """For a terminal."""
        calls = self.plain_calls, self.text_calls
        return (
            f"{' + '.join(self.models)}, soft device, k {_K}, {self.requests} requests each\n"
            f"without text  p50 {self.plain_p50_ms:7.2f} ms  p99 {self.plain_p99_ms:7.2f} ms  "
            f"the model read {calls[0]} texts\n"
            f"with text     p50 {self.text_p50_ms:7.2f} ms  p99 {self.text_p99_ms:7.2f} ms  "
            f"the model read {calls[1]} texts (limit of p99: {P99_MS:g})"
        )


def measure(folder: Path, *, requests: int = 500, seed: int = 1) -> WordsResult:
    """Ask a contract folder's recommender in this process, with and without a text in turn.

    Raises ConfigError for a folder without a map from text.
    """
    contract = Contract.load(folder)
    encoder = TextEncoder.open(folder, contract)
    if encoder is None:
        raise ConfigError(f"{folder} holds no {TEXT_FILE}; export the model from data with texts.")
    encoder.load()
    recommender, rng = Recommender(contract, encoder=encoder), np.random.default_rng(seed)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    calls = {False: 0, True: 0}
    tokens = np.array(contract.tokens)
    longest = min(80, len(tokens), contract.shape.max_history // 2)
    for _ in range(_WARM + requests):
        history = rng.choice(tokens, rng.integers(1, longest + 1)).tolist()
        text = wish(rng)
        for worded in (False, True):
            before, begin = encoder.calls, time.perf_counter()
            recommender.recommend(history, _K, text=text if worded else None)
            seconds[worded].append(time.perf_counter() - begin)
            calls[worded] += encoder.calls - before
    plain, text_ms = (1e3 * np.array(seconds[worded][_WARM:]) for worded in (False, True))
    return WordsResult(
        contract=contract.sha256,
        models=tuple(model.name for model in encoder.map.models),
        requests=requests,
        plain_p50_ms=float(np.quantile(plain, 0.5)),
        plain_p99_ms=float(np.quantile(plain, 0.99)),
        text_p50_ms=float(np.quantile(text_ms, 0.5)),
        text_p99_ms=float(np.quantile(text_ms, 0.99)),
        plain_calls=calls[False],
        text_calls=calls[True],
        seed=seed,
    )
