"""Synthetic clips: generated scenes of moving objects, to train on without any video."""

from .synthetic import synthetic_clip, synthetic_clip_with_flow

__all__ = ["synthetic_clip", "synthetic_clip_with_flow"]
