"""Deep Exemplar-based Video Colorization (Zhang et al., CVPR 2019): colors warped from an exemplar, and refined."""

from .config import DeepExemplarConfig
from .deep_exemplar import DeepExemplar
from .matching import Exemplar, Match, match

__all__ = ["DeepExemplar", "DeepExemplarConfig", "Exemplar", "Match", "match"]
