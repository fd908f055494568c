# SPDX-License-Identifier: Apache-2.0
"""Errors a user can cause or must hear of: one sentence with the value, the limit, the way out."""

from collections.abc import Mapping


class RecFabricError(Exception):
    """Base of every error that the command line turns into one sentence and exit code 2."""


class ContractError(RecFabricError):
    """A contract folder that is damaged, of another version, or outside what a format can hold."""


class DataError(RecFabricError):
    """A data set that cannot be read as it stands; names the file and the line."""


class RequestError(RecFabricError, ValueError):
    """A request outside the limits: an unknown item, a k of 0, a history too long."""


class UnknownUserError(RequestError):
    """A user that the contract's requests do not name."""


class ConfigError(RecFabricError, ValueError):
    """A training or hardware parameter outside its range."""


def check_limits(config: object, limits: Mapping[str, tuple[bool, str]]) -> None:
    """Raise ConfigError for the first attribute of ``config`` whose check is false.

    ``limits``: by attribute, whether its value is good, and what it may be in words.
    """
    for name, (good, limit) in limits.items():
        if not good:
            raise ConfigError(f"A {name} of {getattr(config, name)!r} is not {limit}.")


class DeviceError(RecFabricError):
    """A device that reports a fault: a bus error, an unsorted seen list, a missing model."""


class DeviceTimeoutError(DeviceError):
    """A device that does not finish within its time-out."""


class UnattributedFaultError(DeviceError):
    """A batch in which the device did not say how each request ended."""


class OverloadedError(RecFabricError):
    """More requests are waiting than the runtime takes; nothing was done for this one."""


class SupersededError(RecFabricError):
    """A request in the rows of tables that were swapped meanwhile; look its items up again."""


class ToolMissingError(RecFabricError):
    """A program that is not installed: a compiler, a simulator, a synthesiser."""


class MissingExtraError(RecFabricError):
    """A Python package that belongs to an extra which is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"The package '{package}' is not installed; install it with "
            f"`pip install recfabric[{extra}]`."
        )


class NetworkError(RecFabricError):
    """A download that failed and has no other source left."""


class BitstreamError(RecFabricError):
    """A build that is damaged, or that does not fit its contract, its board or this host."""
