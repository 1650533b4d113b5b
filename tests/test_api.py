"""The library's front: what `import colormnet_cli as cm` offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.film import fingerprint
from support.films import make_film
from support.networks import make_small_model


def test_every_public_name_exists() -> None:
    """A name in the documentation that cannot be imported."""
    assert set(cm.__all__) <= set(dir(cm))
    for name in cm.__all__:
        assert getattr(cm, name) is not None


def test_no_public_name_is_that_of_a_folder() -> None:
    """Python puts a folder that was imported in the place of the function: `cm.recolor(…)` would not be callable."""
    folders = {path.name for path in Path(cm.__path__[0]).iterdir() if path.is_dir()}
    assert not folders & set(cm._EXPORTS)


def test_exceptions_can_be_caught_by_name() -> None:
    """Programs had to import from a private place to tell a full disk from a wrong setting."""
    for name in cm.errors.__all__:
        assert issubclass(getattr(cm.errors, name), (cm.ColormnetError, cm.Interrupted))


def test_one_reference_needs_no_list(tmp_path: Path, small_model: Any, photo: Path) -> None:
    """A path was read as a list of letters."""
    film = make_film(tmp_path / "film.mkv", frames=2)
    receipt = cm.colorize_video(
        film, photo, tmp_path / "out.mkv", model=small_model, settings=cm.ColorizeSettings(size=32), device="cpu"
    )
    assert [record.path for record in receipt.references] == [str(photo)]


def test_a_plan_is_what_is_done(tmp_path: Path, small_model: Any, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A film was probed, and its exemplars were read, once for the plan and once more for the run."""
    film = make_film(tmp_path / "film.mkv", frames=2)
    plan = cm.plan_video(film, photo, tmp_path / "out.mkv", settings=cm.ColorizeSettings(size=32))
    for name in ("plan.probe", "plan.try_encoder", "plan.plan_streams"):
        monkeypatch.setattr(f"colormnet_cli.film.{name}", lambda *_, **__: pytest.fail("it is planned again"))
    monkeypatch.setattr("colormnet_cli.media.reference.read_exemplar", lambda *_: pytest.fail("it is read again"))
    assert cm.colorize(plan, small_model, device="cpu").frames == 2


def test_a_model_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every film of a batch waited for half a gigabyte to be hashed; a model that has changed is hashed again."""
    model = make_small_model()
    first = fingerprint.model_sha256(model)
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint.hashlib, "sha256", lambda *_: pytest.fail("it is hashed again"))
        assert fingerprint.model_sha256(model) == first
    with torch.no_grad():
        model.decoder.predict.bias += 1
    assert fingerprint.model_sha256(model) != first
