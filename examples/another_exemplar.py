"""Colour a film from pictures that are not its first frame: several, each of its own size.

python examples/another_exemplar.py FILM OUTPUT PICTURE [PICTURE ...]
"""

import sys

import colormnet_cli as cm

if len(sys.argv) < 4:
    sys.exit(__doc__)
film, output, *pictures = sys.argv[1:]
model = cm.load_model("preview")
memory = cm.MemoryConfig(gamma=3)  # remember a frame every three
receipt = cm.colorize_video(film, pictures, output, model=model, memory=memory)
print(receipt.to_json())
