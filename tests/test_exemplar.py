"""The exemplar gives the film its colours: read wrongly, or taken for a frame that it is not, every frame suffers."""

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
from skimage import color, data

from colormnet_cli.errors import MediaError, UsageError
from colormnet_cli.exemplar import Exemplar, first_frame_among, is_first_frame, read_exemplar, split_reference
from colormnet_cli.imagefile import read_image, to_rgb, write_png
from colormnet_cli.lab import rgb_to_lab

pytestmark = pytest.mark.usefixtures("one_thread")


def photo(height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    """A real picture, [H,W,3] RGB."""
    return cv2.resize(data.astronaut()[:384], (width, height), interpolation=cv2.INTER_AREA)


def bgr(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(rgb[..., ::-1])


def exemplar_of(rgb: NDArray[np.uint8]) -> Exemplar:
    return Exemplar(rgb_to_lab(to_rgb(rgb)), "memory")


def lightness_of(rgb: NDArray[np.uint8]) -> torch.Tensor:
    """L of the black-and-white film made of it: [1,H,W]."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return rgb_to_lab(to_rgb(np.dstack([gray] * 3)))[:1]


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
    """A frame that tells its number: red is 2 i."""
    frame = np.full((16, 24, 3), 90, np.uint8)
    frame[..., 0] = 2 * i
    return frame


# Reading


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.jpg"])
def test_a_picture_becomes_scikit_images_lab(name: str, tmp_path: Path) -> None:
    """Red and blue exchanged, or a wrong scale, and every face is blue."""
    rgb = photo()
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if name.endswith("webp") else []
    cv2.imwrite(str(tmp_path / name), bgr(rgb), options)
    exemplar = read_exemplar(tmp_path / name)
    assert exemplar.lab.shape == (3, 96, 128)
    assert exemplar.source == str(tmp_path / name)
    off = np.abs(exemplar.lab.permute(1, 2, 0).numpy() - color.rgb2lab(rgb)).mean()
    assert off < (2 if name.endswith("jpg") else 0.01)


def test_sixteen_bit_alpha_and_palette(tmp_path: Path) -> None:
    """Scans are 16 bit, cut-outs have alpha, old drawings a palette: all mean the same colours."""
    rgb = photo()
    wanted = color.rgb2lab(rgb)
    cv2.imwrite(str(tmp_path / "deep.tif"), bgr(rgb).astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([bgr(rgb), np.full((96, 128), 9, np.uint8)]))
    for name in ("deep.tif", "alpha.png"):
        assert np.abs(read_exemplar(tmp_path / name).lab.permute(1, 2, 0).numpy() - wanted).max() < 0.01, name
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
    """A frame of indices and a palette; `rgb` has at most 256 colours."""
    colors, index = np.unique(rgb.reshape(-1, 3), axis=0, return_inverse=True)
    palette = np.zeros((256, 4), np.uint8)
    palette[: len(colors)] = np.column_stack([np.full(len(colors), 255), colors])  # ARGB
    return av.VideoFrame.from_ndarray((index.reshape(rgb.shape[:2]).astype(np.uint8), palette), format="pal8")


def test_exif_orientation_is_followed(tmp_path: Path) -> None:
    """A telephone's portrait would lie on its side, and match nothing."""
    upright = photo(128, 96)
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
    """Half a picture, the rest gray, would pass as an exemplar and take the colour out of half the film."""
    cv2.imwrite(str(tmp_path / name), bgr(photo()))
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(MediaError, match="no picture that OpenCV can read"):
        read_exemplar(tmp_path / name)


def test_what_is_no_exemplar_is_said(tmp_path: Path) -> None:
    """One sentence for each mistake, not a traceback from OpenCV."""
    with pytest.raises(MediaError, match="does not exist"):
        read_exemplar(tmp_path / "none.png")
    with pytest.raises(MediaError, match="does not exist"):
        read_exemplar(f"{tmp_path}/none.mp4@12.5")
    with pytest.raises(MediaError, match="is a folder"):
        read_exemplar(tmp_path)
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(MediaError, match="no picture"):
        read_exemplar(tmp_path / "text.png")
    cv2.imwrite(str(tmp_path / "float.tif"), photo().astype(np.float32))
    with pytest.raises(MediaError, match="8 or 16 bit"):
        read_exemplar(tmp_path / "float.tif")
    clip = film(tmp_path / "a.mkv", [colored(9)])
    with pytest.raises(MediaError, match="is a film"):
        read_exemplar(clip)
    with pytest.raises(UsageError, match="is no time"):
        read_exemplar(f"{clip}@noon")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_exemplar_that_may_not_be_read(tmp_path: Path) -> None:
    """Permissions are told apart from a broken file."""
    cv2.imwrite(str(tmp_path / "a.png"), bgr(photo()))
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(MediaError, match="Permission denied"):
        read_exemplar(tmp_path / "a.png")


def test_a_gray_exemplar_is_an_error_also_as_a_noisy_jpeg(tmp_path: Path) -> None:
    """Colouring a whole film gray takes hours and says nothing."""
    gray = cv2.cvtColor(photo(), cv2.COLOR_RGB2GRAY)
    cv2.imwrite(str(tmp_path / "gray.png"), gray)
    noise = np.random.default_rng(0).normal(0, 4, (96, 128, 3))  # a scanner's, in colour
    cv2.imwrite(str(tmp_path / "scan.jpg"), (np.dstack([gray] * 3) + noise).clip(0, 255).astype(np.uint8))
    for name in ("gray.png", "scan.jpg"):
        with pytest.raises(MediaError, match="is gray"):
            read_exemplar(tmp_path / name)


def test_a_small_spot_of_colour_is_colour(tmp_path: Path) -> None:
    """A gray picture with one red coat is meant."""
    picture = np.dstack([cv2.cvtColor(photo(), cv2.COLOR_RGB2GRAY)] * 3)
    picture[40:46, 60:64] = (200, 20, 20)
    write_png(tmp_path / "coat.png", picture)
    assert read_exemplar(tmp_path / "coat.png").lab[1].max() > 40


# A frame of a film


@pytest.mark.parametrize(
    ("moment", "number"),
    [("0", 0), ("f0", 0), ("f7", 7), ("0.7", 7), ("0.79", 7), ("00:00:02.5", 25), ("f29", 29), ("2.95", 29)],
)
@pytest.mark.parametrize("start", [0, 3])
def test_the_frame_on_the_screen_at_that_moment(moment: str, number: int, start: int, tmp_path: Path) -> None:
    """One frame off is another picture; a film that starts at 3 s counts from its first frame."""
    clip = film(tmp_path / "a.mkv", [colored(i) for i in range(30)], start=start)
    wanted = rgb_to_lab(to_rgb(colored(number)))
    assert torch.equal(read_exemplar(f"{clip}@{moment}").lab, wanted)


def test_a_far_moment_is_sought_and_the_same(tmp_path: Path) -> None:
    """Seeking may not change which frame it is."""
    clip = film(tmp_path / "a.mkv", [colored(i) for i in range(100)], rate=4)
    for moment, number in (("20", 80), ("17.3", 69), ("f80", 80), ("24.9", 99)):
        assert torch.equal(read_exemplar(f"{clip}@{moment}").lab, rgb_to_lab(to_rgb(colored(number)))), moment


def test_behind_the_end_is_said_with_the_films_length(tmp_path: Path) -> None:
    """The last frame instead would be a silent guess."""
    clip = film(tmp_path / "a.mkv", [colored(i) for i in range(30)])
    for moment in ("3.0", "f30", "1:00:00"):
        with pytest.raises(MediaError, match=r"ends after 3\.00 s, 30 frames"):
            read_exemplar(f"{clip}@{moment}")


def test_an_at_sign_in_a_name_is_a_name(tmp_path: Path) -> None:
    """me@12.5.png is a picture."""
    write_png(tmp_path / "me@12.5", photo())
    assert split_reference(tmp_path / "me@12.5") == (tmp_path / "me@12.5", None)


# Size


def test_it_keeps_its_aspect_ratio_unless_it_is_the_first_frame() -> None:
    """A stretched exemplar matches badly; one that is the first frame has to lie on it pixel by pixel."""
    exemplar = Exemplar(torch.rand(3, 300, 200), "memory")
    assert exemplar.at_size((60, 100), first_frame=False).shape == (3, 90, 60)
    assert exemplar.at_size((60, 100), first_frame=True).shape == (3, 60, 100)
    assert exemplar.at_size((900, 900), first_frame=False).shape == (3, 300, 200)  # never enlarged
    assert exemplar.at_size((900, 900), first_frame=True).shape == (3, 900, 900)


def test_a_huge_scan_is_reduced_as_it_is_read(tmp_path: Path) -> None:
    """100 megapixels as floats do not fit beside the network; its colours stay."""
    write_png(tmp_path / "scan.png", np.full((2400, 2700, 3), (150, 60, 40), np.uint8))
    lab = read_exemplar(tmp_path / "scan.png").lab
    assert lab.shape == (3, 2160, 2430)
    assert np.abs(lab[:, 1000, 1000].numpy() - color.rgb2lab(np.uint8([[[150, 60, 40]]]))[0, 0]).max() < 0.01


# Is it the first frame?


def test_the_first_frame_is_known_through_jpeg_size_and_tone() -> None:
    """Not recognised, the film's first frame is coloured from memory instead of as it is."""
    rgb = photo(240, 320)
    L = lightness_of(rgb)
    tones = rgb / 255
    variants = {
        "same": rgb,
        "jpeg": cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], cv2.IMREAD_COLOR),
        "half": cv2.resize(rgb, (160, 120), interpolation=cv2.INTER_AREA),
        "double": cv2.resize(rgb, (640, 480), interpolation=cv2.INTER_CUBIC),
        "three pixels wider": cv2.resize(rgb, (323, 240), interpolation=cv2.INTER_LINEAR),
        "contrast": (tones * 0.7 + 0.1) * 255,
        "gamma": tones**1.3 * 255,
        "grain": rgb + np.random.default_rng(0).normal(0, 8, rgb.shape),
    }
    for name, variant in variants.items():
        assert is_first_frame(exemplar_of(variant.clip(0, 255).astype(np.uint8)), L), name


