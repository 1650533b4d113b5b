"""The published checkpoint's names to ours, and back."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["UNREAD", "our_name", "published_name"]

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
UNREAD = frozenset({"key_encoder.network2.backbone.mask_token"})


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
