"""The training run: that it learns, goes on exactly, stops at NaN, and is the same with several processes."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import small_config

from colormnet_cli.cli.train import _settings
from colormnet_cli.errors import CheckpointError, Interrupted, MediaError, OutputError, TrainingError, UsageError
from colormnet_cli.train import loop
from colormnet_cli.train.checkpoint import write_checkpoint
from colormnet_cli.train.clip import ClipLoss, draw_memory
from colormnet_cli.train.interrupt import interrupt_held
from colormnet_cli.train.journal import COLUMNS, read_losses
from colormnet_cli.train.loop import learning_rate, train
from colormnet_cli.train.settings import TrainSettings, preset
from colormnet_cli.train.starting import starting_model
from colormnet_cli.train.synthetic import synthetic_clip
from colormnet_cli.train.validate import Validation
from colormnet_cli.weights import load_model

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other

SMALL = TrainSettings(
    network=small_config(), synthetic=True, frames=4, crops=((0.0, 32),), jumps=((0.0, 2),), steps=6, plain_steps=0,
    batch=2, lr=1e-3, freeze_transformer=False, checkpoint_every=2, validate_every=6, validation_clips=1,
)  # fmt: skip


def test_the_small_network_learns_one_clip_by_heart():
    """Whatever breaks learning (a detached tensor, a wrong sign, a dead branch) shows here first."""
    torch.manual_seed(0)
    settings = SMALL.with_overrides(frames=4, seed=1)
    model = starting_model(settings)
    loss = ClipLoss(model)
    lab = torch.from_numpy(synthetic_clip(1, 3, frames=4, size=48, jump=1, cut=0.0, vivid=1.0))[None]
    picks, renew = draw_memory(np.random.default_rng(0), 4)[None], torch.zeros(4, dtype=torch.bool)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.0)
    errors = []
    for step in range(400):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 20) * (0.5 + 0.5 * math.cos(math.pi * step / 400))
        loss.train()
        result = loss(lab, picks, renew)
        optimizer.zero_grad()
        result.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        errors.append(float(result.error))
        if errors[-1] < errors[0] / 5.5:
            break
    assert min(errors) < errors[0] / 5


def column(folder, name):
    with (folder / "log.csv").open(newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def assert_same_end(one, other):
    """Log, weights and the optimiser's state of two runs are the same to the last bit."""
    for name in set(COLUMNS) - {"seconds"}:
        assert column(one, name) == column(other, name)
    ends = [torch.load(run / "last.pt", weights_only=True) for run in (one, other)]
    assert [end["step"] for end in ends] == [len(column(one, "step"))] * 2
    assert ends[0]["best"] == ends[1]["best"]
    torch.testing.assert_close(ends[0]["model"], ends[1]["model"], rtol=0, atol=0)
    torch.testing.assert_close(ends[0]["mean"], ends[1]["mean"], rtol=0, atol=0)
    torch.testing.assert_close(ends[0]["optimizer"]["state"], ends[1]["optimizer"]["state"], rtol=0, atol=0)


# Everything that a step can depend on besides the weights: Adam's moments, BatchNorm's statistics, the learning rate's
# place in its schedule, the kind of loss, which clips and crops come next.
CHANGING = SMALL.with_overrides(
    schedule="cosine", warmup=2, norm_share=0.9, matching_share=0.3, hidden_renewal=0.5, clip_norm=1.0,
    crops=((0.0, 32), (0.6, 48)), validate_every=2, checkpoint_every=100, average=0.5,
)  # fmt: skip


def test_a_broken_run_goes_on_exactly(tmp_path):
    """A run that was stopped would end elsewhere than one that was not."""
    train(CHANGING, tmp_path / "whole")
    train(CHANGING, tmp_path / "broken", stop_after=3)
    train(CHANGING, tmp_path / "broken", resume=True)
    assert len(read_losses(tmp_path / "whole")) == 6
    assert_same_end(tmp_path / "broken", tmp_path / "whole")


