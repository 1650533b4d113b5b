"""Settings of a training run: wrong ones are refused before it starts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from colormnet_cli.train.presets import preset
from colormnet_cli.train.train_settings import TrainSettings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"half_weights": "False"}, "half_weights must be true or false, got 'False'"),
        ({"batch": 2.5}, r"batch must be an integer or \[\[a number, an integer\], …\], got 2.5"),
        ({"batch": True}, "batch must be an integer or .*, got True"),
        ({"steps": 1e3}, "steps must be an integer, got 1000.0"),
        ({"lr": "fast"}, "lr must be a number, got 'fast'"),
        ({"lr": float("nan")}, "lr must be a number, got nan"),
        ({"init": 3}, "init must be a string, got 3"),
        ({"init": ""}, "init must name weights"),
        ({"data": "film.mp4"}, r"data must be \[a string, …\], got 'film.mp4'"),
        ({"jumps": 3}, r"jumps must be \[\[a number, an integer\], …\], got 3"),
        ({"jumps": [[0, 2.5]]}, "jumps must be"),
        ({"jumps": [[0, 3], [0.2]]}, "jumps must be"),
        ({"crop_scale": [0.5]}, r"crop_scale must be \[a number, a number\]"),
        ({"crop_scale": [0.9, 0.1]}, "crop_scale must be two ascending shares"),
        ({"crop_scale": [-1, 0.5]}, "crop_scale must be two ascending shares"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0"),
        ({"workers": -1}, "workers must be at least 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": 2**64}, "seed must be below"),
        ({"crops": ((0.0, 40),)}, "multiples of 16, to which the network pads, got 40"),
        ({"crops": ((0.0, 16),)}, "synthetic clips must be at least 32, got 16"),
        ({"batch": 3, "accumulate": 2}, "batch 3 must be a multiple of accumulate 2"),
        ({"lr": 0.0}, "lr must be above 0"),
        ({"frames": 1}, "frames must be at least 2"),
        ({"precision": "fp8"}, "fp32, fp16 or bf16"),
        ({"schedule": "linear"}, "'steps' or 'cosine'"),
        ({"ema_decay": 1.0}, "ema_decay must be at least 0 and below 1"),
        ({"ema_decay": [[0, 0.9], [0.5, 1]]}, "ema_decay must be at least 0 and below 1"),
        ({"frames": [[0, 8], [0.5, 1]]}, "frames must be at least 2"),
        ({"frames": []}, "frames must start at share 0 and ascend"),
        ({"fade_loss": [[0, 0.5], [0.9, -1]]}, "fade_loss must be at least 0"),
        ({"batch": [[0, 4], [0.5, 3]], "accumulate": 2}, "must be a multiple of accumulate 2"),
        ({"exemplar_weight": 0.5}, "exemplar_weight must be 0 or at least 1"),
        ({"vivid": 1.5}, "vivid must be a share, 0 to 1, got 1.5"),
        ({"jumps": ((0.5, 2),)}, "jumps must start at share 0 and ascend"),
        ({"network": 3}, "network must be a table of sizes, got 3"),
        ({"network": {"key_dim": "x"}}, "network.key_dim must be an integer, got 'x'"),
        ({"network": {"trunk_widths": [3]}}, "network.trunk_widths must be"),
        ({"network": {"fusion_heads": 0}}, "network.fusion_heads must be at least 1, got 0"),
        ({"network": {"trunk_depths": [1, 0, 1]}}, "network.trunk_depths must be at least 1"),
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any], message: str) -> None:
    """`--set half_weights=False` would switch it on, and other mistakes would end in a traceback hours later."""
    with pytest.raises(ValueError, match=message):
        preset("preview").with_overrides(**wrong)


@pytest.mark.parametrize("name", ["full", "preview", "steady"])
def test_settings_survive_json(name: str) -> None:
    """A run could not be resumed from its own settings.json."""
    settings = preset(name).with_overrides(lr=1, jumps=[[0, 2], [0.5, 3]], data=["a b", "ü"], synthetic=False)
    assert TrainSettings(**json.loads(json.dumps(settings.to_dict()))) == settings
    assert settings.jumps == ((0, 2), (0.5, 3))


def test_samples_are_counted_where_the_batch_changes() -> None:
    """Clips would be used twice, or never, after the batch has changed, and a sample would have another step's crop."""
    settings = preset("preview").with_overrides(steps=10, batch=((0.0, 4), (0.25, 2), (0.7, 6)))
    sizes = [settings.at(settings.batch, step) for step in range(10)]
    assert sizes == [4] * 3 + [2] * 4 + [6] * 3
    for step in range(10):
        samples = range(settings.first_sample(step), settings.first_sample(step + 1))
        assert samples == range(sum(sizes[:step]), sum(sizes[: step + 1]))
        assert {settings.step_of(sample) for sample in samples} == {step}
