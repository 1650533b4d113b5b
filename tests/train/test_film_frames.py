"""The user's films: found in all layouts, unpacked once, split for validation."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from colormnet_cli.errors import MediaError, OutputError, UsageError
from colormnet_cli.train import film_frames
from colormnet_cli.train.film_frames import Film, split_validation
from support.training import make_frames


def find_films(paths, unpacked):
    return film_frames.find_films(list(map(str, paths)), unpacked, shorter_side=32, minimum=4)


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
    """Films that are there would not be used."""
    davis, plain = tmp_path / "DAVIS", tmp_path / "plain"
    make_frames(davis / "JPEGImages" / "480p" / "bear", 5)
    make_frames(davis / "JPEGImages" / "480p" / "camel", 6)
    make_frames(plain, 7)
    video = make_video(tmp_path / "film.mp4", 8)
    paths = [davis, plain, video]
    films = find_films(paths, tmp_path / "unpacked")
    assert [(film.name, len(film.frames)) for film in films] == [("bear", 5), ("camel", 6), ("plain", 7), ("film", 8)]
    assert cv2.imread(str(films[3].frames[3])).shape[:2] == (32, 43)
    before = films[3].frames[0].stat().st_mtime_ns
    assert find_films(paths, tmp_path / "unpacked") == films
    assert films[3].frames[0].stat().st_mtime_ns == before  # unpacked once


def test_training_on_davis_leaves_out_its_validation_set(tmp_path, caplog):
    """An evaluation on DAVIS would measure sequences that were trained on."""
    davis = tmp_path / "DAVIS"
    for name in ("bear", "camel", "dog"):
        make_frames(davis / "JPEGImages" / "480p" / name, 5)
        make_frames(davis / "Annotations" / "480p" / name, 5)
    (davis / "ImageSets" / "2017").mkdir(parents=True)
    (davis / "ImageSets" / "2017" / "train.txt").write_text("bear\ndog\n")

    def found(path):
        return [film.name for film in find_films([path], tmp_path / "unpacked")]

    assert found(davis) == ["bear", "dog"]
    assert "of its 3 sequences, the 2 that ImageSets lists" in caplog.text
    for folder in (davis / "JPEGImages", davis / "JPEGImages" / "480p"):
        assert found(folder) == ["bear", "camel", "dog"]


def test_an_image_beside_films_is_no_film(tmp_path, caplog):
    """One image in a folder of films was taken for the only film in it, which is too short."""
    folder = make_frames(tmp_path / "films", 1)
    make_video(folder / "film.mp4", 8)
    make_frames(folder / "scans", 6)
    films = find_films([folder], tmp_path / "unpacked")
    assert [film.name for film in films] == ["film", "scans"]
    assert "films: its 1 image is skipped" in caplog.text
    frames = make_frames(tmp_path / "frames", 5)
    make_frames(frames / "masks", 5)
    films = find_films([frames], tmp_path / "unpacked")
    assert [film.name for film in films] == ["frames"]


def test_films_given_twice_are_used_once(tmp_path):
    """A film would be used for training and for validation, which would mean nothing."""
    make_video(tmp_path / "films.mp4", 8)
    make_frames(tmp_path / "films" / "one", 5)
    paths = [tmp_path / "films", tmp_path / "films" / "one", tmp_path / "films.mp4"]
    films = find_films([*paths, tmp_path / "films" / ".." / "films.mp4"], tmp_path / "unpacked")
    assert [film.name for film in films] == ["one", "films"]


def test_films_of_the_same_name_and_size_are_two(tmp_path):
    """The second one was silently replaced by the frames of the first."""
    paths = []
    for folder, shade in (("a", 0), ("b", 120)):
        paths.append(make_y4m(tmp_path / folder / "film.y4m", shade))
    assert paths[0].stat().st_size == paths[1].stat().st_size
    films = find_films(paths, tmp_path / "unpacked")
    shades = [cv2.imread(str(film.frames[0])).mean() for film in films]
    assert shades[1] - shades[0] > 60


def make_y4m(path, shade):
    """Without compression, so that its size does not depend on what it shows."""
    path.parent.mkdir()
    plane = bytes([shade]) * 48 * 64 + bytes([90]) * 24 * 32 + bytes([150]) * 24 * 32
    path.write_bytes(b"YUV4MPEG2 W64 H48 F24:1 C420\n" + (b"FRAME\n" + plane) * 6)
    return path


def test_a_damaged_film_is_used(tmp_path, caplog):
    """An hour of video was unpacked, and then refused because of one packet."""
    path = make_video(tmp_path / "film.mkv", 8, "mpeg4")
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    content = path.read_bytes()
    path.write_bytes(content.replace(packets[4], bytes([0xFF]) * len(packets[4])))
    (film,) = find_films([path], tmp_path / "unpacked")
    assert 4 <= len(film.frames) < 8
    assert "1 packet cannot be decoded" in caplog.text


def test_a_full_disk_while_unpacking_is_reported(tmp_path, monkeypatch):
    """The operating system's message stood alone, and some of the frames stayed on the disk."""
    video = make_video(tmp_path / "film.mp4", 8)

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(video), "write_bytes", full)
    with pytest.raises(OutputError, match="is full: make room"):
        find_films([video], tmp_path / "unpacked")
    assert list((tmp_path / "unpacked").iterdir()) == []


def test_a_long_file_name_can_be_unpacked(tmp_path):
    """A name of the largest length allowed became too long by what is added to it."""
    video = make_video(tmp_path / f"{'ü' * 120}.mp4", 8)
    assert len(find_films([video], tmp_path / "unpacked")[0].frames) == 8


def test_paths_without_usable_films_are_reported(tmp_path):
    """With a mistyped path, training would use less data, or end in a traceback."""
    make_frames(tmp_path / "short", 3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="4 frames that a clip needs"):
        find_films([tmp_path / "short"], tmp_path)
    with pytest.raises(MediaError, match="no images"):
        find_films([tmp_path / "empty"], tmp_path)
    with pytest.raises(MediaError, match="nowhere"):
        find_films([tmp_path / "nowhere"], tmp_path)


def test_black_and_white_films_are_skipped(tmp_path, caplog):
    """A network trained on the film that it is to colorize learns to predict gray."""
    gray, color = tmp_path / "gray", make_frames(tmp_path / "color", 8)
    gray.mkdir()
    for frame in color.iterdir():
        cv2.imwrite(str(gray / frame.name), cv2.imread(str(frame), cv2.IMREAD_GRAYSCALE))
    films = find_films([gray, color], tmp_path)
    assert [film.name for film in films] == ["color"]
    assert "gray is skipped: it is black-and-white" in caplog.text
    with pytest.raises(MediaError, match="no color"):
        find_films([gray], tmp_path)


def test_validation_films_are_not_trained_on(tmp_path):
    """The best weights would be those that overfit most."""
    films = [Film(f"film {i}", tuple(tmp_path / f"{i}-{n}.png" for n in range(40))) for i in range(10)]
    training, validation = split_validation(films, 0.2, seed=0, minimum=4)
    assert len(training) == 8
    assert sorted(film.name for film in training + validation) == sorted(film.name for film in films)
    (begin,), (end,) = split_validation(films[:1], 0.1, seed=0, minimum=4)
    assert begin.frames + end.frames == films[0].frames
    assert len(end.frames) == 4
    assert [len(part) for part in split_validation(films[:2], 0.9, seed=0, minimum=4)] == [
        1,
        1,
    ]  # one for training
