"""Colors the frames of a film, or the pictures of a folder, by their schedule."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import MediaError
from ..inference.colorizer import Colorizer, state_in_precision
from ..inference.engine import to_device
from ..inference.exemplar import Exemplar
from ..inference.frame_colorizer import Encoded, FrameColorizer, Resampler
from .pass_mixing import PassMixing
from .protection import Protection
from .schedule import Pass, Schedule
from .stored_color import StoredColor, color_backward

__all__ = ["FilmColorizer", "film_state_in_precision"]


class FilmColorizer:
    """Colors frames in the film's order: forward passes as the frames come, backward passes before their first frame.

    Args:
        schedule: which passes color which frames.
        resampler: to the working size and back.
        colorizer: a new one, for a pass; other passes get others like it.
        exemplar: reads a reference.
        read: lightness [1, H, W] of the frames [begin, end), with their numbers, which the film has not reached yet.
        folder: for the color of backward passes.
        batch: frames that `steps` usually gets.
        ref_is_first: for a pass that does not start at the frame of an exemplar: see `FrameColorizer`.
        report: called with the frames of a backward pass that are done and their total.
        matching: `colors` also says how well the exemplars show each place.
        name: the beginning of the names of files in `folder`.
    """

    def __init__(
        self,
        schedule: Schedule,
        resampler: Resampler,
        colorizer: Colorizer,
        exemplar: Callable[[str], Exemplar],
        read: Callable[[int, int], Iterator[tuple[int, Tensor]]],
        folder: Path,
        *,
        batch: int = 1,
        ref_is_first: bool | None = None,
        report: Callable[[int, int], None] = lambda done, total: None,
        matching: bool = False,
        name: str = "pass",
    ) -> None:
        self.matching, self.name = matching, name
        self.schedule, self.resampler, self.folder = schedule, resampler, folder
        self.batch, self.ref_is_first, self._report = batch, ref_is_first, report
        self._colorizer, self._exemplar, self._read = colorizer, exemplar, read
        self._live: dict[Pass, FrameColorizer] = {}  # forward passes that have begun
        self._stored: dict[Pass, StoredColor] = {}  # backward passes that are done
        self._free = [colorizer]  # without a pass
        self._protection = Protection(schedule, resampler.orientation, colorizer.device)
        self._mixing = PassMixing(schedule, colorizer.another(), exemplar)
        self._encoded: Encoded = {}  # exemplars that the network has seen, until no later pass needs them

    def steps(self, Ls: Sequence[Tensor], numbers: Sequence[int]) -> list[Tensor]:
        """The next K frames: lightness [1, H, W] each, and their numbers in the film, to ab [2, H, W] each.

        No pass or shot begins or ends between them (`Schedule.next_change`).
        """
        working, colors = self.working_steps(Ls, numbers)
        return self.full_size(working, colors[:, :2], Ls, numbers)

    def full_size(self, working: Tensor, ab: Tensor, Ls: Sequence[Tensor], numbers: Sequence[int]) -> list[Tensor]:
        """ab of `working_steps` [K, 2, h, w] at full size, protected parts neutral: [2, H, W] each."""
        return self._protection.neutral(self.resampler.up(ab, working, Ls), numbers)

    def working_steps(self, Ls: Sequence[Tensor], numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The same at the working size, nothing protected: lightness [K, 1, h, w], and ab with the expected error.

        These are [K, 3, h, w], or [K, 2, h, w] where the network expects none.
        """
        working = self.resampler.down(Ls)
        return working, self.colors(working, Ls[0], numbers)[:, : self._channels - self.matching]

    def colors(self, working: Tensor, first: Tensor, numbers: Sequence[int]) -> Tensor:
        """The next K frames at the working size [K, 1, h, w], and the first of them at full size [1, H, W], to ab.

        Returns:
            [K, C, h, w], as of `FrameColorizer.described_steps`.
        """
        passes = [one for one, _ in self.schedule.at(numbers[0])]
        self._release(passes, numbers[0])
        colors = {one: self._color(one, working, first, numbers) for one in passes}
        return colors[passes[0]] if len(passes) == 1 else self._mixed(colors, numbers)

    def _mixed(self, colors: Mapping[Pass, Tensor], numbers: Sequence[int]) -> Tensor:
        """[K, C, h, w] by several passes to that of the frames; what a shot protects has no share in a dissolve."""
        mixed = []
        for i, number in enumerate(numbers):
            shares = self._mixing.at(number)
            if len({one.shot.number for one, _ in shares}) == 1 or not any(one.shot.mask for one, _ in shares):
                mixed.append(sum((share * colors[one][i] for one, share in shares), torch.zeros(())))
                continue
            weights = [share * self._protection.weight(one.shot, colors[one]) for one, share in shares]
            weighted = (weight * colors[one][i] for weight, (one, _) in zip(weights, shares, strict=True))
            mixed.append(sum(weighted, torch.zeros(())) / sum(weights, torch.zeros(())))
        return torch.stack(mixed)

    def follow(self, Ls: Sequence[Tensor], numbers: Sequence[int], shots: Collection[tuple[int, int]]) -> None:
        """The next K frames, whose color is not wanted: only forward passes of these shots (by key) go on."""
        passes = [one for one, _ in self.schedule.at(numbers[0])]
        self._release(passes, numbers[0])
        working = self.resampler.down(Ls)
        for one in passes:
            if not one.backward and one.shot.key in shots:
                self._steps(self._begun(one))(working, Ls[0])

    def can_continue(self, frame: int, shots: Collection[tuple[int, int]]) -> bool:
        """Whether every forward pass of these shots that has begun before a frame and colors it is loaded."""
        passes = (one for one, _ in self.schedule.at(frame) if not one.backward and one.begin < frame)
        return all(one in self._live for one in passes if one.shot.key in shots)

    def forward(self, frame: int) -> FrameColorizer | None:
        """The forward pass that colors a frame; None where only backward passes do."""
        return next((self._begun(one) for one, _ in self.schedule.at(frame) if not one.backward), None)

    def _color(self, one: Pass, working: Tensor, first: Tensor, numbers: Sequence[int]) -> Tensor:
        """The result of `colors` by one pass."""
        if not one.backward:
            return self._steps(self._begun(one))(working, first)
        stored = self._stored.get(one)
        if stored is None or not stored.has(numbers[0]):
            stored = self._stored[one] = self._colored_backward(one, numbers[0])
        return stored.at(numbers, working.device)

    def _steps(self, frames: FrameColorizer) -> Callable[..., Tensor]:
        return partial(frames.described_steps, matching=self.matching)

    @property
    def _channels(self) -> int:
        """What `colors` says of each place."""
        return 2 + self._colorizer.engine.expects_errors + self.matching

    def _begun(self, one: Pass) -> FrameColorizer:
        if one not in self._live:
            self._live[one] = self._start(one)
        return self._live[one]

    def _start(self, one: Pass) -> FrameColorizer:
        """A pass at its first frame, its exemplars read."""
        exemplars = [self._exemplar(source) for source in one.references]
        first = True if one.anchor is not None else False if one.backward else self.ref_is_first
        return self._frames(exemplars, first)

    def _frames(self, exemplars: Sequence[Exemplar], first: bool | None) -> FrameColorizer:
        colorizer = self._free.pop() if self._free else self._colorizer.another()
        return FrameColorizer(
            colorizer,
            exemplars,
            resampler=self.resampler,
            ref_is_first=first,
            batch=self.batch,
            encoded=self._encoded,
        )

    def _colored_backward(self, one: Pass, begin: int) -> StoredColor:
        """The backward pass down to frame `begin`: the film has reached this one."""
        path = self.folder / f"{self.name}-{self.schedule.passes.index(one):06d}-{begin}.color"
        last = one.end if one.anchor is not None else None if one.end is None else one.end - 1
        assert last is not None  # for the type checker: a backward pass has an end
        working = self._working(one, begin, last)
        if (stored := StoredColor.intact(path)) is not None:
            if self._mixing.misses(one):  # the run was interrupted between the pass and its next checkpoint
                deque(working, maxlen=0)
            return stored
        frames = self._start(one)
        colors = color_backward(path, working, self._steps(frames), self.batch, self._report, self._channels)
        self._give_back(frames)
        return colors

    def _working(self, one: Pass, begin: int, last: int) -> Iterator[tuple[int, Tensor]]:
        """The frames from `begin` to `last` at the working size; the last one is there."""
        number = -1
        for number, L in self._read(begin, last + 1):
            working = self.resampler.down([L])[0]
            self._mixing.look(one, number, working)
            yield number, working
        if number != last:
            raise MediaError(
                f"Frame {last}, with which {one.references[0]} is to be propagated backward, cannot be read: the film "
                "may have changed, or end before it."
            )

    @cached_property
    def _last_use(self) -> dict[str, int | None]:
        """The end of the last pass that needs each exemplar."""
        ends: dict[str, int | None] = {}
        for one in self.schedule.passes:
            for source in one.references:
                known = ends.get(source, 0)
                ends[source] = None if known is None or one.end is None else max(known, one.end)
        return ends

    def _release(self, passes: Sequence[Pass], frame: int) -> None:
        """Free what belongs to passes that have ended before a frame."""
        for key in list(self._encoded):
            if (end := self._last_use.get(key[0])) is not None and end <= frame:
                del self._encoded[key]
        for one in [one for one in self._live if one not in passes]:
            self._give_back(self._live.pop(one))
        for one in [one for one in self._stored if one not in passes]:
            self._stored.pop(one).delete()
        self._mixing.forget(list(passes))

    def _give_back(self, frames: FrameColorizer) -> None:
        frames.colorizer.reset()
        self._free.append(frames.colorizer)

    # Resuming

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next frames depend on, besides what backward passes are made from again."""
        passes = self.schedule.passes
        states = {passes.index(one): frames.colorizer.state_dict() for one, frames in self._live.items()}
        mixing = self._mixing.state_dict()
        matches = {passes.index(one): frames.match for one, frames in self._live.items()} if self.matching else {}
        return {"precision": self._colorizer.precision, "passes": states, "mixing": mixing, "matches": matches}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where that state was taken."""
        self._live, self._stored = {}, {}
        self._mixing.load_state_dict(state["mixing"])
        for index, of_pass in state["passes"].items():
            frames = self._live[self.schedule.passes[index]] = self._frames((), None)
            frames.colorizer.load_state_dict(of_pass)
            frames.match = to_device(state.get("matches", {}).get(index), frames.colorizer.device)


def film_state_in_precision(state: Mapping[str, Any], precision: str) -> dict[str, Any] | None:
    """A FilmColorizer's state for one of another precision; None where it holds values that are not finite."""
    passes = {index: state_in_precision(of_pass, precision) for index, of_pass in state["passes"].items()}
    if any(of_pass is None for of_pass in passes.values()):
        return None
    converted = {**state, "precision": precision, "passes": passes}
    if "automatic" in state:  # see `FilledColorizer`
        converted["automatic"] = film_state_in_precision(state["automatic"], precision)
    return None if converted.get("automatic", converted) is None else converted
