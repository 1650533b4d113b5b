"""The training run: steps, checkpoints, validation, and going on exactly where it stopped."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import CheckpointError, Interrupted, MediaError, OutputError, TrainingError, UsageError
from ..inference.device import DTYPES
from ..networks.colormnet.colormnet import ColorMNet
from .clip_loss import ClipLoss
from .data import Batch, batches, check_shares
from .distributed import Distributed, init_distributed
from .init_weights import initial_model
from .interrupt import interrupt_held
from .logger import RunLogger
from .run_state import read_checkpoint, write_checkpoint, write_file, write_weights
from .sources import Material, material
from .train_settings import TrainSettings
from .trainer import Trainer, learning_rate
from .validation import validate

__all__ = ["TrainingProgress", "TrainingResult", "train"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingProgress:
    """Where a run is."""

    step: int
    steps: int
    done: int  # steps of this process
    loss: float
    error: float  # mean |ab error| in Lab units
    psnr: float | None  # of the last validation
    seconds: float  # since this process began


@dataclass(frozen=True)
class TrainingResult:
    """What a run leaves."""

    folder: Path
    steps: int
    loss: float | None  # of the last step; None where no step was left to do
    best_psnr: float | None
    weights: Path | None  # RUN/best.pt; None where nothing was validated yet


def train(
    settings: TrainSettings,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    resume: bool = False,
    stop_after: int | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingResult:
    """Train into a folder: last.pt (to go on), best.pt and final.pt (weights), settings.json, log.csv.

    ``stop_after`` ends the process after so many of its steps, with a checkpoint; resume goes on from there.

    Raises:
        OutputError: the folder holds a run already, and it is not to be resumed.
        CheckpointError: there is nothing to resume, or it is of another run.
        TrainingError: the loss became infinite or no number; the last good checkpoint is kept.
        Interrupted: Ctrl-C; the step was finished, and resume goes on behind it.
    """
    device = torch.device(device)
    with init_distributed(device) as processes:
        if device.type == "cuda" and processes.world_size > 1:
            device = torch.device("cuda", processes.local_rank)
        run = _Run(settings, folder, device, processes, resume)
        try:
            return run.go(stop_after, progress)
        except Interrupted:
            raise
        except KeyboardInterrupt as stop:
            raise Interrupted(run.cut_off()) from stop
        finally:
            if processes.is_main:
                run.logger.close()


class _Run:
    """Everything that one process of a run holds."""

    def __init__(
        self, settings: TrainSettings, folder: Path, device: torch.device, processes: Distributed, resume: bool
    ):
        self.folder, self.device, self.processes = folder, device, processes
        check_shares(settings, processes.world_size)
        self.step, self.best = 0, -math.inf
        saved = read_checkpoint(folder / "last.pt") if resume else None
        if saved is None and (folder / "last.pt").exists():
            raise OutputError(f"{folder} holds a run already; go on with --resume, or take another --out.")
        model = ColorMNet(settings.network) if saved else initial_model(settings)
        self.settings = settings = settings.with_overrides(network=model.config)
        self.trainer = Trainer(model, settings, device)
        weights = {"raw_loss": settings.raw_loss, "chroma_loss": settings.chroma_loss, "fade_loss": settings.fade_loss}
        self.parallel: nn.Module = ClipLoss(model, **weights)
        if processes.world_size > 1:
            on = [processes.local_rank] if device.type == "cuda" else None
            # Unused are: in a clip that the value encoder renews throughout, the decoder's own update of the hidden
            # state; while the keys are learned alone, all that encodes and decodes. PyTorch warns after other steps.
            self.parallel = DistributedDataParallel(self.parallel, device_ids=on, find_unused_parameters=True)
        if saved:
            self._restore(saved)
        self.material = self._material()
        if processes.is_main:  # not before: a slip in --data is to leave nothing
            write_file(folder / "settings.json", (json.dumps(settings.to_dict(), indent=2) + "\n").encode())
            self.logger = RunLogger(folder, self.step)

    def go(self, stop_after: int | None, progress: Callable[[TrainingProgress], None] | None) -> TrainingResult:
        settings, began = self.settings, time.monotonic()
        loss: float | None = None
        psnr: float | None = None
        share = {"rank": self.processes.rank, "size": self.processes.world_size}
        given = batches(self.material.training, settings, step=self.step, **share)
        end = settings.steps if stop_after is None else min(settings.steps, self.step + stop_after)
        start = self.step
        with interrupt_held(alone=self.processes.world_size == 1) as interrupted:
            while self.step < end and not interrupted():
                loss, error, norm = self._step(self._parts(given, start))
                self.step += 1
                due = self.step % settings.validate_every == 0 or self.step == settings.steps
                if due:
                    psnr = self._validate()
                if self.processes.is_main:
                    seconds = time.monotonic() - began
                    self._log_step(loss, error, norm, seconds, psnr if due else None)
                    if progress is not None:
                        progress(
                            TrainingProgress(self.step, settings.steps, self.step - start, loss, error, psnr, seconds)
                        )
                if self.step % settings.checkpoint_every == 0:
                    self._checkpoint()
            if self.step > start and self.step % settings.checkpoint_every:
                self._checkpoint()
        if self.step < end:
            raise Interrupted(self._broken_off())
        if self.processes.is_main and self.step == settings.steps:
            self._write_weights("final.pt")
        if self.best == -math.inf:
            return TrainingResult(self.folder, self.step, loss, None, None)
        return TrainingResult(self.folder, self.step, loss, self.best, self.folder / "best.pt")

    def _log_step(self, loss: float, error: float, norm: float, seconds: float, psnr: float | None) -> None:
        """A row of the log, for the step that was just done."""
        self.logger.write(
            step=self.step,
            loss=repr(loss),
            error=f"{error:.4f}",
            lr=f"{learning_rate(self.settings, self.step - 1):.4g}",
            grad_norm=f"{norm:.4g}",
            seconds=f"{seconds:.1f}",
            **({} if psnr is None else {"psnr": f"{psnr:.3f}"}),
        )

    def cut_off(self) -> str:
        """What is said where not even the step could be ended."""
        if not (self.folder / "last.pt").exists():
            return "Interrupted before the first checkpoint: start again."
        return "Interrupted in the middle of a step: the same command with --resume goes on at the last checkpoint."

    def _broken_off(self) -> str:
        if not (self.folder / "last.pt").exists():
            return "Interrupted before the first step was done: start again."
        steps = f"{self.step} of {self.settings.steps}"
        return f"Interrupted after step {steps}: the same command with --resume goes on there."

    def _material(self) -> Material:
        """Films and made-up clips; on each machine one process unpacks videos, and the others wait for it."""
        unpacked = self.folder / "frames"
        if self.processes.world_size == 1:
            return material(self.settings, unpacked)
        found = material(self.settings, unpacked) if self.processes.local_rank == 0 else None
        self.processes.barrier()
        return found or material(self.settings, unpacked)

    def _parts(self, given: Iterator[Batch], start: int) -> list[Batch]:
        """What the next step learns from; where that cannot be read, nothing of the steps before is lost."""
        try:
            return [next(given) for _ in range(self.settings.accumulate)]
        except MediaError:
            if self.step > start and self.processes.world_size == 1:  # several would have to stop at the same step
                self._checkpoint()
            raise

    def _step(self, parts: list[Batch]) -> tuple[float, float, float]:
        """One optimiser step: loss, error in Lab units, norm of the gradient; the same in all processes."""
        settings = self.settings
        self.trainer.prepare(self.step)
        renew = torch.from_numpy(
            np.random.default_rng((settings.seed, 5, self.step)).random(settings.frames) < settings.hidden_renewal
        )
        loss, error = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for part, batch in enumerate(parts):
            lab, picks = (x.to(self.device, non_blocking=True) for x in batch)
            wait = isinstance(self.parallel, DistributedDataParallel) and part < settings.accumulate - 1
            self.parallel.require_backward_grad_sync = not wait  # type: ignore[assignment]
            with torch.autocast(self.device.type, DTYPES[settings.precision], settings.precision != "fp32"):
                result = self.parallel(lab, picks, renew, self.step < settings.matching_share * settings.steps)
            self.trainer.backward(result.loss / settings.accumulate)
            loss += result.loss.detach() / settings.accumulate
            error += result.error / settings.accumulate
        loss_mean = self.processes.mean(loss)
        self._refuse_nan(loss_mean, "loss")
        norm = self.trainer.gradient_norm()
        if settings.precision != "fp16":  # there the scaler skips such a step and lowers its scale
            self._refuse_nan(norm, "gradient")
        self.trainer.update()
        return loss_mean, self.processes.mean(error), norm

    def _refuse_nan(self, value: float, what: str) -> None:
        if math.isfinite(value):
            return
        last = self.folder / "last.pt"
        kept = f"{last} holds the last good state: go on with --resume and" if last.exists() else "start again with"
        raise TrainingError(f"The {what} became {value} at step {self.step + 1}; {kept} a lower --lr.")

    def _validate(self) -> float | None:
        """PSNR on held-out clips, in the leading process; the best weights are kept."""
        psnr = None
        if self.processes.is_main:
            found = validate(self.trainer.result, self.material.validation, self.device)
            psnr = found.psnr
            _log.info("step %d: validation %.2f dB, chroma %.2f of the truth", self.step, psnr, found.chroma)
            self.logger.picture(self.step, found.picture)
            if psnr > self.best:
                self.best = psnr
                self._write_weights("best.pt")
        self.processes.barrier()
        return psnr

    def _write_weights(self, name: str) -> None:
        write_weights(self.folder / name, self.trainer.result, torch.float16 if self.settings.half_weights else None)

    def _checkpoint(self) -> None:
        if self.processes.is_main:
            write_checkpoint(self.folder / "last.pt", {
                "step": self.step,
                "best": self.best,
                "settings": self.settings.to_dict(),
                **self.trainer.state_dict(),
            })  # fmt: skip
        self.processes.barrier()

    def _restore(self, saved: dict[str, Any]) -> None:
        try:
            self.trainer.load_state_dict(saved)
            self.step, self.best = int(saved["step"]), float(saved["best"])
            began = saved["settings"]["init"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{self.folder / 'last.pt'} is of another network, or of another choice of what is learned, than these "
                "settings; go on with the run's own, or take another --out."
            ) from error
        if self.settings.init != began:
            raise UsageError(
                f"{self.folder} began with --init {began} and goes on with its own weights; to begin with "
                f"{self.settings.init} take another --out, without --resume."
            )
        if self.step > self.settings.steps:
            raise UsageError(
                f"{self.folder} is at step {self.step} already, and --steps {self.settings.steps} ends before; give "
                "as many as it is to have in all."
            )
