"""Hours of work survive a power cut: an interrupted run resumes, and its film equals that of an uninterrupted one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from colormnet_cli import ColorizeSettings, colorize_video
from colormnet_cli.errors import Interrupted, MediaError, OutputError, UsageError
from colormnet_cli.film import checkpoint, film_run
from colormnet_cli.film.checkpoint import copied_to_cpu
from colormnet_cli.film.film_run import FilmRun
from colormnet_cli.film.fingerprint import model_sha256
from colormnet_cli.film.progress_folder import ProgressFolder
from support.films import assert_same_frames, make_film, packets_of

KILL_AND_RESUME = Path(__file__).parents[1] / "support" / "kill_and_resume.py"
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints as often as possible."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setitem(checkpoint.SEGMENT_FRAMES, "cpu", 8)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    picture = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    path = tmp_path_factory.mktemp("exemplar") / "photo.png"
    cv2.imwrite(str(path), cv2.GaussianBlur(picture, (0, 0), 6) + np.uint8([0, 40, 90]))
    return path


@pytest.fixture
def run(tmp_path: Path, small_model: Any, photo: Path) -> Any:
    def start(
        output: str = "out.mp4", stop_at: int | None = None, model: Any = None, references: Any = (photo,),
        progress: Any = None, **settings: Any,
    ) -> Any:  # fmt: skip
        """Color the film; Ctrl-C comes when `stop_at` frames are done."""
        colorize, done = FilmRun._colorize, []

        def stopping(self: FilmRun, frames: Any, batch: Any) -> Any:
            if len(done) == stop_at:
                raise KeyboardInterrupt
            done.extend(batch)
            return colorize(self, frames, batch)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FilmRun, "_colorize", stopping)
            return colorize_video(
                tmp_path / "film.mp4", references, tmp_path / output, model=model or small_model, device="cpu",
                settings=ColorizeSettings(**{"size": 32, **settings}), progress=progress,
            )  # fmt: skip

    make_film(tmp_path / "film.mp4", codec="libx264", frames=60, audio=[("aac", "deu")], options={"bf": "2"})
    return start


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(tmp_path: Path, run: Any) -> None:
    """The message says where the run resumes; the film is then the same, byte for byte."""
    run("whole.mp4")
    with pytest.raises(Interrupted, match="resumes at frame 40") as caught:
        run(stop_at=43)
    assert caught.value.exit_code == 130
    assert isinstance(caught.value, KeyboardInterrupt)
    assert not (tmp_path / "out.mp4").exists()
    receipt = run()
    assert receipt.resumed_at == 40
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert not (tmp_path / "out.mp4.colormnet-part").exists()


@pytest.mark.slow
def test_the_number_of_encoders_changes_nothing(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where segments that are encoded at once, interrupted or not, are joined to another film."""
    encode, later = film_run.FilmRun._encode, threading.Event()

    def out_of_order(self: Any, writer: Any, batch: Any, chroma: Any) -> None:
        if writer.number == 2:
            later.set()
        assert writer.number != 0 or later.wait(20), "the third segment waits for the first one"
        encode(self, writer, batch, chroma)

    run("one.mp4", encoders=1)
    with monkeypatch.context() as patch:
        patch.setattr(film_run.FilmRun, "_encode", out_of_order)
        run("three.mp4", encoders=3)
        with pytest.raises(Interrupted, match="resumes at frame 40"):
            run(stop_at=43, encoders=3)
    assert run(encoders=2).resumed_at == 40
    one = (tmp_path / "one.mp4").read_bytes()
    assert (tmp_path / "three.mp4").read_bytes() == one
    assert (tmp_path / "out.mp4").read_bytes() == one


@pytest.mark.slow
def test_a_resumed_run_has_the_threads_of_the_first_one(tmp_path: Path, run: Any) -> None:
    """Their number, which the command chooses by the machine's load, changes how sums are rounded."""
    used: list[int] = []
    note = lambda _: used.append(torch.get_num_threads())  # noqa: E731
    run("whole.mp4", threads=2, progress=note, end="f24")
    with pytest.raises(Interrupted):
        run(stop_at=13, threads=2, end="f24")
    receipt = run(progress=note, end="f24")
    assert set(used) == {2}
    assert torch.get_num_threads() == 1  # of the program that runs this
    assert not any("CPU thread" in warning for warning in receipt.warnings)
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    with pytest.raises(Interrupted):
        run("three.mp4", stop_at=13, threads=2, end="f24")
    receipt = run("three.mp4", threads=1, end="f24")
    assert any("An earlier run used 2 CPU threads" in note for note in receipt.warnings)


