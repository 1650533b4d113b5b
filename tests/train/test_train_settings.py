"""What a training run can be told, and that anything else is refused before it begins."""

from __future__ import annotations

import json
from typing import Any

import pytest

from colormnet_cli.train.train_settings import TrainSettings, preset


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"half_weights": "False"}, "half_weights must be true or false, got 'False'"),
        ({"batch": 2.5}, "batch must be a whole number, got 2.5"),
        ({"batch": True}, "batch must be a whole number, got True"),
        ({"steps": 1e3}, "steps must be a whole number, got 1000.0"),
        ({"lr": "fast"}, "lr must be a number, got 'fast'"),
        ({"lr": float("nan")}, "lr must be a number, got nan"),
        ({"init": 3}, "init must be text, got 3"),
        ({"init": ""}, "init must name weights"),
        ({"data": "film.mp4"}, r"data must be \[text, …\], got 'film.mp4'"),
        ({"jumps": 3}, r"jumps must be \[\[a number, a whole number\], …\], got 3"),
        ({"jumps": [[0, 2.5]]}, "jumps must be"),
        ({"jumps": [[0, 3], [0.2]]}, "jumps must be"),
        ({"crop_scale": [0.5]}, r"crop_scale must be \[a number, a number\]"),
        ({"crop_scale": [0.9, 0.1]}, "crop_scale must be two rising shares"),
        ({"crop_scale": [-1, 0.5]}, "crop_scale must be two rising shares"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0"),
        ({"workers": -1}, "workers must be at least 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": 2**64}, "seed must be below"),
        ({"crops": ((0.0, 40),)}, "multiples of 16, as the network pads, got 40"),
        ({"crops": ((0.0, 16),)}, "made on the fly must be at least 32, got 16"),
        ({"network": 3}, "network must be a table of sizes, got 3"),
        ({"network": {"key_dim": "x"}}, "network.key_dim must be a whole number, got 'x'"),
        ({"network": {"trunk_widths": [3]}}, "network.trunk_widths must be"),
        ({"network": {"fusion_heads": 0}}, "network.fusion_heads must be at least 1, got 0"),
        ({"network": {"trunk_depths": [1, 0, 1]}}, "network.trunk_depths must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], said: str) -> None:
    """`--set half_weights=False` switched it on, and other slips ended in a traceback hours later."""
    with pytest.raises(ValueError, match=said):
        preset("preview").with_overrides(**wrong)


@pytest.mark.parametrize("name", ["full", "preview"])
def test_settings_come_back_from_json(name: str) -> None:
    """A run could not go on from its own settings.json."""
    settings = preset(name).with_overrides(lr=1, jumps=[[0, 2], [0.5, 3]], data=["a b", "ü"], synthetic=False)
    assert TrainSettings(**json.loads(json.dumps(settings.to_dict()))) == settings
    assert settings.jumps == ((0, 2), (0.5, 3))
