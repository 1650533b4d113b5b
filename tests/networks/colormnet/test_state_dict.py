"""The network's shell: configuration, checkpoint names, weight files."""

from __future__ import annotations

import io
import json

import pytest
import torch
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.errors import CheckpointError
from colormnet_cli.networks.colormnet.published_names import our_name, published_name
from colormnet_cli.networks.weight_file import network_from_content, save_network
from support.golden import GOLDEN
from support.networks import make_small_model, small_config


@pytest.mark.slow
def test_every_published_name_is_mapped() -> None:
    """Fails where a tensor of the authors' checkpoint would be left out or put twice."""
    listed = [name for name in json.loads((GOLDEN / "state_dict.json").read_text()) if "mask_token" not in name]
    ours = [our_name(name) for name in listed]
    assert len(set(ours)) == len(listed) == 666
    assert [published_name(name) for name in ours] == listed
    assert set(ours) == set(cm.ColorMNet().state_dict())


def test_size(small_model: cm.ColorMNet) -> None:
    """Fails where the defaults are no longer the published network, or the tests' one is no longer small."""
    assert sum(p.numel() for p in cm.ColorMNet().parameters()) == 123_608_897
    assert sum(p.numel() for p in small_model.parameters()) < 1_000_000


@pytest.mark.slow
def test_mismatches_are_reported(golden_state: dict[str, Tensor]) -> None:
    """Fails where a wrong checkpoint loads in part, or is refused without saying why."""
    state = dict(golden_state)
    del state["key_proj.key_proj.weight"]
    state["decoder.surplus.weight"] = torch.zeros(1)
    state["decoder.pred.bias"] = torch.zeros(7)
    with pytest.raises(CheckpointError) as error:
        cm.load_state(cm.ColorMNet(), state)
    said = str(error.value)
    assert "1 missing: key_proj.key_proj.weight" in said
    assert "1 not of this network: decoder.surplus.weight" in said
    assert "decoder.pred.bias is [7] instead of [1]" in said


@pytest.mark.parametrize("nonsense", [{}, {"a": 1}, [1, 2], None])
def test_content_that_is_no_checkpoint_is_refused(nonsense: object) -> None:
    """Fails where a file that is no checkpoint ends in a traceback about dicts."""
    with pytest.raises(CheckpointError):
        network_from_content(nonsense)


def test_our_own_file_keeps_sizes_and_weights(small_model: cm.ColorMNet) -> None:
    """Fails where a trained model comes back from its file as another one."""
    file = io.BytesIO()
    save_network(small_model, file)
    loaded = network_from_content(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    assert loaded.config == small_model.config
    assert all(torch.equal(t, small_model.state_dict()[name]) for name, t in loaded.state_dict().items())


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ({"stem_stride": 3}, "stem_stride"),
        ({"trunk_block": "dense"}, "trunk_block"),
        ({"vit_heads": 5}, "vit_heads"),
        ({"vit_taken": (7,)}, "vit_taken"),
        ({"fusion_heads": 5}, "trunk_widths"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, object], named: str) -> None:
    """Fails where impossible sizes end in an error deep inside the network."""
    with pytest.raises(ValueError, match=named):
        small_config(**sizes)


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize(("stem_stride", "patch"), [(1, 8), (1, 16), (2, 16)])
def test_other_strides(stem_stride: int, patch: int, preview: bool) -> None:
    """Fails where a small configuration (memory at stride 8, or the preview's variant) cannot color."""
    model = make_small_model(stem_stride=stem_stride, vit_patch=patch, preview=preview)
    colorizer = cm.Colorizer(model, cm.MemoryConfig(gamma=2, n_s=3, n_e=1, m=4, long_term=8))
    colorizer.set_exemplar(torch.cat((torch.full((1, 20, 28), 50.0), torch.zeros(2, 20, 28))))
    answers = colorizer.steps(100 * torch.rand(7, 1, 20, 28))
    assert answers.shape == (7, 2, 20, 28)
    assert answers.isfinite().all()


def test_training_mode_keeps_batch_statistics() -> None:
    """Fails where fine-tuning destroys the published BatchNorm statistics."""
    model = make_small_model().train()
    before = {name: b.clone() for name, b in model.named_buffers() if "running" in name}
    model.features(100 * torch.rand(2, 1, 32, 32))
    assert all(torch.equal(b, before[name]) for name, b in model.named_buffers() if "running" in name)
