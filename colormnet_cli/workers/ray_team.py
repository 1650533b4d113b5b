"""Workers in a Ray cluster: one actor for each GPU, or for some CPUs. Only assignments travel through Ray, no frames.

Ray starts an actor again on a node that has room (`max_restarts`), and gives it the calls that only ask for something
again (`max_task_retries`). A shot whose actor was lost is not given to the same actor again, which may have to wait for
a new machine, but distributed to another one.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import current_thread, main_thread
from typing import Any

from ..errors import DeviceError, InstallationError, WorkerError
from ..files import file_identity
from .process_worker import PATIENCE
from .ray_worker import SHARED, RayWorker, Token
from .team import Done, Event, Failed, GivenUp, Lost, Progressed
from .unit_run import Assignment
from .unit_worker import Setup

__all__ = ["RayCluster", "RayTeam"]

_THREADS = 4  # default CPU threads of a worker without a GPU; fewer where a node has fewer
_ASK = 1.0  # seconds between two questions for progress
SILENCE = 60.0  # seconds without an answer, after which a worker counts as lost
ABSENCE = 600.0  # seconds without any worker, after which the run ends: a cluster may start its nodes on demand
_STARTS = 3  # of an actor that fails before it is ready


def _ray() -> Any:
    """The package, which is an extra."""
    try:
        import ray
    except ImportError as error:
        raise InstallationError("Ray is not installed: pip install 'colormnet[ray]' on every machine.") from error
    return ray


@dataclass(frozen=True)
class RayCluster:
    """What a cluster offers to a run."""

    device: str  # "cuda" or "cpu"
    workers: int
    threads: int  # of the CPU, for each worker

    @staticmethod
    @contextmanager
    def connected(address: str, threads: int | None) -> Iterator[RayCluster]:
        """Connect to a cluster, and disconnect.

        Args:
            address: "auto" for the one that runs on this machine or is named by RAY_ADDRESS, or a new one; "local" for
                a new one; or HOST:PORT.
            threads: of the CPU, for each worker; None: by the cluster.

        Raises:
            InstallationError: Ray is not there.
            DeviceError: no cluster answers, or it has nothing to offer.
        """
        ray = _ray()
        mine = not ray.is_initialized()
        if mine:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ours = (signal.SIGINT, signal.SIGTERM) if current_thread() is main_thread() else ()  # else they stay
            handlers = {number: signal.getsignal(number) for number in ours}
            try:
                ray.init(None if address == "auto" else address, log_to_driver=False, logging_level="ERROR")
            except Exception as error:  # Ray has no single class for them
                reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
                raise DeviceError(
                    f"No Ray cluster answers ({address}: {reason}): start one with `ray start --head`, and name it."
                ) from error
            finally:
                for number, handler in handlers.items():  # Ray ends the process at SIGTERM
                    signal.signal(number, handler)
        try:
            yield RayCluster._of([node["Resources"] for node in ray.nodes() if node["Alive"]], threads)
        finally:
            if mine:
                ray.shutdown()

    @staticmethod
    def _of(nodes: list[dict[str, float]], threads: int | None) -> RayCluster:
        """The workers that the nodes have room for: one for each GPU; without GPUs, by CPUs."""
        if gpus := sum(int(node.get("GPU", 0)) for node in nodes):
            return RayCluster("cuda", gpus, threads or 1)
        cpus = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
        if not cpus:
            raise DeviceError("The Ray cluster has neither GPUs nor CPUs to give: add machines with `ray start`.")
        each = threads or min(_THREADS, *cpus)
        if (workers := sum(count // each for count in cpus)) == 0:
            raise DeviceError(f"No machine of the Ray cluster has {each} CPUs: ask for fewer (`threads`).")
        return RayCluster("cpu", workers, each)


class _Member:
    """An actor, what it does, and what it was asked."""

    def __init__(self, name: str, actor: Any) -> None:
        self.name, self.actor = name, actor
        self.is_ready, self.failures = False, 0
        self.assignment: Assignment | None = None
        self.calls: dict[str, Any] = {}  # references to answers, by what was asked
        self.asked = self.heard = time.monotonic()

    @property
    def is_free(self) -> bool:
        """Whether it waits for an assignment; not while it is still at one that was believed lost."""
        return self.is_ready and self.assignment is None and "color" not in self.calls

    def ask(self, what: str, *arguments: Any, retries: int = 2) -> None:
        self.calls[what] = getattr(self.actor, what).options(max_task_retries=retries).remote(*arguments)
        self.asked = time.monotonic()


class RayTeam:
    """Actors of a cluster to which this process is connected."""

    certain = False  # a node that does not answer may still be at work

    def __init__(self, cluster: RayCluster, setup: Setup) -> None:
        assert setup.plan.shots is not None  # for the type checker: only films with a plan are distributed
        self._cluster, self._setup, self._ray = cluster, setup, _ray()
        self._folder = setup.plan.shots.folder / "segments"
        self._members: list[_Member] = []
        self._reason = "none is ready"
        self._present = time.monotonic()  # when there was a worker the last time

    def __enter__(self) -> RayTeam:
        cluster = self._cluster
        film = self._setup.plan.info.path
        self._film = file_identity(film)
        self._token = Token.write(self._folder, uuid.uuid4().hex, pickle.dumps(self._setup))
        gpu = cluster.device == "cuda"
        options = {
            "num_gpus": int(gpu),
            "num_cpus": 1 if gpu else cluster.threads,
            "max_restarts": -1,
            "max_task_retries": 2,
            "max_concurrency": 2,  # progress is asked for while a shot is colored
        }
        actors = self._ray.remote(RayWorker).options(**options)
        for number in range(cluster.workers):
            member = _Member(f"{number}", actors.remote(film, cluster.device, self._token, f"{number}"))
            member.ask("ready")
            self._members.append(member)
        return self

    def __exit__(self, *_: object) -> None:
        busy = [member for member in self._members if "color" in member.calls]
        with suppress(Exception):  # there is a more important error, or the cluster is gone
            for member in busy:
                member.actor.stop.remote()
            if busy:
                self._ray.wait([m.calls["color"] for m in busy], num_returns=len(busy), timeout=PATIENCE)
        for member in self._members:
            with suppress(Exception):
                self._ray.kill(member.actor)
        self._members = []
        self._token.remove()

    @property
    def size(self) -> int:
        return len(self._members)

    @property
    def idle(self) -> int:
        return sum(member.is_free for member in self._members)

    def give(self, assignment: Assignment) -> None:
        member = next(member for member in self._members if member.is_free)
        member.assignment, member.heard = assignment, time.monotonic()
        member.ask("color", assignment, retries=0)

    def poll(self, seconds: float) -> list[Event]:
        now = time.monotonic()
        for member in self._members:
            if member.assignment is not None and "progress" not in member.calls and now - member.asked > _ASK:
                member.ask("progress")
        asked = {ref: (member, what) for member in self._members for what, ref in member.calls.items()}
        answered, _ = self._ray.wait(list(asked), num_returns=1, timeout=seconds)
        answered, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=0) if answered else ([], [])
        events: list[Event] = []
        for ref in answered:
            member, what = asked[ref]
            del member.calls[what]
            try:
                answer = self._ray.get(ref)
            except Exception as error:  # of Ray: the actor, its node or the connection is lost
                detail = str(error).strip() if what == "ready" else ""  # its last line says what is wrong
                events += self._lost(member, what, ": ".join([type(error).__name__, *detail.splitlines()[-1:]])[:250])
                continue
            member.heard = time.monotonic()
            events += getattr(self, f"_{what}")(member, answer)
        return events + self._silent()

    def _ready(self, member: _Member, answer: tuple[str, Any]) -> list[Event]:
        kind, content = answer
        if kind == "failed":
            return [Failed(content)]
        host, film = content
        if film != self._film or not self._token.is_answered(member.name):
            names = f"{self._setup.plan.info.path} or another {self._folder}"
            return [Failed(WorkerError(f"The machine {host} has another {names} than this one: {SHARED}"))]
        member.is_ready, member.failures = True, 0
        return []

    def _color(self, member: _Member, answer: tuple[str, Any]) -> list[Event]:
        kind, content = answer
        assignment, member.assignment = member.assignment, None
        if kind == "failed":
            return [Failed(content)]
        if assignment is None:  # it was believed lost
            return []
        return [Done(assignment, content)] if kind == "done" else [Lost(assignment, content or kind)]

    def _progress(self, member: _Member, frames: int) -> list[Event]:
        return [] if member.assignment is None else [Progressed(member.assignment, frames)]

    def _lost(self, member: _Member, what: str, reason: str) -> list[Event]:
        """An answer that does not come: the actor is started again by Ray, and is asked whether it is ready."""
        if what == "progress":  # the answer of the assignment says more
            return []
        self._reason = reason
        assignment, member.assignment = member.assignment, None
        events: list[Event] = [] if assignment is None else [Lost(assignment, reason)]
        member.failures += what == "ready"
        member.is_ready = False
        if member.failures < _STARTS:
            member.ask("ready")
        else:
            self._members.remove(member)
            events.append(GivenUp(reason))
        return events

    def _silent(self) -> list[Event]:
        """Workers that have not answered for long, and a cluster without any."""
        now, events = time.monotonic(), list[Event]()
        for member in self._members:
            if member.assignment is not None and "progress" in member.calls and now - member.heard > SILENCE:
                events.append(Lost(member.assignment, f"no answer for {SILENCE:.0f} s"))
                member.assignment, member.is_ready = None, False
                member.ask("ready")
        if any(member.is_ready for member in self._members):
            self._present = now
        if not self._members or now - self._present > ABSENCE:
            reason = f"No worker of the Ray cluster is there ({self._reason}): look at `ray status`."
            events.append(Failed(DeviceError(reason)))
        return events
