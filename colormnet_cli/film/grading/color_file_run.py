"""A film in, its color alone out, in a file of its own; resumable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ...errors import OutputError
from ...passes.filled_colorizer import FilledColorizer
from ...passes.film_colorizer import FilmColorizer
from ...passes.schedule import ScheduledShot
from ...passes.shot_schedule import make_schedule
from ...settings import ColorizeSettings, EncodingSettings
from ...video.mux import mux_film
from ...video.reader import Frame
from ...video.segments import SegmentWriter
from ...video.stream_packets import TimeRange
from ..film_run import FilmRun
from ..plan import FilmPlan
from ..receipt import FileRecord, versions
from ..transfer import ChromaPlanes, download
from .color_file import ColorNote, color_encoder, color_planes, read_note

__all__ = ["ColorFileRun", "color_plan"]


def color_plan(plan: FilmPlan, output: Path, vividness: float, *, overwrite: bool) -> FilmPlan:
    """The plan for writing the color alone: that of the film, without settings on which the color does not depend.

    vividness: the network's own; it is in the color unless another was given.
    """
    settings, encoding = plan.settings, EncodingSettings()
    network = replace(
        settings,
        **{name: getattr(encoding, name) for name in encoding.__dataclass_fields__ if name != "encoders"},
        vividness=None if settings.vividness is None and vividness != 1 else 1.0,
        guided=True,
        protect=None,
        steady=False,
        chroma_out=None,
        overwrite=overwrite,
    )
    spec = color_encoder(plan.encoder, plan.working_size, plan.orientation.transposed)
    schedule = make_schedule(_with_masks_of_dissolves(plan.schedule.shots), settings)
    return replace(plan, output=output, encoder=spec, streams=(), settings=network, schedule=schedule)


def _with_masks_of_dissolves(shots: Sequence[ScheduledShot]) -> list[ScheduledShot]:
    """Shots with masks only at dissolves: others are applied when the color is put on the film."""
    following = [*shots[1:], None]
    return [
        shot if shot.dissolve or (after is not None and after.dissolve) else replace(shot, mask=None)
        for shot, after in zip(shots, following, strict=True)
    ]


class ColorFileRun(FilmRun):
    """`work` writes the file, unless it exists with the same colors of the same film."""

    result: FileRecord | None = None  # what the receipt is about, instead of the file

    @property
    def key(self) -> str:
        """Hash of everything that the color depends on."""
        return hashlib.sha256(json.dumps(self.folder.fingerprint, sort_keys=True).encode()).hexdigest()

    def work(self) -> None:
        path, settings = self.plan.output, self.plan.settings
        note = read_note(path)
        if settings.resume and note is not None and note.key == self.key:
            self.frames = self.resumed_at = note.frames
            for warning in self.plan.warnings:
                self.warn(warning)
            if self.folder.path.exists():  # of a run that was interrupted after the file was written
                with self.folder:
                    pass
            return
        if path.exists() and not settings.overwrite:
            why = ", and does not have these colors" if settings.resume else ""
            raise OutputError(
                f"{path} exists{why}: choose another name, or allow it to be replaced (`overwrite=True`)."
            )
        super().work()

    def _planes(
        self,
        colorizer: FilmColorizer | FilledColorizer,
        working: Tensor,
        ab: Tensor,
        Ls: Sequence[Tensor],
        numbers: Sequence[int],
    ) -> ChromaPlanes:
        return download(color_planes(working, ab), list(ab))

    def _encode(self, writer: SegmentWriter, batch: list[Frame], chroma: ChromaPlanes) -> None:
        chroma.check_finite([frame.number for frame in batch], self.precision)
        for frame, (y, cb, cr) in zip(batch, chroma.numpy(), strict=True):
            writer.write((y, cb, cr), frame.pts, frame.duration)

    def _mux(self, path: Path, segments: int) -> list[str]:
        """With the film's timestamps; these are rounded to milliseconds, which does not matter here."""
        plan = self.plan
        mux_film(
            replace(plan.info, display_matrix=None),
            plan.encoder,
            (),
            self.folder.path,
            segments,
            path,
            TimeRange(),
            lambda frame: self.meter.report("join", frame, self.frames),
            self._note().tags(),
        )
        return []

    def _note(self) -> ColorNote:
        info, settings = self.plan.info, self.plan.settings
        return ColorNote(
            film=self.folder.fingerprint["film"],
            size=info.upright_size,
            frames=self.frames,
            part=_part(settings),
            key=self.key,
            weights=self.weights,
            settings=self.folder.fingerprint["settings"],
            versions=versions(),
        )

    def records(self) -> tuple[FileRecord, FileRecord]:
        if self.result is None:
            return super().records()
        return self.record(self.plan.info.path, self._stamp or self.plan.info.stamp), self.result


def _part(settings: ColorizeSettings) -> tuple[str | None, str | None, str | None]:
    start, end, duration = (None if t is None else str(t) for t in (settings.start, settings.end, settings.duration))
    return start, end, duration
