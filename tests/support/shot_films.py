"""Synthetic films whose shots are known: scenes that move, joined by cuts, dissolves and fades, and then aged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]  # [H, W], 0 black to 1 white
Scene = Callable[[int], Picture]  # its picture number n; scenes have no end


@dataclass(frozen=True)
class Boundary:
    """Where a shot begins, and the frames [first, last) of its transition; first = last for a cut."""

    frame: int
    kind: str  # "cut", "dissolve" or "fade"
    first: int
    last: int


@dataclass(frozen=True)
class Part:
    """A scene on the screen, and how it takes over from the one before it."""

    scene: Scene
    length: int  # frames that show it alone
    kind: str = "cut"
    span: int = 0  # frames of the transition from the scene before
    black: int = 2  # of a fade: frames in the middle that are black


@dataclass(frozen=True)
class Age:
    """What time and bad copies do to a film."""

    grain: float = 0.0  # standard deviation, in parts of white
    flicker: float = 0.0  # standard deviation of the gain from frame to frame
    flashes: Sequence[tuple[int, int, float]] = ()  # (first frame, frames, added light)
    letterbox: float = 0.0  # share of the height that is black, above and below together
    vignette: float = 0.0  # flicker that is stronger at the border
    dirt: int = 0  # specks and scratches a frame
    shake: float = 0.0  # of the gate, pixels


# Scenes


def canvas(seed: int, height: int, width: int, style: str = "any") -> Picture:
    """A large picture for a camera to move over."""
    random = np.random.default_rng(seed)
    if style == "any":
        style = str(random.choice(["land", "room", "crowd"]))
    slope = np.linspace(*random.uniform(0.1, 0.9, 2), height)[:, None] + np.linspace(
        *random.uniform(-0.2, 0.2, 2), width
    )
    picture = slope.astype(np.float32)
    for scale, strength in ((2, 0.04), (6, 0.08), (20, 0.15), (60, 0.25)):
        noise = random.standard_normal((max(2, height // scale), max(2, width // scale))).astype(np.float32)
        picture += strength * random.uniform(0.3, 1) * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range({"land": 6, "room": 30, "crowd": 60}[style]):
        tone = float(random.uniform(0, 1))
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        w, h = (int(v) for v in random.integers(height // 20, height // 3, 2))
        if style == "crowd":
            cv2.ellipse(picture, (x, y), (w // 2, h // 2), float(random.uniform(0, 180)), 0, 360, tone, -1)
        else:
            cv2.rectangle(picture, (x, y), (x + w, y + h), tone, -1)
            cv2.rectangle(picture, (x, y), (x + w, y + h), 1 - tone, max(1, height // 150))
    return np.clip(picture, 0, 1)


def camera_scene(
    seed: int, size: tuple[int, int], *, pan: tuple[float, float] = (0, 0), zoom: float = 0.0, shake: float = 0.0,
    actors: int = 2, speed: float = 1.0, exposure: float = 1.0, style: str = "any", picture: Picture | None = None,
) -> Scene:  # fmt: skip
    """A camera before a canvas, and things that move.

    Args:
        pan: shift a frame, across and down, in parts of the picture's width.
        zoom: growth a frame.
        shake: of a camera held in the hand, in parts of the width.
        speed: of the actors; 1 crosses the picture in some three seconds.
        picture: the canvas; made from the seed if not given.
    """
    height, width = size
    ground = canvas(seed, 2 * height, 4 * width, style) if picture is None else picture
    high, wide = ground.shape
    random = np.random.default_rng(seed + 1)
    start = random.uniform(0, 1, 2)
    cast = [
        (
            random.uniform(0, 1, 2),
            random.uniform(-0.015, 0.015, 2) * speed,
            random.uniform(0.05, 0.16, 2),
            random.uniform(0, 1, 2),
        )
        for _ in range(actors)
    ]
    hand = cv2.GaussianBlur(random.standard_normal((2, 4096)).astype(np.float32), (0, 0), 4, 1) * 6 * shake

    def render(number: int) -> Picture:
        scale = (1 + zoom) ** number
        view_w, view_h = min(wide, width / scale), min(high, height / scale)
        x = _bounce(start[0] * (wide - view_w) + (pan[0] * number + hand[0, number % 4096]) * width, wide - view_w)
        y = _bounce(start[1] * (high - view_h) + (pan[1] * number + hand[1, number % 4096]) * width, high - view_h)
        blur = max(1, round(abs(pan[0]) * width * 0.4))  # an open shutter: the picture smears along a fast pan
        matrix = np.array([[view_w / width, 0, x], [0, view_h / height, y]], np.float32)
        shown = cv2.warpAffine(
            ground,
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        if blur > 1:
            shown = cv2.blur(shown, (blur, 1))
        for place, step, half, tones in cast:
            center = ((place + step * number) % 1.3 - 0.15) * (width, height)
            axes = (max(1, int(half[0] * width)), max(1, int(half[1] * height * 1.5)))
            at = (int(center[0]), int(center[1]))
            sway = 10 * np.sin(number / 5 + tones[0] * 6)
            cv2.ellipse(shown, at, axes, sway, 0, 360, float(tones[0]), -1, cv2.LINE_AA)
            cv2.ellipse(
                shown, (at[0], at[1] - axes[1]), (axes[0] // 2 + 1,) * 2, 0, 0, 360, float(tones[1]), -1, cv2.LINE_AA
            )
        return np.clip(shown * exposure, 0, 1)

    return render


def title_scene(text: Sequence[str], size: tuple[int, int]) -> Scene:
    """An intertitle: white letters on black."""
    height, width = size
    card = np.full(size, 5, np.uint8)
    for row, line in enumerate(text):
        scale = height / 180
        (w, _), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_COMPLEX, scale, 1)
        at = ((width - w) // 2, int(height * (0.5 + 0.17 * (row - (len(text) - 1) / 2))))
        cv2.putText(card, line, at, cv2.FONT_HERSHEY_COMPLEX, scale, 230, 1, cv2.LINE_AA)
    still = card.astype(np.float32) / 255
    return lambda number: still.copy()


def clip_scene(frames: Sequence[NDArray[np.uint8]], size: tuple[int, int], start: int = 0) -> Scene:
    """Frames of a real clip, forward and backward in turn."""
    height, width = size
    period = 2 * (len(frames) - 1)

    def render(number: int) -> Picture:
        at = (number + start) % period
        luma = frames[min(at, period - at)].astype(np.float32)
        return np.clip((cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA) - 16) / 219, 0, 1)

    return render


def _bounce(value: float, end: float) -> float:
    """A triangle wave between 0 and `end`."""
    if end <= 0:
        return 0.0
    value = value % (2 * end)
    return min(value, 2 * end - value)


# Films


def join(parts: Sequence[Part]) -> tuple[Iterator[Picture], list[Boundary]]:
    """The film of some parts, frame by frame, and its boundaries."""
    boundaries, at = [], parts[0].length
    for part in parts[1:]:
        middle = at + part.span // 2
        boundaries.append(Boundary(middle, part.kind, at, at + part.span))
        at += part.span + part.length
    return _frames(parts), boundaries


def _frames(parts: Sequence[Part]) -> Iterator[Picture]:
    old: Scene | None = None
    played = 0  # frames of `old`
    for part in parts:
        for k in range(part.span):
            assert old is not None
            if part.kind == "dissolve":
                share = (k + 1) / (part.span + 1)
                yield (1 - share) * old(played + k) + share * part.scene(k)
            else:
                yield _fade(old(played + k), part.scene(k), k, part.span, part.black)
        for k in range(part.length):
            yield part.scene(part.span + k)
        old, played = part.scene, part.span + part.length


def _fade(old: Picture, new: Picture, k: int, span: int, black: int) -> Picture:
    """Frame `k` of a fade: the old scene to black, some black frames, the new scene."""
    half = (span - black) // 2
    if k < half:
        return old * (1 - (k + 1) / (half + 1))
    if k >= span - half:
        return new * ((k - (span - half) + 1) / (half + 1))
    return np.zeros_like(old)


def aged(frames: Iterator[Picture], age: Age, seed: int = 0) -> Iterator[Picture]:
    """The same film after many years."""
    random = np.random.default_rng(seed)
    for number, clean in enumerate(frames):
        picture = clean.copy()
        height, width = picture.shape
        if age.shake:
            dx, dy = random.normal(0, age.shake, 2)
            move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
            picture = cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
        if age.flicker:
            picture = picture * max(0.3, 1 + random.normal(0, age.flicker))
        if age.vignette:
            y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
            picture = picture * (1 - max(0, random.normal(0.5, 0.3)) * age.vignette * (x * x + y * y))
        for first, length, light in age.flashes:
            if first <= number < first + length:
                picture = picture + light
        for _ in range(random.poisson(age.dirt) if age.dirt else 0):
            x, y = int(random.integers(0, width)), int(random.integers(0, height))
            tone = float(random.integers(0, 2))
            if random.random() < 0.2:
                cv2.line(picture, (x, 0), (x, height), tone, 1)
            else:
                cv2.ellipse(picture, (x, y), (int(random.integers(1, max(2, width // 30))), 2), 0, 0, 360, tone, -1)
        if age.grain:
            picture = picture + random.normal(0, age.grain, picture.shape).astype(np.float32)
        if age.letterbox:
            bar = round(height * age.letterbox / 2)
            picture[:bar] = picture[height - bar :] = 0
        yield np.clip(picture, 0, 1).astype(np.float32)


def write_film(
    path: Path, frames: Iterator[Picture], *, rate: Fraction = Fraction(24), codec: str = "libx264", crf: int = 18,
    pts: Sequence[int] | None = None, sound: bool = True,
) -> Path:  # fmt: skip
    """Encode a film with sound; `pts` are milliseconds, where its frames come at no constant rate."""
    unit = 1 / rate if pts is None else Fraction(1, 1000)
    count = 0
    with av.open(str(path), "w") as out:
        options = {"crf": str(crf), "preset": "veryfast"} if codec == "libx264" else {}
        video = out.add_stream(codec, rate=rate, options=options)
        tone = out.add_stream("aac", rate=48000, layout="mono") if sound else None
        for luma in frames:
            height, width = luma.shape
            if count == 0:
                video.width, video.height, video.pix_fmt = width, height, "yuv420p"
                video.time_base = video.codec_context.time_base = unit
            frame = av.VideoFrame(width, height, "yuv420p")
            for index, plane in enumerate(frame.planes):
                rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
                if index:
                    rows[:] = 128
                else:
                    rows[:, :width] = (16 + 219 * luma + 0.5).astype(np.uint8)
            frame.pts = count if pts is None else pts[count]
            frame.time_base = unit
            out.mux(video.encode(frame))
            count += 1
        out.mux(video.encode(None))
        if tone is not None:
            seconds = float(count / rate) if pts is None else pts[count - 1] / 1000
            for block in range(int(seconds * 48000) // 1024):
                time = (np.arange(1024) + block * 1024) / 48000
                samples = av.AudioFrame.from_ndarray(np.sin(time * 2765)[None].astype(np.float32) * 0.2, "fltp", "mono")
                samples.sample_rate, samples.pts, samples.time_base = 48000, block * 1024, Fraction(1, 48000)
                out.mux(tone.encode(samples))
            out.mux(tone.encode(None))
    return path


def story(seed: int, size: tuple[int, int] = (96, 160)) -> list[Part]:
    """Ten shots: cuts, two dissolves, a fade, a fast pan, an intertitle, and the first scene once more."""
    random = np.random.default_rng(seed)

    def scene(**more: Any) -> Scene:
        slow = (float(random.uniform(-0.006, 0.006)), 0.0)
        return camera_scene(int(random.integers(1 << 30)), size, **{"pan": slow, "shake": 0.002, **more})

    def length() -> int:
        return int(random.integers(22, 40))

    opening = scene()
    return [
        Part(opening, length()),
        Part(scene(zoom=0.002), length()),
        Part(scene(), length(), "dissolve", int(random.integers(10, 30))),
        Part(scene(pan=(float(random.choice([-1, 1]) * random.uniform(0.05, 0.12)), 0.0), actors=0), length()),
        Part(title_scene(["The next", "morning"], size), length()),
        Part(scene(actors=3), length(), "fade", int(random.integers(16, 36)), 4),
        Part(scene(exposure=0.5), length()),
        Part(scene(speed=1.5), length(), "dissolve", int(random.integers(10, 30))),
        Part(opening, length()),
        Part(scene(actors=1), length()),
    ]


def flash_frames(parts: Sequence[Part], seed: int = 0) -> list[tuple[int, int, float]]:
    """A flash of one to three frames within each of some shots, for `Age`."""
    random, at, flashes = np.random.default_rng(seed), 0, []
    for number, part in enumerate(parts):
        at += part.span
        if number % 3 == 0:
            flashes.append((at + part.length // 2, int(random.integers(1, 4)), float(random.uniform(0.3, 0.7))))
        at += part.length
    return flashes
