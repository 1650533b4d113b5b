"""Settings of training runs that are ready to use, by their names."""

from __future__ import annotations

from ..networks.blind_consistency import BlindConsistencyConfig
from ..networks.deep_exemplar import DeepExemplarConfig
from ..networks.preview import PreviewConfig
from .train_settings import TrainSettings, values_of

__all__ = ["PRESETS", "fine_tuning", "preset"]

_PREVIEW_NETWORK = PreviewConfig(
    exemplar_weight=40.0,  # of the finished weights; in training, the setting of that name
    coarse_step=1,
    trunk_block="basic",
    trunk_stem=24,
    trunk_widths=(32, 64, 96),
    trunk_depths=(1, 1, 2),
    vit_patch=16,
    vit_dim=64,
    vit_depth=2,
    vit_heads=2,
    vit_mlp=2,
    vit_grid=16,
    vit_taken=(1,),
    fusion_heads=64,  # few channels per head: averaging over many would blur local detail
    fused_maps=1,
    key_dim=32,
    value_dim=16,
    value_stem=8,
    value_widths=(8, 16, 32),
    value_depths=(1, 1, 1),
    hidden_dim=16,
    detail_dim=16,
    guided=True,
    decoder_widths=(48, 32, 16),
    update_dim=16,
    gate_reduction=8,
)

PRESETS = {
    "full": TrainSettings(),
    "preview": TrainSettings(
        network=_PREVIEW_NETWORK,
        synthetic=True,
        # Stages begin at shares 0 (keys only), 0.08, 0.4, 0.65 and 0.85: clips grow; the last stage has smaller
        # ones again, to take less time, and other losses.
        cut=0.25,
        frames=((0.0, 8), (0.4, 10), (0.65, 12)),
        jumps=((0.0, 1), (0.08, 2), (0.2, 3), (0.4, 5)),
        crops=((0.0, 112), (0.4, 160), (0.65, 192), (0.85, 160)),  # 112: 14×14 memory elements
        plain_share=0.0,
        steps=10_000,
        batch=((0.0, 4), (0.4, 2)),
        lr=1.2e-3,
        schedule="cosine",
        warmup=100,
        weight_decay=0.01,
        clip_norm=1.0,
        freeze_transformer=False,
        ema_decay=((0.0, 0.99), (0.4, 0.998)),
        norm_share=0.3,
        raw_loss=0.6,
        matching_share=0.08,
        fade_loss=((0.0, 0.3), (0.4, 0.5), (0.85, 0.15)),
        chroma_loss=((0.0, 0.02), (0.85, 0.0)),
        error_loss=0.02,
        exemplar_weight=6.0,
        precision="bf16",
        half_weights=True,
        checkpoint_every=50,
        validate_every=500,
    ),
    "deep-exemplar": TrainSettings(
        network=DeepExemplarConfig(),
        crops=((0.0, 224),),
        frames=4,
        jumps=((0.0, 3),),
        cut=0.5,  # the paper's exemplars are other scenes
        lr=1e-4,
        schedule="cosine",
        weight_decay=0.0,
        clip_norm=10.0,
    ),
    "steady": TrainSettings(
        network=BlindConsistencyConfig(channels_in=6, channels_out=2, width=16),
        synthetic=True,
        cut=0.0,
        frames=7,
        jumps=((0.0, 2),),
        crops=((0.0, 96),),
        steps=100_000,
        lr=1e-4,
        schedule="cosine",
        weight_decay=0.0,
        clip_norm=1.0,
        half_weights=True,
    ),
}


def preset(name: str) -> TrainSettings:
    """The preset of that name; ValueError if there is none."""
    if name not in PRESETS:
        raise ValueError(f"there is no training configuration {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def fine_tuning(settings: TrainSettings) -> TrainSettings:
    """The same settings for weights that are trained already: a low learning rate from the first step, no warm-up.

    Clips stay as short and as small as at the start of a run.
    """
    return settings.with_overrides(
        lr=min(settings.lr, 2e-4), warmup=0, matching_share=0.0, norm_share=0.0, ema_decay=0.0, exemplar_weight=0.0,
        frames=values_of(settings.frames)[0], batch=values_of(settings.batch)[0], crops=settings.crops[:1],
    )  # fmt: skip
