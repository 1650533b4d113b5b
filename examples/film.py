"""Colorize a film, as `colormnet colorize` does.

python examples/film.py [FILM IMAGE OUTPUT]
"""

import sys
from pathlib import Path

import colormnet_cli as cm

HERE = Path(__file__).parent
if len(sys.argv) not in (1, 4):
    sys.exit(__doc__)
film, image, output = sys.argv[1:] or (HERE / "street.mp4", HERE / "street.jpg", "street-color.mp4")

model = cm.load_model("preview")
receipt = cm.colorize_video(
    film, image, output, model=model, progress=lambda at: print(f"\r{at.frame} of {at.total}", end="")
)
print(f"\n{receipt.frames} frames at {receipt.fps:.1f} a second, to {receipt.output.path}")
