"""The files of a training run: complete or as before, and damage reported in one sentence."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from colormnet_cli import files
from colormnet_cli.errors import CheckpointError, OutputError
from colormnet_cli.train.presets import preset
from colormnet_cli.train.run_state import (
    read_checkpoint,
    read_settings,
    write_checkpoint,
    write_settings,
    write_weights,
)
from colormnet_cli.train.scenes.things import SceneKinds
from colormnet_cli.weights import load_model
from support.networks import make_small_model

SETTINGS = preset("preview").with_overrides(steps=77)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """A run could not be resumed, or its weights not be used."""
    write_checkpoint(tmp_path / "last.pt", {"optimizer": {}, "x": torch.arange(3)})
    assert read_checkpoint(tmp_path / "last.pt")["x"].tolist() == [0, 1, 2]
    model = make_small_model()
    write_weights(tmp_path / "best.pt", model, torch.float16)
    loaded = load_model(tmp_path / "best.pt")
    assert loaded.config == model.config
    torch.testing.assert_close(loaded.state_dict(), model.state_dict(), rtol=1e-3, atol=1e-4)


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    """The operating system's message does not say what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"settings\.json cannot be written \(Not a directory\): choose another"):
        write_settings(tmp_path / "file" / "run", SETTINGS)


def test_a_full_disk_leaves_the_files_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power failure or a full disk on resume left half a settings.json, and the run could not be resumed again."""
    write_checkpoint(tmp_path / "last.pt", {"optimizer": {}})
    write_settings(tmp_path, SETTINGS)

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", fails)
    with pytest.raises(OutputError, match="is full: make room, and resume"):
        write_settings(tmp_path, SETTINGS.with_overrides(lr=1e-4))
    assert json.loads((tmp_path / "settings.json").read_text())["lr"] == SETTINGS.lr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.pt", "settings.json"]


def test_a_checkpoint_that_does_not_fit_on_the_disk_is_reported(tmp_path: Path) -> None:
    """PyTorch reports it as "unexpected pos 81216 vs 81168"."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    write_checkpoint(tmp_path / "last.pt", {"step": 1})
    before = (tmp_path / "last.pt").read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"last\.pt cannot be written"):
            write_checkpoint(tmp_path / "last.pt", {"step": 2, "model": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


@pytest.mark.parametrize("damage", [b"", b"garbage" * 100, None])
def test_a_damaged_checkpoint_is_reported_in_one_sentence(tmp_path: Path, damage: bytes | None) -> None:
    """PyTorch's message has six lines, one of which advises to let the file run code."""
    write_checkpoint(tmp_path / "last.pt", {"optimizer": torch.zeros(1000)})
    content = (tmp_path / "last.pt").read_bytes()
    (tmp_path / "last.pt").write_bytes(content[:1000] if damage is None else damage)
    with pytest.raises(CheckpointError, match=r"last\.pt is damaged: .* with .*best\.pt.* as init") as error:
        read_checkpoint(tmp_path / "last.pt")
    assert "\n" not in str(error.value)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with a checkpoint, but without settings.json."""
    write_checkpoint(tmp_path / "last.pt", {"settings": SETTINGS.to_dict(), "optimizer": {}})
    return tmp_path


def test_settings_come_from_the_file_or_the_checkpoint(run: Path) -> None:
    """Without its settings.json a run was resumed with other settings, or not at all."""
    assert read_settings(run) == SETTINGS
    write_settings(run, SETTINGS.with_overrides(steps=78))
    assert read_settings(run) == SETTINGS.with_overrides(steps=78)
    assert read_settings(run / "nothing") is None


def test_a_run_of_before_the_kinds_of_things_goes_on_with_the_same_clips(run: Path) -> None:
    """A run that was stopped before an update would go on with other clips, without a word."""
    shares = [kind.name for kind in fields(SceneKinds)]
    before = {name: value for name, value in SETTINGS.to_dict().items() if name not in shares}
    same = SETTINGS.with_overrides(**dict.fromkeys(shares, 0.0))
    write_checkpoint(run / "last.pt", {"settings": before, "optimizer": {}})
    assert read_settings(run) == same
    (run / "settings.json").write_text(json.dumps({**before, "steps": 78}))
    assert read_settings(run) == same.with_overrides(steps=78)


@pytest.mark.parametrize("damage", ["", '{"steps":', "[]", '{"depth": 3}', '{"steps": "many"}'])
def test_damaged_settings_are_reported(run: Path, damage: str) -> None:
    """Python's message, "Expecting value: line 1 column 1 (char 0)", does not name the file, or say what to do."""
    (run / "settings.json").write_text(damage)
    with pytest.raises(CheckpointError, match=r"settings\.json is damaged, or of another version .* delete it"):
        read_settings(run)


def test_a_checkpoint_of_another_version_is_reported(run: Path) -> None:
    """A traceback would not say what to do."""
    write_checkpoint(run / "last.pt", {"settings": {"depth": 3}, "optimizer": {}})
    with pytest.raises(CheckpointError, match=r"last\.pt is of another version .* another folder"):
        read_settings(run)
