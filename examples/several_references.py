"""Colorize a film from several reference images, each of its own size; none has to be its first frame.

python examples/several_references.py FILM OUTPUT IMAGE [IMAGE ...]
"""

import sys

import colormnet_cli as cm

if len(sys.argv) < 4:
    sys.exit(__doc__)
film, output, *images = sys.argv[1:]
model = cm.load_model("preview")
memory = cm.MemoryConfig(gamma=3)  # every third frame is remembered
receipt = cm.colorize_video(film, images, output, model=model, memory=memory)
print(receipt.to_json())
