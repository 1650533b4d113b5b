"""Damaged films end in a complete output with a warning, or in one error sentence: no hang, traceback or half file."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from colormnet_cli import ColorizeSettings, colorize_video
from colormnet_cli.errors import ColormnetError, MediaError
from colormnet_cli.film.plan import plan_video
from colormnet_cli.video.demux import demuxed
from colormnet_cli.video.probe import open_input, probe, video_stream
from colormnet_cli.video.reader import Reader
from support.films import Film, frames_of, make_film

GOOD = {
    "h264.mp4": Film(codec="libx264", audio=[("aac", "deu")], chapters=True, options={"g": "5"}),
    "h264.mkv": Film(codec="libx264", audio=[("flac", "deu")], subtitles="subrip", options={"g": "5"}),
    "ffv1.mkv": Film(options={"slicecrc": "1"}),
    "mpeg4.avi": Film(codec="mpeg4", options={"g": "4"}),
    "mpeg2.ts": Film(codec="mpeg2video", options={"g": "4"}, audio=[("mp2", "deu")]),
    "hevc.mp4": Film(codec="libx265"),
    "vp9.webm": Film(codec="libvpx-vp9"),
    "prores.mov": Film(codec="prores_ks", pix_fmt="yuv422p10le", audio=[("pcm_s16le", "deu")]),
}
READ, COLORIZED, HEADERS = 300, 60, 2000  # how many damaged films are read, colorized, and planned


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("good")
    small = {"frames": 16, "width": 32, "height": 32}
    return {name: make_film(folder / name, film, **small).read_bytes() for name, film in GOOD.items()}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Films of 16 pixels are colorized fastest so."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def damaged(good: dict[str, bytes], chance: random.Random) -> tuple[str, bytes]:
    """One of the films: truncated, with flipped bits, or with a range of zeros."""
    name = chance.choice(sorted(good))
    data = bytearray(good[name])
    kind = chance.choice(["cut", "flip", "flip", "hole"])
    if kind == "cut":
        return name, bytes(data[: chance.randrange(1, len(data))])
    if kind == "flip":
        for _ in range(chance.choice([1, 3, 10, 60])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return name, bytes(data)
    place = chance.randrange(len(data))
    length = min(chance.randrange(1, 400), len(data) - place)
    data[place : place + length] = bytes(length)
    return name, bytes(data)


def one_by_one(path: Path) -> tuple[int, int]:
    """How many frames come out of the file's packets, decoded one by one on one thread; and how many are errors."""
    with open_input(path) as container:
        stream = video_stream(container, path)
        stream.codec_context.thread_count = 1
        frames = errors = 0
        for packet in demuxed(container, [stream]):
            try:
                frames += len(packet.decode())
            except EOFError:
                break
            except av.error.FFmpegError:
                errors += 1
        return frames, errors


@pytest.mark.slow
def test_hundreds_of_damaged_films_are_read(tmp_path: Path, good: dict[str, bytes]) -> None:
    """A user's damaged film gives its frames in order, or one error sentence; every frame lost is counted."""
    chance = random.Random(1)
    results = Counter[str]()
    for _ in range(READ):
        name, data = damaged(good, chance)
        path = tmp_path / name
        path.write_bytes(data)
        try:
            reader = Reader(probe(path))
            timestamps = [frame.pts for frame in reader.frames()]
        except MediaError:
            results["sentence"] += 1
            continue
        assert timestamps
        counts = reader.statistics
        assert len(timestamps) + counts.resized + counts.undecodable >= sum(one_by_one(path)), name
        assert all(a < b for a, b in pairwise(timestamps))
        results["counted" if list(reader.statistics.warnings()) else "frames"] += 1
    assert min(results["sentence"], results["counted"], results["frames"]) > READ // 20, results


@pytest.mark.slow
def test_damaged_films_are_colorized_to_the_end(tmp_path: Path, good: dict[str, bytes], small_model: Any) -> None:
    """What can be decoded is written completely, with its audio, or counted in the receipt; or there is no output."""
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.random.default_rng(0).integers(0, 255, (8, 8, 3)).repeat(6, 0).repeat(6, 1))
    chance = random.Random(2)
    results = Counter[str]()
    for number in range(COLORIZED):
        name, data = damaged(good, chance)
        source, output = tmp_path / name, tmp_path / f"out{number}{chance.choice(['.mp4', '.mkv'])}"
        source.write_bytes(data)
        try:
            receipt = colorize_video(
                source, [photo], output, model=small_model, settings=ColorizeSettings(size=16), device="cpu"
            )
            assert len(frames_of(output)) == receipt.frames
            resized = re.search(r"(\d+) frames? of another size", " ".join(receipt.warnings))
            lost = receipt.undecodable + (int(resized[1]) if resized else 0)
            assert receipt.frames + lost >= sum(one_by_one(source)), (name, receipt.warnings)
            results["film"] += 1
        except ColormnetError:
            assert not output.exists()
            results["sentence"] += 1
        assert not list(tmp_path.glob("*.colormnet-part"))
    assert min(results.values()) > 5, results


def test_an_intact_film_gives_no_warning(tmp_path: Path, good: dict[str, bytes]) -> None:
    """Warnings about films that are intact would be ignored when they matter."""
    for name, data in good.items():
        (tmp_path / name).write_bytes(data)
        reader = Reader(probe(tmp_path / name), strict=True)
        assert len(list(reader.frames())) == 16, name
        assert not list(reader.statistics.warnings()), name


@pytest.mark.slow
def test_thousands_of_damaged_headers_are_planned(tmp_path: Path, good: dict[str, bytes]) -> None:
    """Whatever stands in a header: a plan or one error sentence, within a minute, and no internal error."""
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8))
    chance = random.Random(3)
    results = Counter[str]()
    for _ in range(HEADERS):
        name = chance.choice(sorted(good))
        data = bytearray(good[name])
        at_end = name.endswith((".mp4", ".mov")) and chance.random() < 0.7  # where these have their headers
        for _ in range(chance.choice([1, 2, 4, 10, 40])):
            place = chance.randrange(min(len(data), 3000))
            data[-1 - place if at_end else place] = chance.choice([0, 255, chance.randrange(256)])
        path = tmp_path / name
        path.write_bytes(data)
        try:
            plan_video(path, [photo], tmp_path / chance.choice(["a.mp4", "a.mkv", "a.mov"]))
            results["planned"] += 1
        except ColormnetError:
            results["refused"] += 1
    assert min(results["planned"], results["refused"]) > HEADERS // 20, results
