"""What runs over films and over folders of pictures have in common."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import Interrupted, NotFiniteError, OutputError
from ..files import FileStamp, cannot_write
from ..inference.colorizer import Colorizer
from ..inference.device import cpu_threads, default_lookahead, peak_memory, release_memory, wider_precision
from ..inference.frame_colorizer import FrameColorizer, Resampler
from ..media.reference_path import split_reference
from ..passes.borrowing import borrow, with_borrowed
from ..passes.filled_colorizer import FilledColorizer
from ..passes.film_colorizer import FilmColorizer, film_state_in_precision
from ..passes.shot_schedule import make_schedule, masks_of
from ..settings import MemoryConfig
from ..shots.table import note_borrowed
from ..wording import many
from .fill_plan import check_fills
from .findings import Findings
from .fingerprint import exemplars_identity, fingerprint, masks_identity, model_sha256
from .progress import ProgressMeter
from .progress_folder import ProgressFolder
from .receipt import FileRecord, Receipt, versions
from .shot_cache import passes_identity

if TYPE_CHECKING:
    from ..inference.exemplar import Exemplar
    from ..networks.state_dict import Network
    from ..passes.schedule import Schedule
    from ..settings import ProgressCallback
    from .pictures_plan import PicturesPlan
    from .plan import FilmPlan

__all__ = ["Run", "RunObserver"]

log = logging.getLogger(__name__)


class RunObserver:
    """What a benchmark sees of a run; the calls come on the run's own thread."""

    def started(self, frames: FrameColorizer, L: Tensor) -> None:
        """Before the first frame, whose full-size lightness is L [1, H, W]."""

    def advanced(self, frames: int) -> None:
        """That many frames are colorized in all."""


