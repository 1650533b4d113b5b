"""Synthetic clips: generated scenes of moving objects, to train on without any video."""

from .synthetic import synthetic_clip, synthetic_pair

__all__ = ["synthetic_clip", "synthetic_pair"]
