"""Clips cut out of the user's own material."""

from __future__ import annotations

import itertools

import av
import cv2
import numpy as np
import pytest
import torch

from colormnet_cli.errors import MediaError, OutputError, UsageError
from colormnet_cli.train.data import batches
from colormnet_cli.train.film_frames import Film, FilmClips, find_films, held_back, validation_clip
from colormnet_cli.train.train_settings import TrainSettings
from support.networks import small_config

SETTINGS = TrainSettings(
    network=small_config(), data=("x",), frames=4, crops=((0.0, 48),), jumps=((0.0, 3),), steps=10, batch=1,
    plain_share=0.5, freeze_transformer=False,
)  # fmt: skip


def make_frames(folder, count, *, shade=0, size=(60, 80)):
    """Frames whose red is their number, so that a clip tells where it was cut."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(shade)
    noise = rng.integers(0, 60, (*size, 3), dtype=np.uint8)
    for number in range(count):
        picture = noise.copy()
        picture[..., 2] = 8 * number  # BGR: red
        cv2.imwrite(str(folder / f"{number:05d}.png"), picture)
    return folder


def make_video(path, count, codec="libx264"):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(count):
            pixels = np.full((48, 64, 3), (10 * number, 90, 160), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_all_layouts_are_found(tmp_path):
    """Material that is there would not be learned from."""
    davis, plain = tmp_path / "DAVIS", tmp_path / "plain"
    make_frames(davis / "JPEGImages" / "480p" / "bear", 5)
    make_frames(davis / "JPEGImages" / "480p" / "camel", 6)
    make_frames(plain, 7)
    video = make_video(tmp_path / "film.mp4", 8)
    paths = [str(davis), str(plain), str(video)]
    films = find_films(paths, tmp_path / "unpacked", shorter_side=32, least=4)
    assert [(film.name, len(film.frames)) for film in films] == [("bear", 5), ("camel", 6), ("plain", 7), ("film", 8)]
    assert cv2.imread(str(films[3].frames[3])).shape[:2] == (32, 43)
    before = films[3].frames[0].stat().st_mtime_ns
    assert find_films(paths, tmp_path / "unpacked", shorter_side=32, least=4) == films
    assert films[3].frames[0].stat().st_mtime_ns == before  # unpacked once


def test_davis_is_learned_from_without_its_validation(tmp_path, caplog):
    """Whoever evaluates on DAVIS afterwards would measure sequences that were learned."""
    davis = tmp_path / "DAVIS"
    for name in ("bear", "camel", "dog"):
        make_frames(davis / "JPEGImages" / "480p" / name, 5)
        make_frames(davis / "Annotations" / "480p" / name, 5)
    (davis / "ImageSets" / "2017").mkdir(parents=True)
    (davis / "ImageSets" / "2017" / "train.txt").write_text("bear\ndog\n")

    def found(path):
        return [film.name for film in find_films([str(path)], tmp_path / "unpacked", shorter_side=32, least=4)]

    assert found(davis) == ["bear", "dog"]
    assert "Of the 3 sequences" in caplog.text
    for all_of_it in (davis / "JPEGImages", davis / "JPEGImages" / "480p"):
        assert found(all_of_it) == ["bear", "camel", "dog"]


def test_a_poster_does_not_hide_the_films(tmp_path, caplog):
    """One picture in a folder of films was taken for the only film in it, too short."""
    folder = make_frames(tmp_path / "films", 1)
    make_video(folder / "film.mp4", 8)
    make_frames(folder / "scans", 6)
    films = find_films([str(folder)], tmp_path / "unpacked", shorter_side=32, least=4)
    assert [film.name for film in films] == ["film", "scans"]
    assert "films is left out" in caplog.text
    frames = make_frames(tmp_path / "frames", 5)
    make_frames(frames / "masks", 5)
    films = find_films([str(frames)], tmp_path / "unpacked", shorter_side=32, least=4)
    assert [film.name for film in films] == ["frames"]


def test_what_is_given_twice_is_learned_once(tmp_path):
    """A film would be held back and learned from at once: its validation would tell nothing."""
    make_video(tmp_path / "films.mp4", 8)
    make_frames(tmp_path / "films" / "one", 5)
    paths = [str(tmp_path / "films"), str(tmp_path / "films" / "one"), str(tmp_path / "films.mp4")]
    films = find_films([*paths, str(tmp_path / "films" / ".." / "films.mp4")], tmp_path / "unpacked", 32, 4)
    assert [film.name for film in films] == ["one", "films"]


def test_films_of_one_name_and_size_are_two(tmp_path):
    """The second was replaced by the first one's frames, and nothing said so."""
    paths = []
    for folder, shade in (("a", 0), ("b", 120)):
        paths.append(make_y4m(tmp_path / folder / "film.y4m", shade))
    assert paths[0].stat().st_size == paths[1].stat().st_size
    films = find_films(list(map(str, paths)), tmp_path / "unpacked", shorter_side=32, least=4)
    shades = [cv2.imread(str(film.frames[0])).mean() for film in films]
    assert shades[1] - shades[0] > 60


