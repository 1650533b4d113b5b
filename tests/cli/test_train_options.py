"""`colormnet train`: what its options mean, and which errors they give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from colormnet_cli.cli.train import _settings, _summary
from colormnet_cli.errors import UsageError
from colormnet_cli.train import loop
from colormnet_cli.train.loop import TrainingResult
from colormnet_cli.train.presets import preset
from colormnet_cli.train.run_state import write_checkpoint
from colormnet_cli.train.train_settings import TrainSettings
from colormnet_cli.train.trainer import learning_rate
from support.commands import command, world  # noqa: F401 - fixtures


def settings(out: Path, *assignments: str, resume: bool = False, **given: Any) -> TrainSettings:
    return _settings("preview", out, resume, given, list(assignments))


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("ema_dekay=0.9", "--set ema_dekay=0.9 names no setting: did you mean ema_decay"),
        ("=3", "names no setting: known are accumulate, adversarial_loss, affine"),
        ("network.keydim=3", "did you mean network.key_dim"),
        ("network.zzz=3", "known are network.coarse_step"),
        ("optimizer.lr=3", "names no setting"),
        ("lr", "--set lr has no value: write --set lr=VALUE"),
        ("half_weights=False", "half_weights must be true or false, got 'False'"),
        ("network.key_dim=x", "network.key_dim must be an integer"),
    ],
)
def test_a_mistake_in_set_is_reported(tmp_path: Path, assignment: str, message: str) -> None:
    """The message would list all forty settings, or be Python's own about `<` and str."""
    with pytest.raises(UsageError, match=message):
        settings(tmp_path, assignment)


def test_settings_are_checked_together(tmp_path: Path) -> None:
    """A setting that is valid only with a later one was refused before that was read."""
    changed = settings(tmp_path, "network.vit_patch=14", "network.vit_grid=10", "crops=[[0, 56]]", crops=((0.0, 112),))
    assert changed.crops == ((0.0, 112),)
    assert changed.network.vit_patch == 14
    assert settings(tmp_path, data=("film",), synthetic=False, crops=((0.0, 16),)).crops == ((0.0, 16),)


@pytest.mark.parametrize("option", ["--config", "--preset"])
def test_a_preset_is_chosen_by_either_name(option: str, command: Any, tmp_path: Path, monkeypatch: Any) -> None:  # noqa: F811
    """The one command that makes the preview would be refused, or train the full network."""
    given: list[TrainSettings] = []

    def begun(settings: TrainSettings, *_: Any, **__: Any) -> TrainingResult:
        given.append(settings)
        return TrainingResult(tmp_path, settings.steps, 0.1, None, None)

    monkeypatch.setattr(loop, "train", begun)
    assert command("train", option, "preview", "--out", str(tmp_path / "run"), "--device", "cpu")[0] == 0
    assert given == [preset("preview")]


def test_a_resumed_run_has_its_own_settings(tmp_path: Path) -> None:
    """A run would be resumed with the preset's settings."""
    own = preset("preview").with_overrides(steps=77)
    write_checkpoint(tmp_path / "last.pt", {"settings": own.to_dict(), "optimizer": {}})
    assert settings(tmp_path, resume=True) == own
    assert settings(tmp_path, "steps=79", resume=True).steps == 79


def test_the_summary_names_the_weights() -> None:
    """Nobody knew which of a run's files is the one to use."""
    run = Path("run")
    done = _summary(TrainingResult(run, 6, 0.1, 24.5, run / "best.pt"), 6)
    assert done == f"6 of 6 steps done; best validation: 24.50 dB, weights: {run / 'best.pt'}"
    stopped = _summary(TrainingResult(run, 1, 0.1, None, None), 1000)
    assert stopped == "1 of 1,000 steps done; the same command with --resume continues"


def test_fine_tuning_starts_with_a_low_learning_rate(tmp_path: Path) -> None:
    """`--data film --init preview` would first destroy what the preview has learned."""
    films = {"data": ("film",), "synthetic": False}
    tuned = settings(tmp_path, init="preview", **films)
    assert learning_rate(tuned, 0) == tuned.lr == 2e-4
    assert (tuned.matching_share, tuned.norm_share, tuned.ema_decay, tuned.exemplar_weight) == (0, 0, 0, 0)
    assert (tuned.frames, tuned.batch, tuned.crops) == (8, 4, ((0.0, 112),))  # films of 8 frames are long enough
    assert settings(tmp_path, init="preview", lr=1e-3, **films).lr == 1e-3
    default = preset("preview")
    assert settings(tmp_path, init="random", **films).lr == default.lr
    synthetic = settings(tmp_path, init="preview", synthetic=True)
    assert synthetic == default.with_overrides(init="preview")  # on synthetic clips it is another stage
