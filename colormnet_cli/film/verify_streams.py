"""Whether the other streams, the chapters and the tags of a colored film are those of the black-and-white one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from ..timecode import format_time
from ..video.demux import demuxed
from ..video.metadata import SOURCE_ONLY_TAGS
from ..video.probe import VideoInfo, open_input
from ..video.stream_plan import StreamPlan
from ..wording import many
from .check import Check

__all__ = ["chapters_check", "metadata_check", "stream_checks"]

_PRIMED = 3  # packets at the beginning of a stream that an edit list hides, and that some containers cannot hide
_CONTAINER_TAGS = ("major_brand", "minor_version", "compatible_brands", "creation_time", *SOURCE_ONLY_TAGS)


def stream_checks(one: VideoInfo, other: VideoInfo, plans: Sequence[StreamPlan]) -> Iterator[Check]:
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


def chapters_check(source: Path, result: Path) -> Check:
    def of(path: Path) -> list[tuple[int, str]]:
        with open_input(path) as container:
            chapters = container.chapters()
        return [
            (round(1000 * chapter["start"] * (chapter["time_base"] or 0)), chapter["metadata"].get("title", ""))
            for chapter in chapters
        ]

    one, other = of(source), of(result)
    return Check("chapters", one == other, many(len(other), "chapter") if one == other else f"{one} became {other}")


def metadata_check(source: Path, result: Path) -> Check:
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
