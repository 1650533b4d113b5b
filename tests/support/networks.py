"""Small networks and keys at random."""

from __future__ import annotations

from dataclasses import replace

import torch

import colormnet_cli as cm
from colormnet_cli.networks.colormnet import Key
from colormnet_cli.networks.ddcolor import DDColorConfig
from colormnet_cli.networks.preview import PreviewConfig, new_network


def small_config(preview: bool = False, **changes: object) -> cm.ColorMNetConfig:
    """The same network (or the preview's variant) with under a million parameters; pads to 16."""
    small = (PreviewConfig if preview else cm.ColorMNetConfig)(
        trunk_block="basic", trunk_stem=8, trunk_widths=(16, 24, 32), trunk_depths=(1, 1, 1),
        vit_patch=16, vit_dim=32, vit_depth=2, vit_heads=2, vit_grid=8, vit_taken=(0, 1), fusion_heads=2,
        key_dim=16, value_dim=32, value_stem=8, value_widths=(8, 16, 24), value_depths=(1, 1, 1), hidden_dim=8,
        local_radius=3, decoder_widths=(32, 24, 16), update_dim=16, gate_reduction=4,
    )  # fmt: skip
    return replace(small, **changes)  # type: ignore[arg-type]


def make_small_model(seed: int = 0, **changes: object) -> cm.ColorMNet:
    """A small network with seeded random weights, lively enough that its answers differ from gray."""
    torch.manual_seed(seed)
    return new_network(small_config(**changes))  # type: ignore[arg-type]


def make_small_ddcolor(seed: int = 0) -> cm.DDColor:
    """A small DDColor with seeded random weights."""
    torch.manual_seed(seed)
    return cm.DDColor(
        DDColorConfig(
            depths=(1, 1, 1, 1), widths=(8, 8, 16, 16), decoder_widths=(16, 16, 16), queries=10, layers=3, heads=2,
            ffn_dim=16,
        )
    )  # fmt: skip


def make_small_deep_exemplar(seed: int = 0) -> cm.DeepExemplar:
    """A small Deep Exemplar with seeded random weights."""
    torch.manual_seed(seed)
    return cm.DeepExemplar(width=8)


def random_key(generator: torch.Generator, batch: int, dim: int, h: int, w: int) -> Key:
    """Keys, shrinkage and selection of pictures that show nothing."""
    return Key(
        torch.randn(batch, dim, h, w, generator=generator),
        1 + torch.rand(batch, 1, h, w, generator=generator),
        torch.rand(batch, dim, h, w, generator=generator),
    )
