# SPDX-License-Identifier: Apache-2.0
"""What a build was made of, and whether a host may load it.

A netlist reads its tables and shifts at run time, so a bitstream fits every contract of its
shape and widths. Only one with a layer's weights inside (``bound``) fits its own contract alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from recfabric.builds import write_whole
from recfabric.contract import Contract
from recfabric.errors import BitstreamError, ConfigError
from recfabric.kernels.hotpath.arguments import abi_hash
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.image import check_fit

FILE = "manifest.json"
SCHEMA = 1
NOT_RUN = "not run"


@dataclass(frozen=True)
class Manifest:
    """One build.

    ``contract``: the hash it was made for; ``bound``: whether weights of that contract are in the
    netlist; ``hardware``: parameters of ``rf_hotpath``; ``abi``: hash of the register map;
    ``sources``: hash of the RTL; ``tool``: the vendor's program and version, or "not run";
    ``reports``: the vendor's, by path; ``files``: SHA-256 of every file by path. Paths are
    relative to the manifest's folder.
    """

    contract: str
    bound: bool
    hardware: Mapping[str, int]
    abi: str
    sources: str
    board: str
    part: str
    flow: str
    clock_mhz: int
    tool: str = NOT_RUN
    reports: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def config(self) -> HotPathConfig:
        """The netlist's parameters. Raises BitstreamError for names that this host has not."""
        try:
            return HotPathConfig(**self.hardware)
        except (TypeError, ConfigError) as error:
            raise BitstreamError(
                f"The bitstream's parameters are not of this release ({error}); build it anew."
            ) from None

    def file(self, folder: Path, suffix: str) -> Path:
        """The one file of a kind, such as ``.bit``. Raises BitstreamError where there is none."""
        found = [name for name in self.files if name.endswith(suffix)]
        if len(found) != 1:
            raise BitstreamError(
                f"The build in {folder} has {len(found)} {suffix} files, not one; its tool was "
                f"{self.tool}: build it where the vendor's tool is installed."
            )
        return folder / found[0]

    def save(self, folder: Path, files: Iterable[str]) -> None:
        """Write ``manifest.json`` with the hashes of these files, at once or not at all."""
        hashes = {name: _sha256(folder / name) for name in sorted(files)}
        text = json.dumps(asdict(self) | {"files": hashes}, indent=1, sort_keys=True)
        write_whole(folder / FILE, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read a folder's manifest. Raises BitstreamError where it is missing or damaged."""
        path = folder / FILE
        try:
            told = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise BitstreamError(f"{path} cannot be read ({error}); build it anew.") from None
        names = {f.name for f in fields(cls)}
        if not isinstance(told, dict) or told.get("schema") != SCHEMA or set(told) != names:
            raise BitstreamError(
                f"{path} is no manifest of version {SCHEMA}; build it anew with this release."
            )
        return cls(**told | {"reports": tuple(told["reports"])})

    def check(self, folder: Path, contract: Contract) -> None:
        """Raises BitstreamError where the host may not load this build for this contract.

        Every file that the manifest names must be as it was written, the register map must be
        the host's, and the netlist must fit the contract.
        """
        for name, digest in self.files.items():
            if not (folder / name).is_file() or _sha256(folder / name) != digest:
                raise BitstreamError(
                    f"{folder / name} is not the file of its manifest; build it anew."
                )
        if self.abi != abi_hash():
            raise BitstreamError(
                f"The bitstream's register map is {self.abi} but this host's {abi_hash()}; build "
                "it anew, or take the release that built it."
            )
        if self.bound and self.contract != contract.sha256:
            raise BitstreamError(
                f"The bitstream holds weights of contract {self.contract[:12]} but the contract is "
                f"{contract.sha256[:12]}; build it anew."
            )
        try:
            check_fit(contract, self.config)
        except ConfigError as error:
            raise BitstreamError(f"The bitstream does not fit the contract: {error}") from None


def sources_hash(files: Sequence[Path]) -> str:
    """SHA-256 over names and bytes of the RTL, in order."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    # hashlib.file_digest is not in the Python 3.10 of the PYNQ 3.x images.
    return hashlib.sha256(path.read_bytes()).hexdigest()


def describe(manifest: Manifest) -> dict[str, Any]:
    """For a result's record: all but the files."""
    return {name: value for name, value in asdict(manifest).items() if name != "files"}
