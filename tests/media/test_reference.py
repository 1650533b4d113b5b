"""The exemplar gives the film its colors: read wrongly, or taken for a frame that it is not, every frame suffers."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import color

from colormnet_cli.color.lab import rgb_to_lab
from colormnet_cli.errors import MediaError, UsageError
from colormnet_cli.inference.exemplar import Exemplar
from colormnet_cli.media.image_file import to_rgb, write_png
from colormnet_cli.media.reference import read_exemplar, split_reference
from support.scans import rgb_frame

pytestmark = pytest.mark.usefixtures("one_thread")


def bgr(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(rgb[..., ::-1])


def film(path: Path, frames: list[NDArray[np.uint8]], *, rate: int = 10, start: int = 0) -> Path:
    """A lossless RGB film; frame i is shown at start + i/rate seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "bgr0"
        stream.time_base = stream.codec_context.time_base = Fraction(1, rate)
        for i, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = i + start * rate, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def colored(i: int) -> NDArray[np.uint8]:
    """A frame with its number in it: red is 2 i."""
    frame = np.full((16, 24, 3), 90, np.uint8)
    frame[..., 0] = 2 * i
    return frame


# Reading


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.jpg"])
def test_a_picture_becomes_scikit_images_lab(name: str, tmp_path: Path) -> None:
    """Red and blue exchanged, or a wrong scale, and every face is blue."""
    rgb = rgb_frame(0, 96, 128)
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if name.endswith("webp") else []
    cv2.imwrite(str(tmp_path / name), bgr(rgb), options)
    exemplar = read_exemplar(tmp_path / name)
    assert exemplar.lab.shape == (3, 96, 128)
    assert exemplar.source == str(tmp_path / name)
    off = np.abs(exemplar.lab.permute(1, 2, 0).numpy() - color.rgb2lab(rgb)).mean()
    assert off < (2 if name.endswith("jpg") else 0.01)


