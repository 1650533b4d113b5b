"""Workers on this machine: a process for each device."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ..errors import DeviceError
from .process_worker import PATIENCE, work
from .team import Done, Event, Failed, GivenUp, Lost, Progressed
from .unit_run import Assignment
from .unit_worker import Setup

__all__ = ["ProcessTeam"]

_STARTS = 3  # of a worker that ends before it is ready, until its device is given up


class _Member:
    """A device and the process that works there; another one is started where it ends."""

    def __init__(self, device: str, setup: Setup) -> None:
        self.device, self.setup = device, setup
        self.failures = 0  # starts in a row that led to nothing
        self.assignment: Assignment | None = None
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process: BaseProcess = context.Process(target=work, args=(other, self.device), daemon=True)
        self.process.start()
        other.close()
        with suppress(OSError):  # it has ended: `poll` will say so
            self.pipe.send(self.setup)
        self.is_ready = False
        self.reason = ""  # why it ends, where it says so

    @property
    def is_free(self) -> bool:
        """Whether it waits for an assignment."""
        return self.is_ready and self.assignment is None

    def messages(self) -> list[tuple[str, Any]]:
        """What it has sent."""
        found = []
        with suppress(EOFError, OSError):
            while self.pipe.poll():
                found.append(self.pipe.recv())
        return found

    def ending(self) -> str:
        """Why or how its process ended."""
        if self.reason:
            return self.reason
        code = self.process.exitcode or 0
        if code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name
        return f"{name}, as when memory runs out" if name == "SIGKILL" else name


class ProcessTeam:
    """A process for each of these devices.

    Args:
        devices: as `resolve_device` takes them; one may be named several times.
    """

    certain = True

    def __init__(self, devices: Sequence[str], setup: Setup) -> None:
        self._devices, self._setup = devices, setup
        self._members: list[_Member] = []
        self._reasons: dict[str, str] = {}

    def __enter__(self) -> ProcessTeam:
        self._members = [_Member(device, self._setup) for device in self._devices]
        return self

    def __exit__(self, *_: object) -> None:
        end = time.monotonic() + PATIENCE
        for member in self._members:
            member.process.terminate()
        for member in self._members:
            member.process.join(max(0.0, end - time.monotonic()))
            if member.process.is_alive():
                member.process.kill()
                member.process.join()
            member.pipe.close()
        self._members = []

    @property
    def size(self) -> int:
        return len(self._members)

    @property
    def idle(self) -> int:
        return sum(member.is_free for member in self._members)

    def give(self, assignment: Assignment) -> None:
        member = next(member for member in self._members if member.is_free)
        member.assignment = assignment
        with suppress(OSError):  # it has ended: `poll` will say so
            member.pipe.send(assignment)

    def poll(self, seconds: float) -> list[Event]:
        waiting: list[Connection | int] = [member.pipe for member in self._members]
        wait([*waiting, *(member.process.sentinel for member in self._members)], seconds)
        events: list[Event] = []
        for member in list(self._members):
            ended = not member.process.is_alive()  # before what it sent is read: nothing comes later
            for kind, content in member.messages():
                if kind == "ready":
                    member.is_ready = True
                elif kind == "failed":
                    events.append(Failed(content))
                elif kind == "lost":
                    member.reason = content
                elif member.assignment is not None and kind == "progress":
                    events.append(Progressed(member.assignment, content))
                elif member.assignment is not None:
                    events.append(Done(member.assignment, content))
                    member.assignment, member.failures = None, 0
            if ended:
                events += self._replace(member)
        return events

    def _replace(self, member: _Member) -> list[Event]:
        """Start another process where one has ended."""
        assignment, member.assignment, reason = member.assignment, None, member.ending()
        member.failures += not member.is_ready
        member.pipe.close()
        member.process.join()
        if member.failures < _STARTS:
            member.start()
        else:
            self._members.remove(member)
            self._reasons[member.device] = reason
        events: list[Event] = [] if assignment is None else [Lost(assignment, reason)]
        if self._members and member not in self._members:
            events.append(GivenUp(f"{member.device}: {reason}"))
        if not self._members:
            which = ", ".join(f"{device}: {why}" for device, why in self._reasons.items())
            events.append(Failed(DeviceError(f"No worker could be started ({which}): free memory, or give fewer.")))
        return events
