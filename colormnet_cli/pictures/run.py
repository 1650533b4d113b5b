"""One run over a folder, from where the last one stood to the end."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..chroma import resize_lightness, upsample_ab, working_size
from ..colorizer import Colorizer
from ..device import resolve_device, resolve_precision
from ..errors import Interrupted, MediaError, OutputError
from ..exemplar import Exemplar, first_frame_among, split_reference
from ..imagefile import to_pixels, to_rgb
from ..lab import rgb_to_lab
from ..memory import MemoryConfig
from ..model import ColorMNet
from ..receipt import FileRecord, Receipt, sha256_of, versions
from ..resume import CHECKPOINT_SECONDS, Checkpoint, ProgressFolder, file_identity, model_sha256, snapshot
from ..settings import ColorizeSettings, Progress, ProgressCallback
from .flow import Picture, Writer, read_ahead
from .gamut import lab_to_rgb_keeping_lightness
from .plan import HEEDED, PicturesPlan, plan_pictures

__all__ = ["colorize_pictures"]

_log = logging.getLogger(__name__)

_COLORED = 3.0  # mean Lab chroma above which a picture is not black and white; a yellowed scan stays below
_LOOKAHEAD = {"cuda": 8}  # pictures given to the network at once, where nobody says; 1 on other devices


class _Painter:
    """Colours the pictures of one folder, in order: everything between the files and the network."""

    def __init__(self, colorizer: Colorizer, exemplars: Sequence[Exemplar], settings: ColorizeSettings) -> None:
        self.colorizer, self.exemplars, self.settings = colorizer, exemplars, settings
        self.size: tuple[int, int] | None = None  # (H, W) of every picture
        self.first = Path()  # the one that has set it
        self.colored = False  # a picture had colour already
        self.first_exemplar: int | None = None  # the exemplar that is the first picture

    @torch.inference_mode()
    def paint(self, pictures: Sequence[Picture]) -> list[tuple[Picture, Tensor]]:
        """Colour the next ones, together: (picture, sRGB [3,H,W] in 0…1, on the device) each."""
        if not pictures:
            return []
        lab = [self._lab(picture) for picture in pictures]
        L = torch.stack([picture[:1] for picture in lab])  # [K,1,H,W]
        assert self.size is not None
        small = resize_lightness(L, working_size(self.size, self.settings.size))
        if self.colorizer.frame == 0:
            self._show_exemplars(L[0], small[0])
        results = zip(pictures, self.colorizer.steps(small), small, L, strict=True)
        return [(picture, self._full(*result)) for picture, *result in results]  # one by one: a batch takes memory

    def _full(self, ab: Tensor, small: Tensor, L: Tensor) -> Tensor:
        """ab [2,h,w] and L [1,h,w] of the working size, L [1,H,W] → sRGB [3,H,W]."""
        return lab_to_rgb_keeping_lightness(torch.cat([L, upsample_ab(ab, small, L, self.settings.guided)]))

    def counts(self) -> dict[str, Any]:
        """What a resumed run must know, in JSON."""
        return {"size": self.size, "first": str(self.first), "colored": self.colored, "exemplar": self.first_exemplar}

    def load(self, counts: Mapping[str, Any]) -> None:
        """Take up what `counts` gave."""
        self.size = None if counts["size"] is None else (counts["size"][0], counts["size"][1])
        self.first, self.colored, self.first_exemplar = Path(counts["first"]), counts["colored"], counts["exemplar"]

    def _lab(self, picture: Picture) -> Tensor:
        if self.size is None:
            self.size, self.first = picture.size, picture.path
        if picture.size != self.size:
            raise MediaError(
                f"The picture {picture.path} is {picture.size[1]}×{picture.size[0]}, but {self.first.name} is "
                f"{self.size[1]}×{self.size[0]}; all pictures of a folder must have one size."
            )
        lab = rgb_to_lab(to_rgb(picture.pixels, self.colorizer.device))
        lab[0].clamp_(0, 100)
        if not self.colored and float(lab[1:].norm(dim=0).mean()) > _COLORED:
            self.colored = True
            _log.warning("The picture %s has colour already; it is discarded, here and in others", picture.path)
        return lab

    def _show_exemplars(self, L: Tensor, small: Tensor) -> None:
        """Give the Colorizer its exemplars; the first picture's lightness tells whether it is one of them."""
        frame = (small.shape[-2], small.shape[-1])
        self.first_exemplar = first_frame_among(self.exemplars, L, self.settings.ref_is_first)
        for i, exemplar in enumerate(self.exemplars):
            is_first = i == self.first_exemplar
            self.colorizer.set_exemplar(exemplar.at_size(frame, is_first), first_frame=is_first)


