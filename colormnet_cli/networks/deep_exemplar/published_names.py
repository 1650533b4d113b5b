"""The published names: three files, whose tensors have the prefixes warp., color. and vgg."""

from __future__ import annotations

import re

__all__ = ["published_name"]

_SHORT = {"8": "conv3_3_short", "9": "conv2_2_short", "10": "conv1_2_short"}
_DOWN = {"1": "conv1_2norm_ss", "2": "conv2_2norm_ss", "3": "conv3_3norm_ss"}


def published_name(ours: str) -> str:
    """What a tensor of ours is called in the published files."""
    name, kind = ours.rsplit(".", 1)
    if match := re.fullmatch(r"color\.stage1\.convs\.(\d)", name):
        name = ("color.conv1_1.0", "color.conv1_1.2", "color.conv1_2")[int(match[1])]
    elif match := re.fullmatch(r"color\.stage(\d)\.convs\.(\d)", name):
        joined = match[1] in _SHORT  # the join's own convolution is the first
        name = f"color.conv{match[1]}_{int(match[2]) + (2 if joined else 1)}"
    elif match := re.fullmatch(r"color\.join(\d+)\.(up|short)", name):
        name = f"color.conv{match[1]}_1.1" if match[2] == "up" else f"color.{_SHORT[match[1]]}"
    elif match := re.fullmatch(r"color\.down(\d)", name):
        name = f"color.{_DOWN[match[1]]}"
    else:
        others = {
            "color.conv10": "color.conv10_2", "color.ab": "color.conv10_ab",
            "warp.theta_conv": "warp.theta", "warp.phi_conv": "warp.phi",
        }  # fmt: skip
        name = others.get(name, name)
    return f"{name}.{kind}"
