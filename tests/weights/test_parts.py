"""Deep Exemplar's checkpoint is three files, in a zip or a folder: both load, and only tensors are read."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.errors import CheckpointError, WeightsError
from colormnet_cli.weights import LockEntry, add_file, blank_network, find, load_model, locate, read_lock
from colormnet_cli.weights.load import _read_tensors
from colormnet_cli.weights.parts import PARTS
from support.golden import deep_exemplar_state

PLACES = {
    "nonlocal_net_iter_76000.pth": "checkpoints/video_moredata_l1/nonlocal_net_iter_76000.pth",
    "colornet_iter_76000.pth": "checkpoints/video_moredata_l1/colornet_iter_76000.pth",
    "vgg19_conv.pth": "data/vgg19_conv.pth",
}


def write_folder(folder: Path, state: dict[str, Tensor]) -> Path:
    """The state's tensors in the three files, without their prefixes."""
    for file, prefix in PARTS.items():
        part = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        (folder / PLACES[file]).parent.mkdir(parents=True, exist_ok=True)
        torch.save(part, folder / PLACES[file])
    return folder


def write_zip(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.pth")):
            archive.write(file, file.relative_to(folder))
    return path


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder of the three files with a tensor each."""
    return write_folder(tmp_path / "few", {f"{prefix}x.weight": torch.ones(2) for prefix in PARTS.values()})


@pytest.mark.slow
def test_the_authors_files_become_the_network(tmp_path: Path) -> None:
    """Fails where the published files, as they are downloaded, do not load as the network that the figures prove."""
    state = deep_exemplar_state()
    folder = write_folder(tmp_path / "folder", state)
    archive = write_zip(tmp_path / "colorization_checkpoint.zip", folder)
    expected = cm.DeepExemplar()
    cm.load_state(expected, state)
    for path in (folder, archive):
        loaded = load_model(path)
        assert isinstance(loaded, cm.DeepExemplar)
        assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in expected.state_dict().items())
        assert type(blank_network(path)) is cm.DeepExemplar


def test_prefixes_tell_the_files_apart(few: Path, tmp_path: Path) -> None:
    """Fails where tensors of the same name in two of the files replace each other."""
    for path in (few, write_zip(tmp_path / "few.zip", few)):
        assert set(_read_tensors(path)) == {"warp.x.weight", "color.x.weight", "vgg.x.weight"}
        assert locate(path) == path


def test_missing_parts_are_reported(few: Path, tmp_path: Path) -> None:
    """Fails where an incomplete download ends in a list of a hundred missing tensors."""
    (few / PLACES["vgg19_conv.pth"]).unlink()
    for path in (few, write_zip(tmp_path / "few.zip", few)):
        with pytest.raises(CheckpointError, match=r"few(\.zip)? has no vgg19_conv\.pth, which belongs"):
            load_model(path)
    (few / "other").mkdir()
    for file in PARTS:
        torch.save({}, few / "other" / file)
    with pytest.raises(CheckpointError, match=r"has checkpoints/.*colornet_iter_76000\.pth and other/|leave one"):
        load_model(few)


def test_a_folder_of_other_files_is_no_model(tmp_path: Path) -> None:
    """Fails where a folder given by mistake is searched in vain, or ends in a traceback."""
    torch.save({}, tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match="is a folder: give a weight file"):
        locate(tmp_path)


class Evil:
    def __reduce__(self) -> Any:
        return print, ("this ran",)


def test_nothing_in_the_files_runs(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails where one of three files of a stranger can run code."""
    torch.save({"x": Evil()}, few / PLACES["vgg19_conv.pth"])
    for path in (few, write_zip(tmp_path / "few.zip", few)):
        with pytest.raises(CheckpointError, match=r"vgg19_conv\.pth in .* is refused: it holds more than tensors"):
            load_model(path)
    assert "this ran" not in capsys.readouterr().out


def test_the_first_file_of_that_name_is_trusted(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a file whose hash nobody knows is not recorded, or another one is accepted later."""
    monkeypatch.setattr("colormnet_cli.weights.lock.user_lock_path", lambda: tmp_path / "user.lock")
    shipped = read_lock()["deep-exemplar"]
    assert (shipped.sha256, shipped.network, shipped.license) == ("", "DeepExemplar", "MIT")
    assert type(blank_network(shipped)) is cm.DeepExemplar  # its sizes are known without the file
    archive = write_zip(tmp_path / "colorization_checkpoint.zip", few)
    entry = add_file("deep-exemplar", archive)
    assert isinstance(entry, LockEntry)
    assert (find(entry), len(entry.sha256), entry.license) == (archive, 64, "MIT")
    (few / "more.pth").write_bytes(b"x")
    with pytest.raises(WeightsError, match="is not the file that"):
        add_file("deep-exemplar", write_zip(tmp_path / "other.zip", few))