def colorize_pictures(
    folder: str | Path,
    references: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    model: ColorMNet,
    settings: ColorizeSettings | None = None,
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
        self.plan, self.part, self.progress = plan, part, progress
        self.painter = _Painter(colorizer, plan.exemplars, plan.settings)
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
        self.lookahead = plan.settings.lookahead or _LOOKAHEAD.get(colorizer.device.type, 1)
        self.resumed_at, self.started = self.done, time.monotonic()

    def _still_there(self, checkpoint: Checkpoint) -> bool:
        """Whether nobody has taken away what the broken run wrote."""
        written = sum(self.plan.target(picture).exists() for picture in self.plan.pictures[: checkpoint.frames])
        return written >= checkpoint.frames - len(checkpoint.counts["unreadable"])

    def color(self) -> None:
        """Read, colour and write what is left."""
        plan = self.plan
        plan.output.mkdir(exist_ok=True)
        for rest in plan.output.glob(".*.png.*.part"):  # of a run that was killed while it wrote
            rest.unlink()
        nothing_done = None if self.part.checkpoint else self._checkpoint()
        workers, saved = min(8, os.cpu_count() or 1), time.monotonic()
        pictures = read_ahead(plan.pictures[self.done :], self.lookahead + workers, workers)
        with closing(pictures), closing(Writer(workers, workers)) as writer:
            for batch in _batches(pictures, self.lookahead):
                painted = self.painter.paint([picture for picture in batch if self._is_readable(picture)])
                if nothing_done is not None and painted:  # from here on there are files that a later run may replace
                    self._save(nothing_done)
                    nothing_done = None
                for picture, rgb in painted:
                    writer.write(plan.target(picture.path), to_pixels(rgb, picture.bits))
                self.done += len(batch)
                self._report()
                if time.monotonic() - saved >= CHECKPOINT_SECONDS:
                    writer.flush()
                    self._save(self._checkpoint())
                    saved = time.monotonic()
            writer.flush()
        if len(self.unreadable) == len(plan.pictures):
            raise MediaError(f"None of the {self.done} pictures in {plan.folder} can be read; {self.unreadable[0]}")

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
        checkpoint = Checkpoint(self.done, pieces=0, marks=(), counts=counts)
        return checkpoint, snapshot(self.painter.colorizer.state_dict())

    def _save(self, checkpoint: tuple[Checkpoint, dict[str, Any]]) -> None:
        try:
            self.part.save(*checkpoint)
        except RuntimeError as error:  # how torch.save passes on that the disk is full
            raise error.__context__ if isinstance(error.__context__, OSError) else error from error

    def _report(self) -> None:
        if self.progress is None:
            return
        elapsed, total = time.monotonic() - self.started, len(self.plan.pictures)
        fps = (self.done - self.resumed_at) / elapsed if elapsed else 0.0
        remaining = (total - self.done) / fps if fps else None
        self.progress(
            Progress("color", self.done, total, fps, elapsed, remaining, _device_peak(self.painter.colorizer.device))
        )

    def break_off(self) -> str:
        """Ctrl-C, in words."""
        kept = self.part.checkpoint.frames if self.part.checkpoint is not None else 0
        where = f"goes on behind the {kept} that are finished" if kept else "begins anew, as no minute had passed"
        return f"Interrupted at picture {self.done} of {len(self.plan.pictures)}: the same command {where}."

    def receipt(self, weights: str) -> Receipt:
        """What was done; the folders' hashes are those of `_record`."""
        plan, colorizer = self.plan, self.painter.colorizer
        seconds, frames = time.monotonic() - self.started, self.done - len(self.unreadable)
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
            frames=frames,
            seconds=seconds,
            fps=(self.done - self.resumed_at) / seconds if seconds else 0.0,
            resumed_at=self.resumed_at,
            undecodable=len(self.unreadable),
            peak_memory=_device_peak(colorizer.device),
            warnings=tuple(warnings),
        )


def _batches(pictures: Iterable[Picture], size: int) -> Iterator[list[Picture]]:
    """`size` at a time, always the same ones together: a resumed run must group them as the unbroken one did."""
    iterator = iter(pictures)
    while batch := list(islice(iterator, size)):
        yield batch


def _fingerprint(plan: PicturesPlan, weights: str, colorizer: Colorizer) -> dict[str, Any]:
    """What the output depends on, under the names that a person is told when it has changed."""
    listing = hashlib.sha256()
    for picture in plan.pictures:
        status = picture.stat()
        listing.update(f"{picture.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    settings = {name: value for name, value in asdict(plan.settings).items() if name in HEEDED}
    for name in ("overwrite", "resume", "strict"):
        del settings[name]
    lookahead = settings.pop("lookahead") or _LOOKAHEAD.get(colorizer.device.type, 1)
    return {
        "pictures": listing.hexdigest(),
        "exemplar": [(file_identity(path), str(moment)) for path, moment in map(split_reference, plan.references)],
        "settings": settings,
        "memory settings": asdict(colorizer.memory),
        "weights": weights,
        "device or precision": [colorizer.device.type, colorizer.precision, lookahead],
        "version": {name: version for name, version in versions().items() if name in ("colormnet", "torch")},
    }


def _record(folder: Path, files: Iterable[Path]) -> FileRecord:
    """A folder's: the bytes of its `files`, and the sha256 of what `sha256sum` prints of them, in this order."""
    size, digest = 0, hashlib.sha256()
    for file in files:
        size += file.stat().st_size
        digest.update(f"{sha256_of(file)}  {file.name}\n".encode())
    return FileRecord(str(folder), size, digest.hexdigest())


def _device_peak(device: torch.device) -> int | None:
    """Bytes; None on the CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
