"""Colorize frames from your own decoder and write them with your own encoder; both are PyAV here.

python examples/own_decoder.py [FILM IMAGE OUTPUT]
"""

import sys
from pathlib import Path

import av
import torch

import colormnet_cli as cm

HERE = Path(__file__).parent
if len(sys.argv) not in (1, 4):
    sys.exit(__doc__)
film, image, output = sys.argv[1:] or (HERE / "street.mp4", HERE / "street.jpg", "street-color.mp4")


def to_lab(frame):
    """A decoded frame as a Lab tensor [3, H, W]: L in 0..100, a and b in Lab units."""
    rgb = torch.from_numpy(frame.to_ndarray(format="rgb24"))  # [H, W, 3], uint8
    return cm.rgb_to_lab(rgb.permute(2, 0, 1) / 255)


with av.open(str(image)) as source:
    reference = cm.Exemplar(to_lab(next(source.decode(video=0))))  # of any size
colorizer = cm.FrameColorizer(cm.Colorizer(cm.load_model("preview")), [reference], size=240)

with av.open(str(film)) as source, av.open(str(output), "w") as target:
    video = source.streams.video[0]
    stream = target.add_stream("libx264", rate=video.average_rate, options={"crf": "16"})
    stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
    for frame in source.decode(video):
        L = to_lab(frame)[:1]  # [1, H, W], full size
        ab = colorizer.step(L).cpu()  # [2, H, W], full size: resizing and guided upsampling are inside
        rgb = (cm.lab_to_rgb(torch.cat((L, ab))) * 255).round().byte().permute(1, 2, 0)  # [H, W, 3]
        target.mux(stream.encode(av.VideoFrame.from_ndarray(rgb.numpy(), format="rgb24")))
    target.mux(stream.encode())

print(f"{colorizer.colorizer.frame} frames, to {output}")
