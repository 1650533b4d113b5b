"""Planning to color a passage of a finished film again: everything is checked, nothing is written."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import MediaError, OutputError, UsageError
from ..files import check_folder
from ..film.plan import FilmPlan, as_colors, exemplar_reader
from ..media.mask import check_masks
from ..passes.schedule import ScheduledShot
from ..passes.shot_schedule import check_shapes, make_schedule, masks_of, one_shot, references_of
from ..settings import ColorizeSettings, ColorSource
from ..timecode import Timecode, format_time, parse_time
from ..video.encode import choose_encoder
from ..video.encoder_support import try_encoder
from ..video.packet_table import PacketTable, read_packet_table
from ..video.passage_encoder import passage_encoder
from ..video.probe import VideoInfo, probe
from ..video.splice import Splice
from ..video.stream_plan import StreamPlan, plan_streams
from .passage import Passage, plan_passage
from .passage_frames import GrayFrames, find_cuts
from .past_run import PastRun, read_past_run

__all__ = ["RecolorPlan", "plan_recolor"]


@dataclass(frozen=True)
class RecolorPlan:
    """A passage of a colored film, and how it is colored again; `recolor` does it."""

    film: FilmPlan  # the film that was colored; its output is the colored film
    splice: Splice
    passage: Passage
    gray: GrayFrames = field(repr=False)
    past: PastRun
    warnings: tuple[str, ...] = ()

    @property
    def info(self) -> VideoInfo:
        """The colored film."""
        return self.splice.info

    def seconds(self, frame: int) -> float:
        """When a frame is shown, since the film's first one; of the number of frames itself, the film's end."""
        table, unit = self.splice.table, self.info.time_base
        last = len(table.frames) - 1
        pts = table.frames[min(frame, last)] + (table.durations[-1] or self.info.frame_duration) * (frame > last)
        return float((pts - table.frames[0]) * unit)


def plan_recolor(
    film: str | Path,
    references: str | Path | Sequence[str | Path] | ColorSource,
    start: str | float,
    end: str | float,
    *,
    source: str | Path | None = None,
    receipt: str | Path | None = None,
    settings: ColorizeSettings | None = None,
) -> RecolorPlan:
    """Find the passage in the colored film, and how it can be encoded. Nothing is written.

    Args:
        film: the colored film, in which the passage is replaced.
        references: color images, or frames of films; as for `plan_video`, but without a plan.
        start, end: times since the film's first frame, or frames (f1500); `end` itself keeps its color.
        source: the film that was colored; "-": the colored film's own luma; None: that of the receipt.
        receipt: JSON that `--json` printed; None: `out.mp4.json` or `out.json` beside `out.mp4`, if it is of this film.
        settings: what is not set is as in the receipt. Parts of a film, `audio`, `overwrite` and `resume` do not count.

    Raises MediaError, OutputError or UsageError.
    """
    film, colors = Path(film), _colors(references)
    times = parse_time(start), parse_time(end)
    info = probe(film)
    check_folder(film.resolve().parent)
    table = read_packet_table(info)
    first, last = (_frame_at(time, info, table) for time in times)
    if first >= min(last, len(table.frames)):
        last_time = format_time(float((table.frames[-1] - table.frames[0]) * info.time_base))
        raise UsageError(
            f"{film} has no frame from {times[0]} up to {times[1]}: give a time within the film, whose last frame is "
            f"f{len(table.frames) - 1} at {last_time}, and a later end."
        )
    past = read_past_run(info, source, receipt, settings or ColorizeSettings())
    encoder, notes = choose_encoder(past.source, film, past.settings)
    try_encoder(encoder)
    encoder, extradata = passage_encoder(info, encoder)
    splice = Splice(info, table, _streams(info, encoder.container), encoder, extradata, *table.around(first, last))
    part = (None, None, None) if past.source is info else past.settings.timecodes
    gray = GrayFrames(past.source, part, info, table)
    passage = plan_passage(table, first, last, find_cuts(gray, (first, last)))
    shot = replace(_shot(colors, past.settings, info, table, passage), mask=past.mask_at(first))
    check_masks(masks_of([shot]), info.upright_size)
    names = references_of([shot])
    from ..film.grading.color_file import refuse_color_file  # imports PyTorch

    refuse_color_file(film)
    exemplar, _ = exemplar_reader(names, allow_gray=False)  # last: it imports PyTorch
    check_shapes(exemplar, [shot], info.upright_size)
    planned = FilmPlan(
        info=past.source,
        output=film,
        encoder=encoder,
        streams=splice.streams,
        frames=splice.end - splice.begin,
        settings=past.settings,
        references=names,
        exemplar=exemplar,
        schedule=make_schedule([shot], past.settings),
    )
    return RecolorPlan(planned, splice, passage, gray, past, (*notes, *past.notes))


def _colors(references: str | Path | Sequence[str | Path] | ColorSource) -> ColorSource:
    if references in (ColorSource(), ()):
        raise UsageError("There is no reference image: give at least one (`references`).")
    colors = as_colors(references)
    if colors.plan is not None or colors.auto or colors.fill:
        raise UsageError("A passage is colored by references: leave the plan (`plan`), `auto` and `fill` out.")
    return colors


def _frame_at(time: Timecode, info: VideoInfo, table: PacketTable) -> int:
    """The number of the first frame that is not before the time; the number of frames where there is none."""
    if time.seconds is None:
        return min(time.frame or 0, len(table.frames))
    return bisect_left(table.frames, table.frames[0] + time.seconds / info.time_base)


def _shot(
    colors: ColorSource, settings: ColorizeSettings, info: VideoInfo, table: PacketTable, passage: Passage
) -> ScheduledShot:
    """The frames that get new color, as one shot with all references."""
    shots = one_shot(colors, settings, lambda time: _frame_at(time, info, table), len(table.frames))
    shot = replace(shots[0], start=passage.first, end=passage.last)
    for reference in shot.references:
        if reference.frame is not None and not shot.shows(reference.frame):
            at = float((table.frames[reference.frame] - table.frames[0]) * info.time_base)
            raise MediaError(
                f"{reference.source} belongs to frame {reference.frame}, at {format_time(at)}, but color is changed in "
                f"frames {passage.first} to {passage.last - 1}: give a time within these."
            )
    return shot


def _streams(info: VideoInfo, container: str) -> tuple[StreamPlan, ...]:
    """All other streams, copied."""
    streams = plan_streams(info, container, "copy")
    lost = next((plan for plan in streams if plan.action not in ("copy", "attach")), None)
    if lost is not None:
        raise OutputError(
            f"{info.path} has {lost.name}, which cannot be copied to {info.path.suffix} again: color the whole film."
        )
    return streams
