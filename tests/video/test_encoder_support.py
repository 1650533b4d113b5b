"""Opening encoders: no messages of theirs on stderr, where programs read JSON lines, and no real-time priority."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from colormnet_cli.errors import OutputError
from colormnet_cli.settings import ColorizeSettings
from colormnet_cli.video.encode import choose_encoder, open_encoder
from colormnet_cli.video.encoder_support import try_encoder
from colormnet_cli.video.priority import kept_priority
from colormnet_cli.video.probe import probe
from support.films import make_film


def test_an_unknown_tune_is_one_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """x264 writes to stderr itself and would break a program that reads JSON lines there."""
    info = probe(make_film(tmp_path / "film.mkv", frames=1))
    spec, _ = choose_encoder(info, Path("out.mp4"), ColorizeSettings(encoder_options=(("tune", "nonsense"),)))
    with pytest.raises(OutputError, match="tune=nonsense: choose others"):
        try_encoder(spec)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("codec", ["hevc", "av1", "dnxhr"])
def test_a_film_of_one_pixel_is_one_error(tmp_path: Path, capfd: pytest.CaptureFixture[str], codec: str) -> None:
    """Too small for these encoders: one sentence, and none of the libraries' own messages."""
    info = probe(make_film(tmp_path / "film.mkv", frames=1, width=1, height=1, pix_fmt="gray"))
    spec, _ = choose_encoder(info, Path("out.mkv"), ColorizeSettings(codec=codec))
    with pytest.raises(OutputError, match=r"does not open for 1×1 .*another codec\.$"):
        try_encoder(spec)
    assert capfd.readouterr() == ("", "")


def test_av1_prints_no_banner(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Six lines of SVT-AV1 for every segment of a film would hide our messages."""
    info = probe(make_film(tmp_path / "film.mkv", frames=1))
    spec, _ = choose_encoder(info, Path("out.mkv"), ColorizeSettings(codec="av1"))
    open_encoder(spec)
    assert capfd.readouterr() == ("", "")


TRIED = """
import os, sys
from pathlib import Path
from colormnet_cli.settings import ColorizeSettings
from colormnet_cli.video.encode import choose_encoder, gray_frame, open_encoder
from colormnet_cli.video.mux import try_mux
from colormnet_cli.video.probe import probe
info = probe(Path(sys.argv[1]))
spec, _ = choose_encoder(info, Path("out.mkv"), ColorizeSettings(codec="av1"))
if sys.argv[2] == "open":
    encoder = open_encoder(spec)
    encoder.encode(gray_frame(spec))
else:
    try_mux(info, spec, ())
threads = os.listdir("/proc/self/task")
print(len(threads), {os.sched_getscheduler(int(thread)) for thread in threads} == {os.SCHED_OTHER})
"""


AS_ROOT = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux may do this")


@AS_ROOT
@pytest.mark.parametrize("how", ["open", "mux"])
def test_no_thread_gets_real_time_priority(tmp_path: Path, how: str) -> None:
    """In a container, where everybody is root, films in AV1 would take the processor from all else until it hangs."""
    film = make_film(tmp_path / "film.mkv", frames=1)
    call = [sys.executable, "-c", TRIED, str(film), how]
    shown = subprocess.run(call, capture_output=True, text=True, check=True, timeout=60)
    count, usual = shown.stdout.split()
    assert usual == "True"
    assert how == "mux" or int(count) > 5  # the encoder's are among them


@AS_ROOT
def test_a_thread_that_had_real_time_priority_keeps_it() -> None:
    """A program that plays sound and colors films from Python would stutter from then on."""
    with ThreadPoolExecutor(1) as mine, ThreadPoolExecutor(1) as encoder:
        mine.submit(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)).result()
        with kept_priority():
            encoder.submit(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)).result()
        assert mine.submit(os.sched_getscheduler, 0).result() == os.SCHED_FIFO
        assert encoder.submit(os.sched_getscheduler, 0).result() == os.SCHED_OTHER
