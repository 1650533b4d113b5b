"""What a training run begins with: schedules as published, and mistakes named before the first step."""

from __future__ import annotations

import pytest

from colormnet_cli.cli.train import _settings
from colormnet_cli.errors import MediaError, UsageError
from colormnet_cli.train.loop import train
from colormnet_cli.train.train_settings import preset
from colormnet_cli.train.trainer import learning_rate
from support.training import SMALL

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other


def test_learning_rates():
    """The published schedule would be another."""
    full = preset("full")
    assert [learning_rate(full, step) for step in (0, 119_999)] == [2e-5, 2e-5]
    assert learning_rate(full, 120_000) == pytest.approx(2e-6)
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


def test_something_must_be_given_to_learn_from(tmp_path):
    """A run without material would end in a traceback."""
    with pytest.raises(UsageError, match="--data"):
        train(SMALL.with_overrides(synthetic=False), tmp_path)


def test_a_slip_in_the_data_leaves_no_folder(tmp_path):
    """An empty RUN would lie there for every typing error."""
    with pytest.raises(MediaError, match="gone"):
        train(SMALL.with_overrides(synthetic=False, data=(str(tmp_path / "gone"),)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
