"""A film without compression between frames, whose planes are data: every frame with its timestamp, and its tags."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from ..errors import MediaError
from .pixel_formats import Plane, samples_of
from .probe import VideoInfo, open_input, probe, video_stream

__all__ = ["PlaneFilm"]


class PlaneFilm:
    """Reads one. Raises MediaError where it cannot be read."""

    def __init__(self, path: str | Path) -> None:
        self.info: VideoInfo = probe(path)
        with open_input(path) as container:
            self.tags = {key.upper(): value for key, value in container.metadata.items()}

    def frames(self, first: int = 0) -> Iterator[tuple[Fraction, tuple[Plane, Plane, Plane]]]:
        """Seconds and planes of the frames from number `first` on; those before are not decoded.

        Raises MediaError at a frame that is damaged.
        """
        path = self.info.path
        with open_input(path) as container:
            stream = video_stream(container, path)
            for number, packet in enumerate(container.demux(stream)):
                if packet.size and number < first:
                    continue
                try:
                    frames = packet.decode()
                except (ValueError, OSError) as error:  # FFmpeg's errors are one or the other
                    raise MediaError(f"{path} is damaged at frame {number}: make it again.") from error
                for frame in frames:
                    bits = frame.format.components[0].bits
                    y, cb, cr = (samples_of(frame, index, bits).copy() for index in range(3))
                    yield (frame.pts or 0) * self.info.time_base, (y, cb, cr)