@pytest.mark.slow
def test_a_duration_is_that_of_the_whole_run(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of two seconds that was interrupted after one and a half was reported as three and a half."""
    monkeypatch.setattr("colormnet_cli.video.reader.MIN_SEEK_FRAMES", 5)
    with pytest.raises(Interrupted, match="resumes at frame 40"):
        run(stop_at=43, start="0.2", duration="2")
    assert run(start="0.2", duration="2").frames == 50


@pytest.mark.slow
def test_ctrl_c_saves_although_no_minute_has_passed(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last whole segment is saved at once, not only with the next checkpoint."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 3600.0)
    with pytest.raises(Interrupted, match="frame 24"):
        run(stop_at=30)
    assert run().resumed_at == 24


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["encoding", "closing", "saving"])
def test_ctrl_c_behind_the_last_frame_keeps_the_segments(
    run: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Ctrl-C while the encoder catches up with the last frames would lose up to a minute of work."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 3600.0)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    def slow(self: Any, writer: Any, batch: Any, chroma: Any) -> None:
        if batch[-1].number == 59:
            time.sleep(0.5)  # the loop has ended by then, and waits
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
        encode(self, writer, batch, chroma)

    def close_or_stop(writer: Any) -> None:
        (stop if threading.current_thread() is threading.main_thread() else close)(writer)

    encode, close = film_run.FilmRun._encode, film_run.SegmentWriter.close
    where, name, instead = {
        "encoding": (film_run.FilmRun, "_encode", slow),
        "closing": (film_run.SegmentWriter, "close", close_or_stop),
        "saving": (checkpoint.CheckpointSaver, "finish", stop),
    }[moment]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(where, name, instead)
            with pytest.raises(Interrupted, match="resumes at frame 56"):
                run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert run().resumed_at == 56


def test_before_the_first_segment_nothing_is_left(tmp_path: Path, run: Any) -> None:
    """Where nothing can be kept, no folder is kept."""
    with pytest.raises(Interrupted, match="starts again"):
        run(stop_at=3)
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.slow
def test_only_muxing_is_left(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is stopped while it writes the file colors nothing again."""
    with monkeypatch.context() as patch:
        patch.setattr("colormnet_cli.film.film_run.mux_film", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(Interrupted):
            run()
    assert run(stop_at=0).resumed_at == 60  # Ctrl-C at the first frame that would be colored
    assert (tmp_path / "out.mp4").exists()


@pytest.mark.slow
def test_a_stop_while_tidying_up_is_no_damage(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The film was there and half of its segments gone: the same command asked for resume=False."""
    unlink = os.unlink

    def stopping(path: Any, **more: Any) -> None:
        unlink(path, **more)
        if Path(path).name.startswith("segment-") and (tmp_path / "out.mp4").exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", stopping)
        with pytest.raises(Interrupted):
            run()
    assert not (tmp_path / "out.mp4.colormnet-part" / "progress.json").exists()
    run(overwrite=True)
    assert not (tmp_path / "out.mp4.colormnet-part").exists()


def test_a_folder_of_another_program_is_left_alone(tmp_path: Path, run: Any) -> None:
    """A symbolic link named like the progress folder had every file behind it deleted."""
    theirs, progress = tmp_path / "theirs", tmp_path / "out.mp4.colormnet-part"
    theirs.mkdir()
    (theirs / "letter.txt").write_text("mine")
    (theirs / "progress.json").write_text("{}")
    progress.symlink_to(theirs)
    with pytest.raises(OutputError, match="is a symbolic link"):
        run()
    progress.unlink()
    theirs.rename(progress)
    with pytest.raises(OutputError, match="was not created by colormnet"):
        run(resume=False)
    assert sorted(path.name for path in progress.iterdir()) == ["letter.txt", "progress.json"]


@pytest.mark.slow
def test_only_files_of_a_run_are_deleted(tmp_path: Path, run: Any) -> None:
    """What someone has put into the progress folder, or linked from there, outlives the run."""
    with pytest.raises(Interrupted):
        run(stop_at=43)
    progress = tmp_path / "out.mp4.colormnet-part"
    (tmp_path / "letter.txt").write_text("mine")
    (progress / "notes.txt").write_text("mine")
    (progress / "state-99999999-.pt").symlink_to(tmp_path / "letter.txt")
    run(resume=False)
    assert [path.name for path in progress.iterdir()] == ["notes.txt"]
    assert (tmp_path / "letter.txt").read_text() == "mine"


@pytest.mark.slow
def test_other_settings_do_not_resume_it(tmp_path: Path, run: Any) -> None:
    """Half a film in other colors would be worse than an error; and nothing is thrown away unasked."""
    from support.networks import make_small_model

    with pytest.raises(Interrupted):
        run(stop_at=43)
    with pytest.raises(UsageError, match=r"another settings.*resume=False"):
        run(size=48)
    with pytest.raises(UsageError, match="another weights"):
        run(model=make_small_model(seed=1))
    film = tmp_path / "film.mp4"
    content = bytearray(film.read_bytes())
    content[len(content) // 2] ^= 1
    film.write_bytes(content)
    with pytest.raises(UsageError, match="another film"):
        run()
    assert run(resume=False).resumed_at == 0
    assert not (tmp_path / "out.mp4.colormnet-part").exists()


@pytest.mark.slow
def test_another_lookahead_is_reported_as_such(run: Any) -> None:
    """The message blamed another device or precision, which nobody had changed."""
    with pytest.raises(Interrupted):
        run(stop_at=43)
    with pytest.raises(UsageError, match="another lookahead: give the command as it was"):
        run(lookahead=2)


@pytest.mark.parametrize("ended_by", ["itself", "Ctrl-C"])
def test_removed_progress_is_not_reported_as_kept(tmp_path: Path, run: Any, ended_by: str) -> None:
    """\"What is done is kept\" was said of a folder that someone had deleted during the run."""

    def remove(progress: Any) -> None:
        folder = tmp_path / "out.mp4.colormnet-part"
        while progress.frame >= 20 and folder.exists():  # a segment may be renamed meanwhile
            shutil.rmtree(folder, ignore_errors=True)
        if ended_by == "Ctrl-C" and not folder.exists():
            raise KeyboardInterrupt

    if ended_by == "Ctrl-C":
        with pytest.raises((Interrupted, OutputError), match=r"starts? again"):  # an encoder may miss the folder first
            run(progress=remove)
    else:
        with pytest.raises(OutputError, match=r"out\.mp4\.colormnet-part, which holds the progress .* was removed"):
            run(progress=remove)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.slow
def test_another_modification_time_does_not_prevent_resuming(tmp_path: Path, run: Any, photo: Path) -> None:
    """A film that was copied, or restored from a backup, between two runs is still the same film."""
    with pytest.raises(Interrupted):
        run(stop_at=43)
    for path in (tmp_path / "film.mp4", photo):
        os.utime(path, (1, 1))
    assert run().resumed_at == 40


@pytest.mark.slow
@pytest.mark.parametrize("how", ["renamed over it", "written over", "removed"])
def test_a_film_replaced_while_it_is_colored_is_not_mixed_with_the_other(tmp_path: Path, run: Any, how: str) -> None:
    """The output had the first film's picture and the other's audio, with exit code 0 and the other's hash."""
    film, other, kept = tmp_path / "film.mp4", tmp_path / "other.mp4", tmp_path / "kept.mp4"
    make_film(other, codec="libx264", frames=60, audio=[("aac", "eng")], options={"bf": "2"})
    run("whole.mp4")
    film_bytes = film.read_bytes()

    def replace(progress: Any) -> None:
        if progress.phase == "color" and not kept.exists():
            kept.write_bytes(film_bytes)
            if how == "renamed over it":
                os.replace(other, film)
            elif how == "written over":
                film.write_bytes(other.read_bytes())
            else:
                film.unlink()

    with pytest.raises(MediaError, match="replaced, changed or removed while it was colorized: put the original"):
        run(progress=replace)
    assert not (tmp_path / "out.mp4").exists()
    os.replace(kept, film)
    assert run(stop_at=0).resumed_at == 60
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.slow
def test_a_copy_of_the_film_in_its_place_is_the_same_film(tmp_path: Path, run: Any) -> None:
    """Network drives that give a file another number now and then would end every run at muxing."""

    def copy(progress: Any) -> None:
        if progress.phase == "color":
            (tmp_path / "copy.mp4").write_bytes((tmp_path / "film.mp4").read_bytes())
            os.replace(tmp_path / "copy.mp4", tmp_path / "film.mp4")

    receipt = run(progress=copy)
    assert receipt.inputs[0].sha256 == hashlib.sha256((tmp_path / "film.mp4").read_bytes()).hexdigest()
    assert not any("changed" in warning for warning in receipt.warnings)


@pytest.mark.slow
def test_the_receipt_has_no_hash_of_what_was_not_read(tmp_path: Path, run: Any, photo: Path) -> None:
    """A reference image that is replaced during the run was recorded as if the film had its colors."""
    own = tmp_path / "own.png"
    own.write_bytes(photo.read_bytes())
    receipt = run(references=[own], progress=lambda progress: own.unlink(missing_ok=True))
    assert receipt.references[0].sha256 is None
    assert receipt.references[0].size == photo.stat().st_size
    assert f"{own} has changed since it was read: the receipt has no hash of it." in receipt.warnings


@pytest.mark.slow
@pytest.mark.parametrize("how", ["flipped", "truncated", "lost"])
def test_damage_to_the_newest_state_costs_one_checkpoint(tmp_path: Path, run: Any, how: str) -> None:
    """A flipped byte in the saved state gave another film without a word, and a lost state cost everything."""
    run("whole.mp4")
    with pytest.raises(Interrupted, match="frame 40"):
        run(stop_at=43)
    progress = tmp_path / "out.mp4.colormnet-part"
    _, newest = sorted(progress.glob("state-*"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    if how == "lost":
        newest.unlink()
    else:
        newest.write_bytes(content if how == "flipped" else content[: len(content) // 2])
    assert run().resumed_at == 32
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert not progress.exists()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["packets", "index"])
def test_a_flipped_byte_in_a_segment_is_reported(tmp_path: Path, run: Any, where: str) -> None:
    """In the packets it gave a damaged film, in their index frames at other times; both without a word."""
    with pytest.raises(Interrupted):
        run(stop_at=43)
    path = tmp_path / "out.mp4.colormnet-part" / "segment-000001"
    content = bytearray(path.read_bytes())
    content[100 if where == "packets" else content.rindex(b'"pts"') + 8] ^= 1
    path.write_bytes(content)
    with pytest.raises(OutputError, match="segment-000001 is damaged: start again"):
        run()
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.slow
def test_a_flipped_byte_in_the_progress_file_is_noticed(tmp_path: Path, run: Any) -> None:
    """Another number of segments there, such as 4 for 5, would leave frames out."""
    with pytest.raises(Interrupted):
        run(stop_at=43)
    path = tmp_path / "out.mp4.colormnet-part" / "progress.json"
    text = path.read_text()
    path.write_text(text.replace('"segments": 5', '"segments": 4', 1))
    assert path.read_text() != text
    assert run().resumed_at == 0


@pytest.mark.slow
def test_a_damaged_progress_file_starts_the_run_again(tmp_path: Path, run: Any) -> None:
    """A progress folder that cannot be read costs the work, not the film."""
    with pytest.raises(Interrupted):
        run(stop_at=43)
    (tmp_path / "out.mp4.colormnet-part" / "progress.json").write_text("{")
    assert run().resumed_at == 0


@pytest.mark.slow
def test_a_lost_segment_is_reported(tmp_path: Path, run: Any) -> None:
    """A segment that someone deleted cannot be joined: the sentence says what to do, before the rest is colored."""
    with pytest.raises(Interrupted):
        run(stop_at=43)
    (tmp_path / "out.mp4.colormnet-part" / "segment-000001").unlink()
    with pytest.raises(OutputError, match="resume=False"):
        run(stop_at=0)


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"PK\3\4", b"", b"0", b"\x80\x02G0"])
def test_a_damaged_state_is_reported(tmp_path: Path, run: Any, content: bytes) -> None:
    """A bad sector ends in a sentence that says what to do, not in PyTorch's message about archives."""
    with pytest.raises(Interrupted):
        run(stop_at=43)
    for state in (tmp_path / "out.mp4.colormnet-part").glob("state-*"):
        state.write_bytes(content)
    with pytest.raises(OutputError, match="damaged: start again \\(`resume=False`"):
        run()


def test_two_runs_do_not_write_one_film(tmp_path: Path) -> None:
    """The second of two equal commands is refused, not mixed in."""
    first, second = (ProgressFolder(tmp_path / "out.mp4", {}, True) for _ in range(2))
    with first, pytest.raises(OutputError, match="another run"), second:
        pass


def test_a_snapshot_does_not_follow_later_steps(small_model: Any) -> None:
    """A state that changes while it waits to be saved would belong to no frame."""
    tensor = torch.zeros(3)
    copy = copied_to_cpu({"a": (tensor, 1), "b": [None, tensor]})
    tensor += 1
    assert float(copy["a"][0].sum() + copy["b"][1].sum()) == 0
    assert model_sha256(small_model) == model_sha256(small_model)


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9"])
def test_an_encoder_gives_the_same_again(tmp_path: Path, run: Any, codec: str) -> None:
    """libx264 chose by what lay in memory: segments made anew differed from those that were lost."""
    make_film(tmp_path / "film.mp4", codec="libx264", frames=24, width=80, height=64)
    films = []
    for number in range(4):
        run(f"{number}.mp4", codec=codec)
        films.append(packets_of(tmp_path / f"{number}.mp4", "video"))
    assert all(film == films[0] for film in films)


@pytest.mark.slow
@pytest.mark.parametrize("encoders", [1, 3])
def test_twenty_kills_leave_the_same_film(tmp_path: Path, photo: Path, encoders: int) -> None:
    """SIGKILL at twenty random moments: the muxed film is the uninterrupted one, byte for byte."""
    source = make_film(tmp_path / "film.mp4", codec="libx264", frames=200, audio=[("aac", "deu")], options={"bf": "2"})
    (tmp_path / "run").mkdir()
    command = [sys.executable, str(KILL_AND_RESUME), str(source), str(photo), str(tmp_path / "run"), str(encoders)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["kills"] == 20
    assert all(result["same"])
    assert len(result["stopped_at"]) > 3, "the kills came before any checkpoint"
    assert sorted(result["left"]) == ["broken.mp4", "whole.mp4"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Any]:
    """`tiny_disk(options)` mounts a small file system."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("no mount here")
        if done.returncode:
            pytest.skip(f"may not mount a file system here: {done.stderr.strip()}")
        return place

    yield mount
    subprocess.run(["umount", str(place)], capture_output=True)


@pytest.mark.slow
def test_a_full_disk_is_one_sentence(tmp_path: Path, run: Any, tiny_disk: Any) -> None:
    """Whatever is being written: no half film under its name, and with more room the same command resumes."""
    disk = tiny_disk("size=16k")
    done: list[int] = []
    for kilobytes in range(16, 4000, 48):
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(disk)], check=True)
        try:
            done.append(run("disk/out.mkv", archive=True).resumed_at)
            break
        except OutputError as error:
            if "full" not in str(error) or (disk / "out.mkv").exists():
                raise
    assert kilobytes > 200
    assert done == [60], "room was found only when nothing but joining was left"
    run("whole.mkv", archive=True)
    assert_same_frames(disk / "out.mkv", tmp_path / "whole.mkv")
    assert packets_of(disk / "out.mkv", "video") == packets_of(tmp_path / "whole.mkv", "video")


def test_a_read_only_folder_is_one_sentence(run: Any, tiny_disk: Any) -> None:
    """Said before the first frame."""
    disk = tiny_disk("size=1m,ro")
    with pytest.raises(OutputError, match="is not writable"):
        run("disk/out.mp4")
    assert list(disk.iterdir()) == []
