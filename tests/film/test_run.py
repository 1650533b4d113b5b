"""A film in, the same film in color out: nothing of it changes but its color."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from colormnet_cli import ColorizeSettings, Progress, colorize_video, plan_video
from colormnet_cli.errors import MediaError
from colormnet_cli.inference.colorizer import Colorizer
from colormnet_cli.video.probe import probe
from support.films import Film, assert_same_frames, frames_of, make_film

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("matrix", [5, 1], ids=["bt601", "bt709"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"])
def test_lossless_luma_is_bit_identical(tmp_path: Path, color: Any, pix_fmt: str, full: bool, matrix: int) -> None:
    """An archive whose grays have moved is no archive."""
    source = make_film(tmp_path / "film.mkv", pix_fmt=pix_fmt, full_range=full, matrix=matrix, frames=5)
    color(source, tmp_path / "out.mkv", archive=True)
    assert_same_frames(source, tmp_path / "out.mkv")
    before, after = probe(source), probe(tmp_path / "out.mkv")
    names = ("pix_fmt", "full_range", "matrix", "matrix_tag", "primaries_tag", "transfer_tag", "rate", "time_base")
    assert [getattr(before, n) for n in names] == [getattr(after, n) for n in names]
    assert after.codec == "ffv1"


def reference_chroma(
    luma: np.ndarray, ab: np.ndarray, bits: int, full: bool, matrix: str, sampling: tuple[int, int]
) -> np.ndarray:
    """Cb, Cr in float64: Lab(L of the luma, ab) → sRGB → Y′CbCr → chroma grid with left siting."""
    scale = 2 ** (bits - 8)
    black, span, chroma_span = (0, 2**bits - 1, 2**bits - 1) if full else (16 * scale, 219 * scale, 224 * scale)
    gray = ((luma.astype(np.float64) - black) / span).clip(0, 1)
    linear = np.where(gray > 0.04045, ((gray + 0.055) / 1.055) ** 2.4, gray / 12.92)
    fy = np.where(linear > 0.008856, np.cbrt(linear), 7.787 * linear + 16 / 116)
    fx, fz = fy + ab[0] / 500, fy - ab[1] / 200
    xyz = [
        np.where(f > 0.2068966, f**3, (f - 16 / 116) / 7.787) * w
        for f, w in zip((fx, fy, fz), (0.95047, 1, 1.08883), strict=True)
    ]
    to_rgb = np.linalg.inv(
        [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    )
    rgb = np.einsum("ij,jhw->ihw", to_rgb, np.stack(xyz))
    rgb = np.where(rgb > 0.0031308, 1.055 * np.maximum(rgb, 1e-12) ** (1 / 2.4) - 0.055, 12.92 * rgb).clip(0, 1)
    kr, kb = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}[matrix]
    y = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2]
    planes = np.stack([(rgb[2] - y) / (2 * (1 - kb)), (rgb[0] - y) / (2 * (1 - kr))])
    if sampling[0] == 2:
        padded = np.pad(planes, ((0, 0), (0, 0), (1, 1)), mode="edge")
        planes = (padded[..., :-2] / 4 + padded[..., 1:-1] / 2 + padded[..., 2:] / 4)[..., ::2]
    if sampling[1] == 2:
        planes = (planes[:, ::2] + planes[:, 1::2]) / 2
    return planes * chroma_span + 2 ** (bits - 1)


@pytest.mark.parametrize(
    ("pix_fmt", "full", "matrix"),
    [
        ("yuv420p", False, 5),
        ("yuv420p", True, 1),
        ("yuv422p", False, 1),
        ("yuv444p", True, 5),
        ("yuv420p10le", False, 1),
    ],
)
def test_chroma_is_what_float64_gives(
    tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch, pix_fmt: str, full: bool, matrix: int
) -> None:
    """A wrong matrix, range or siting tints the whole film."""
    answers: list[np.ndarray] = []
    steps = Colorizer.steps

    def recorded(self: Colorizer, Ls: torch.Tensor, batch: int = 1) -> torch.Tensor:
        wave = torch.linspace(-60, 60, Ls.shape[-1]).expand(len(Ls), 2, *Ls.shape[-2:]).clone()  # lively colors
        fade = torch.linspace(0, 1, Ls.shape[-2])[:, None]
        wave[:, 1] = wave[:, 1].flip(-1) * fade + steps(self, Ls, batch)[:, 1] * 0
        answers.extend(wave.double().numpy())
        return wave

    monkeypatch.setattr(Colorizer, "steps", recorded)
    source = make_film(tmp_path / "film.mkv", pix_fmt=pix_fmt, full_range=full, matrix=matrix, frames=3)
    color(source, tmp_path / "out.mkv", archive=True, size="source")
    info = probe(source)
    with av.open(str(tmp_path / "out.mkv")) as container:
        for frame, ab, (_, luma) in zip(container.decode(video=0), answers, frames_of(source), strict=True):
            wanted = reference_chroma(luma, ab, info.layout.bits, full, info.matrix, info.layout.subsampling)
            for plane, target in zip(frame.planes[1:], wanted, strict=True):
                rows = np.frombuffer(plane, luma.dtype).reshape(plane.height, -1)[:, : plane.width]
                tolerance = 1 * 2 ** (info.layout.bits - 8)
                assert np.abs(rows - target.clip(0, 2**info.layout.bits - 1)).max() <= tolerance


@pytest.mark.parametrize(("codec", "siting"), [("mjpeg", "center"), ("h264", "left")])
def test_chroma_lies_where_players_of_the_codec_look_for_it(
    tmp_path: Path, photo: Path, codec: str, siting: str
) -> None:
    """JPEG has a chroma sample in the middle of its four pixels: elsewhere colors lie half a pixel beside edges."""
    source = make_film(tmp_path / "film.avi", codec="mjpeg", pix_fmt="yuvj420p", full_range=True, frames=2)
    plan = plan_video(source, [photo], tmp_path / "out.mkv", settings=ColorizeSettings(codec=codec))
    assert plan.output_planes.siting == siting


def test_every_flush_is_one_that_windows_allows(tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a file that is open for reading only cannot be flushed: no film would ever be finished."""
    fcntl = pytest.importorskip("fcntl")
    flush = os.fsync

    def windows(descriptor: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", windows)
    color(make_film(tmp_path / "film.mkv", frames=2), tmp_path / "out.mkv")


@pytest.mark.parametrize(
    ("film", "output", "luma_lost"),
    [(Film(width=53, height=37), "out.mp4", "odd"), (Film(width=16, height=16), "out.mkv", ""),
     (Film(frames=1), "out.mkv", ""), (Film(width=64, height=48, bars=8), "out.mkv", ""),
     (Film(pix_fmt="gray"), "out.mkv", ""), (Film(pix_fmt="gray10le", full_range=True), "out.mkv", ""),
     (Film(pix_fmt="yuv420p12le"), "out.mkv", ""), (Film(pix_fmt="gray16le"), "out.mkv", "")],
    ids=["odd", "16×16", "one frame", "pillar bars", "gray", "gray10", "12 bit", "16 bit"],
)  # fmt: skip
def test_unusual_pictures(tmp_path: Path, color: Any, film: Film, output: str, luma_lost: str) -> None:
    """Sizes and formats at the edges keep their size, their frames and their luma."""
    source = make_film(tmp_path / "film.mkv", film)
    receipt = color(source, tmp_path / output, archive=output.endswith("mkv"))
    after = probe(tmp_path / output)
    assert (after.width, after.height) == (film.width, film.height)
    assert any("odd" in w for w in receipt.warnings) == bool(luma_lost)
    if luma_lost:
        assert after.pix_fmt == "yuv444p"
    else:
        assert_same_frames(source, tmp_path / output)


def test_rgb_and_stills_become_films(tmp_path: Path, color: Any) -> None:
    """Scans come as RGB, and a single picture is a film of one frame."""
    source = make_film(tmp_path / "film.mov", codec="png", pix_fmt="rgb24", frames=4, full_range=True)
    color(source, tmp_path / "out.mkv", archive=True)
    assert probe(tmp_path / "out.mkv").pix_fmt == "yuv444p"
    assert_same_frames(source, tmp_path / "out.mkv")
    still = tmp_path / "still.png"
    cv2.imwrite(str(still), np.full((48, 64), 120, np.uint8))
    assert color(still, tmp_path / "still.mp4").frames == 1


def test_ten_bits_stay_ten_bits(tmp_path: Path, color: Any) -> None:
    """H.264 holds ten bits; ProRes holds nothing less."""
    source = make_film(tmp_path / "film.mkv", pix_fmt="yuv420p10le", frames=4)
    color(source, tmp_path / "out.mp4")
    assert probe(tmp_path / "out.mp4").pix_fmt == "yuv420p10le"
    color(make_film(tmp_path / "eight.mkv", frames=4), tmp_path / "out.mov", codec="prores")
    assert probe(tmp_path / "out.mov").pix_fmt == "yuv422p10le"


def test_a_part_from_a_frame_to_a_time_is_not_refused_by_a_guess(tmp_path: Path, color: Any) -> None:
    """Where frames come in bursts, frame 4 is earlier than its number says: a part that is there would be refused."""
    pts = [0, 20, 40, 60, 80, 100, 300, 500, 900, 1300, 1500, 1540]
    source = make_film(tmp_path / "film.mp4", codec="libx264", time_base=Fraction(1, 1000), pts=pts)
    assert color(source, tmp_path / "out.mp4", start="f4", end="0.2").frames == 2
    assert color(source, tmp_path / "times.mp4", start="1.29", end="f10").frames == 1


def test_the_exemplar_may_be_the_first_frame(
    tmp_path: Path, color: Any, first_frames: list[bool], small_model: Any
) -> None:
    """The first frame's own colors are given back, whether that is recognized or given."""
    source = make_film(tmp_path / "film.mkv", frames=2)
    gray = frames_of(source)[0][1].astype(np.int32)
    first = np.stack([(gray * 0.7), gray, np.minimum(255, gray * 1.2)], -1).clip(0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "first.png"), first)
    for asked in (None, False, True):
        settings = ColorizeSettings(size=48, overwrite=True, ref_is_first=asked)
        colorize_video(
            source, [tmp_path / "first.png"], tmp_path / "out.mkv", model=small_model, settings=settings, device="cpu"
        )
    color(source, tmp_path / "other.mkv")
    assert first_frames == [True, False, True, False]
    cv2.imwrite(str(tmp_path / "wide.png"), first[: len(first) // 2])
    with pytest.raises(MediaError, match="cannot be the first frame"):  # it would be stretched over the film
        colorize_video(
            source, [tmp_path / "wide.png"], tmp_path / "w.mkv", model=small_model, settings=settings, device="cpu"
        )


def test_progress_and_receipt(tmp_path: Path, color: Any) -> None:
    """Other programs read both."""
    source = make_film(tmp_path / "film.mkv", frames=20, color=True)
    seen: list[Progress] = []
    receipt = color(source, tmp_path / "out.mp4", seen.append)
    assert [p.phase for p in seen if p.frame == 20] == ["color", "join"]
    assert all(p.total == 20 and p.elapsed > 0 for p in seen)
    assert max(p.fps for p in seen if p.phase == "color") < 5000  # the first report too
    data = json.loads(receipt.to_json())
    assert data["frames"] == 20
    assert data["inputs"][0]["path"] == str(source)
    assert len(data["output"]["sha256"]) == len(data["weights"]["sha256"]) == 64
    assert data["warnings"][0] == "The film already has color: it was discarded."
    assert data["settings"]["size"] == 48
    assert {"colormnet", "torch", "av"} <= set(data["versions"])


def test_an_error_in_any_thread_ends_the_run(tmp_path: Path, color: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoder, network or encoder: the run ends with that error, and never hangs."""
    source = make_film(tmp_path / "film.mkv", frames=40)

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken on purpose")

    for place in ("video.segments.build_frame", "video.reader.luma_plane", "film.transfer.chroma_planes"):
        with monkeypatch.context() as patch:
            patch.setattr(f"colormnet_cli.{place}", fail)
            with pytest.raises(RuntimeError, match="on purpose"):
                color(source, tmp_path / "out.mkv")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["film.mkv"]


@pytest.mark.gpu
def test_the_device_gives_the_colors_of_the_cpu(tmp_path: Path, small_model: Any, photo: Path) -> None:
    """Uploads, downloads and batches of frames lose and reorder nothing; colors differ by rounding only."""
    source = make_film(tmp_path / "film.mkv", frames=30, width=160, height=120)
    films = []
    for device in ("cpu", "cuda"):
        output = tmp_path / f"{device}.mkv"
        settings = ColorizeSettings(size=96, archive=True)
        colorize_video(source, [photo], output, model=small_model, settings=settings, device=device, precision="fp32")
        assert_same_frames(source, output)
        with av.open(str(output)) as container:
            films.append(np.stack([f.to_ndarray(format="yuv420p") for f in container.decode(video=0)]).astype(int))
    assert np.abs(films[0] - films[1]).mean() < 0.5
    assert np.abs(films[0] - films[1]).max() <= 8


RSS = """
import resource, sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from support.networks import make_small_model
from colormnet_cli import ColorizeSettings, MemoryConfig, colorize_video
colorize_video(sys.argv[2], [sys.argv[3]], sys.argv[4], model=make_small_model(), device="cpu",
               settings=ColorizeSettings(size=16), memory=MemoryConfig(long_term=200, n_s=4, n_e=2, m=8))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_film(tmp_path: Path, photo: Path) -> None:
    """Two thousand frames take as much memory as two hundred."""
    peaks = []
    for frames in (200, 2000):
        source = make_film(
            tmp_path / f"{frames}.mp4", codec="mpeg4", width=64, height=48, frames=frames, audio=[("aac", "deu")]
        )
        arguments = [str(Path(__file__).parents[1]), str(source), str(photo), str(tmp_path / f"out{frames}.mp4")]
        done = subprocess.run([sys.executable, "-c", RSS, *arguments], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] <= 1.05 * peaks[0], peaks
