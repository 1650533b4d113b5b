"""Colorize frames from your own decoder and write them with your own encoder; both are PyAV here.

python examples/own_decoder.py [FILM IMAGE OUTPUT]
"""

import sys
from pathlib import Path

import av

import colormnet_cli as cm

HERE = Path(__file__).parent
if len(sys.argv) not in (1, 4):
    sys.exit(__doc__)
film, image, output = sys.argv[1:] or (HERE / "street.mp4", HERE / "street.jpg", "street-color.mp4")

with av.open(str(film)) as source, av.open(str(output), "w") as target:
    video = source.streams.video[0]
    stream = target.add_stream("libx264", rate=video.average_rate, options={"crf": "16"})
    stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
    decoded = (frame.to_ndarray(format="rgb24") for frame in source.decode(video))  # [H, W, 3], uint8
    count = 0
    # At full size: resizing and guided upsampling are inside
    for rgb in cm.colorize_frames(decoded, image, model=cm.load_model("preview"), size=240):
        target.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        count += 1
    target.mux(stream.encode())

print(f"{count} frames, to {output}")
