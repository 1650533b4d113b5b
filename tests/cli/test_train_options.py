"""`colormnet train`: what its options mean, and what is said of those that mean nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from colormnet_cli.cli.train import _said, _settings
from colormnet_cli.errors import CheckpointError, UsageError
from colormnet_cli.train.loop import TrainingResult
from colormnet_cli.train.run_state import write_checkpoint
from colormnet_cli.train.train_settings import TrainSettings, preset


def settings(out: Path, *assignments: str, resume: bool = False, **given: Any) -> TrainSettings:
    return _settings("preview", out, resume, given, list(assignments))


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("ema_dekay=0.9", "--set ema_dekay=0.9 names no setting: perhaps ema_decay is meant"),
        ("=3", "names no setting: there are accumulate, affine"),
        ("network.keydim=3", "perhaps network.key_dim is meant"),
        ("network.zzz=3", "there are network.coarse_step"),
        ("optimizer.lr=3", "names no setting"),
        ("lr", "--set lr says no value: write --set lr=VALUE"),
        ("half_weights=False", "half_weights must be true or false, got 'False'"),
        ("network.key_dim=x", "network.key_dim must be an integer"),
    ],
)
def test_a_slip_in_set_is_told(tmp_path: Path, assignment: str, said: str) -> None:
    """The sentence listed all forty settings, or was Python's own about `<` and str."""
    with pytest.raises(UsageError, match=said):
        settings(tmp_path, assignment)


def test_options_hold_together(tmp_path: Path) -> None:
    """What is right only with the next option was refused before that was looked at."""
    told = settings(tmp_path, "network.vit_patch=14", "network.vit_grid=10", "crops=[[0, 56]]", crops=((0.0, 112),))
    assert told.crops == ((0.0, 112),)
    assert told.network.vit_patch == 14
    assert settings(tmp_path, data=("film",), synthetic=False, crops=((0.0, 16),)).crops == ((0.0, 16),)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was told something."""
    own = preset("preview").with_overrides(steps=77)
    write_checkpoint(tmp_path / "last.pt", {"settings": own.to_dict(), "optimizer": {}})
    return tmp_path


def test_a_run_goes_on_as_it_was_told(run: Path) -> None:
    """Without its settings.json a run went on as another one, or not at all."""
    assert settings(run, resume=True).steps == 77
    (run / "settings.json").write_text(json.dumps(preset("preview").with_overrides(steps=78).to_dict()))
    assert settings(run, resume=True).steps == 78
    assert settings(run, "steps=79", resume=True).steps == 79


@pytest.mark.parametrize("damage", ["", '{"steps":', "[]", '{"depth": 3}', '{"steps": "many"}'])
def test_damaged_settings_are_said(run: Path, damage: str) -> None:
    """Python's words, "Expecting value: line 1 column 1 (char 0)", told nobody which file, or what to do."""
    (run / "settings.json").write_text(damage)
    with pytest.raises(CheckpointError, match=r"settings\.json is damaged, or of another version .* remove it"):
        settings(run, resume=True)


def test_a_checkpoint_of_another_version_is_said(run: Path) -> None:
    """A traceback would."""
    write_checkpoint(run / "last.pt", {"settings": {"depth": 3}, "optimizer": {}})
    with pytest.raises(CheckpointError, match=r"last\.pt is of another version .* another --out"):
        settings(run, resume=True)


def test_the_last_line_names_the_weights() -> None:
    """Nobody knew which of a run's files is the one to colour with."""
    run = Path("run")
    done = _said(TrainingResult(run, 6, 0.1, 24.5, run / "best.pt"), 6)
    assert done == f"6 of 6 steps done: best validation 24.50 dB, by the weights {run / 'best.pt'}"
    broken = _said(TrainingResult(run, 1, 0.1, None, None), 1000)
    assert broken == "1 of 1,000 steps done: run; the same command with --resume goes on"
