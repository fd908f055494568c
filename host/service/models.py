# SPDX-License-Identifier: Apache-2.0
"""What the service takes and gives, as its OpenAPI page says it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

MAX_TOKEN = 256  # characters
MAX_HISTORY = 4096  # tokens of a request, before the device's own limit
MAX_ITEMS = 1024  # of an insertion
MAX_TEXT = 4096  # characters
_BYTE = Annotated[int, Field(strict=True, ge=-128, le=127)]

Token = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_TOKEN)]
Text = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_TEXT)]
Row = Annotated[list[_BYTE], Field(min_length=16, max_length=256)]


def _one_of(*names: str) -> dict[str, Any]:
    return {"oneOf": [{"required": [name]} for name in names]}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _no_null(cls, data: Any) -> Any:  # noqa: ANN401
        """A field that may be left out is left out, not null: so the page says it."""
        if isinstance(data, dict) and any(value is None for value in data.values()):
            raise ValueError("a field is null; leave it out")
        return data


class Ask(_Model):
    """A request: a history of item tokens or a user of the contract's requests, a text, or both."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "anyOf": [{"required": [name]} for name in ("history", "user", "text")],
            "not": {"required": ["history", "user"]},
            "examples": [
                {"history": ["50", "172", "181"], "k": 10},
                {"history": ["50"], "text": "a dark comedy about chess"},
            ],
        },
    )

    history: Annotated[list[Token], Field(max_length=MAX_HISTORY)] | SkipJsonSchema[None] = Field(
        None, description="item tokens, oldest first; empty: the most popular items"
    )
    user: Token | SkipJsonSchema[None] = Field(
        None, description="a user whose history the contract brings"
    )
    text: Text | SkipJsonSchema[None] = Field(
        None, description="what is wanted in words, alone or with a history; needs a text encoder"
    )
    exclude: Annotated[list[Token], Field(max_length=MAX_HISTORY)] = Field(
        default_factory=list, description="items to leave out besides the history"
    )
    k: int = Field(10, strict=True, ge=1, le=128, description="how many; the device may take fewer")


class Answered(_Model):
    """Items, best first, and the contract whose integer model gives the same."""

    items: list[str]
    scores: list[float]
    popular: bool = Field(description="the answer to an empty history; scores are interactions")
    contract: str = Field(description="SHA-256 of the contract")
    generation: int = Field(description="counts the tables since the start of the service")
    devices: list[str] = Field(description="who answered: a name for each shard")


class Vectors(_Model):
    """An item's rows, quantised: integers in the contract's formats, as many as its dimension."""

    message: Row
    key: Row
    value: Row
    item: Row
    bias: int = Field(0, strict=True, ge=-(1 << 15), le=(1 << 15) - 1)
    popularity: int = Field(0, strict=True, ge=0, le=(1 << 32) - 1)


class NewItem(_Model):
    """An item by its vectors, or by its text where the service has an encoder."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_one_of("vectors", "text"))

    token: Token
    vectors: Vectors | SkipJsonSchema[None] = None
    text: Text | SkipJsonSchema[None] = None


class Insertion(_Model):
    """Items to add, or to replace where their token is known."""

    items: Annotated[list[NewItem], Field(min_length=1, max_length=MAX_ITEMS)]


class Inserted(_Model):
    """The tables that are in use now."""

    inserted: int
    replaced: int
    contract: str
    generation: int


class Alive(_Model):
    """The process answers."""

    status: str = "ok"


class DeviceState(_Model):
    """A device's state and counts since the start."""

    device: str
    up: bool
    batches: int
    faults: int
    late: int
    rescued: int
    recoveries: int
    error: str


class Readiness(_Model):
    """Whether requests are answered, and by what."""

    ready: bool
    contract: str
    generation: int
    devices: list[DeviceState]


class Problem(_Model):
    """Why a request was refused: one sentence."""

    error: str


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for its OpenAPI page."""
    return {code: {"model": Problem, "description": _REASONS[code]} for code in codes}


_REASONS = {
    400: "The body is no JSON.",
    401: "The token is missing or wrong.",
    404: "The user is not known.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    422: "The request does not fit the contract or the device.",
    429: "Too many requests are waiting; send it again later.",
    503: "No device can answer.",
    504: "No device answered in time.",
}
