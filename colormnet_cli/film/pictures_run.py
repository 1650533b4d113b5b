"""A folder of pictures in, the same pictures in color out; resumable.

The L of every picture is kept, to the rounding of its bit depth: a color that lies outside sRGB at that L loses chroma
instead of being clipped, so that no tone becomes lighter or darker.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..color.gamut import lab_to_rgb_keeping_lightness
from ..color.lab import rgb_to_lab
from ..errors import MediaError, NotFiniteError
from ..files import FileStamp, file_sha256, sample_sha256
from ..media.image_file import to_pixels, to_rgb, write_png
from ..media.picture import Picture, check_size, open_picture
from ..passes.filled_colorizer import FilledColorizer
from ..passes.film_colorizer import FilmColorizer
from . import checkpoint
from .checkpoint import Checkpoint, copied_to_cpu
from .pictures_plan import PicturesPlan
from .prefetch import BackgroundWriter, Prefetch
from .receipt import FileRecord
from .run import Run, log
from .transfer import not_finite

__all__ = ["PicturesRun"]

_COLORED = 3.0  # mean Lab chroma above which a picture is not black and white; a yellowed scan stays below


class PicturesRun(Run):
    """One folder: `color` writes every picture as soon as it is done."""

    plan: PicturesPlan
    unit, about = "picture", ""
    report_every = 0.0
    had_color = False  # a picture was in color

    def source_identity(self) -> Mapping[str, Any]:
        listing, self._stamps = hashlib.sha256(), [FileStamp.of(picture) for picture in self.plan.pictures]
        for picture, stamp in zip(self.plan.pictures, self._stamps, strict=True):
            content = sample_sha256(picture, blocks=8, block=4096)  # little of each: there may be 100,000
            listing.update(os.fsencode(picture.name) + f" {stamp.size} {content}\n".encode())
        return {"pictures": listing.hexdigest()}

    # The loop

    def color(self) -> None:
        """Read, colorize and write the pictures that are not done."""
        for warning in self.plan.warnings:
            self.warn(warning)
        self._restore()
        self.resumed_at = self.frames
        while True:
            try:
                return self._color()
            except NotFiniteError as error:
                self.widen_precision(error)
                self._restore()

    def _color(self) -> None:
        """The loop itself: threads read ahead of it, others write behind it."""
        plan, workers = self.plan, min(8, os.cpu_count() or 1)
        colorizer = self.film_colorizer()
        plan.output.mkdir(exist_ok=True)
        for rest in plan.output.glob(".*.png.part"):  # of a run that was killed while it wrote
            rest.unlink()
        self.meter.begin(self.frames)
        nothing_done = None if self.folder.checkpoint else self._checkpoint(colorizer)
        saved = time.monotonic()
        calls = (partial(open_picture, path) for path in plan.pictures[self.frames :])
        with (
            Prefetch(calls, self.lookahead + workers, workers=workers) as pictures,
            BackgroundWriter(_write, workers, workers=workers) as background,
        ):
            while batch := list(islice(pictures, self._batch())):
                numbers, readable = self._readable(batch)
                colored = self._colorize(colorizer, readable, numbers) if readable else []
                if nothing_done is not None and colored:  # from here on there are files that a later run may replace
                    self.folder.save(*nothing_done)
                    nothing_done = None
                for picture, rgb in zip(readable, colored, strict=True):
                    background.put((plan.target(picture.path), to_pixels(rgb, picture.bits)))
                self.advance(len(batch))
                if time.monotonic() - saved >= checkpoint.CHECKPOINT_SECONDS:
                    background.drain()
                    self.folder.save(*self._checkpoint(colorizer))
                    saved = time.monotonic()
            background.drain()

    def _batch(self) -> int:
        """How many pictures come next: no pass begins or ends between them."""
        change = self.next_change(self.frames)
        return self.lookahead if change is None else min(self.lookahead, change - self.frames)

    def _readable(self, batch: Sequence[Picture]) -> tuple[list[int], list[Picture]]:
        """The numbers of the pictures that are not damaged, and these pictures."""
        readable = [(n, picture) for n, picture in enumerate(batch, self.frames) if self._is_readable(picture)]
        return [number for number, _ in readable], [picture for _, picture in readable]

    @torch.inference_mode()
    def _colorize(
        self, colorizer: FilmColorizer | FilledColorizer, pictures: Sequence[Picture], numbers: Sequence[int]
    ) -> list[Tensor]:
        """sRGB [3, H, W] in 0..1 of each, on the device."""
        Ls = [self._lightness(picture) for picture in pictures]
        abs_ = colorizer.steps(Ls, numbers)
        for number, ab in zip(numbers, abs_, strict=True):
            if not ab.isfinite().all():
                raise not_finite(f"picture {number}", self.precision)
        return [lab_to_rgb_keeping_lightness(torch.cat((L, ab))) for L, ab in zip(Ls, abs_, strict=True)]

    def _lightness(self, picture: Picture) -> Tensor:
        """[1, H, W] on the device."""
        if not self.plan.any_size:
            check_size(picture, self.plan.first, self.plan.size)
        lab = rgb_to_lab(to_rgb(picture.pixels, self.device))
        if not self.had_color and float(lab[1:].norm(dim=0).mean()) > _COLORED:
            self.had_color = True
            log.warning("The picture %s is in color; its color is discarded, here and in others", picture.path)
        return lab[:1].clamp(0, 100)

    def read(self, begin: int, end: int) -> Iterator[tuple[int, Tensor]]:
        for number, path in enumerate(self.plan.pictures[begin:end], begin):
            if not (picture := open_picture(path)).problem:
                yield number, self._lightness(picture)

    def _is_readable(self, picture: Picture) -> bool:
        """Damaged pictures are counted and skipped."""
        if not picture.problem:
            return True
        if self.plan.settings.strict:
            raise MediaError(picture.problem)
        log.warning("%s It is skipped.", picture.problem)
        self.unreadable.append(picture.problem)
        return False

    # Resuming

    def _restore(self) -> None:
        """Continue from the checkpoint, unless someone has removed what the interrupted run wrote."""
        self.unreadable: list[str] = []
        done = self.folder.checkpoint
        if done is None:
            return
        written = sum(self.plan.target(picture).exists() for picture in self.plan.pictures[: done.frames])
        if written < done.frames - len(done.counts["unreadable"]):
            log.warning("Pictures that the unfinished run wrote are missing in %s; it starts again", self.plan.output)
            self.folder.discard()
            return
        self.frames = done.frames
        self.unreadable, self.had_color = list(done.counts["unreadable"]), done.counts["had_color"]

    def _checkpoint(self, colorizer: FilmColorizer | FilledColorizer) -> tuple[Checkpoint, dict[str, Any]]:
        """Where the run stands, and the colorizer's state there."""
        counts = {"unreadable": self.unreadable, "had_color": self.had_color}
        return Checkpoint(self.frames, 0, (), counts), copied_to_cpu(colorizer.state_dict())

    # The end

    def finish(self) -> None:
        """The pictures are written; count them."""
        self.undecodable = len(self.unreadable)
        self.frames -= self.undecodable
        self.warnings += self.unreadable
        if self.had_color:
            self.warnings.append("Pictures were in color: their lightness was used and their color discarded.")

    def records(self) -> tuple[FileRecord, FileRecord]:
        plan = self.plan
        written = (target for target in map(plan.target, plan.pictures) if target.exists())
        stamps = dict(zip(plan.pictures, self._stamps, strict=True))
        source = _record(plan.folder, [picture for picture, stamp in stamps.items() if stamp.fits(picture)])
        changed = next((picture for picture, stamp in stamps.items() if not stamp.fits(picture)), None)
        if changed is not None:
            self.warn(f"{changed} has changed since it was read: the receipt has no hash of the folder.")
            source = FileRecord(source.path, sum(stamp.size for stamp in self._stamps), None)
        return source, _record(plan.output, written)


def _write(item: tuple[Path, NDArray[Any]]) -> None:
    write_png(*item)


def _record(folder: Path, files: Iterable[Path]) -> FileRecord:
    """A folder's: the bytes of its `files`, and the sha256 of what `sha256sum` prints for them, in this order."""
    size, digest = 0, hashlib.sha256()
    for file in files:
        size += file.stat().st_size
        digest.update(file_sha256(file).encode() + b"  " + os.fsencode(file.name) + b"\n")
    return FileRecord(str(folder), size, digest.hexdigest())