def test_sixteen_bit_alpha_and_palette(tmp_path: Path) -> None:
    """Scans are 16 bit, cut-outs have alpha, old drawings a palette: all mean the same colors."""
    rgb = rgb_frame(0, 96, 128)
    wanted = color.rgb2lab(rgb)
    cv2.imwrite(str(tmp_path / "deep.tif"), bgr(rgb).astype(np.uint16) * 257)
    opaque = np.full((96, 128), 255, np.uint8)
    opaque[:8] = 0
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([bgr(rgb), opaque]))
    for name, first in (("deep.tif", 0), ("alpha.png", 8)):
        off = np.abs(read_exemplar(tmp_path / name).lab.permute(1, 2, 0).numpy() - wanted)
        assert off[first:].max() < 0.01, name
    few = (rgb // 64) * 64
    with av.open(str(tmp_path / "palette.png"), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "pal8"
        container.mux(stream.encode(pal8(few)))
        container.mux(stream.encode(None))
    assert (
        np.abs(read_exemplar(tmp_path / "palette.png").lab.permute(1, 2, 0).numpy() - color.rgb2lab(few)).max() < 0.01
    )


def pal8(rgb: NDArray[np.uint8]) -> av.VideoFrame:
    """A frame of indices and a palette; `rgb` has at most 256 colors."""
    colors, index = np.unique(rgb.reshape(-1, 3), axis=0, return_inverse=True)
    palette = np.zeros((256, 4), np.uint8)
    palette[: len(colors)] = np.column_stack([np.full(len(colors), 255), colors])  # ARGB
    return av.VideoFrame.from_ndarray((index.reshape(rgb.shape[:2]).astype(np.uint8), palette), format="pal8")


def test_exif_orientation_is_followed(tmp_path: Path) -> None:
    """A phone's portrait would lie on its side, and match nothing."""
    upright = rgb_frame(0, 128, 96)
    lying = np.rot90(upright)  # stored turned to the left; orientation 6 turns it right again
    cv2.imwrite(str(tmp_path / "plain.jpg"), bgr(lying), [cv2.IMWRITE_JPEG_QUALITY, 100])
    jpeg = (tmp_path / "plain.jpg").read_bytes()
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    app1 = b"\xff\xe1" + (len(tiff) + 8).to_bytes(2, "big") + b"Exif\0\0" + tiff
    (tmp_path / "phone.jpg").write_bytes(jpeg[:2] + app1 + jpeg[2:])
    lab = read_exemplar(tmp_path / "phone.jpg").lab
    assert lab.shape == (3, 128, 96)
    assert np.abs(lab.permute(1, 2, 0).numpy() - color.rgb2lab(upright)).mean() < 2


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp", "a.bmp"])
def test_a_cut_off_picture_is_an_error(name: str, keep: float, tmp_path: Path) -> None:
    """Half a picture, the rest gray, would pass as an exemplar and take the color out of half the film."""
    cv2.imwrite(str(tmp_path / name), bgr(rgb_frame(0, 96, 128)))
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(MediaError, match="not an image that OpenCV can read"):
        read_exemplar(tmp_path / name)


def test_files_that_are_no_exemplar_are_reported(tmp_path: Path) -> None:
    """One sentence for each mistake, not a traceback from OpenCV."""
    with pytest.raises(MediaError, match="does not exist"):
        read_exemplar(tmp_path / "none.png")
    with pytest.raises(MediaError, match="does not exist"):
        read_exemplar(f"{tmp_path}/none.mp4@12.5")
    with pytest.raises(MediaError, match="is a folder"):
        read_exemplar(tmp_path)
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(MediaError, match="not an image"):
        read_exemplar(tmp_path / "text.png")
    cv2.imwrite(str(tmp_path / "float.tif"), rgb_frame(0, 96, 128).astype(np.float32))
    with pytest.raises(MediaError, match="8 or 16 bit"):
        read_exemplar(tmp_path / "float.tif")
    clip = film(tmp_path / "a.mkv", [colored(9)])
    with pytest.raises(MediaError, match="is a film"):
        read_exemplar(clip)
    with pytest.raises(UsageError, match="is not a time"):
        read_exemplar(f"{clip}@noon")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_exemplar_that_may_not_be_read(tmp_path: Path) -> None:
    """Missing permission and a damaged file give different messages."""
    cv2.imwrite(str(tmp_path / "a.png"), bgr(rgb_frame(0, 96, 128)))
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(MediaError, match="Permission denied"):
        read_exemplar(tmp_path / "a.png")


def test_a_gray_exemplar_is_an_error_also_as_a_noisy_jpeg(tmp_path: Path) -> None:
    """Coloring a whole film gray takes hours and says nothing."""
    gray = cv2.cvtColor(rgb_frame(0, 96, 128), cv2.COLOR_RGB2GRAY)
    cv2.imwrite(str(tmp_path / "gray.png"), gray)
    noise = np.random.default_rng(0).normal(0, 4, (96, 128, 3))  # a scanner's, in color
    cv2.imwrite(str(tmp_path / "scan.jpg"), (np.dstack([gray] * 3) + noise).clip(0, 255).astype(np.uint8))
    for name in ("gray.png", "scan.jpg"):
        with pytest.raises(MediaError, match="is gray"):
            read_exemplar(tmp_path / name)


def test_a_small_spot_of_color_is_color(tmp_path: Path) -> None:
    """A gray picture with one red coat is meant."""
    picture = np.dstack([cv2.cvtColor(rgb_frame(0, 96, 128), cv2.COLOR_RGB2GRAY)] * 3)
    picture[40:46, 60:64] = (200, 20, 20)
    write_png(tmp_path / "coat.png", picture)
    assert read_exemplar(tmp_path / "coat.png").lab[1].max() > 40


# A frame of a film


@pytest.mark.parametrize(
    ("time", "number"),
    [("0", 0), ("f0", 0), ("f7", 7), ("0.7", 7), ("0.79", 7), ("00:00:02.5", 25), ("f29", 29), ("2.95", 29)],
)
@pytest.mark.parametrize("start", [0, 3])
def test_the_frame_that_is_shown_at_that_time(time: str, number: int, start: int, tmp_path: Path) -> None:
    """One frame off is another picture; a film that starts at 3 s counts from its first frame."""
    clip = film(tmp_path / "a.mkv", [colored(i) for i in range(30)], start=start)
    wanted = rgb_to_lab(to_rgb(colored(number)))
    assert torch.equal(read_exemplar(f"{clip}@{time}").lab, wanted)


def test_seeking_to_a_late_time_gives_the_same_frame(tmp_path: Path) -> None:
    """Seeking may not change which frame it is."""
    clip = film(tmp_path / "a.mkv", [colored(i) for i in range(100)], rate=4)
    for time, number in (("20", 80), ("17.3", 69), ("f80", 80), ("24.9", 99)):
        assert torch.equal(read_exemplar(f"{clip}@{time}").lab, rgb_to_lab(to_rgb(colored(number)))), time


def test_a_time_beyond_the_end_is_reported_with_the_films_length(tmp_path: Path) -> None:
    """The last frame instead would be a silent guess."""
    clip = film(tmp_path / "a.mkv", [colored(i) for i in range(30)])
    for time in ("3.0", "f30", "1:00:00"):
        with pytest.raises(MediaError, match=r"ends after 3\.00 s, 30 frames"):
            read_exemplar(f"{clip}@{time}")


def test_an_at_sign_in_a_name_is_a_name(tmp_path: Path) -> None:
    """me@12.5.png is a picture."""
    write_png(tmp_path / "me@12.5", rgb_frame(0, 96, 128))
    assert split_reference(tmp_path / "me@12.5") == (tmp_path / "me@12.5", None)


# Size


def test_it_keeps_its_aspect_ratio_unless_it_is_the_first_frame() -> None:
    """A stretched exemplar matches badly; one that is the first frame has to lie on it pixel by pixel."""
    exemplar = Exemplar(torch.rand(3, 300, 200), "memory")
    assert exemplar.at_size((60, 100), first_frame=False).shape == (3, 90, 60)
    assert exemplar.at_size((60, 100), first_frame=True).shape == (3, 60, 100)
    assert exemplar.at_size((900, 900), first_frame=False).shape == (3, 300, 200)  # never enlarged
    assert exemplar.at_size((900, 900), first_frame=True).shape == (3, 900, 900)


@pytest.mark.slow
def test_a_huge_scan_is_reduced_as_it_is_read(tmp_path: Path) -> None:
    """100 megapixels as floats do not fit beside the network; its colors stay."""
    write_png(tmp_path / "scan.png", np.full((2400, 2700, 3), (150, 60, 40), np.uint8))
    lab = read_exemplar(tmp_path / "scan.png").lab
    assert lab.shape == (3, 2160, 2430)
    assert np.abs(lab[:, 1000, 1000].numpy() - color.rgb2lab(np.uint8([[[150, 60, 40]]]))[0, 0]).max() < 0.01
