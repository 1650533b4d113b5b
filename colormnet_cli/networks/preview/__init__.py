"""The preview model's network: ColorMNet in small, which also reads color finer than its memory from the exemplars."""

from .config import PreviewConfig
from .decoder import Answer, DetailedReadout
from .match import Match, forget_maps, match_exemplars
from .preview_net import PreviewNet, new_network

__all__ = [
    "Answer",
    "DetailedReadout",
    "Match",
    "PreviewConfig",
    "PreviewNet",
    "forget_maps",
    "match_exemplars",
    "new_network",
]
