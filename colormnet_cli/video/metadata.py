"""What a stream is called and what it is for, from one container into another; and what of it cannot be said there."""

from __future__ import annotations

import re
from typing import Any

import av

__all__ = ["SOURCE_ONLY_TAGS", "copy_metadata", "lost_metadata"]

# Written by the muxer, or true of the source file only
SOURCE_ONLY_TAGS = ("encoder", "duration", "number_of_frames", "number_of_bytes", "bps", "vendor_id", "_statistics")

# QuickTime numbers its languages, and FFmpeg has a name for each number, which is not always that of ISO 639-2.
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

# What a stream may be for, and the containers that keep it
_PURPOSES = {
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
    """Language, title and the like, and what the stream is for."""
    tags = {k: v for k, v in stream.metadata.items() if not k.lower().startswith(SOURCE_ONLY_TAGS)}
    if "name" in tags:  # what .mp4 and .mov call a track's title; all muxers ask for "title"
        tags.setdefault("title", tags.pop("name"))
    if "language" in tags:
        tags["language"] = _language(tags["language"], muxer)
    added.metadata.update(tags)
    added.disposition = stream.disposition.value


def lost_metadata(stream: Any, muxer: str) -> list[str]:
    """What `copy_metadata` says of the stream and the container does not keep, for people."""
    language = _language(stream.metadata.get("language", "und"), muxer)
    lost = [] if _knows(muxer, language) else [f"its language ({language})"]
    for purpose, containers in _PURPOSES.items():
        if stream.disposition & getattr(av.stream.Disposition, purpose) and muxer not in containers:
            lost.append(f'that it is "{purpose.replace("_", " ")}"')
    return lost


def _knows(muxer: str, language: str) -> bool:
    if language in ("und", "") or muxer not in ("mp4", "mov"):
        return True
    if muxer == "mp4":
        return re.fullmatch("[a-z]{3}", language) is not None
    return language in _QUICKTIME or language in _QUICKTIME_AS_ISO.split()


def _language(name: str, muxer: str) -> str:
    """ISO 639-2, or what the muxer of QuickTime takes for it."""
    iso = _QUICKTIME.get(name, name)
    return _TO_QUICKTIME.get(iso, iso) if muxer == "mov" else iso
