"""Whether a colored film is the black-and-white one with color, and nothing else changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..files import file_sha256
from ..timecode import format_time
from ..video.decode import decoded_frames
from ..video.encode import CONTAINERS
from ..video.pixel_formats import convert_luma, luma_plane, pixel_layout
from ..video.probe import VideoInfo, open_input, probe, video_stream
from ..video.reader import Frame, Reader
from ..video.stream_plan import plan_streams
from ..wording import many
from .check import Check
from .verify_streams import chapters_check, metadata_check, stream_checks

__all__ = ["Check", "verify_film"]

LOSSLESS = {"ffv1", "ffvhuff", "huffyuv", "magicyuv", "png", "rawvideo", "utvideo", "v210"}  # codecs of the result


def verify_film(
    source: str | Path,
    result: str | Path,
    *,
    receipt: Mapping[str, Any] | None = None,
    audio: str = "copy",
    min_psnr: float = 25.0,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[Check]:
    """Compare everything but the color of two films, in one pass over each.

    Args:
        source: the black-and-white film.
        result: the same in color.
        receipt: as `--json` printed it: the hashes in it are checked, too.
        audio: what the result was made with: "copy", "aac" or "none".
        min_psnr: dB; a frame whose luma is worse is another frame. Where the result's codec is lossless, luma must be
            equal.
        progress: called with the frames compared and their number.

    Raises:
        MediaError: a file cannot be read.
    """
    source, result = Path(source), Path(result)
    if result.suffix.lower() not in CONTAINERS:
        raise MediaError(f"{result} is no result of colormnet: give one of {', '.join(CONTAINERS)}.")
    one, other = probe(source), probe(result)
    checks = [_size(one, other), _aspect(one, other), _rotation(one, other), *_colors(one, other)]
    checks += _frames(one, other, min_psnr, progress)
    muxer = CONTAINERS[result.suffix.lower()]
    plans = plan_streams(one, muxer, audio, lossless=audio == "copy" and _is_lossless(other))
    checks += stream_checks(one, other, plans, muxer)
    checks += [chapters_check(source, result, muxer), metadata_check(source, result, muxer)]
    return checks if receipt is None else [*checks, *_hashes(source, result, receipt)]


def _is_lossless(info: VideoInfo) -> bool:
    return info.codec in LOSSLESS


def _equal(name: str, one: object, other: object) -> Check:
    return Check(name, one == other, f"{other}" if one == other else f"{one} became {other}")


def _size(one: VideoInfo, other: VideoInfo) -> Check:
    sizes = [f"{info.width}×{info.height}" for info in (one, other)]
    return _equal("size", *sizes)


def _aspect(one: VideoInfo, other: VideoInfo) -> Check:
    return _equal("pixel aspect", *(str(info.sample_aspect_ratio or 1) for info in (one, other)))


def _rotation(one: VideoInfo, other: VideoInfo) -> Check:
    same = one.orientation == other.orientation
    return Check("rotation", same, "kept" if same else "the picture is turned or mirrored otherwise")


def _colors(one: VideoInfo, other: VideoInfo) -> Iterator[Check]:
    """Range and matrix as they are used; primaries and transfer as they are tagged, where the source is."""
    ranges = ["full" if info.full_range else "limited" for info in (one, other)]
    if one.layout.kind == "rgb":
        yield Check("color range", True, f"{ranges[1]}, of an RGB source")
    else:
        yield _equal("color range", *ranges)
        yield _equal("color matrix", one.matrix, other.matrix)
    for name, before, after in (
        ("color primaries", one.primaries_tag, other.primaries_tag),
        ("transfer function", one.transfer_tag, other.transfer_tag),
    ):
        if before == 2:
            yield Check(name, True, "unspecified in the source")
        else:
            yield _equal(name, before, after)


# Frames


def _frames(
    one: VideoInfo, other: VideoInfo, min_psnr: float, progress: Callable[[int, int | None], None]
) -> list[Check]:
    """Number, timestamps and luma."""
    total = one.frames
    numbers, shifted, luma = [0, 0], _First(), _Luma(one, other)
    tolerance = other.time_base / 2 if other.time_base > one.time_base else Fraction(0)
    for number, (before, after) in enumerate(zip_longest(Reader(one, gaps=False).frames(), _decoded(other))):
        numbers[0] += before is not None
        numbers[1] += after is not None
        if before is None or after is None:
            continue
        frame, pts = after
        here = before.pts * one.time_base
        if abs(pts * other.time_base - here) > tolerance:
            off = float(pts * other.time_base - here)
            shifted.note(f"frame {number} at {format_time(float(here))} is off by {off:+.6g} s")
        luma.compare(before, frame)
        progress(number + 1, total)
    count = Check("frames", numbers[0] == numbers[1], _counted(*numbers))
    return [count, Check("timestamps", not shifted, shifted.text("identical")), luma.check(min_psnr)]


def _counted(one: int, other: int) -> str:
    return many(other, "frame") if one == other else f"{one:,} became {other:,}"


def _decoded(info: VideoInfo) -> Iterator[tuple[Any, int]]:
    """The frames of a film and their timestamps, as they are in the file."""
    with open_input(info.path) as container:
        stream = video_stream(container, info.path)
        for frame in decoded_frames(container, stream):
            pts = info.timestamp(frame)
            yield frame, -1 if pts is None else pts


class _First:
    """What differs first, and how often."""

    def __init__(self) -> None:
        self.first, self.count = "", 0

    def note(self, what: str) -> None:
        self.first = self.first or what
        self.count += 1

    def __bool__(self) -> bool:
        return self.count > 0

    def text(self, fine: str) -> str:
        if not self.count:
            return fine
        return self.first if self.count == 1 else f"{self.first}, the first of {self.count:,}"


class _Luma:
    """Compares the luma of frames with what the encoder was given."""

    def __init__(self, one: VideoInfo, other: VideoInfo) -> None:
        self.one, self.other, self.frames = one, other, 0
        self.different = _First()
        self.squares = 0.0  # of the differences, as a share of the codes: the mean over frames so far
        self.worst = (math.inf, 0, 0.0)  # PSNR, frame, seconds

    def compare(self, before: Frame, frame: Any) -> None:
        info, layout = self.other, pixel_layout(frame.format.name)
        expected = convert_luma(
            before.luma, (self.one.layout.bits, layout.bits), (self.one.full_range, info.full_range)
        )
        found = luma_plane(frame, layout, info.matrix)
        self.frames += 1
        if expected.shape != found.shape or np.array_equal(expected, found):
            return  # another size is reported by itself
        square = _square(expected, found) / (2**layout.bits - 1) ** 2
        self.squares += square
        seconds = float(before.pts * self.one.time_base)
        where = np.argwhere(expected != found)[0]
        self.different.note(f"frame {before.number} at {format_time(seconds)} differs in row {where[0]}")
        self.worst = min(self.worst, (-10 * math.log10(square), before.number, seconds))

    def check(self, min_psnr: float) -> Check:
        if not self.different:
            return Check("luma", True, "bit-identical")
        if _is_lossless(self.other):
            return Check("luma", False, self.different.text(""))
        mean = -10 * math.log10(self.squares / self.frames)
        psnr, frame, seconds = self.worst
        place = f"{psnr:.1f} dB in frame {frame} at {format_time(seconds)}"
        kind = f"not identical, as {self.other.codec} stores it with losses: {mean:.1f} dB on average, at worst {place}"
        return Check("luma", psnr >= min_psnr, kind if psnr >= min_psnr else f"another picture: {place}")


def _square(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.mean((one.astype(np.float32) - other.astype(np.float32)) ** 2))


def _hashes(source: Path, result: Path, receipt: Mapping[str, Any]) -> Iterator[Check]:
    """Of the receipt: that it is of these files."""
    try:
        noted = [receipt["inputs"][0]["sha256"], receipt["output"]["sha256"]]
    except (KeyError, IndexError, TypeError) as error:
        raise MediaError(
            "The receipt has no hashes: give the JSON that `colormnet colorize --json` printed."
        ) from error
    for name, path, expected in zip(("receipt, source", "receipt, result"), (source, result), noted, strict=True):
        if expected is None:
            yield Check(name, True, "the receipt has no hash")
        else:
            same = file_sha256(path) == expected
            yield Check(
                name, same, "the file is that of the receipt" if same else "the file is not that of the receipt"
            )
