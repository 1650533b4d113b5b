"""Language, title and disposition of a stream, from one container to another, and what is lost on the way."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import av

from .subtitle_text import text_codec_for

__all__ = ["SOURCE_ONLY_TAGS", "copy_metadata", "described", "lost_metadata", "stored_tags"]

# Tags that the muxer writes itself, or that only describe the source file
SOURCE_ONLY_TAGS = (
    "alpha_mode", "bps", "duration", "encoder", "number_of_bytes", "number_of_frames", "vendor_id", "_statistics",
)  # fmt: skip

# QuickTime stores languages as numbers. FFmpeg has a name for each number, which is not always that of ISO 639-2.
_QUICKTIME = {"fo ": "fao", "hr ": "hrv", "iri": "gle", "sr ": "srp", "sve": "swe"}
_TO_QUICKTIME = {
    "sqi": "alb", "hye": "arm", "eus": "baq", "mya": "bur", "zho": "chi", "cze": "ces", "nld": "dut", "fre": "fra",
    "kat": "geo", "deu": "ger", "ell": "gre", "isl": "ice", "mkd": "mac", "msa": "may", "fas": "per", "rum": "ron",
    "slo": "slk", "bod": "tib", "cym": "wel", "nob": "nor", "nno": "nor",
    **{iso: name for name, iso in _QUICKTIME.items()},
}  # fmt: skip
_QUICKTIME_AS_ISO = """
    alb amh ara arm asm aym aze baq bel ben bul bur cat ces chi dan dut dzo eng epo est fin fra geo ger gre grn guj heb
    hin hun ice ind ita jav jpn kan kas kaz khm kin kir kor kur lao lat lav lit mac mal mar may mlg mlt mon nep nor nya
    ori orm per pol por pus que ron run rus san sin slk slv snd som spa swa tam tat tel tgk tgl tha tib tir tuk tur uig
    ukr urd uzb vie wel yid
"""

# Dispositions, and the containers that store them
_DISPOSITIONS = {
    "dub": ("mp4", "matroska"),
    "original": ("matroska",),
    "comment": ("mp4", "matroska"),
    "lyrics": (),
    "karaoke": (),
    "forced": ("mp4", "matroska", "webm"),
    "hearing_impaired": ("mp4", "matroska"),
    "visual_impaired": ("mp4", "matroska"),
}


def copy_metadata(added: Any, stream: Any, muxer: str) -> None:
    """Copy tags and disposition of `stream` to the output stream `added`."""
    tags = {k: v for k, v in stream.metadata.items() if not k.lower().startswith(SOURCE_ONLY_TAGS)}
    if "name" in tags:  # a track's title in .mp4 and .mov; all muxers expect "title"
        tags.setdefault("title", tags.pop("name"))
    if "language" in tags:
        tags["language"] = _language(tags["language"], muxer)
    added.metadata.update(tags)
    added.disposition = stream.disposition.value


def lost_metadata(stream: Any, muxer: str) -> list[str]:
    """What `copy_metadata` sets and the container does not store, in words."""
    language = _language(stream.metadata.get("language", "und"), muxer)
    lost = [] if _stores(muxer, language) else [f"its language ({language})"]
    for disposition, containers in _DISPOSITIONS.items():
        if stream.disposition & getattr(av.stream.Disposition, disposition) and muxer not in containers:
            lost.append(f'its disposition "{disposition.replace("_", " ")}"')
    return lost


def described(stream: Any, muxer: str) -> dict[str, Any]:
    """What `copy_metadata` keeps of a stream in this container, by what it is; the same of its copy there."""
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    found: dict[str, Any] = {"title": tags.get("title") or tags.get("name") or None}
    language = _language(tags.get("language", "und"), muxer)
    found["language"] = language if _stores(muxer, language) else "und"
    for disposition, containers in _DISPOSITIONS.items():
        if muxer in containers:
            has = bool(stream.disposition & getattr(av.stream.Disposition, disposition))
            found[f'disposition "{disposition.replace("_", " ")}"'] = has
    if stream.type == "attachment":
        found |= {name: tags.get(name) for name in ("filename", "mimetype")}
    return found


def stored_tags(tags: Mapping[str, str], muxer: str) -> dict[str, str]:
    """Tags of a file as this container stores them: written to memory, and read back. Names are in lower case."""
    file = io.BytesIO()
    with av.open(file, "w", format=muxer) as output:
        output.metadata.update(tags)
        packet: Any = av.Packet(b"\0\1a")  # Matroska without a packet cannot be read
        packet.stream = output.add_mux_stream(text_codec_for(muxer, "srt") or "")
        packet.time_base, packet.pts, packet.dts, packet.duration = Fraction(1, 1000), 0, 0, 1
        output.mux(packet)
    file.seek(0)
    with av.open(file, metadata_errors="replace") as result:
        found = {key.lower(): value for key, value in result.metadata.items()}
    return {key: found[key] for key in tags if key in found}


def _stores(muxer: str, language: str) -> bool:
    if language in ("und", "") or muxer not in ("mp4", "mov"):
        return True
    if muxer == "mp4":
        return re.fullmatch("[a-z]{3}", language) is not None
    return language in _QUICKTIME or language in _QUICKTIME_AS_ISO.split()


def _language(name: str, muxer: str) -> str:
    """The ISO 639-2 code, or for .mov the name that FFmpeg's muxer expects."""
    iso = _QUICKTIME.get(name, name)
    return _TO_QUICKTIME.get(iso, iso) if muxer == "mov" else iso
