"""Colorize frames one by one with the network alone, and save its state, to continue later.

python examples/frame_by_frame.py [FRAMES]
"""

import sys
from pathlib import Path

import cv2
import torch

import colormnet_cli as cm

HERE = Path(__file__).parent


def to_rgb(bgr):
    """An image from OpenCV [H, W, 3] as a float tensor [3, H, W] in 0..1."""
    return torch.from_numpy(bgr[..., ::-1].copy()).permute(2, 0, 1) / 255


colorizer = cm.Colorizer(cm.load_model("preview"))
colorizer.set_exemplar(cm.rgb_to_lab(to_rgb(cv2.imread(str(HERE / "street.jpg")))), first_frame=True)

film = cv2.VideoCapture(str(HERE / "street.mp4"))
for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 120):
    decoded, frame = film.read()
    if not decoded:
        break
    L = cm.rgb_to_lab(to_rgb(frame))[:1]  # [1, H, W], 0..100
    ab = colorizer.step(L)  # [2, H, W], Lab units
    rgb = cm.lab_to_rgb(torch.cat((L, ab)))  # [3, H, W], 0..1
    print(f"frame {number}: mean chroma {ab.norm(dim=0).mean():.1f}, mean RGB {rgb.mean((1, 2)).tolist()}")

torch.save(colorizer.state_dict(), "street.state")  # later: colorizer.load_state_dict(torch.load("street.state"))
