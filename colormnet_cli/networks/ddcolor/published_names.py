"""The published checkpoint's names, and the spectral norm that its weights are divided by when they are loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["from_published", "published_shapes"]

# Our name -> the published one: every pattern that a name has is exchanged.
_PUBLISHED = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (r"^encoder\.norms\.", "encoder.arch.norm"),
        (r"^encoder\.downsample\.", "encoder.arch.downsample_layers."),
        (r"^encoder\.stages\.", "encoder.arch.stages."),
        (r"\.block\.0\.", ".dwconv."),
        (r"\.block\.2\.", ".norm."),
        (r"\.block\.3\.", ".pwconv1."),
        (r"\.block\.5\.", ".pwconv2."),
        (r"\.layer_scale$", ".gamma"),
        (r"^pixel_decoder\.last\.conv\.", "decoder.last_shuf.conv.0."),
        (r"^pixel_decoder\.(layers\.\d)\.conv\.", r"decoder.\1.conv.0."),
        (r"^pixel_decoder\.(layers\.\d)\.norm\.", r"decoder.\1.conv.2."),
        (r"^pixel_decoder\.(layers\.\d)\.tap_norm\.", r"decoder.\1.bn."),
        (r"^pixel_decoder\.(layers\.\d)\.shuffle\.conv\.", r"decoder.\1.shuf.conv.0."),
        (r"^pixel_decoder\.(layers\.\d)\.shuffle\.norm\.", r"decoder.\1.shuf.conv.1."),
        (r"^color_decoder\.content\.", "color_decoder.query_feat."),
        (r"^color_decoder\.position\.", "color_decoder.query_embed."),
        (r"^color_decoder\.level\.", "color_decoder.level_embed."),
        (r"^color_decoder\.project\.", "color_decoder.input_proj."),
        (r"^color_decoder\.norm\.", "color_decoder.decoder_norm."),
        (r"^color_decoder\.embed\.0\.", "color_decoder.color_embed.layers.0."),
        (r"^color_decoder\.embed\.2\.", "color_decoder.color_embed.layers.1."),
        (r"^color_decoder\.embed\.4\.", "color_decoder.color_embed.layers.2."),
        (r"\.cross_attention\.(\d)\.attention\.", r".cross_attention.\1.multihead_attn."),
        (r"\.self_attention\.(\d)\.attention\.", r".self_attention.\1.self_attn."),
        (r"^color_decoder\.(cross_attention|self_attention|ffn)\.", r"color_decoder.transformer_\1_layers."),
        (r"^color_decoder\.", "decoder.color_decoder."),
        (r"^refine\.", "refine_net.0.0."),
    )
)


def _published_name(ours: str) -> str:
    for pattern, new in _PUBLISHED:
        ours = pattern.sub(new, ours)
    return ours


def _is_spectral(ours: str, shape: torch.Size) -> bool:
    """Whether the published weight is `weight_orig`, to be divided by the largest singular value."""
    return ours.startswith(("pixel_decoder.", "refine.")) and len(shape) == 4


def published_shapes(own: Mapping[str, torch.Size]) -> dict[str, torch.Size]:
    """The tensors of the published checkpoint of a network with these of its own."""
    shapes = {}
    for ours, shape in own.items():
        name = _published_name(ours)
        if _is_spectral(ours, shape):
            shapes[f"{name}_orig"] = shape
            shapes[f"{name}_u"] = shape[:1]
            shapes[f"{name}_v"] = torch.Size((shape[1:].numel(),))
        else:
            shapes[name] = shape[:1] if ours.endswith(".layer_scale") else shape
    for part in ("weight", "bias"):  # of a classifier that the authors' encoder was trained as; nobody uses it
        shapes[f"encoder.arch.norm.{part}"] = shapes[f"encoder.arch.norm3.{part}"]
    return shapes


def from_published(state: Mapping[str, Tensor], own: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Our state dict from the published one."""
    return {
        ours: _normalized(state, _published_name(ours))
        if _is_spectral(ours, shape)
        else state[_published_name(ours)].view(shape)
        for ours, shape in own.items()
    }


def _normalized(state: Mapping[str, Tensor], name: str) -> Tensor:
    """weight_orig / σ, σ = uᵀ W v with the stored u and v."""
    weight, u, v = (state[f"{name}_{part}"].double() for part in ("orig", "u", "v"))
    return weight / (u @ weight.flatten(1) @ v)
