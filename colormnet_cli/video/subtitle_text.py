"""Converts text subtitles between the formats of containers; text and line breaks stay, styles are dropped."""

from __future__ import annotations

import html
import re

__all__ = ["convert_text", "text_codec_for"]

_FORMATS = {
    "subrip": "subrip",
    "srt": "subrip",
    "mov_text": "mov_text",
    "webvtt": "webvtt",
    "ass": "ass",
    "ssa": "ass",
}
_FOR_MUXER = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
_TAGS = re.compile(r"<[^<>\n]*>|\{\\[^{}]*\}")
_ASS_FIELDS = 8  # before the text: ReadOrder, Layer, Style, Name, MarginL, MarginR, MarginV, Effect


def text_codec_for(muxer: str, codec: str) -> str | None:
    """The codec to convert text subtitles to for a muxer that does not take `codec`; None: these are not text."""
    return _FOR_MUXER[muxer] if codec in _FORMATS else None


def convert_text(data: bytes, source: str, target: str) -> bytes | None:
    """One packet; None where it has no text (mov_text has such packets between subtitles)."""
    text = _plain(data, _FORMATS[source]).strip("\r\n\0 ")
    if not text:
        return None
    if target == "mov_text":
        encoded = text.encode()[:65535]
        return len(encoded).to_bytes(2, "big") + encoded
    return (html.escape(text, quote=False) if target == "webvtt" else text).encode()


def _plain(data: bytes, codec: str) -> str:
    """The text, without styles."""
    if codec == "mov_text":
        length = int.from_bytes(data[:2], "big")
        return data[2 : 2 + length].decode("utf-8", "replace")
    text = data.decode("utf-8", "replace")
    if codec == "ass":
        text = text.split(",", _ASS_FIELDS)[-1].replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    text = _TAGS.sub("", text)
    return html.unescape(text) if codec == "webvtt" else text