@pytest.mark.parametrize("weights", [(0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722)])
def test_the_first_frame_of_a_film_that_was_made_gray_is_known(weights: tuple[float, ...]) -> None:
    """Luma and Lab lightness of strong colours differ by tens of units; cartoons are made of such colours."""
    rgb = np.zeros((120, 160, 3), np.uint8)
    for i, strong in enumerate(
        [(230, 20, 20), (20, 20, 230), (20, 200, 40), (230, 220, 30), (200, 30, 200), (20, 200, 220)]
    ):
        rgb[:, 27 * i : 27 * i + 27] = strong
        cv2.circle(rgb, (27 * i, 20 + 15 * i), 12, strong[::-1], -1)
    gray = np.round(rgb @ np.array(weights)).astype(np.uint8)
    L = rgb_to_lab(to_rgb(np.dstack([gray] * 3)))[:1]
    assert (rgb_to_lab(to_rgb(rgb))[:1] - L).abs().max() > 10
    assert is_first_frame(exemplar_of(rgb), L)
    assert not is_first_frame(exemplar_of(np.ascontiguousarray(rgb[:, ::-1])), L)


def test_another_picture_is_not_the_first_frame() -> None:
    """Taken for it, its colours would lie beside the objects, in the memory for the whole film."""
    rgb = photo(240, 320)
    L = lightness_of(rgb)
    moved = rgb.copy()
    moved[60:180, 90:200] = rgb[60:180, 100:210]  # the head, a little to the side
    variants = {
        "mirrored": rgb[:, ::-1],
        "panned": cv2.resize(data.astronaut()[12:396, 12:], (320, 240), interpolation=cv2.INTER_AREA),
        "something moved": moved,
        "cropped": rgb[:, :270],
        "negative": 255 - rgb,
        "flat": np.full_like(rgb, (200, 30, 30)),
        "another": cv2.resize(data.coffee(), (320, 240), interpolation=cv2.INTER_AREA),
    }
    for name, variant in variants.items():
        assert not is_first_frame(exemplar_of(np.ascontiguousarray(variant)), L), name
    assert not is_first_frame(exemplar_of(rgb), torch.zeros(1, 240, 320))  # a film that begins in black
    assert not is_first_frame(exemplar_of(rgb[:1, :1]), torch.full((1, 1, 1), 50.0))


def test_the_users_word_decides_and_an_impossible_one_is_said() -> None:
    """--ref-is-first-frame on a picture of another shape would stretch it over the film."""
    rgb = photo(240, 320)
    L = lightness_of(rgb)
    same, other = exemplar_of(rgb), exemplar_of(rgb[:, :200])
    assert first_frame_among([other, same], L) == 1
    assert first_frame_among([other], L) is None
    assert first_frame_among([same], L, ref_is_first=False) is None
    assert first_frame_among([exemplar_of(255 - rgb)], L, ref_is_first=True) == 0
    with pytest.raises(MediaError, match="200×240 and cannot be the first frame of a film of 320×240"):
        first_frame_among([other], L, ref_is_first=True)


# Picture files


def test_a_picture_is_written_whole_and_read_back(tmp_path: Path) -> None:
    """16 bits stay 16 bits, and nothing but the picture stays in the folder."""
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16):
        pixels = rng.integers(0, np.iinfo(dtype).max, (5, 7, 3), dtype)
        write_png(tmp_path / "a.png", pixels)
        back = read_image(tmp_path / "a.png")
        assert back.dtype == dtype
        assert (back == pixels).all()
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
