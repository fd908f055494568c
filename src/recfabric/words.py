# SPDX-License-Identifier: Apache-2.0
"""Words at request time: a contract's map from text, and the language model that reads for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recfabric.contract import Contract
from recfabric.errors import ConfigError, DataError, MissingExtraError, RequestError
from recfabric.host.device import Device
from recfabric.host.items import ItemRows
from recfabric.host.recommender import Recommender

if TYPE_CHECKING:
    from recfabric.quant.llm.textmap import MapConfig, TextMap
    from recfabric.quant.progress import Progress

TEXT_FILE = "text.npz"  # beside the contract


def open_recommender(folder: Path, device: Device | None = None) -> Recommender:
    """A contract folder's recommender, which takes texts where the folder has a map for them."""
    contract = Contract.load(folder)
    return Recommender(contract, device, encoder=TextEncoder.open(folder, contract))


class TextEncoder:
    """The host's encoder (:class:`recfabric.host.items.Encoder`) of a contract with a map.

    The language model is loaded at the first text, or by :meth:`load`; ``calls`` counts the texts
    that it read. Raises ConfigError for a map of another contract or other weights,
    MissingExtraError without transformers and torch.
    """

    def __init__(self, contract: Contract, textmap: TextMap, *, deepspeed: bool = False) -> None:
        try:
            from recfabric.quant.llm.reader import TextReader
        except ModuleNotFoundError as error:
            raise MissingExtraError(str(error.name), "train") from None
        if textmap.contract != contract.sha256:
            raise ConfigError(
                f"The map from text belongs to the contract {textmap.contract[:12]}, not to "
                f"{contract.sha256[:12]}; export the model again."
            )
        self.contract, self.map = contract, textmap
        self._readers = [TextReader.of(m, deepspeed=deepspeed) for m in textmap.models]

    @classmethod
    def open(
        cls, folder: Path, contract: Contract, *, deepspeed: bool = False
    ) -> TextEncoder | None:
        """The encoder of a contract folder; None where the folder has no map from text.

        ``deepspeed``: its language models run under DeepSpeed inference.
        """
        from recfabric.quant.llm.textmap import TextMap

        found = TextMap.load(folder)
        return None if found is None else cls(contract, found, deepspeed=deepspeed)

    @property
    def calls(self) -> int:
        """Texts that a language model has read, each model counted."""
        return sum(reader.texts for reader in self._readers)

    def load(self) -> None:
        """Load the language models now instead of at the first text."""
        for reader in self._readers:
            reader.load()

    def rows(self, texts: Sequence[str], contract: Contract) -> ItemRows:
        """See :class:`recfabric.host.items.Encoder`; ``contract`` may have items added."""
        for i, text in enumerate(texts):
            if not text.strip():
                which = "The text" if len(texts) == 1 else f"The text {i + 1} of {len(texts)}"
                raise RequestError(f"{which} has no word; say what is wanted.")
        if contract.formats != self.contract.formats or contract.shape.dim != (
            self.contract.shape.dim
        ):
            raise ConfigError(
                "The map from text belongs to another model than the tables in use; serve the "
                "contract folder that holds both."
            )
        longest = max((reader.characters for reader in self._readers), default=None)
        heads = [text[:longest] for text in texts]
        vectors = [reader.read(heads) for reader in self._readers]
        weights = self.map.weights(self.map.featurise(heads, vectors))
        return ItemRows(**self.map.rows(weights, self.contract))


def write_map(
    contract: Contract,
    texts: Sequence[str] | None,
    folder: Path,
    *,
    models: Sequence[str],
    noun: str = "",
    adapter: str | None = None,
    sharpness: float = 0.0,
    config: MapConfig | None = None,
    progress: Progress | None = None,
) -> TextMap:
    """Fit a contract's map from text and write it beside the contract.

    ``models``: what reads the texts; ``adapter``: of the last of them; ``sharpness``: see
    :func:`recfabric.quant.llm.textmap.fit_map`. Raises DataError without texts.
    """
    from recfabric.quant.llm.reader import TextReader
    from recfabric.quant.llm.textmap import fit_map

    if not texts or len(texts) != contract.shape.items or not any(t.strip() for t in texts):
        raise DataError(
            "The run folder knows no texts of its items; train again on data with a .item file."
        )
    vectors = []
    for i, model in enumerate(models):
        last = i == len(models) - 1
        reader = TextReader(model, noun=noun, adapter=adapter if last else None)
        vectors.append((reader.about, reader.cached(texts, progress=progress)))
    made = fit_map(contract, texts, vectors, config=config, sharpness=sharpness)
    made.save(folder)
    return made
