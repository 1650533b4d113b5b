"""Whether a colored film is the black-and-white one with color, and nothing else changed."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..files import file_sha256
from ..timecode import format_time
from ..video.decode import decoded_frames
from ..video.demux import demuxed
from ..video.metadata import SOURCE_ONLY_TAGS
from ..video.pixel_formats import convert_luma, luma_plane, pixel_layout
from ..video.probe import VideoInfo, open_input, probe, video_stream
from ..video.reader import Frame, Reader
from ..video.stream_plan import StreamPlan, plan_streams
from ..wording import many

__all__ = ["Check", "verify_film"]

LOSSLESS = {"ffv1", "ffvhuff", "huffyuv", "magicyuv", "png", "rawvideo", "utvideo", "v210"}  # codecs of the result
_PRIMED = 3  # packets at the beginning of a stream that an edit list hides, and that some containers cannot hide
_CONTAINER_TAGS = ("major_brand", "minor_version", "compatible_brands", "creation_time", *SOURCE_ONLY_TAGS)


@dataclass(frozen=True)
class Check:
    """One thing that was compared."""

    name: str
    passed: bool
    detail: str  # what was found; where they differ, what and where

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


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
    one, other = probe(source), probe(result)
    checks = [_size(one, other), _aspect(one, other), _rotation(one, other), *_colors(one, other)]
    checks += _frames(one, other, min_psnr, progress)
    muxer = "matroska" if "matroska" in other.container and result.suffix != ".webm" else result.suffix[1:]
    muxer = {"m4v": "mp4", "mkv": "matroska"}.get(muxer, muxer)
    checks += _streams(one, other, plan_streams(one, muxer, audio, lossless=audio == "copy" and _is_lossless(other)))
    checks += [_chapters(source, result), _metadata(source, result)]
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


# Streams, chapters, tags


def _streams(one: VideoInfo, other: VideoInfo, plans: Sequence[StreamPlan]) -> Iterator[Check]:
    """Packets of what is copied; the rest has to be there as the container needs it."""
    kept = [plan for plan in plans if plan.action not in ("drop", "attach")]
    found: dict[str, list[int]] = {}
    for stream in other.streams:
        if stream.index != other.index:
            found.setdefault(stream.kind, []).append(stream.index)
    mine = _packets(one.path, [plan.stream.index for plan in kept])
    theirs = _packets(other.path, list(chain(*found.values())))
    tolerance = Fraction(1, 1000)  # what every container can store
    for plan in plans:
        if plan.action == "drop":
            yield Check(plan.name, True, plan.note or "left out: the container does not store it")
            continue
        candidates = found.get(plan.stream.kind, [])
        if plan.action == "attach":
            yield Check(plan.name, True, "attached as a file")
        elif not candidates:
            yield Check(plan.name, False, "is missing")
        elif plan.action != "copy":
            candidates.pop(0)
            yield Check(plan.name, True, f"converted to {plan.action}: not compared")
        else:
            yield _compared(plan.name, mine[plan.stream.index], theirs[candidates.pop(0)], tolerance)
    for kind, extra in found.items():
        if extra and kind != "data":
            yield Check(f"{kind} streams", False, f"{many(len(extra), 'stream')} more than in the source")


Packets = list[tuple[Fraction, int]]  # time in seconds, checksum


def _packets(path: Path, indices: Sequence[int]) -> dict[int, Packets]:
    """All packets of some streams; the content of attachments."""
    found: dict[int, Packets] = {index: [] for index in indices}
    with open_input(path) as container:
        streams = [container.streams[index] for index in indices]
        for stream in streams:
            if stream.type == "attachment":
                found[stream.index].append((Fraction(0), zlib.crc32(_content(stream))))
        for packet in demuxed(container, [stream for stream in streams if stream.type != "attachment"]):
            if packet.size and packet.pts is not None:
                found[packet.stream.index].append((packet.pts * packet.time_base, zlib.crc32(bytes(packet))))
    return found


def _content(stream: Any) -> bytes:
    context = stream.codec_context
    data = getattr(stream, "data", None) or (context.extradata if context is not None else None)
    return bytes(data or b"")


def _compared(name: str, mine: Packets, theirs: Packets, tolerance: Fraction) -> Check:
    hidden = len(mine) - len(theirs)
    if 0 < hidden <= _PRIMED and all(seconds <= 0 for seconds, _ in mine[:hidden]):
        mine = mine[hidden:]  # an edit list hides them
    if len(mine) != len(theirs):
        return Check(name, False, f"{len(mine):,} packets became {len(theirs):,}")
    for number, ((when, content), (then, other)) in enumerate(zip(mine, theirs, strict=True)):
        if content != other:
            return Check(name, False, f"packet {number} at {format_time(float(when))} has another content")
        if abs(when - then) > tolerance:
            return Check(
                name, False, f"packet {number} at {format_time(float(when))} is off by {float(then - when):+.6g} s"
            )
    return Check(name, True, f"{many(len(theirs), 'packet')}, identical")


def _chapters(source: Path, result: Path) -> Check:
    def of(path: Path) -> list[tuple[int, str]]:
        with open_input(path) as container:
            chapters = container.chapters()
        return [
            (round(1000 * chapter["start"] * (chapter["time_base"] or 0)), chapter["metadata"].get("title", ""))
            for chapter in chapters
        ]

    one, other = of(source), of(result)
    return Check("chapters", one == other, many(len(other), "chapter") if one == other else f"{one} became {other}")


def _metadata(source: Path, result: Path) -> Check:
    """Tags of the file that both have are equal; some that a container does not know are lost."""
    tags = []
    for path in (source, result):
        with open_input(path) as container:
            own = {key.lower(): value for key, value in container.metadata.items()}
        tags.append({key: value for key, value in own.items() if not key.startswith(_CONTAINER_TAGS)})
    one, other = tags
    changed = [key for key in one if key in other and one[key] != other[key]]
    if changed:
        return Check("metadata", False, f"{changed[0]}: {one[changed[0]]!r} became {other[changed[0]]!r}")
    lost = sorted(set(one) - set(other))
    kept = many(len(one) - len(lost), "tag")
    return Check("metadata", True, f"{kept}, and {', '.join(lost)} not stored by the container" if lost else kept)


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
