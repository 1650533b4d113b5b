"""Encoded segments of a film's shots, kept in its plan folder: a later run only colors the shots that changed.

`PLAN/segments/` has a folder for each unit of the last run (see `schedule.Unit`), named by a hash of everything that
its frames depend on. Its files are hard links to the segments of the run where the file system has links, else copies.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..files import file_identity, file_sha256, sync_folder, write_whole
from ..media.reference_path import split_reference
from ..passes.schedule import Schedule, ScheduledShot, Unit
from ..video.reader import FrameChecksum
from ..video.segments import segment_path
from .frame_notes import notes_path
from .frame_source import Place

__all__ = ["ShotCache", "UnitEnd", "passes_identity", "unit_keys"]

_IMAGE_BYTES = 2**28  # a larger reference is a film, identified without reading all of it
_OURS = re.compile(r"\.?[0-9a-f]{40}(-[0-9a-f]+)?(\.part|\.colormnet-part)?")  # folders of units and of runs over them


@dataclass(frozen=True)
class UnitEnd:
    """Where a unit ends: by this the reader finds the frame that follows it."""

    checksums: Sequence[FrameChecksum]  # of its last frames
    counts: Mapping[str, Any]  # the reader's decode statistics of the film so far

    @property
    def place(self) -> Place:
        """Of the frame after it."""
        return self.checksums, self.counts

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> UnitEnd:
        return UnitEnd(tuple(FrameChecksum(**item) for item in data["checksums"]), dict(data["counts"]))


class ShotCache:
    """The folder of finished units."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, key: str, numbers: range, into: Path) -> UnitEnd | None:
        """Put a unit's segments into a run's folder, under these numbers; None where some are missing.

        Raises:
            OSError: they cannot be linked or copied.
        """
        source = self.folder / key
        if (end := self.find(key, len(numbers))) is None:
            return None
        try:
            for i, number in enumerate(numbers):
                _link(segment_path(source, i), segment_path(into, number))
                _link_if_it_exists(notes_path(source, i), notes_path(into, number))
        except FileNotFoundError:  # deleted in the meantime
            return None
        return end

    def find(self, key: str, segments: int) -> UnitEnd | None:
        """Where a unit of `segments` segments ends; None where it does not exist, or is not whole."""
        source = self.folder / key
        try:
            data = json.loads((source / "end.json").read_text())
            if data["segments"] == segments and all(segment_path(source, i).is_file() for i in range(segments)):
                return UnitEnd.from_json(data["end"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def drop(self, key: str) -> None:
        """Delete a unit, if it exists."""
        shutil.rmtree(self.folder / key, ignore_errors=True)

    def keep(self, key: str, numbers: range, source: Path, end: UnitEnd) -> None:
        """Keep a unit's segments, which have these numbers in a run's folder; completely or not at all.

        Several processes may keep the same unit at once.
        """
        target, part = self.folder / key, self.folder / f".{key}-{uuid.uuid4().hex[:8]}.part"
        if target.exists():
            if self.find(key, len(numbers)) is not None:
                return
            self.drop(key)  # it is damaged
        part.mkdir(parents=True)
        try:
            for i, number in enumerate(numbers):
                _link(segment_path(source, number), segment_path(part, i))
                _link_if_it_exists(notes_path(source, number), notes_path(part, i))
            write_whole(part / "end.json", json.dumps({"segments": len(numbers), "end": end.to_json()}).encode())
            sync_folder(part)
            os.replace(part, target)
        except OSError:
            shutil.rmtree(part, ignore_errors=True)
            if not target.exists():  # by another process
                raise
        sync_folder(self.folder)

    def prune(self, keys: Collection[str]) -> None:
        """Delete all but these units, and what unfinished runs over others have left."""
        with suppress(OSError):
            for folder in self.folder.iterdir():
                if _OURS.fullmatch(folder.name) and folder.name not in keys:
                    shutil.rmtree(folder, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy of it."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        part = target.with_suffix(".part")
        shutil.copyfile(source, part)
        os.replace(part, target)


def _link_if_it_exists(source: Path, target: Path) -> None:
    """Notes say where to look; without them a film is as good."""
    target.unlink(missing_ok=True)
    if source.exists():
        _link(source, target)


def unit_keys(
    schedule: Schedule,
    units: Sequence[Unit],
    segment_frames: int,
    base: Mapping[str, Any],
    fill: Schedule | None = None,
) -> list[str]:
    """A hash for each of these units of everything that its frames and segments depend on.

    Args:
        base: what all frames of the film depend on: the film itself, settings, weights, …
        fill: automatic stills of the same shots, which fill in.
    """
    shown = [shot for unit in units for shot in unit.shots]
    own, filled = passes_identity(schedule, shown), passes_identity(fill, shown) if fill else None

    def key(unit: Unit) -> str:
        shots = [[own[s.key], filled[s.key]] if filled else own[s.key] for s in unit.shots]
        content = [base, segment_frames, unit.begin, unit.end, shots]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:40]

    return [key(unit) for unit in units]


def passes_identity(schedule: Schedule, shots: Sequence[ScheduledShot]) -> dict[tuple[int, int], list[Any]]:
    """What the colors of these shots depend on, by their keys."""
    passes = {shot.key: schedule.passes_of(shot) for shot in shots}
    named = {source for several in passes.values() for one in several for source in one.references}
    sources = {source: _identity(source) for source in named}

    def of_shot(shot: ScheduledShot) -> list[Any]:
        runs = [
            [one.begin, one.end, one.backward, one.anchor, [sources[source] for source in one.references]]
            for one in passes[shot.key]
        ]
        mask = [] if shot.mask is None else [file_sha256(shot.mask)]
        return [shot.start, shot.end, str(shot.dissolve), runs, *mask]

    return {shot.key: of_shot(shot) for shot in shots}


def _identity(reference: str) -> Sequence[Any]:
    """Of an exemplar: the content of its file, and the time where it is a frame of a film."""
    path, time = split_reference(reference)
    if time is None and path.stat().st_size < _IMAGE_BYTES:
        return [file_sha256(path)]
    return [file_identity(path), str(time)]
