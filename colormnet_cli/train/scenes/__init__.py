"""Synthetic clips: generated scenes of moving objects, to train on without any video."""

from .synthetic import synthetic_clip, synthetic_clip_with_flow
from .things import SceneKinds

__all__ = ["SceneKinds", "synthetic_clip", "synthetic_clip_with_flow"]
