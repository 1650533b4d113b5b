"""Draw street.mp4, a black-and-white film with grain, flicker and sound, and street.jpg, its first frame in color.

    python examples/make_clip.py [FOLDER]

Nothing in it comes from elsewhere, so both files are free to use.
"""

import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from colormnet_cli.train.scenes.textures import texture

WIDTH, HEIGHT, FPS, SECONDS = 320, 240, 24, 5
WORLD, SCALE = WIDTH + 64, 2  # the street is wider than a frame; drawn at twice the size, for smooth edges
SOUND_RATE = 22050

SKY, GROUND, ROOF, GLASS = (150, 190, 225), (120, 110, 98), (120, 70, 60), (70, 85, 105)
FACADES = [(196, 120, 90), (215, 190, 120), (120, 150, 130), (205, 200, 190), (150, 95, 110), (110, 135, 170)]
WALKERS = [  # color of coat and trousers, pixels per frame, first x
    ((170, 45, 40), (50, 50, 70), -0.9, 150),
    ((60, 95, 60), (90, 75, 60), 1.1, 112),
    ((225, 180, 70), (60, 70, 110), -0.4, 280),
]


def box(picture, left, top, right, bottom, color):
    corners = [(round(x * SCALE), round(y * SCALE)) for x, y in ((left, top), (right, bottom))]
    cv2.rectangle(picture, corners[0], corners[1], color, -1)


def ellipse(picture, x, y, across, down, color):
    (x, y), radii = (round(x * SCALE), round(y * SCALE)), (round(across * SCALE), round(down * SCALE))
    cv2.ellipse(picture, (x, y), radii, 0, 0, 360, color, -1)


def limb(picture, x, y, angle, length, thickness, color):
    """A limb from a joint; returns the position of its end."""
    end = x + length * np.sin(angle), y + length * np.cos(angle)
    a, b = ((round(px * SCALE), round(py * SCALE)) for px, py in ((x, y), end))
    cv2.line(picture, a, b, color, round(thickness * SCALE), cv2.LINE_AA)
    return end


def street(rng):
    """The background: sky, hills, houses, pavement [H, W, 3]."""
    picture = np.zeros((HEIGHT * SCALE, WORLD * SCALE, 3), np.uint8)
    picture[:] = SKY
    for x in range(0, WORLD, 60):
        ellipse(picture, x, 118, 55, rng.uniform(18, 40), (110, 135, 105))
    left = -10.0
    while left < WORLD:
        width, top = rng.uniform(48, 78), rng.uniform(52, 84)
        facade = FACADES[rng.integers(len(FACADES))]
        box(picture, left, top, left + width, 178, facade)
        box(picture, left - 2, top - 7, left + width + 2, top, ROOF)
        for x in np.arange(left + 8, left + width - 12, 17):
            for y in np.arange(top + 10, 150, 24):
                box(picture, x, y, x + 9, y + 14, GLASS)
        box(picture, left + width / 2 - 6, 152, left + width / 2 + 6, 178, tuple(int(c * 0.55) for c in facade))
        left += width
    box(picture, 0, 178, WORLD, 186, (150, 145, 138))
    box(picture, 0, 186, WORLD, HEIGHT, GROUND)
    shade = np.exp(0.07 * texture(rng, *picture.shape[:2]) + 0.05 * texture(rng, *picture.shape[:2]))
    return np.clip(picture * shade[..., None], 0, 255).astype(np.uint8)


def walker(picture, x, coat, trousers, stride):
    """A person walking, seen from the side."""
    for side in (-1, 1):
        limb(picture, x, 188, side * 0.5 * np.sin(stride), 30, 7, trousers)
    limb(picture, x, 160, -0.6 * np.sin(stride), 22, 5, tuple(int(c * 0.8) for c in coat))
    ellipse(picture, x, 172, 9, 20, coat)
    ellipse(picture, x, 144, 6.5, 8, (205, 160, 130))
    ellipse(picture, x, 138, 7, 4, (70, 50, 40))
    limb(picture, x, 160, 0.6 * np.sin(stride), 22, 5, coat)


def tram(picture, x):
    box(picture, x, 128, x + 130, 192, (178, 40, 36))
    box(picture, x, 146, x + 130, 152, (235, 220, 170))
    for window in range(6):
        box(picture, x + 7 + 20 * window, 132, x + 22 + 20 * window, 145, (175, 190, 190))
    for wheel in (25, 105):
        ellipse(picture, x + wheel, 193, 9, 9, (45, 45, 48))


def frames(rng):
    """The film in color: RGB [HEIGHT, WIDTH, 3], frame by frame."""
    background = street(rng)
    for number in range(FPS * SECONDS):
        picture = background.copy()
        tram(picture, -60 + 3.2 * number)
        for coat, trousers, speed, start in WALKERS:
            walker(picture, start + speed * number, coat, trousers, 0.28 * number + start)
        ellipse(picture, 250 - 0.3 * number, 60 - 0.35 * number, 11, 13, (60, 90, 190))  # a balloon
        view = WORLD - WIDTH if number > 110 else (WORLD - WIDTH) * (0.5 - 0.5 * np.cos(np.pi * number / 110))
        shift = np.array([[1.0, 0, -view * SCALE], [0, 1, 0]])
        seen = cv2.warpAffine(picture, shift, (WIDTH * SCALE, HEIGHT * SCALE), flags=cv2.INTER_LINEAR)
        yield cv2.resize(seen, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def degraded(rng, rgb):
    """Gray, with grain, flicker and occasional scratches."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    gray = 128 + (gray - 128) * 1.05 + rng.normal(0, 1.5) + rng.normal(0, 3.0, gray.shape)
    if rng.random() < 0.08:
        cv2.line(gray, (int(rng.integers(WIDTH)), 0), (int(rng.integers(WIDTH)), HEIGHT), 215, 1)
    return np.clip(gray, 0, 255).astype(np.uint8)


def melody():
    """A simple melody: samples [1, n], int16."""
    notes = [0, 4, 7, 12, 7, 4, 5, 9, 12, 17, 12, 9, 7, 11, 14, 19, 14, 11, 12, 16]
    length = SOUND_RATE * SECONDS // len(notes)
    t = np.arange(length) / SOUND_RATE
    fade = np.minimum(1, np.minimum(t, t[::-1]) * 60)
    tones = [fade * sum(np.sin(2 * np.pi * 262 * 2 ** (n / 12) * k * t) / k for k in (1, 2, 3)) for n in notes]
    return (np.concatenate(tones)[None] * 6000).astype(np.int16)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    rng = np.random.default_rng(1925)
    with av.open(str(folder / "street.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "26", "preset": "slow"})
        video.width, video.height, video.pix_fmt, video.time_base = WIDTH, HEIGHT, "yuv420p", Fraction(1, FPS)
        audio = container.add_stream("aac", rate=SOUND_RATE, layout="mono", options={"b": "32000"})
        for number, rgb in enumerate(frames(rng)):
            if number == 0:
                cv2.imwrite(str(folder / "street.jpg"), rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
            gray = degraded(rng, rgb)
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.stack([gray] * 3, -1), format="rgb24")))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(melody(), format="s16", layout="mono")
        sound.sample_rate = SOUND_RATE
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


if __name__ == "__main__":
    main()
