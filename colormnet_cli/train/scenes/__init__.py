"""Synthetic clips: generated scenes of moving objects, to train on without any video."""

from .synthetic import synthetic_clip

__all__ = ["synthetic_clip"]
