"""Whether the other streams, the chapters and the tags of a colored film are those of the black-and-white one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from ..timecode import format_time
from ..video.demux import demuxed
from ..video.metadata import SOURCE_ONLY_TAGS, described, stored_tags
from ..video.probe import VideoInfo, is_cover, open_input
from ..video.stream_plan import StreamPlan
from ..wording import many
from .check import Check

__all__ = ["chapters_check", "metadata_check", "stream_checks"]

_CONTAINER_TAGS = ("major_brand", "minor_version", "compatible_brands", "creation_time", *SOURCE_ONLY_TAGS)
_TOLERANCE = Fraction(1, 1000)  # seconds: what every container can store


def stream_checks(one: VideoInfo, other: VideoInfo, plans: Sequence[StreamPlan], muxer: str) -> Iterator[Check]:
    """Packets of what is copied; the rest has to be there as the container needs it.

    Args:
        one, other: the black-and-white film, and the colored one.
        plans: of the other streams of the first.
        muxer: of the second.
    """
    kept = [plan for plan in plans if plan.action != "drop"]
    found: dict[str, list[int]] = {}
    for stream in other.streams:
        if stream.index != other.index:
            found.setdefault(stream.kind, []).append(stream.index)
    mine = _packets(one.path, [plan.stream.index for plan in kept])
    theirs = _packets(other.path, list(chain(*found.values())))
    pairs: list[tuple[str, int, int]] = [("video", one.index, other.index)]
    for plan in plans:
        if plan.action == "drop":
            yield Check(plan.name, True, plan.note or "left out: the container does not store it")
            continue
        candidates = found.get(plan.stream.kind, [])
        if not candidates:
            yield Check(plan.name, False, "is missing")
        else:
            index = candidates.pop(0)
            if plan.action != "attach":  # a cover that Matroska stores as a file: neither language nor title
                pairs.append((plan.name, plan.stream.index, index))
            if plan.action not in ("copy", "attach"):
                yield Check(plan.name, True, f"converted to {plan.action}: not compared")
            elif plan.stream.codec.startswith("pcm_"):  # containers divide samples into packets as they like
                yield _samples(plan.name, mine[plan.stream.index], theirs[index])
            else:
                yield _compared(plan.name, mine[plan.stream.index], theirs[index], muxer in ("mp4", "mov"))
    for kind, extra in found.items():
        if extra and kind != "data":
            yield Check(f"{kind} streams", False, f"{many(len(extra), 'stream')} more than in the source")
    yield _descriptions(one, other, pairs, muxer)


@dataclass(frozen=True)
class _Packet:
    """One packet of a stream, or an attachment."""

    seconds: Fraction
    checksum: int
    so_far: int  # checksum of the stream up to its end
    hidden: bool = False  # by an edit list

    def equals(self, other: _Packet) -> bool:
        """Whether it has the same content at the same time."""
        return self.checksum == other.checksum and abs(self.seconds - other.seconds) <= _TOLERANCE


def _packets(path: Path, indices: Sequence[int]) -> dict[int, list[_Packet]]:
    """All packets of some streams; the content of attachments.

    Without what containers add or leave out themselves: headers of AAC (ADTS), and gaps between subtitles of mov_text.
    """
    found: dict[int, list[_Packet]] = {index: [] for index in indices}
    with open_input(path) as container:
        streams = [container.streams[index] for index in indices]
        for stream in streams:
            if stream.type == "attachment":
                checksum = zlib.crc32(_content(stream))
                found[stream.index].append(_Packet(Fraction(0), checksum, checksum))
        for packet in demuxed(container, [stream for stream in streams if stream.type != "attachment"]):
            if not packet.size or (packet.pts is None and not is_cover(packet.stream)):
                continue
            data, kind = bytes(packet), packet.stream.type
            if kind == "subtitle" and data == b"\0\0":
                continue
            if (
                kind == "audio"
                and packet.stream.codec_context.name == "aac"
                and data[0] == 0xFF
                and data[1] >> 4 == 0xF
            ):
                data = data[7 if data[1] & 1 else 9 :]
            before = found[packet.stream.index]
            so_far = zlib.crc32(data, before[-1].so_far if before else 0)
            before.append(_Packet((packet.pts or 0) * packet.time_base, zlib.crc32(data), so_far, packet.is_discard))
    return found


def _content(stream: Any) -> bytes:
    context = stream.codec_context
    data = getattr(stream, "data", None) or (context.extradata if context is not None else None)
    return bytes(data or b"")


def _compared(name: str, mine: list[_Packet], theirs: list[_Packet], stores_hidden: bool) -> Check:
    """stores_hidden: the container can hide packets, so that none is left out."""
    if not stores_hidden:
        mine = _without_hidden(mine, theirs)
    if len(mine) != len(theirs):
        return Check(name, False, f"{len(mine):,} packets became {len(theirs):,}")
    for number, (before, after) in enumerate(zip(mine, theirs, strict=True)):
        if not before.equals(after):
            off = float(after.seconds - before.seconds)
            what = f"is off by {off:+.6g} s" if before.checksum == after.checksum else "has another content"
            return Check(name, False, f"packet {number} at {format_time(float(before.seconds))} {what}")
    return Check(name, True, f"{many(len(theirs), 'packet')}, identical")


def _samples(name: str, mine: list[_Packet], theirs: list[_Packet]) -> Check:
    """Uncompressed audio."""
    if not mine or not theirs:
        return Check(name, mine == theirs, "no packets" if mine == theirs else "has no packets in one of the films")
    if mine[-1].so_far != theirs[-1].so_far:
        return Check(name, False, "has other samples, more, or fewer")
    off = float(theirs[0].seconds - mine[0].seconds)
    same = abs(off) <= _TOLERANCE
    return Check(name, same, "identical samples" if same else f"is off by {off:+.6g} s")


def _without_hidden(mine: list[_Packet], theirs: list[_Packet]) -> list[_Packet]:
    """All but the packets that an edit list hides, and that the other stream has not."""
    kept: list[_Packet] = []
    for packet in mine:
        place = len(kept)
        if not packet.hidden or (place < len(theirs) and packet.equals(theirs[place])):
            kept.append(packet)
    return kept


def _descriptions(one: VideoInfo, other: VideoInfo, pairs: Sequence[tuple[str, int, int]], muxer: str) -> Check:
    """Language, title and disposition of streams, and names of attachments, as far as the container stores them."""
    with open_input(one.path) as source, open_input(other.path) as result:
        for name, first, second in pairs:
            expected, found = (
                described(film.streams[index], muxer) for film, index in ((source, first), (result, second))
            )
            for what, value in expected.items():
                if found[what] != value:
                    return Check("streams", False, f"{what} of {name}: {value!r} became {found[what]!r}")
    return Check("streams", True, "languages, titles and dispositions as far as the container stores them")


def chapters_check(source: Path, result: Path, muxer: str) -> Check:
    """Begin, end and title; .mp4 and .mov let a chapter end where the next one begins."""

    def of(path: Path) -> list[tuple[int, int | None, str]]:
        with open_input(path) as container:
            return [
                (
                    round(1000 * chapter["start"] * (chapter["time_base"] or 0)),
                    None if muxer in ("mp4", "mov") else round(1000 * chapter["end"] * (chapter["time_base"] or 0)),
                    chapter["metadata"].get("title", ""),
                )
                for chapter in container.chapters()
            ]

    one, other = of(source), of(result)
    if one == other:
        return Check("chapters", True, many(len(other), "chapter"))
    if len(one) != len(other):
        return Check("chapters", False, f"{many(len(one), 'chapter')} became {len(other)}")
    number, before, after = next(
        (n, *both) for n, both in enumerate(zip(one, other, strict=True), 1) if both[0] != both[1]
    )
    return Check("chapters", False, f"chapter {number}: {before} became {after} (begin and end in ms, title)")


def metadata_check(source: Path, result: Path, muxer: str) -> Check:
    """Tags of the file are equal; those that a container does not store are lost."""

    def own(path: Path) -> dict[str, str]:
        with open_input(path) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
        return {key: value for key, value in tags.items() if not key.startswith(_CONTAINER_TAGS)}

    one, other = own(source), own(result)
    expected = stored_tags(one, muxer)
    for key in sorted({*expected, *other}):
        before, after = expected.get(key), other.get(key)
        if before is None and after is not None:
            return Check("metadata", False, f"{key} {after!r} is not in the source")
        if before != after:
            return Check(
                "metadata", False, f"{key} {before!r} {'is missing' if after is None else f'became {after!r}'}"
            )
    lost = sorted(set(one) - set(expected))
    kept = many(len(expected), "tag")
    return Check("metadata", True, f"{kept}, and {', '.join(lost)} not stored by the container" if lost else kept)
