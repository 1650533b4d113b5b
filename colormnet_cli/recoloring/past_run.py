"""How a colored film was made: by its receipt, where there is one, else by what the file says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..errors import MediaError, UsageError
from ..files import file_sha256, not_found
from ..film.receipt import Receipt
from ..film.verify import LOSSLESS
from ..settings import ColorizeSettings
from ..video.probe import VideoInfo, probe

__all__ = ["OWN_LUMA", "PastRun", "read_past_run"]

OWN_LUMA = "-"  # as a source: the colored film's own luma
_CODECS = {"hevc": "hevc", "vp9": "vp9", "av1": "av1", "prores": "prores", "dnxhd": "dnxhr"}  # others as FFmpeg's
_ENCODING = ("codec", "crf", "preset", "encoder_options", "pix_fmt", "archive")
_NOT_STEADY = "Flicker was removed from the colors of the film, but not from those of the passage."
_TAKEN_OVER = ("size", "vividness", "protect", "start", "end", "duration")  # where they are not given


@dataclass(frozen=True)
class PastRun:
    """How a colored film was made."""

    receipt: Mapping[str, Any] | None
    receipt_path: Path | None
    source: VideoInfo  # whose luma is encoded
    settings: ColorizeSettings
    notes: tuple[str, ...]  # what is to be said of the receipt and the source

    def mask_at(self, frame: int) -> str | None:
        """The image that says which parts of a frame stay neutral, where there is one."""
        shots = () if self.receipt is None else self.receipt.get("shots", ())
        masks = [shot.get("mask") for shot in shots if shot["start_frame"] <= frame < (shot["end_frame"] or frame + 1)]
        mask = self.settings.protect or next(filter(None, masks), None)
        return None if mask is None else str(mask)


def read_past_run(
    film: VideoInfo, source: str | Path | None, receipt: str | Path | None, settings: ColorizeSettings
) -> PastRun:
    """Find the receipt and the source of a colored film.

    Args:
        source: the film that was colored; "-": the colored film's own luma; None: that of the receipt, or where it is
            gone the own luma of a lossless film.
        receipt: as `--json` printed it; None: `out.mp4.json` or `out.json` beside `out.mp4`, if it is of that film.
        settings: what is not set of these is as in the receipt.

    Raises MediaError or UsageError.
    """
    path, found, unlike = _receipt(film.path, receipt)
    settings = _settings(film, found, settings)
    try:
        one, note = _source(film, source, found)
    except UsageError as error:
        raise UsageError(f"{error} {unlike}" if unlike else str(error)) from error
    steady = _NOT_STEADY if found is not None and found["settings"].get("steady") else None
    return PastRun(found, path, one, settings, tuple(filter(None, (unlike, note, steady))))


def _receipt(film: Path, given: str | Path | None) -> tuple[Path | None, Mapping[str, Any] | None, str | None]:
    """The receipt's file and content, and what is to be said of it."""
    unlike = None
    candidates = [film.with_name(film.name + ".json"), film.with_suffix(".json")] if given is None else [Path(given)]
    for path in candidates:
        if given is None and not path.is_file():
            continue
        try:
            data = json.loads(path.read_text("utf-8"))
            size, sha256 = data["output"]["size"], data["output"]["sha256"]
            Receipt.from_dict(data)
        except FileNotFoundError as error:
            raise MediaError(f"The receipt {not_found(path)}") from error
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            if given is None:
                continue
            raise MediaError(
                f"{path} is no receipt: give the JSON that `colormnet colorize --json` printed."
            ) from error
        if film.stat().st_size == size and file_sha256(film) == sha256:
            return path, data, None
        if given is not None:
            raise MediaError(f"{path} is the receipt of another film than {film}: give that of the film, or none.")
        unlike = unlike or f"{path} is the receipt of another film, or {film.name} has changed since: it was not used."
    return None, None, unlike


def _settings(film: VideoInfo, receipt: Mapping[str, Any] | None, given: ColorizeSettings) -> ColorizeSettings:
    """The settings that were given, else those of the film."""
    default = ColorizeSettings()
    changes: dict[str, Any] = {}
    past = {} if receipt is None else receipt["settings"]
    past = {field.name: past[field.name] for field in fields(ColorizeSettings) if field.name in past}
    for name in (*_TAKEN_OVER, *_ENCODING):
        if getattr(given, name) == getattr(default, name) and name in past:
            changes[name] = past[name]
    if "encoder_options" in changes:
        changes["encoder_options"] = tuple((key, value) for key, value in changes["encoder_options"])
    if not past and not given.archive:
        changes |= {"codec": given.codec or _codec(film), "pix_fmt": given.pix_fmt or _planar(film.pix_fmt)}
    return replace(given, **changes)


def _codec(film: VideoInfo) -> str:
    """The name of an encoder for the codec of a film."""
    return _CODECS.get(film.codec, "av1" if film.codec == "libdav1d" else film.codec)


def _planar(pix_fmt: str) -> str:
    """The pixel format without the letter that only says that it has full range."""
    return pix_fmt.replace("yuvj", "yuv")


def _source(
    film: VideoInfo, given: str | Path | None, receipt: Mapping[str, Any] | None
) -> tuple[VideoInfo, str | None]:
    if given is not None and str(given) != OWN_LUMA:
        info = probe(given)
        _check_size(info, film)
        return info, None
    own = film, None if given is not None else f"The luma of the passage is that of {film.path} itself."
    if given is not None:
        return own
    record = None if receipt is None else receipt["inputs"][0]
    if record is not None:
        for path in (Path(record["path"]), film.path.with_name(Path(record["path"]).name)):
            if path.is_file() and path.stat().st_size == record["size"] and not path.samefile(film.path):
                info = probe(path)
                _check_size(info, film)
                return info, f"The luma of the passage is that of {path}, which the receipt names."
    if film.codec in LOSSLESS:
        return own
    gone = "" if record is None else f" ({record['path']}, which its receipt names, is gone or has changed)"
    raise UsageError(
        f"{film.path} stores luma with losses, and its source is not known{gone}: give the film that was colored "
        "(`source`), or '-' there to encode this luma once more."
    )


def _check_size(one: VideoInfo, film: VideoInfo) -> None:
    sizes = [f"{info.width}×{info.height}" for info in (one, film)]
    if sizes[0] != sizes[1]:
        raise MediaError(f"{one.path} is {sizes[0]}, {film.path} is {sizes[1]}: give the film that was colored.")
    if one.orientation != film.orientation:
        raise MediaError(
            f"{one.path} and {film.path} are not stored rotated or mirrored in the same way: give the film that was "
            "colored."
        )