def test_the_mean_of_the_weights_is_what_a_run_gives(tmp_path):
    """The last step's weights would be written, or a mean that lags behind by its own beginning."""
    settings = SMALL.with_overrides(steps=3, average=0.75, validate_every=3)
    expected = {}
    for step in range(3):
        train(settings, tmp_path, resume=step > 0, stop_after=1)
        weights = torch.load(tmp_path / "last.pt", weights_only=True)["model"]
        for name, now in weights.items():
            expected[name] = now if step == 0 else 0.75 * expected[name] + 0.25 * now
    for file in ("final.pt", "best.pt"):
        given = torch.load(tmp_path / file, weights_only=True)["state"]
        learned = [name for name in given if given[name].is_floating_point()]
        torch.testing.assert_close({n: given[n] for n in learned}, {n: expected[n] for n in learned})
    assert not torch.equal(expected["decoder.predict.weight"], weights["decoder.predict.weight"])


def test_a_run_can_begin_to_average_when_it_goes_on(tmp_path):
    """`--resume --set average=0.999` would fail, or mix in the random weights that it was made with."""
    train(SMALL, tmp_path, stop_after=5)
    train(SMALL.with_overrides(average=0.9), tmp_path, resume=True)
    end = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.testing.assert_close(load_model(tmp_path / "final.pt").state_dict(), end["model"])