def make_y4m(path, shade):
    """Without compression: as many bytes whatever it shows."""
    path.parent.mkdir()
    plane = bytes([shade]) * 48 * 64 + bytes([90]) * 24 * 32 + bytes([150]) * 24 * 32
    path.write_bytes(b"YUV4MPEG2 W64 H48 F24:1 C420\n" + (b"FRAME\n" + plane) * 6)
    return path


def test_a_damaged_film_is_learned_from(tmp_path, caplog):
    """An hour of film was unpacked, and refused at its end for one packet."""
    path = make_video(tmp_path / "film.mkv", 8, "mpeg4")
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    content = path.read_bytes()
    path.write_bytes(content.replace(packets[4], bytes([0xFF]) * len(packets[4])))
    (film,) = find_films([str(path)], tmp_path / "unpacked", shorter_side=32, least=4)
    assert 4 <= len(film.frames) < 8
    assert "1 packet that cannot be decoded" in caplog.text


def test_a_full_disk_is_said_while_films_are_unpacked(tmp_path, monkeypatch):
    """The system's words stood alone, and a part of the frames stayed behind."""
    video = make_video(tmp_path / "film.mp4", 8)

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(video), "write_bytes", full)
    with pytest.raises(OutputError, match="is full: make room"):
        find_films([str(video)], tmp_path / "unpacked", shorter_side=32, least=4)
    assert list((tmp_path / "unpacked").iterdir()) == []


def test_a_long_name_is_no_obstacle(tmp_path):
    """A name as long as the system allows was longer with what is added to it."""
    video = make_video(tmp_path / f"{'ü' * 120}.mp4", 8)
    assert len(find_films([str(video)], tmp_path / "unpacked", shorter_side=32, least=4)[0].frames) == 8


def test_what_cannot_be_learned_from_is_said(tmp_path):
    """A typing error in a path would train on less, or end in a traceback."""
    make_frames(tmp_path / "short", 3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="4 frames that a clip needs"):
        find_films([str(tmp_path / "short")], tmp_path, shorter_side=32, least=4)
    with pytest.raises(MediaError, match="no pictures"):
        find_films([str(tmp_path / "empty")], tmp_path, shorter_side=32, least=4)
    with pytest.raises(MediaError, match="nowhere"):
        find_films([str(tmp_path / "nowhere")], tmp_path, shorter_side=32, least=4)


def test_black_and_white_films_are_left_out(tmp_path, caplog):
    """A network that learns from the film that it is to colour learns to paint gray."""
    gray, coloured = tmp_path / "gray", make_frames(tmp_path / "coloured", 8)
    gray.mkdir()
    for frame in coloured.iterdir():
        cv2.imwrite(str(gray / frame.name), cv2.imread(str(frame), cv2.IMREAD_GRAYSCALE))
    films = find_films([str(gray), str(coloured)], tmp_path, shorter_side=32, least=4)
    assert [film.name for film in films] == ["coloured"]
    assert "gray is black and white" in caplog.text
    with pytest.raises(MediaError, match="no colour"):
        find_films([str(gray)], tmp_path, shorter_side=32, least=4)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_frame_that_cannot_be_read_is_said_in_a_sentence(tmp_path, workers):
    """From a process that prepares clips it would come as a traceback."""
    frames = sorted(make_frames(tmp_path / "a", 6).iterdir())
    for frame in frames:
        frame.write_bytes(b"no picture")
    clips = FilmClips([Film("a", tuple(frames))], SETTINGS.with_overrides(workers=workers))
    with pytest.raises(MediaError) as raised:
        next(batches(clips, clips.settings, step=0))
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_frames_of_different_sizes_are_said(tmp_path):
    """Another part of each picture would be learned from, as if the film had moved there."""
    frames = sorted(make_frames(tmp_path / "a", 3).iterdir()) + sorted(
        make_frames(tmp_path / "b", 3, size=(30, 40)).iterdir()
    )
    with pytest.raises(MediaError, match=r"80×60 and 40×30|40×30 and 80×60"):
        FilmClips([Film("a", tuple(frames))], SETTINGS.with_overrides(jumps=((0.0, 1),), frames=6))[0]