class Run(ABC):
    """One film or folder: `run` does everything and gives the receipt.

    Args:
        plan: what is done.
        model: from `load_model`.
        device, precision: where and how the network computes.
        colorizer: of an earlier run with the same model, memory, device and precision.
    """

    findings: Findings | None = None  # of a film
    replaceable: tuple[str, ...] = ()  # parts of the fingerprint for which an unfinished run is given up
    unit, about = "frame", "about "  # the number of frames is an estimate
    report_every = 0.1  # seconds between two reports of the progress

    def __init__(
        self,
        plan: FilmPlan | PicturesPlan,
        model: Network,
        memory: MemoryConfig | None = None,
        *,
        device: torch.device,
        precision: str,
        progress: ProgressCallback | None = None,
        observer: RunObserver | None = None,
        colorizer: Colorizer | None = None,
    ) -> None:
        self.plan, self.model, self.device, self.precision = plan, model, device, precision
        self.memory, self.observer = memory or MemoryConfig(), observer or RunObserver()
        self.lookahead = plan.settings.lookahead or default_lookahead(device)
        self.colorizer = colorizer or self.new_colorizer()
        self.memory = self.colorizer.memory  # with the network's own numbers
        self.weights = model_sha256(model)
        self.meter = ProgressMeter(plan.frames, progress, device, self.report_every)
        self.warnings: list[str] = []
        self.schedule = self.scheduled()
        self.frames = self.resumed_at = self.reused = self.undecodable = 0
        paths = (split_reference(reference)[0] for reference in plan.references)
        self._references = [(path, FileStamp.of(path)) for path in paths]
        self._masks = [(Path(path), FileStamp.of(Path(path))) for path in masks_of(self.schedule.shots)]
        self._automatic = [(path, FileStamp.of(path)) for path in (plan.fill.pictures if plan.fill else ())]
        self.folder = ProgressFolder(plan.output, self.fingerprint(), plan.settings.resume, self.replaceable)

    def new_colorizer(self) -> Colorizer:
        """For this run's device and precision."""
        return Colorizer(self.model, self.memory, self.device, self.precision)

    def run(self) -> Receipt:
        """Colorize every frame that an interrupted run has not, and write the output."""
        self.work()
        return self.receipt()

    def work(self) -> None:
        """The same without the receipt."""
        with self.explained(), self.folder, self._threads():
            self.color()
            self.finish()

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """As many CPU threads as were asked for, or as an interrupted run had: sums are rounded by their number."""
        earlier = self.folder.threads
        threads = self.plan.settings.threads or earlier or torch.get_num_threads()
        if self.device.type == "cpu" and earlier is not None and earlier != threads:
            self.warn(f"An earlier run used {many(earlier, 'CPU thread')}: the result is the same only to rounding.")
        self.folder.threads = threads
        with cpu_threads(threads):
            yield

    @abstractmethod
    def color(self) -> None:
        """Colorize every frame that is not done yet."""

    @abstractmethod
    def finish(self) -> None:
        """Write the output."""

    def scheduled(self) -> Schedule:
        """The passes that color the frames; shots of a plan without exemplars borrow from the shots most like them."""
        plan, schedule = self.plan, self.plan.schedule
        if plan.shots is None:
            return schedule
        self._lenders = borrow(schedule.shots, plan.shots, self.colorizer) if plan.borrowing else {}
        try:
            note_borrowed(plan.shots.folder / "shots.csv", {n: [lender] for n, lender in self._lenders.items()})
        except OSError as error:
            self.warn(f"shots.csv cannot be written ({error.strerror}): it does not say which shots borrow colors.")
        if self._lenders:
            pairs = (f"{number} from {lender}" for number, lender in self._lenders.items())
            self.warn(f"Shots without a colored picture borrow colors: {', '.join(pairs)}.")
        return make_schedule(with_borrowed(schedule.shots, self._lenders), plan.settings)

    def match(self, begin: int = 0, end: int | None = None) -> float | None:
        """How well the exemplars show what is in the frames [begin, end): 1 for the same; None where not known."""
        return None

    def shots_done(self) -> tuple[dict[str, Any], ...]:
        """What the receipt says of the shots of a plan."""
        if self.plan.shots is None:
            return ()
        return tuple(
            {
                "shot": shot.number,
                "start_frame": shot.start,
                "end_frame": shot.end,
                "references": [reference.source for reference in shot.references],
                "borrowed_from": self._lenders.get(shot.number),
                "mask": shot.mask,
                "match": self.match(shot.start, shot.end),
                "expected_error": None if self.findings is None else self.findings.expected_error(shot.start, shot.end),
            }
            for shot in self.schedule.shots
        )

    @abstractmethod
    def source_identity(self) -> Mapping[str, Any]:
        """What the fingerprint says of the input."""

    @abstractmethod
    def records(self) -> tuple[FileRecord, FileRecord]:
        """Of the input and the output, for the receipt."""

    def warn(self, sentence: str) -> None:
        """Add a warning to the receipt and log it, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
            log.warning("%s", sentence)

    def record(self, path: Path, stamp: FileStamp) -> FileRecord:
        """Of an input that had this stamp when it was read; warns if it has changed since."""
        record = FileRecord.of_input(path, stamp)
        if record.sha256 is None:
            self.warn(f"{path} has changed since it was read: the receipt has no hash of it.")
        return record

    def advance(self, frames: int) -> None:
        """That many more frames are colorized."""
        self.frames += frames
        self.meter.report("color", self.frames)
        self.observer.advanced(self.frames)

    def fingerprint(self) -> dict[str, Any]:
        """Everything that the result depends on."""
        exemplars, masks = exemplars_identity(self.schedule), masks_identity(self.schedule)
        own = {**self.common_fingerprint(), "exemplar": exemplars, "mask": masks}
        if self.plan.fill is not None:
            fill = self.plan.fill.schedule
            own["automatic stills"] = list(passes_identity(fill, fill.shots).values())
        return own

    def common_fingerprint(self) -> dict[str, Any]:
        """The same without the exemplars."""
        plan, device = self.plan, (self.device.type, self.precision)
        common = fingerprint(plan.settings, self.memory, self.weights, device, self.lookahead)
        return {**self.source_identity(), **common}

    def film_colorizer(self) -> FilmColorizer | FilledColorizer:
        """New, or in the state of the checkpoint."""
        plan, settings = self.plan, self.plan.settings
        state = None if self.folder.checkpoint is None else self.folder.state()
        if state is not None and state["precision"] != self.precision:  # that run did not find finite colors in ours
            self.warn(f"An earlier run changed the precision from {self.precision} to {state['precision']}.")
            self._set_precision(state["precision"])
        resampler = Resampler.of(settings, self.colorizer.engine, plan.orientation)

        def by(
            schedule: Schedule, exemplar: Callable[[str], Exemplar], network: Colorizer, **more: Any
        ) -> FilmColorizer:
            return FilmColorizer(
                schedule,
                resampler,
                network,
                exemplar,
                self.read,
                self.folder.path,
                batch=self.lookahead,
                report=lambda done, total: self.meter.report("backward", done, total),
                matching=plan.fill is not None,
                **more,
            )

        colorizer: FilmColorizer | FilledColorizer
        colorizer = by(self.schedule, plan.exemplar, self.colorizer, ref_is_first=settings.ref_is_first)
        if (fill := plan.fill) is not None:
            automatic = by(fill.schedule, fill.exemplar, self.colorizer.another(), name="fill")
            colorizer = FilledColorizer(colorizer, automatic, check_fills(type(self.colorizer.engine)))
        if state is not None:
            colorizer.load_state_dict(state)
        return colorizer

    def next_change(self, frame: int) -> int | None:
        """The first later frame at which a pass or a shot begins or ends: also of the automatic stills."""
        schedules = (self.schedule, *((self.plan.fill.schedule,) if self.plan.fill else ()))
        changes = [schedule.next_change(frame) for schedule in schedules]
        return min((change for change in changes if change is not None), default=None)

    @abstractmethod
    def read(self, begin: int, end: int) -> Iterator[tuple[int, Tensor]]:
        """Lightness [1, H, W] of the frames [begin, end) on the device, with their numbers; `begin` comes next."""

    def widen_precision(self, error: NotFiniteError) -> None:
        """Go on from the last checkpoint in a wider precision; raise the error with `strict` or where there is none."""
        wider = wider_precision(self.precision, self.device)
        if self.plan.settings.strict or wider is None:
            raise error
        release_memory(error, self.device)
        before = self.folder.checkpoint
        if before is not None:
            state = film_state_in_precision(self.folder.state(), wider)
            if state is None:
                self.folder.discard()
            else:
                self.folder.save(before, state)
        self.frames = self.folder.checkpoint.frames if self.folder.checkpoint else 0
        self.resumed_at = min(self.resumed_at, self.frames)
        self.warn(f"{str(error).split(':')[0]}: from {self.unit} {self.frames} on, the precision is {wider}.")
        self._set_precision(wider)
        self.meter.begin(self.frames)

    def _set_precision(self, precision: str) -> None:
        self.precision = precision
        self.colorizer = self.new_colorizer()

    def resume_hint(self) -> str:
        """What the same command does after an interruption."""
        done = self.folder.checkpoint.frames if self.folder.checkpoint and not self.folder.is_removed else 0
        return f"resumes at {self.unit} {done}" if done else "starts again"

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Ctrl-C and errors of the file system as errors with a sentence."""
        try:
            yield
        except KeyboardInterrupt as error:
            total = f" of {self.about}{self.plan.frames}" if self.plan.frames else ""
            at = f"{self.unit} {self.frames}{total}"
            raise Interrupted(f"Interrupted at {at}: the same command {self.resume_hint()}.") from error
        except (OSError, OutputError) as error:
            if self.folder.is_removed:
                raise OutputError(
                    f"The folder {self.folder.path}, which holds the progress of this run, was removed: start again."
                ) from error
            if isinstance(error, OutputError) or not isinstance(error.errno, int):
                raise
            kept = "; what is done is kept, and the same command resumes it" if self.folder.checkpoint else ""
            raise cannot_write(self.plan.output, error, kept) from error

    def receipt(self) -> Receipt:
        """What was done, with what, and every warning."""
        plan, (source, output) = self.plan, self.records()
        references, masks, automatic = (
            tuple(self.record(path, stamp) for path, stamp in paths)
            for paths in (self._references, self._masks, self._automatic)
        )
        return Receipt(
            inputs=(source,),
            references=references,
            masks=masks,
            automatic=automatic,
            output=output,
            weights={"sha256": self.weights},
            settings=asdict(plan.settings),
            memory=asdict(self.memory),
            versions=versions(),
            device=str(self.device),
            precision=self.precision,
            frames=self.frames,
            seconds=self.meter.elapsed,
            fps=self.meter.average,
            resumed_at=self.resumed_at,
            reused=self.reused,
            shots=self.shots_done(),
            match=self.match(),
            expected_error=None if self.findings is None else self.findings.expected_error(),
            findings=None if self.findings is None else self.findings.to_dict(),
            undecodable=self.undecodable,
            peak_memory=peak_memory(self.device),
            streams=tuple(stream.to_dict() for stream in plan.streams),
            warnings=tuple(self.warnings),
        )