@pytest.fixture
def terminal():
    """Ctrl-C as at a terminal: jobs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("terminal")
def test_ctrl_c_ends_the_step_and_the_run_goes_on_exactly(tmp_path, monkeypatch):
    """All steps since the last checkpoint would be lost, or half a step would be kept."""
    train(CHANGING, tmp_path / "whole")
    with monkeypatch.context() as patch:
        forward = ClipLoss.forward

        def interrupted(self, *given):
            if len(column(tmp_path / "broken", "step")) == 2:
                signal.raise_signal(signal.SIGINT)
            return forward(self, *given)

        patch.setattr(ClipLoss, "forward", interrupted)
        with pytest.raises(Interrupted, match=r"after step 3 of 6: .* --resume"):
            train(CHANGING, tmp_path / "broken")
    train(CHANGING, tmp_path / "broken", resume=True)
    assert_same_end(tmp_path / "broken", tmp_path / "whole")


@pytest.mark.usefixtures("terminal")
def test_the_second_ctrl_c_is_let_through():
    """Nobody could stop a step that takes minutes."""
    before = signal.getsignal(signal.SIGINT)
    with interrupt_held() as interrupted:
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_going_on_keeps_the_best(tmp_path, monkeypatch):
    """What a run had of best before the break would be replaced by something worse."""
    found = [30.0, 20.0, 10.0]
    monkeypatch.setattr(loop, "validate", lambda *_: Validation(found.pop(0), 1.0, torch.zeros(3, 2, 2)))
    train(CHANGING, tmp_path, stop_after=2)
    best = (tmp_path / "best.pt").read_bytes()
    assert train(CHANGING, tmp_path, resume=True).best_psnr == 30
    assert found == []
    assert (tmp_path / "best.pt").read_bytes() == best


def command(settings, out, *more):
    """What `colormnet train` is told to run with these settings."""
    usual, given = preset("full").to_dict(), settings.to_dict()
    told = {name: value for name, value in given.items() if name != "network" and value != usual[name]}
    told |= {f"network.{name}": value for name, value in given["network"].items()}
    return [
        "-m", "colormnet_cli", "train", "--out", str(out), "--device", "cpu", "--progress", "none", *more,
        *(part for name, value in told.items() for part in ("--set", f"{name}={json.dumps(value)}")),
    ]  # fmt: skip


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path):
    """Rows behind the checkpoint, or half a row, would stand twice or stop the run."""
    endless = SMALL.with_overrides(steps=100_000, checkpoint_every=3, validate_every=100_000)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, *command(endless, tmp_path / "killed")], env=environment) as run:
        while run.poll() is None and not (tmp_path / "killed" / "last.pt").exists():
            time.sleep(0.02)
        while run.poll() is None and len(column(tmp_path / "killed", "step")) % 3 != 2:
            time.sleep(0.001)
        run.kill()
    assert run.returncode == -signal.SIGKILL
    done = torch.load(tmp_path / "killed" / "last.pt", weights_only=True)["step"]
    with (tmp_path / "killed" / "log.csv").open("a") as log:
        log.write(f"{done + 1},0.1,1,1,1,1,\n{done + 2},0.")  # as a kill in the middle of a row leaves it
    train(endless, tmp_path / "killed", stop_after=2, resume=True)
    train(endless, tmp_path / "whole", stop_after=done + 2)
    assert_same_end(tmp_path / "killed", tmp_path / "whole")


def test_parts_of_a_batch_add_up(tmp_path):
    """Accumulating gradients would train something else than the same batch at once."""
    train(SMALL, tmp_path / "whole")
    train(SMALL.with_overrides(accumulate=2), tmp_path / "parts")
    assert np.allclose(read_losses(tmp_path / "parts"), read_losses(tmp_path / "whole"), rtol=1e-4)


def test_nan_stops_the_run_and_keeps_the_last_good_state(tmp_path, monkeypatch):
    """A run would go on for days writing checkpoints full of NaN."""
    step = loop._Run._step

    def poisoned(self, batches):
        if self.step == 3:
            next(self.model.parameters()).data.fill_(math.nan)
        return step(self, batches)

    monkeypatch.setattr(loop._Run, "_step", poisoned)
    with pytest.raises(TrainingError, match=r"step 4.*last\.pt.*--resume"):
        train(SMALL, tmp_path)
    saved = torch.load(tmp_path / "last.pt", weights_only=True)
    assert saved["step"] == 2
    assert all(torch.isfinite(tensor).all() for tensor in saved["model"].values())


def test_a_run_leaves_what_it_should(tmp_path):
    """Nothing could be coloured with what was trained, or nobody could tell how it was."""
    result = train(SMALL, tmp_path)
    assert result.best_psnr is not None
    assert TrainSettings(**json.loads((tmp_path / "settings.json").read_text())) == SMALL
    model = load_model(result.weights)
    assert model.config == SMALL.network
    with pytest.raises(OutputError, match="--resume"):
        train(SMALL, tmp_path)
    assert train(SMALL, tmp_path, resume=True) == replace(result, loss=None)  # nothing is left to do
    with pytest.raises(CheckpointError, match="without --resume"):
        train(SMALL, tmp_path / "nothing", resume=True)
    with pytest.raises(CheckpointError, match="another network"):
        train(SMALL.with_overrides(network=small_config(key_dim=8)), tmp_path, resume=True)


def test_a_full_disk_is_said(tmp_path):
    """PyTorch's own words for it are "unexpected pos 81216 vs 81168"."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    write_checkpoint(tmp_path / "last.pt", {"step": 1})
    whole = (tmp_path / "last.pt").read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"last\.pt cannot be written .* disk full"):
            write_checkpoint(tmp_path / "last.pt", {"step": 2, "model": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [whole]


def test_two_processes_are_one(tmp_path):
    """On several GPUs it would be another training, could only go on with as many, or end in many voices."""
    settings = SMALL.with_overrides(steps=4, clip_norm=0.5, hidden_renewal=0.5, validate_every=4)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *torchrun, *command(settings, tmp_path / "two", "--stop-after", "3")],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(read_losses(tmp_path / "two")) == 3
    assert done.stderr.count("3 of 4 steps done") == 1  # one of them speaks
    train(settings, tmp_path / "two", resume=True)
    train(settings, tmp_path / "one")
    for name, digits in {"loss": 1e-5, "error": 1e-4, "grad_norm": 2e-3, "psnr": 1e-3}.items():
        ours, expected = ([float(x or 0) for x in column(tmp_path / run, name)] for run in ("two", "one"))
        assert np.allclose(ours, expected, rtol=digits), name


def test_the_full_configuration_does_a_step(tmp_path):
    """The paper's network could not be trained at all."""
    settings = preset("full").with_overrides(
        synthetic=True, frames=2, crops=((0.0, 112),), steps=2, batch=1, validation_clips=1, plain_steps=0
    )
    losses = []
    result = train(settings, tmp_path, stop_after=1, progress=lambda at: losses.append(at.loss))
    assert result.steps == 1
    assert math.isfinite(losses[0])


def test_the_transformer_stays_as_it_was(tmp_path):
    """Fine-tuning would wear down the features that the paper keeps frozen."""
    settings = SMALL.with_overrides(freeze_transformer=True, steps=2)
    before = starting_model(settings).state_dict()
    train(settings, tmp_path)
    after = torch.load(tmp_path / "last.pt", weights_only=True)["model"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any("transformer" in name or "running" in name for name in changed)
    assert any("decoder" in name for name in changed)


def test_learning_rates():
    """The published schedule would be another."""
    full = preset("full")
    assert [learning_rate(full, step) for step in (0, 119_999)] == [2e-5, 2e-5]
    assert learning_rate(full, 120_000) == pytest.approx(2e-6)
    assert [full.at(full.jumps, step) for step in (0, 16_000, 48_000, 144_000)] == [5, 10, 15, 5]
    preview = preset("preview")
    assert learning_rate(preview, 0) == pytest.approx(preview.lr / preview.warmup)
    assert learning_rate(preview, preview.steps - 1) < 1e-4 * preview.lr


def test_fine_tuning_begins_where_the_weights_are(tmp_path):
    """`--data film --init preview` would first spoil what the preview knows, as if it began at random."""

    def said(**given):
        return _settings("preview", tmp_path, False, {"data": ("film",), "synthetic": False, **given}, [])

    tuned = said(init="preview")
    assert learning_rate(tuned, 0) == tuned.lr == 2e-4
    assert (tuned.matching_share, tuned.norm_share) == (0, 0)
    assert said(init="preview", lr=1e-3).lr == 1e-3
    usual = preset("preview")
    assert said(init="random").lr == usual.lr
    made_up = _settings("preview", tmp_path, False, {"synthetic": True, "init": "preview"}, [])
    assert made_up == usual.with_overrides(init="preview")  # the bundled model's own training


def test_settings_refuse_what_cannot_be():
    """A run would fail hours later, or do something else than was asked."""
    for wrong, said in (
        ({"batch": 3, "accumulate": 2}, "equal parts"), ({"lr": 0.0}, "lr must"), ({"frames": 1}, "at least 2"),
        ({"crops": ((0.0, 40),)}, "multiples of 16"), ({"precision": "fp8"}, "fp32, fp16 or bf16"),
        ({"jumps": ((0.5, 2),)}, "begin at share 0"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            SMALL.with_overrides(**wrong)
    with pytest.raises(ValueError, match="full, preview"):
        preset("huge")


def test_something_must_be_given_to_learn_from(tmp_path):
    """A run without material would end in a traceback."""
    with pytest.raises(UsageError, match="--data"):
        train(SMALL.with_overrides(synthetic=False), tmp_path)


def test_a_slip_in_the_data_leaves_no_folder(tmp_path):
    """An empty RUN would lie there for every typing error."""
    with pytest.raises(MediaError, match="gone"):
        train(SMALL.with_overrides(synthetic=False, data=(str(tmp_path / "gone"),)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_a_gpu_learns_in_half_precision(tmp_path, precision):
    """Training where it is meant to run would stop at the first step."""
    losses = []
    settings = SMALL.with_overrides(precision=precision, steps=12, validate_every=12, crops=((0.0, 64),))
    train(settings, tmp_path, device="cuda", progress=lambda at: losses.append(at.loss))
    assert all(map(math.isfinite, losses))