def test_validation_never_sees_what_is_learned(tmp_path):
    """The best checkpoint would be the one that knows its films by heart."""
    films = [Film(f"film {i}", tuple(tmp_path / f"{i}-{n}.png" for n in range(40))) for i in range(10)]
    learned, kept = held_back(films, 0.2, seed=0, least=4)
    assert len(learned) == 8
    assert sorted(film.name for film in learned + kept) == sorted(film.name for film in films)
    (begin,), (end,) = held_back(films[:1], 0.1, seed=0, least=4)
    assert begin.frames + end.frames == films[0].frames
    assert len(end.frames) == 4
    assert [len(part) for part in held_back(films[:2], 0.9, seed=0, least=4)] == [1, 1]  # something is left to learn


def red(lab):
    """Which frames of make_frames a clip holds, from what they look like: the more red, the later."""
    return [float(frame[1].mean()) for frame in lab]


def test_clips_are_in_order_near_each_other_and_reversed_by_half(tmp_path):
    """Colour would be learned across jumps or orders that films do not have."""
    film = Film("a", tuple(sorted(make_frames(tmp_path / "a", 30).iterdir())))
    clips = FilmClips([film], SETTINGS)
    forward = 0
    for k in range(24):
        lab, picks = clips[k]
        assert lab.shape == (4, 3, 48, 48)
        assert picks.shape == (4, 3)
        order = red(clips[k + 5][0])  # without affine and jitter: plain_share
        rising = all(a < b for a, b in itertools.pairwise(order))
        falling = all(a > b for a, b in itertools.pairwise(order))
        assert rising or falling
        forward += rising
    assert 5 < forward < 19


def test_a_sample_is_a_function_of_its_number(tmp_path):
    """A run that goes on would see other clips than one that was not broken."""
    films = [Film(n, tuple(sorted(make_frames(tmp_path / n, 9, shade=i).iterdir()))) for i, n in enumerate("ab")]
    first, again = FilmClips(films, SETTINGS), FilmClips(films, SETTINGS)
    again[0]
    assert torch.equal(first[7][0], again[7][0])
    assert not torch.equal(first[7][0], first[8][0])


def test_jitter_moves_frames_and_the_last_steps_do_without(tmp_path):
    """The published schedule ends without affine changes."""
    folder = make_frames(tmp_path / "a", 1)
    film = Film("a", tuple(folder.iterdir()) * 6)  # the same frame again and again
    clips = FilmClips([film], SETTINGS)
    moved, still = clips[0][0], clips[7][0]
    assert (moved[0] - moved[1]).abs().mean() > 1
    assert torch.equal(still[0], still[1])


def test_validation_shows_the_middle(tmp_path):
    """Validation would measure squeezed pictures."""
    film = Film("a", tuple(sorted(make_frames(tmp_path / "a", 6).iterdir())))
    lab = validation_clip(film, frames=5, size=32)
    assert lab.shape == (5, 3, 32, 32)


def test_a_short_run_on_films_is_varied_too():
    """Of a fine-tuning of 200 steps none would be: the paper's last 10,000 steps are without small turns and jitter."""
    film = [Film("a", ())]
    full, short = TrainSettings(data=("x",)), TrainSettings(data=("x",), steps=200)
    varied = [
        [FilmClips(film, s).jitters(step) for step in (0, at - 1, at)] for s, at in ((full, 150_000), (short, 188))
    ]
    assert varied == [[True, True, False]] * 2
