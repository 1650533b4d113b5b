"""Which workers color a film; nothing heavy is imported here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UsageError

__all__ = ["Workers", "check_address", "parse_devices"]


@dataclass(frozen=True)
class Workers:
    """Processes on devices of this machine, or the actors of a Ray cluster."""

    devices: tuple[str, ...] = ()  # one process for each: "cuda:0", "cpu", …
    ray: str | None = None  # address of a cluster; "auto": the one that is running, or a new one on this machine

    def __post_init__(self) -> None:
        if bool(self.devices) == (self.ray is not None):
            raise UsageError("Give the devices of this machine (`devices`) or a Ray cluster (`ray`), one of them.")
        if len({device.partition(":")[0] for device in self.devices}) > 1:
            raise UsageError("`devices` names several kinds, whose colors differ in rounding: give devices of one.")
        if self.ray is not None:
            check_address(self.ray)


def parse_devices(text: str) -> tuple[str, ...]:
    """``cuda:0,cuda:1`` or ``cpu:4`` (four workers) as one device for each worker.

    Raises:
        UsageError: it is something else.
    """
    devices: list[str] = []
    for part in text.split(","):
        match = re.fullmatch(r"(cuda):(\d+)|(cpu)(?::([1-9]\d{0,3}))?|(cuda|mps)", part.strip())
        if match is None:
            raise UsageError(f"`devices` is {text!r}: give names such as cuda:0,cuda:1, or cpu:4 for four workers.")
        devices += ["cpu"] * int(match[4] or 1) if match[3] else [part.strip()]
    return tuple(devices)


def check_address(text: str) -> str:
    """Of a Ray cluster: auto, local, HOST:PORT or ray://HOST:PORT.

    Raises:
        UsageError: it is something else.
    """
    if re.fullmatch(r"auto|local|(ray://)?[\w.\-\[\]:]+:\d+", text):
        return text
    raise UsageError(f"`ray` is {text!r}: give auto, local, or the address of a cluster, HOST:PORT.")
