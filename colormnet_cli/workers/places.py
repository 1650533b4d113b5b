"""Where tasks begin in a film: found by reading it once, so that each worker can seek to its frames."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..files import file_identity, write_whole
from ..film.checkpoint import CHECKSUMS
from ..film.frame_source import Place
from ..film.plan import FilmPlan
from ..film.receipt import versions
from ..video.reader import MIN_SEEK_FRAMES, FrameChecksum, Reader

__all__ = ["PlaceFinder"]


class PlaceFinder:
    """Reads a film on a thread of its own; gives the places of frames as they are found.

    A frame is found again by seeking and by the checksums of the frames before it, so a worker decodes exactly the
    frames that a run from the film's start decodes. Places are kept in a file for later runs.

    Args:
        plan: of the film.
        wanted: numbers of frames.
        known: places that are known from finished units.
        file: where places are kept.
    """

    def __init__(self, plan: FilmPlan, wanted: Iterable[int], known: Mapping[int, Place], file: Path) -> None:
        self._plan, self._file = plan, file
        self._identity = {"film": file_identity(plan.info.path), "av": versions()["av"]}
        self._places: dict[int, Place] = {**self._read(), **known}
        self._new = [frame for frame in wanted if frame <= MIN_SEEK_FRAMES or frame in self._places]
        self._due = sorted(set(wanted) - set(self._new))
        self._error: BaseException | None = None
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> PlaceFinder:
        if self._due:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def found(self) -> list[int]:
        """The frames that have been found since the last call, and those that need no place.

        Raises:
            ColormnetError: the film cannot be read.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            new, self._new = self._new, []
        return new

    def place(self, frame: int) -> dict[int, Place]:
        """As `FrameSource` takes it: empty for frames that are reached from the film's start."""
        return {frame: self._places[frame]} if frame in self._places else {}

    def _work(self) -> None:
        try:
            self._find()
        except BaseException as error:
            with self._lock:
                self._error = error

    def _find(self) -> None:
        due = deque(self._due)
        recent: deque[FrameChecksum] = deque(maxlen=CHECKSUMS)
        for frame in Reader(self._plan.info, strict=self._plan.settings.strict).frames():
            if self._stopped.is_set() or not due:
                break
            if frame.number >= due[0] - CHECKSUMS:
                recent.append(frame.checksum())
            if frame.number + 1 == due[0]:
                with self._lock:
                    self._places[due[0]] = list(recent), frame.statistics
                    self._new.append(due.popleft())
        if not self._stopped.is_set():
            with self._lock:
                self._new += due  # beyond the film's end: whoever needs them says so
        with suppress(OSError):  # a later run finds them again
            self._write()

    def _read(self) -> dict[int, Place]:
        try:
            data = json.loads(self._file.read_text())
            if data["of"] != json.loads(json.dumps(self._identity)):
                return {}
            return {int(frame): _place(saved) for frame, saved in data["places"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _write(self) -> None:
        places = {
            str(frame): {"checksums": [asdict(checksum) for checksum in checksums], "counts": counts}
            for frame, (checksums, counts) in self._places.items()
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._file, json.dumps({"of": self._identity, "places": places}).encode())


def _place(saved: Mapping[str, Any]) -> Place:
    return tuple(FrameChecksum(**checksum) for checksum in saved["checksums"]), dict(saved["counts"])
