"""Finds the encoder whose packets can stand between those of a finished film."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import OutputError
from .encode import EncoderSpec, gray_planes
from .mux import mux_film
from .parameter_sets import free_id, merged_sets, same_decoder, used_ids
from .probe import VideoInfo, open_input, video_stream
from .segments import SegmentWriter
from .stream_packets import TimeRange

__all__ = ["passage_encoder", "write_passage"]


def passage_encoder(info: VideoInfo, spec: EncoderSpec) -> tuple[EncoderSpec, bytes | None]:
    """An encoder for a passage of a film, and the extradata of the film with that passage in it.

    Args:
        info: of the film.
        spec: the encoder, if it makes such packets as the film has; one of H.264 gets ids of its own otherwise.

    Raises OutputError: it makes other packets.
    """
    film, made = _describe(info.path), _trial(info, spec)
    if film.fits(made):
        return spec, film.extradata
    if spec.encoder == "libx264" and film.is_like(made):
        extradata = film.extradata or b""
        for number in (*used_ids(extradata), free_id(extradata)):
            other = _numbered(spec, number)
            made = _trial(info, other)
            if film.fits(made):
                return other, extradata
            if (both := merged_sets(extradata, made.extradata or b"")) is not None:
                return other, both
    raise OutputError(
        f"{info.path} was not encoded as {spec.encoder} would encode a passage of it "
        f"({film.difference(made)}): give the settings of the film (`codec`, `crf`, `preset`, `encoder_options`, "
        "`pix_fmt`), or its receipt (`receipt`)."
    )


def _numbered(spec: EncoderSpec, number: int) -> EncoderSpec:
    """The same x264 with another id for its parameter sets."""
    options = dict(spec.options)
    options["x264-params"] = ":".join(filter(None, (options.get("x264-params"), f"sps-id={number}")))
    return replace(spec, options=tuple(options.items()))


def write_passage(info: VideoInfo, spec: EncoderSpec, folder: Path) -> Path:
    """The first segment in a folder as a file of the film's container, of which only the video counts."""
    path = folder / f"passage{info.path.suffix}"
    mux_film(info, spec, (), folder, 1, path, TimeRange(), lambda done: None)
    return path


@dataclass(frozen=True)
class _Description:
    """What a container says of a film's packets."""

    codec: str
    tag: str
    profile: str | None
    pix_fmt: str
    size: str
    full_range: bool
    matrix: int
    extradata: bytes | None

    def is_like(self, other: _Description) -> bool:
        """Whether all but the extradata is the same."""
        return replace(self, extradata=None) == replace(other, extradata=None)

    def fits(self, other: _Description) -> bool:
        """Whether packets of the other film can stand among those of this one."""
        return self.is_like(other) and same_decoder(self.codec, self.extradata or b"", other.extradata or b"")

    def difference(self, other: _Description) -> str:
        """The first difference, in words."""
        for name in ("codec", "tag", "size", "pix_fmt", "profile", "full_range", "matrix"):
            one, two = getattr(self, name), getattr(other, name)
            if one != two:
                return f"{name.replace('_', ' ')} {one}, not {two}"
        return "other headers"


def _describe(path: Path) -> _Description:
    with open_input(path) as container:
        context: Any = video_stream(container, path).codec_context
        return _Description(
            codec=context.codec.canonical_name,
            tag=context.codec_tag.strip("\0"),
            profile=context.profile,
            pix_fmt=context.pix_fmt or "",
            size=f"{context.width}×{context.height}",
            full_range=int(context.color_range) == 2,
            matrix=int(context.colorspace),
            extradata=context.extradata,
        )


def _trial(info: VideoInfo, spec: EncoderSpec) -> _Description:
    """What this encoder makes of a gray passage."""
    with TemporaryDirectory(prefix="colormnet-") as folder:
        writer = SegmentWriter(spec, Path(folder))
        try:
            writer.write(gray_planes(spec), info.first_pts, info.frame_duration)
            writer.close()
        finally:
            writer.abort()
        return _describe(write_passage(info, spec, Path(folder)))
