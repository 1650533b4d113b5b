"""How much faster a two-hour film gets with more workers, its shots distributed as by `colorize --devices`.

    python tools/simulate_workers.py                 # with the times that docs/many-devices.md names
    python tools/simulate_workers.py --frame 0.1667  # of a worker that colors six frames a second
    python tools/simulate_workers.py --measure       # the times of this machine, as JSON

No network is computed, except to measure. The lengths of shots are random, log-normal, from a seed. A development
script: not installed.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from colormnet_cli import ColorizeSettings, ColorMNet, load_model, plan_video
from colormnet_cli.bench import parse_frame_size
from colormnet_cli.bench.worker_times import make_shots
from colormnet_cli.film.colorize import for_network
from colormnet_cli.networks.weight_file import save_network
from colormnet_cli.passes.schedule import Schedule, ScheduledShot
from colormnet_cli.passes.windows import cut_into_windows
from colormnet_cli.settings import ColorSource
from colormnet_cli.video.reader import MIN_SEEK_FRAMES, Reader
from colormnet_cli.workers.distributed_run import DistributedRun
from colormnet_cli.workers.task_queue import TaskQueue
from colormnet_cli.workers.tasks import Task, tasks_of
from colormnet_cli.workers.team import Done, Event
from colormnet_cli.workers.unit_run import Assignment
from colormnet_cli.workers.unit_worker import Setup, UnitWorker

RATE = 24  # frames a second
HOURS = 2.0
MEDIAN, SPREAD = 4.0, 0.8  # seconds, and the standard deviation of the logarithm: 5.5 s on average
SHORTEST = 0.5  # seconds
WORKERS = (1, 8, 64, 512)


@dataclass(frozen=True)
class Times:
    """Seconds that a worker takes, and of what is done once; see docs/many-devices.md for how they were measured."""

    frame: float = 5.6  # of a frame
    shot: float = 0.6  # of a shot, besides its frames
    start: float = 3.0  # until a worker is ready
    read: float = 1 / 600  # of a frame, where the film is read once to find where its shots begin
    join: float = 5e-5  # of a frame, in the end


@dataclass(frozen=True)
class Outcome:
    """A film by so many workers."""

    workers: int
    seconds: float
    speedup: float  # of one worker's time
    efficiency: float  # share of the workers' time in which they color
    last: str  # the shot that ended last


def shots_of_film(seed: int = 0, hours: float = HOURS) -> list[ScheduledShot]:
    """A film whose shots all meet in cuts."""
    random, total = np.random.default_rng(seed), round(hours * 3600 * RATE)
    shots, begin = list[ScheduledShot](), 0
    while begin < total:
        length = max(SHORTEST, random.lognormal(math.log(MEDIAN), SPREAD))
        end = min(total, begin + round(length * RATE))
        shots.append(ScheduledShot(len(shots) + 1, begin, end, ()))
        begin = end
    return shots


def simulate(tasks: Sequence[Task], workers: int, times: Times) -> tuple[float, Task]:
    """Seconds until the film is there, and the task that ended last. The order is that of `workers.task_queue`."""
    queue = TaskQueue(tasks)
    # (when, order, what): a task can be begun, or a worker is free, with the task that it has finished
    events: list[tuple[float, int, Task | None, Task | None]] = []
    for task in tasks:
        known = 0.0 if task.start <= MIN_SEEK_FRAMES else task.start * times.read
        events.append((known, len(events), task, None))
    for _ in range(workers):
        events.append((times.start, len(events), None, None))
    heapq.heapify(events)
    count, idle, now, last = len(events), 0, 0.0, tasks[0]
    while not queue.is_done:
        now, _, begun, done = heapq.heappop(events)
        if begun is not None:
            queue.add(begun.number)
        else:
            idle += 1
        if done is not None:
            queue.done(done)
            last = done
        if events and events[0][0] == now:
            continue  # everything that happens at once, before somebody gets the longest
        while idle and (task := queue.next()) is not None:
            idle -= 1
            count += 1
            heapq.heappush(events, (now + times.shot + task.frames * times.frame, count, None, task))
    return now + tasks[-1].end * times.join, last


def outcomes(shots: Sequence[ScheduledShot], times: Times, workers: Sequence[int] = WORKERS) -> list[Outcome]:
    """The same film by several numbers of workers; the first is compared with."""
    tasks = tasks_of(Schedule(shots))
    work = sum(times.shot + task.frames * times.frame for task in tasks)
    alone, _ = simulate(tasks, 1, times)
    found = []
    for count in workers:
        seconds, last = simulate(tasks, count, times)
        found.append(
            Outcome(count, seconds, alone / seconds, work / count / seconds, f"a shot of {last.frames / RATE:.0f} s")
        )
    return found


class _TimedTeam:
    """One worker, in this process; takes the CPU time of its start and of each task."""

    size, certain, idle = 1, True, 1

    def __init__(self, setup: Setup) -> None:
        began = time.process_time()
        self.worker = UnitWorker(setup, "cpu")
        self.start = time.process_time() - began
        self.read = 0.0  # of the film, once
        self.seconds: list[tuple[int, float]] = []  # of each task: frames, seconds
        self._done: list[Event] = []

    def __enter__(self) -> _TimedTeam:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def give(self, order: Assignment) -> None:
        began = time.process_time()
        outcome = self.worker.color(order, lambda _: None)
        self.seconds.append((order.task.frames, time.process_time() - began))
        self._done.append(Done(order, outcome))

    def poll(self, seconds: float) -> list[Event]:
        done, self._done = self._done, []
        return done


class _TimedRun(DistributedRun):
    """Takes the CPU time of joining its segments."""

    join = 0.0

    def finish(self) -> None:
        began = time.process_time()
        super().finish()
        self.join = time.process_time() - began


def color(model: str, size: tuple[int, int], lengths: Sequence[int], working: int) -> tuple[_TimedRun, _TimedTeam]:
    """Color a film with shots of so many frames: the run, and the team that it had."""
    teams: list[_TimedTeam] = []

    def team(setup: Setup) -> _TimedTeam:
        teams.append(_TimedTeam(setup))
        return teams[0]

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = ColorMNet() if model == "colormnet" else load_model(model)  # random weights take as long
        save_network(network, folder / "weights.pt")
        film = make_shots(folder, lengths, size)
        settings = ColorizeSettings(size=working, threads=1)
        plan = plan_video(film, ColorSource(plan=folder / "film-plan"), folder / "color.mp4", settings=settings)
        run = _TimedRun(
            for_network(plan, network), network, None, device=torch.device("cpu"), precision="fp32", team=team,
            weights=folder / "weights.pt", threads=1,
        )  # fmt: skip
        run.run()
        began = time.process_time()
        for _ in Reader(plan.info).frames():
            pass
        teams[0].read = time.process_time() - began
    return run, teams[0]


def measure(model: str, size: tuple[int, int]) -> Times:
    """The times of this machine: CPU seconds, one thread, float32.

    A worker also starts Python and imports PyTorch, which is not measured here.
    """
    torch.set_num_threads(1)
    _, team = color(model, size, (1, 1, 3, 3), min(size))
    frame, shot = np.polyfit(*zip(*team.seconds[1:], strict=True), 1)  # the first one is slower
    run, other = color("preview", size, (300, 300), 16)  # for reading and joining, which need no network
    return Times(float(frame), float(shot), team.start, other.read / run.frames, run.join / run.frames)


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in asdict(Times()).items():
        parser.add_argument(f"--{name}", type=float, default=value, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split-long", type=float, metavar="SECONDS", help="cut longer shots into windows")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--measure", action="store_true", help="only measure the times of this machine")
    parser.add_argument("--model", default="colormnet", help="with --measure")
    parser.add_argument("--size", default="480p", help="with --measure")
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(asdict(measure(given.model, parse_frame_size(given.size))), indent=2))
        return
    times = Times(given.frame, given.shot, given.start, given.read, given.join)
    shots = shots_of_film(given.seed)
    lengths = [((shot.end or 0) - shot.start) / RATE for shot in shots]
    if given.split_long:
        shots = cut_into_windows(shots, round(given.split_long * RATE))
    print(f"{len(lengths)} shots, {np.mean(lengths):.1f} s on average, the longest {max(lengths):.0f} s; {times}")
    print("| workers | hours | times as fast | at work | the last to end |\n|---|---|---|---|---|")
    for one in outcomes(shots, times, given.workers):
        print(f"| {one.workers} | {one.seconds / 3600:.2f} | {one.speedup:.1f} | {one.efficiency:.0%} | {one.last} |")


if __name__ == "__main__":
    main()
