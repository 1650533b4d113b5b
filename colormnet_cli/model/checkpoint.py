"""The published checkpoint's names to ours, and weight files of our own form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from .colormnet import ColorMNet
from .config import ColorMNetConfig

__all__ = ["load_state", "model_from_file_content", "our_name", "published_name", "save_model"]

# Published part -> ours, in this order; the first that matches a name's beginning is taken.
_PREFIXES = (
    ("key_encoder.network2.backbone.patch_embed.proj.", "pvgfe.transformer.patches."),
    ("key_encoder.network2.backbone.cls_token", "pvgfe.transformer.class_token"),
    ("key_encoder.network2.backbone.pos_embed", "pvgfe.transformer.positions"),
    ("key_encoder.network2.backbone.", "pvgfe.transformer."),
    ("key_encoder.network2.conv3.", "pvgfe.reduce."),
    ("key_encoder.network2.bn3.", "pvgfe.reduce_norm."),
    ("key_encoder.fuse1.", "pvgfe.fuse.0."),
    ("key_encoder.fuse2.", "pvgfe.fuse.1."),
    ("key_encoder.fuse3.", "pvgfe.fuse.2."),
    ("key_encoder.res2.", "pvgfe.trunk.stages.0."),
    ("key_encoder.layer2.", "pvgfe.trunk.stages.1."),
    ("key_encoder.layer3.", "pvgfe.trunk.stages.2."),
    ("key_encoder.", "pvgfe.trunk."),
    ("value_encoder.fuser.", "value_encoder.fuser."),
    ("value_encoder.hidden_reinforce.", "value_encoder.reinforce."),
    ("value_encoder.layer1.", "value_encoder.trunk.stages.0."),
    ("value_encoder.layer2.", "value_encoder.trunk.stages.1."),
    ("value_encoder.layer3.", "value_encoder.trunk.stages.2."),
    ("value_encoder.", "value_encoder.trunk."),
    ("key_proj.key_proj.", "key_projection.key."),
    ("key_proj.d_proj.", "key_projection.shrinkage."),
    ("key_proj.e_proj.", "key_projection.selection."),
    ("short_term_attn.relative_emb_k.", "local_attention.relative."),
    ("short_term_attn.dw_conv.conv.", "local_attention.depthwise."),
    ("short_term_attn.", "local_attention."),
    ("decoder.up_16_8.", "decoder.up8."),
    ("decoder.up_8_4.", "decoder.up4."),
    ("decoder.pred.", "decoder.predict."),
    ("decoder.hidden_update.transform.", "decoder.hidden_update.update.transform."),
)
# Then, wherever they stand in the rest of the name.
_PARTS = (
    ("encode_enc.", "encode."),
    ("crossattn.to_out.0.", "attention.out."),
    ("crossattn.", "attention."),
    ("ls1.gamma", "scale1"),
    ("ls2.gamma", "scale2"),
    ("attention.ChannelGate.mlp.1.", "gates.channels.0."),
    ("attention.ChannelGate.mlp.3.", "gates.channels.2."),
    ("attention.SpatialGate.spatial.conv.", "gates.pixels."),
    ("hidden_update.g16_conv.", "hidden_update.from16."),
    ("hidden_update.g8_conv.", "hidden_update.from8."),
    ("hidden_update.g4_conv.", "hidden_update.from4."),
    ("skip_conv.", "skip."),
    ("out_conv.downsample.", "block.shortcut."),
    ("out_conv.", "block."),
    ("block1.downsample.", "block1.shortcut."),
)
_UNUSED = frozenset({"key_encoder.network2.backbone.mask_token"})


def our_name(published: str) -> str:
    """What a tensor of the published checkpoint is called here."""
    return _renamed(published, _PREFIXES, _PARTS)


def published_name(ours: str) -> str:
    """What a tensor of ours is called in the published checkpoint."""
    return _renamed(ours, [row[::-1] for row in _PREFIXES], [row[::-1] for row in _PARTS])


def _renamed(name: str, prefixes: Iterable[tuple[str, ...]], parts: Iterable[tuple[str, ...]]) -> str:
    for old, new in prefixes:
        if name.startswith(old):
            name = new + name[len(old) :]
            break
    for old, new in parts:
        name = name.replace(old, new)
    return name


def load_state(model: ColorMNet, state: Mapping[str, Tensor]) -> None:
    """Fill the model from the published checkpoint's names, or from our own. Strict: every tensor, in its shape."""
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise CheckpointError("The weights are no table of tensors by name; give a ColorMNet checkpoint.")
    wanted = model.state_dict()
    ours = not state.keys() - wanted.keys()
    called = str if ours else published_name  # in errors, names are those of the file
    named = dict(state) if ours else {our_name(name): tensor for name, tensor in state.items() if name not in _UNUSED}
    missing = sorted(map(called, wanted.keys() - named.keys()))
    extra = sorted(map(called, named.keys() - wanted.keys()))
    misshapen = [
        f"{called(name)} is {list(tensor.shape)} instead of {list(wanted[name].shape)}"
        for name, tensor in named.items()
        if name in wanted and tensor.shape != wanted[name].shape
    ]
    found = (("missing", missing), ("not of this network", extra), ("of another shape", misshapen))
    complaints = [f"{len(names)} {what}: {_some(names)}" for what, names in found if names]
    if complaints:
        raise CheckpointError(f"The weights do not fit the network: {'; '.join(complaints)}.")
    broken = next((name for name, tensor in named.items() if not tensor.isfinite().all()), None)
    if broken is not None:
        raise CheckpointError(
            f"The tensor {called(broken)} holds values that are no finite numbers: the file is damaged, or its "
            "training went wrong; take another."
        )
    model.load_state_dict(named)


def save_model(model: ColorMNet, file: str | Path | IO[bytes], dtype: torch.dtype | None = None) -> None:
    """Write a weight file of our own form: sizes and tensors, loadable without running any code of the file's."""
    state = {
        name: tensor.detach().cpu().to(dtype if dtype and tensor.is_floating_point() else tensor.dtype)
        for name, tensor in model.state_dict().items()
    }
    torch.save({"config": model.config.to_dict(), "state": state}, file)


def model_from_file_content(content: Any) -> ColorMNet:
    """A model from what torch.load gave: our own form with its sizes, or the published checkpoint."""
    if not (isinstance(content, Mapping) and "config" in content and "state" in content):
        model = ColorMNet()
        load_state(model, content)
        return model
    try:
        model = ColorMNet(ColorMNetConfig(**content["config"]))
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"The weight file's network sizes are not ours ({error}); was it written by a later version?"
        ) from error
    load_state(model, content["state"])
    return model


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
