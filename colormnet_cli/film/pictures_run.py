"""One run over a folder, from where the last one stood to the end."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from ..errors import Interrupted, MediaError, OutputError
from ..files import file_sha256
from ..inference.colorizer import Colorizer
from ..inference.device import default_lookahead, peak_memory, resolve_device, resolve_precision
from ..inference.memory import MemoryConfig
from ..media.exemplar import split_reference
from ..media.image_file import to_pixels
from ..networks.colormnet import ColorMNet
from ..settings import PicturesSettings, ProgressCallback
from .checkpoint import CHECKPOINT_SECONDS, Checkpoint, ProgressFolder, fingerprint, model_sha256, snapshot
from .pictures_colorizer import PicturePainter
from .pictures_io import Picture, Writer, read_ahead
from .pictures_plan import PicturesPlan, plan_pictures
from .progress import Pace
from .receipt import FileRecord, Receipt, versions

__all__ = ["colorize_pictures"]

_log = logging.getLogger(__name__)


def colorize_pictures(
    folder: str | Path,
    references: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    model: ColorMNet,
    settings: PicturesSettings | None = None,
    memory: MemoryConfig | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    progress: ProgressCallback | None = None,
) -> Receipt:
    """Colour the pictures of a folder, in natural order, as if they were the frames of a film.

    Args:
        folder: PNG, JPEG, TIFF, WebP or BMP of one size, 8 or 16 bit; one that has colour gives its Lab lightness.
        references: exemplars: pictures in colour, or ``film.mp4@12.5``.
        output: a folder for PNG files of the same names and bit depths; by default ``folder-color`` beside it.
        settings: those that belong to films (range, codec, audio) must be left alone.
        progress: called with a `Progress` after every picture or few.

    A broken run goes on where it was, with the same result; a damaged picture is passed over and counted, or ends the
    run with `settings.strict`.
    """
    plan = plan_pictures(folder, references, output, settings=settings)
    target = resolve_device(device)
    colorizer = Colorizer(model, memory or MemoryConfig(), target, resolve_precision(precision, target))
    weights = model_sha256(model)
    run = None
    try:
        with ProgressFolder(plan.output, _fingerprint(plan, weights, colorizer), plan.settings.resume) as part:
            run = _Run(plan, colorizer, part, progress)
            run.color()
            return run.receipt(weights)
    except OSError as error:
        raise OutputError(
            f"The folder {plan.output.parent} cannot be written ({error.strerror or error}); mend that, and give the "
            "command again."
        ) from error
    except KeyboardInterrupt as error:
        raise Interrupted(run.break_off() if run is not None else "Interrupted before the first picture.") from error


class _Run:
    """One run over a folder, from where the last one stood to the end."""

    def __init__(
        self, plan: PicturesPlan, colorizer: Colorizer, part: ProgressFolder, progress: ProgressCallback | None
    ) -> None:
        self.plan, self.part = plan, part
        self.painter = PicturePainter(colorizer, plan.exemplars, plan.settings)
        self.unreadable: list[str] = []
        self.done = 0
        if part.checkpoint is not None and not self._still_there(part.checkpoint):
            _log.warning("Pictures that the unfinished run wrote are gone from %s; it begins anew", plan.output)
            part.checkpoint = None
        if part.checkpoint is not None:
            colorizer.load_state_dict(part.state())
            self.done = part.checkpoint.frames
            self.unreadable = list(part.checkpoint.counts["unreadable"])
            self.painter.load(part.checkpoint.counts)
        self.lookahead = _lookahead(plan, colorizer)
        self.resumed_at = self.done
        self.pace = Pace(len(plan.pictures), progress, colorizer.device, every=0)
        self.pace.begin(self.done)

    def _still_there(self, checkpoint: Checkpoint) -> bool:
        """Whether nobody has taken away what the broken run wrote."""
        written = sum(self.plan.target(picture).exists() for picture in self.plan.pictures[: checkpoint.frames])
        return written >= checkpoint.frames - len(checkpoint.counts["unreadable"])

    def color(self) -> None:
        """Read, colour and write what is left."""
        plan = self.plan
        plan.output.mkdir(exist_ok=True)
        for rest in plan.output.glob(".*.png.part"):  # of a run that was killed while it wrote
            rest.unlink()
        nothing_done = None if self.part.checkpoint else self._checkpoint()
        workers, saved = min(8, os.cpu_count() or 1), time.monotonic()
        pictures = read_ahead(plan.pictures[self.done :], self.lookahead + workers, workers)
        with closing(pictures), closing(Writer(workers, workers)) as writer:
            while batch := list(islice(pictures, self.lookahead)):
                painted = self.painter.paint([picture for picture in batch if self._is_readable(picture)])
                if nothing_done is not None and painted:  # from here on there are files that a later run may replace
                    self.part.save(*nothing_done)
                    nothing_done = None
                for picture, rgb in painted:
                    writer.write(plan.target(picture.path), to_pixels(rgb, picture.bits))
                self.done += len(batch)
                self.pace.report("color", self.done)
                if time.monotonic() - saved >= CHECKPOINT_SECONDS:
                    writer.flush()
                    self.part.save(*self._checkpoint())
                    saved = time.monotonic()
            writer.flush()

    def _is_readable(self, picture: Picture) -> bool:
        """Damaged pictures are counted and passed over."""
        if not picture.problem:
            return True
        if self.plan.settings.strict:
            raise MediaError(picture.problem)
        _log.warning("%s It is left out.", picture.problem)
        self.unreadable.append(picture.problem)
        return False

    def _checkpoint(self) -> tuple[Checkpoint, dict[str, Any]]:
        """Where the run stands, and the Colorizer's state there."""
        counts = {"unreadable": self.unreadable, **self.painter.counts()}
        checkpoint = Checkpoint(self.done, segments=0, checksums=(), counts=counts)
        return checkpoint, snapshot(self.painter.colorizer.state_dict())

    def break_off(self) -> str:
        """Ctrl-C, in words."""
        kept = self.part.checkpoint.frames if self.part.checkpoint is not None else 0
        where = f"goes on behind the {kept} that are finished" if kept else "begins anew, as no minute had passed"
        return f"Interrupted at picture {self.done} of {len(self.plan.pictures)}: the same command {where}."

    def receipt(self, weights: str) -> Receipt:
        """What was done; the folders' hashes are those of `_record`."""
        plan, colorizer = self.plan, self.painter.colorizer
        warnings = list(self.unreadable)
        if self.painter.colored:
            warnings.append("Pictures that had colour already gave their lightness; that colour was discarded.")
        return Receipt(
            inputs=(_record(plan.folder, plan.pictures),),
            references=tuple(FileRecord.of(split_reference(reference)[0]) for reference in plan.references),
            output=_record(plan.output, (t for t in map(plan.target, plan.pictures) if t.exists())),
            weights={"sha256": weights},
            settings=asdict(plan.settings),
            memory=asdict(colorizer.memory),
            versions=versions(),
            device=str(colorizer.device),
            precision=colorizer.precision,
            frames=self.done - len(self.unreadable),
            seconds=self.pace.elapsed,
            fps=self.pace.average,
            resumed_at=self.resumed_at,
            undecodable=len(self.unreadable),
            peak_memory=peak_memory(colorizer.device),
            warnings=tuple(warnings),
        )


def _lookahead(plan: PicturesPlan, colorizer: Colorizer) -> int:
    """Pictures given to the network at once."""
    return plan.settings.lookahead or default_lookahead(colorizer.device)


def _fingerprint(plan: PicturesPlan, weights: str, colorizer: Colorizer) -> dict[str, Any]:
    listing = hashlib.sha256()
    for picture in plan.pictures:
        status = picture.stat()
        listing.update(f"{picture.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    device = [colorizer.device.type, colorizer.precision, _lookahead(plan, colorizer)]
    return {
        "pictures": listing.hexdigest(),
        **fingerprint(plan.references, plan.settings, colorizer.memory, weights, device),
    }


def _record(folder: Path, files: Iterable[Path]) -> FileRecord:
    """A folder's: the bytes of its `files`, and the sha256 of what `sha256sum` prints of them, in this order."""
    size, digest = 0, hashlib.sha256()
    for file in files:
        size += file.stat().st_size
        digest.update(f"{file_sha256(file)}  {file.name}\n".encode())
    return FileRecord(str(folder), size, digest.hexdigest())
