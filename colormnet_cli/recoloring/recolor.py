"""Colors a passage of a finished film again; everything else of it is copied packet by packet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import Interrupted, MediaError, NotFiniteError
from ..files import cannot_write, place_output, write_whole
from ..film.colorize import check_exemplars, for_network
from ..film.fingerprint import model_sha256
from ..film.prefetch import Prefetch
from ..film.progress import ProgressMeter
from ..film.progress_folder import ProgressFolder
from ..film.receipt import FileRecord, Receipt, versions
from ..film.transfer import download_chroma, upload_luma
from ..inference.colorizer import Colorizer
from ..inference.device import (
    cpu_threads,
    default_lookahead,
    device_for,
    peak_memory,
    release_memory,
    resolve_precision,
    wider_precision,
)
from ..inference.engine import engine_of
from ..inference.frame_colorizer import Resampler
from ..media.reference_path import split_reference
from ..passes.film_colorizer import FilmColorizer
from ..settings import MemoryConfig, ProgressCallback
from ..video.colored_frames import ColoredFrame, colored_frames
from ..video.passage_encoder import write_passage
from ..video.pixel_formats import Plane, convert_luma
from ..video.reader import Frame
from ..video.segments import SegmentWriter
from ..video.splice import check_plays, splice_film
from .passage import mixed
from .passage_frames import check_likeness
from .recolor_plan import RecolorPlan

if TYPE_CHECKING:
    from ..networks.state_dict import Network

__all__ = ["recolor"]

_CHECK_EVERY = 10  # frames
_DEPTH = 2  # batches between the decoders and the network

_Pair = tuple[Frame, ColoredFrame]  # of the film that was colored, and of the colored film


def recolor(
    plan: RecolorPlan,
    model: Network,
    *,
    memory: MemoryConfig | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    progress: ProgressCallback | None = None,
) -> Receipt:
    """Replace the passage that `plan_recolor` has planned.

    The film is replaced at the end, at once; until then, and after any error, it is as it was. Arguments as for
    `colorize`.

    Returns:
        The film's receipt, whose `changes` list this one last. The file with the receipt is brought up to date.

    Raises MediaError, OutputError, UsageError, DeviceError or Interrupted.
    """
    check_exemplars(plan.film, model)
    where = device_for(device, model.device)
    plan = replace(plan, film=for_network(plan.film, model))
    memory = (memory or MemoryConfig()).completed(engine_of(model).own_memory)
    return _Recoloring(plan, model, memory, where, resolve_precision(precision, where), progress).run()


class _Recoloring:
    """One passage: colored and encoded into a segment, then spliced into a copy of the film, which replaces it."""

    def __init__(
        self,
        plan: RecolorPlan,
        model: Network,
        memory: MemoryConfig,
        device: torch.device,
        precision: str,
        progress: ProgressCallback | None,
    ) -> None:
        self.plan, self.model, self.memory, self.device, self.precision = plan, model, memory, device, precision
        self.passage, self.settings, self.output = plan.passage, plan.film.settings, plan.info.path.resolve()
        self.lookahead = self.settings.lookahead or default_lookahead(device)
        self.meter = ProgressMeter(plan.film.frames, progress, device)
        self.warnings = list(plan.warnings)
        # Another folder than that of an unfinished `colorize` with the same output
        self.folder = ProgressFolder(self.output.with_name(self.output.name + ".recolor"), {}, resume=False)

    def run(self) -> Receipt:
        """Color, encode and splice the passage; returns the receipt."""
        path = self.plan.info.path
        try:
            with cpu_threads(self.settings.threads), self.folder:
                self._encode()
                made = self._join()
                receipt = self._receipt(made)  # first, for it takes long to hash a film
                self._replace(made)
        except KeyboardInterrupt as error:
            raise Interrupted(f"Interrupted: {path} was left as it was.") from error
        except OSError as error:
            if not isinstance(error.errno, int):
                raise
            raise cannot_write(path, error, f"; {path.name} was left as it was") from error
        return self._written(receipt)

    def _encode(self) -> None:
        """Color and encode the passage, in a wider precision where the network's colors are not finite."""
        while True:
            try:
                self._encode_once()
            except NotFiniteError as error:
                wider = wider_precision(self.precision, self.device)
                if self.settings.strict or wider is None:
                    raise
                release_memory(error, self.device)
                self.warnings.append(f"{str(error).split(':')[0]}: the precision is {wider}.")
                self.precision = wider
            else:
                return

    def _encode_once(self) -> None:
        plan, passage = self.plan, self.passage
        colorizer, writer = self._colorizer(), SegmentWriter(plan.film.encoder, self.folder.path)
        done = 0
        self.meter.begin(0)
        try:
            with Prefetch.of(self._batches(), _DEPTH) as batches:
                for batch in batches:
                    new = self._colors(colorizer, [gray for gray, _ in batch])
                    for (gray, colored), planes in zip(batch, new, strict=True):
                        old, share = (colored.cb, colored.cr), passage.share(gray.number)
                        cb, cr = (mixed(*both, share) for both in zip(old, planes or old, strict=True))
                        at = plan.splice.table.frames[gray.number]
                        writer.write((self._luma(gray), cb, cr), at, gray.duration)
                    done += len(batch)
                    self.meter.report("color", done)
            writer.close()
        finally:
            writer.abort()

    def _colorizer(self) -> FilmColorizer:
        plan, settings = self.plan.film, self.settings
        colorizer = Colorizer(self.model, self.memory, self.device, self.precision)
        return FilmColorizer(
            plan.schedule,
            Resampler.of(settings, colorizer.engine, plan.orientation),
            colorizer,
            plan.exemplar,
            self._read,
            self.folder.path,
            batch=self.lookahead,
            ref_is_first=settings.ref_is_first,
            report=lambda done, total: self.meter.report("backward", done, total),
        )

    def _read(self, begin: int, end: int) -> Iterator[tuple[int, Tensor]]:
        return ((gray.number, self._lightness(gray)) for gray in self.plan.gray.between(begin, end))

    def _lightness(self, gray: Frame) -> Tensor:
        return upload_luma(gray.luma, self.plan.film.source_planes, self.device)

    def _batches(self) -> Iterator[list[_Pair]]:
        """As many frames as the network takes at once; those that keep their color one by one."""
        plan, passage = self.plan, self.passage
        gray = plan.gray.between(passage.begin, passage.end)
        colored = colored_frames(plan.info, plan.splice.table, plan.film.encoder, passage.begin, passage.end)
        batch: list[_Pair] = []
        for pair in zip(gray, colored, strict=True):
            number = pair[0].number
            if (number - passage.begin) % _CHECK_EVERY == 0:
                self._check(*pair)
            batch.append(pair)
            ends = number + 1 == plan.film.schedule.next_change(number) or not passage.share(number)
            if ends or len(batch) == self.lookahead:
                yield batch
                batch = []
        if batch:
            yield batch

    def _check(self, gray: Frame, colored: ColoredFrame) -> None:
        """Raise a MediaError where the two films show different pictures."""
        info, bits = self.plan.info, self.plan.film.encoder.bits
        where = f"{self.plan.film.info.path} does not show what {info.path} does in frame {gray.number}"
        check_likeness(self._luma(gray), colored.luma, bits, where)

    def _colors(self, colorizer: FilmColorizer, batch: Sequence[Frame]) -> list[tuple[Plane, ...] | None]:
        """New Cb and Cr of consecutive frames; None for those that keep their color."""
        numbers = [gray.number for gray in batch]
        if not self.passage.share(numbers[0]):
            return [None] * len(batch)
        Ls = [self._lightness(gray) for gray in batch]
        chroma = download_chroma(Ls, colorizer.steps(Ls, numbers), self.plan.film.output_planes)
        chroma.check_finite(numbers, self.precision)
        return list(chroma.numpy())

    def _luma(self, gray: Frame) -> Plane:
        source, target = self.plan.film.source_planes, self.plan.film.output_planes
        return convert_luma(gray.luma, (source.bits, target.bits), (source.full_range, target.full_range))

    # The film with the passage

    def _join(self) -> Path:
        """Write the film with the new passage beside the old one, and check it."""
        plan, info, frames = self.plan, self.plan.info, len(self.plan.splice.table.frames)
        path = self.folder.path / f"muxed{self.output.suffix}"
        self.meter.begin(0)
        made = write_passage(info, plan.film.encoder, self.folder.path)
        self.warnings += splice_film(plan.splice, made, path, lambda done: self.meter.report("join", done, frames))
        check_plays(plan.splice, path)
        return path

    def _replace(self, made: Path) -> None:
        """Put the new film in the old one's place."""
        for one in (self.plan.info, self.plan.film.info):
            if not one.stamp.fits(one.path):
                raise MediaError(f"{one.path} was replaced or changed while it was read: start again.")
        shutil.copymode(self.output, made)
        place_output(made, self.output, overwrite=True)

    def _receipt(self, made: Path) -> Receipt:
        """The receipt of the film, with this change."""
        plan, info, passage = self.plan, self.plan.info, self.passage
        before = FileRecord.of_input(info.path, info.stamp)
        source = None if plan.film.info is info else FileRecord.of_input(plan.film.info.path, plan.film.info.stamp)
        references = tuple(FileRecord.of(split_reference(one)[0]) for one in plan.film.references)
        change: dict[str, Any] = {
            "frames": [passage.first, passage.last],
            "start": plan.seconds(passage.first),
            "end": plan.seconds(passage.last),
            "encoded_frames": [passage.begin, passage.end],
            "mixed_frames": [passage.rising, passage.falling],
            "before": asdict(before),
            "source": None if source is None else asdict(source),
            "references": [asdict(record) for record in references],
            "weights": {"sha256": model_sha256(self.model)},
            "settings": asdict(self.settings),
            "memory": asdict(self.memory),
            "versions": versions(),
            "device": str(self.device),
            "precision": self.precision,
            "seconds": self.meter.elapsed,
            "fps": self.meter.average,
            "peak_memory": peak_memory(self.device),
            "warnings": list(self.warnings),
        }
        past = None if plan.past.receipt is None else Receipt.from_dict(plan.past.receipt)
        if past is None:
            past = Receipt(
                inputs=(source or before,),
                references=references,
                output=before,
                weights=change["weights"],
                settings=change["settings"],
                memory=change["memory"],
                versions=change["versions"],
                device=change["device"],
                precision=change["precision"],
                frames=len(plan.splice.table.frames),
                seconds=change["seconds"],
                fps=change["fps"],
                warnings=tuple(self.warnings),
            )
        return replace(
            past,
            output=replace(FileRecord.of(made), path=str(info.path)),
            changes=(*past.changes, change),
            findings=_findings_outside(past.findings, passage.first, passage.last),
        )

    def _written(self, receipt: Receipt) -> Receipt:
        """The receipt, in the place of the old film's."""
        if (path := self.plan.past.receipt_path) is not None:
            try:
                write_whole(path, receipt.to_json().encode() + b"\n")
            except OSError as error:
                sentence = f"{path} cannot be written ({error.strerror}): it is that of the old film."
                receipt.changes[-1]["warnings"].append(sentence)
        return receipt


def _findings_outside(findings: dict[str, Any] | None, first: int, last: int) -> dict[str, Any] | None:
    """The findings without those whose worst frame is in [first, last), which have other colors now."""
    if findings is None:
        return None
    kept = [one for one in findings["passages"] if not first <= one["worst_frame"] < last]
    return {**findings, "passages": kept}
