"""Text subtitles from the form of one container into that of another: the words and their line breaks stay."""

from __future__ import annotations

import html
import re

__all__ = ["TEXT_FORMS", "convert_text", "text_form_for"]

TEXT_FORMS = {
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


def text_form_for(muxer: str, codec: str) -> str | None:
    """The codec into which text subtitles are brought for a muxer that does not take theirs."""
    return _FOR_MUXER[muxer] if codec in TEXT_FORMS else None


def convert_text(data: bytes, source: str, target: str) -> bytes | None:
    """One packet; None where it holds no text (the gaps that mov_text writes out)."""
    text = _plain(data, TEXT_FORMS[source]).strip("\r\n\0 ")
    if not text:
        return None
    if target == "mov_text":
        encoded = text.encode()[:65535]
        return len(encoded).to_bytes(2, "big") + encoded
    return (html.escape(text, quote=False) if target == "webvtt" else text).encode()


def _plain(data: bytes, form: str) -> str:
    """The words, without styles."""
    if form == "mov_text":
        length = int.from_bytes(data[:2], "big")
        return data[2 : 2 + length].decode("utf-8", "replace")
    text = data.decode("utf-8", "replace")
    if form == "ass":
        text = text.split(",", _ASS_FIELDS)[-1].replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    text = _TAGS.sub("", text)
    return html.unescape(text) if form == "webvtt" else text
