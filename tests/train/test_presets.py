"""The settings that are ready to use."""

from __future__ import annotations

import pytest

from colormnet_cli.train.presets import preset


def test_an_unknown_preset_is_reported_with_the_known_ones() -> None:
    """A KeyError would not say which there are."""
    with pytest.raises(ValueError, match="'huge'; choose one of full, preview"):
        preset("huge")


def test_the_preview_s_stages_grow() -> None:
    """One command would not do what the stages are for: short small clips first, then long and large ones."""
    settings = preset("preview")
    boundaries = [round(share * settings.steps) for share in (0, 0.4, 0.65, 0.85)]
    stages = [
        tuple(settings.at(schedule, step) for schedule in (settings.crops, settings.frames, settings.batch))
        for boundary in boundaries[1:]
        for step in (boundary - 1, boundary)
    ]
    assert stages == [(112, 8, 4), (160, 10, 2), (160, 10, 2), (192, 12, 2), (192, 12, 2), (160, 12, 2)]
    assert settings.at(settings.ema_decay, 0) < settings.at(settings.ema_decay, settings.steps - 1)
    assert settings.network.to_dict()["exemplar_weight"] > settings.at(settings.exemplar_weight, settings.steps - 1)


def test_the_published_schedule() -> None:
    """Frames would be sampled further apart, or closer together, than in the paper's training."""
    full = preset("full")
    assert [full.at(full.jumps, step) for step in (0, 16_000, 48_000, 144_000)] == [5, 10, 15, 5]
