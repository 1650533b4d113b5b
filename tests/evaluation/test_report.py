"""The report: one page that works offline in any browser and shows what was measured."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import subprocess
from array import array
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from colormnet_cli.errors import OutputError
from colormnet_cli.evaluation.clip_metrics import ClipMetrics
from colormnet_cli.evaluation.evaluate import Evaluation
from colormnet_cli.evaluation.report import render, write_report
from colormnet_cli.evaluation.tables import METRICS, figure_text
from colormnet_cli.evaluation.worst_frames import WorstFrames
from colormnet_cli.shots.shot import Shot, Transition
from colormnet_cli.shots.table import PlannedShot

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Without requests of Chromium's own, which would hide those of the page.
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
    "--hide-scrollbars",
)  # fmt: skip


def evaluation(clips: int = 2, frames: int = 30) -> Evaluation:
    rng = np.random.default_rng(0)
    keys = ("psnr", "ssim", "ciede2000", "ab_psnr", "colourfulness", "colourfulness_reference")
    found = []
    for number in range(clips):
        columns = {key: array("d", rng.uniform(1, 40, frames)) for key in keys}
        for key in ("warp_error", "warp_error_reference", "color_warp_error", "color_warp_error_reference"):
            columns[key] = array("d", [math.nan, *rng.uniform(0, 0.01, frames - 1)])
        found.append(ClipMetrics(f"clip <{number}>", columns, {"cdc": 0.004, "cdc_reference": 0.003}, 25))
    overall = found[0].means()
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, 40:] = (200, 60, 30)
    worst = WorstFrames(1, METRICS["ciede2000"])
    worst.offer("clip <0>", 17, found[0].columns["ciede2000"][min(17, frames - 1)], np.full_like(picture, 90), picture)
    return Evaluation(
        "result/film.mp4", "truth & more/film.mp4", tuple(found), overall, overall, worst.frames(), {"paper": False},
        {"colormnet": "0.1.0"}, "cpu", 1.5, ("2 frames are identical to their reference.",),
    )  # fmt: skip


def test_the_page_works_offline() -> None:
    """On a machine without a network, as restorers often have, the page would stay empty."""
    page = render(evaluation(), with_published=True)
    assert not re.search(r"https?:|@import|<link rel=\"stylesheet|srcset|url\(", page)
    for target in re.findall(r"(?:src|href)=[\"']([^\"']*)", page):
        assert target.startswith("data:"), target[:60]
    assert "fetch(" not in page
    assert "XMLHttpRequest" not in page


def test_the_page_shows_what_was_measured() -> None:
    """Figures, clips or warnings would be missing, or a file's name would break the page."""
    found = evaluation()
    page = render(found, with_published=True)
    assert f">{found.overall['psnr']:.2f}</td>" in page
    assert "clip &lt;1&gt;" in page
    assert "clip <1>" not in page
    assert "truth &amp; more" in page
    assert "2 frames are identical" in page
    assert "BiSTNet" in page
    assert "25.55" in page
    value, rank = (
        found.worst[0].value,
        sum(v >= found.worst[0].value for c in found.clips for v in c.columns["ciede2000"]),
    )
    assert f"clip &lt;0&gt;, 0:00:00.680, frame 17: CIEDE2000 {value:.3f}, rank {rank} of 60 frames" in page
    worst = max((v, i) for i, v in enumerate(found.clips[1].columns["ciede2000"]))
    assert f"frame {worst[1]} ({worst[0]:.3f})" in page  # in the row of the second clip
    assert page.count("<svg") == 2 * 7
    assert page.index("Accuracy: ") < page.index("<table")
    assert "BiSTNet" not in render(found)
    assert "prefers-color-scheme: dark" in page


def test_each_shot_has_a_row() -> None:
    """In a film of a thousand shots nobody would find the ones that failed."""
    found = evaluation(clips=1)
    assert "<h2>Shots</h2>" not in render(found)
    cut, start = Transition("cut"), Transition("start")
    shots = (PlannedShot(1, Shot(0, 12, 0, 0.48, start)), PlannedShot(2, Shot(12, 30, 0.48, 1.2, cut)))
    page = render(replace(found, shots=shots))
    table = page[page.index("<h2>Shots</h2>") : page.index("<h2>Over time</h2>")]
    _, first, second = (re.findall(r"<t[dh] class=\"\w+\">([^<]*)", row) for row in table.split("<tr>")[1:])
    column = found.clips[0].columns["psnr"]
    assert first[:3] == ["1", "0:00:00.000, frame 0", "12"]
    assert second[:3] == ["2", "0:00:00.480, frame 12", "18"]
    assert first[4] == f"{sum(column[:12]) / 12:.2f} ({min(column[:12]):.2f})"
    assert second[4] == f"{sum(column[12:]) / 18:.2f} ({min(column[12:]):.2f})"
    value, frame = max(
        (value, -frame) for frame, value in enumerate(found.clips[0].columns["ciede2000"]) if frame >= 12
    )
    assert second[3] == f"0:00:0{-frame / 25:.3f}, frame {-frame} ({value:.3f})"
    assert first[5] != "nan"
    (one, two) = replace(found, shots=shots).to_dict()["shots"]
    assert (one["shot"], one["start"], two["end"]) == (1, 0, 30)
    assert two["worst"]["ciede2000"] == value
    assert "colourfulness" not in two["worst"]  # neither more nor less is better


def curves(columns: dict[str, list[float]], rate: float | None = None) -> tuple[str, list[list[tuple[float, float]]]]:
    """The first chart of a page on one clip, and its curves as (frame, value)."""
    found = evaluation(clips=1, frames=len(columns["psnr"]))
    clip = replace(found.clips[0], columns=found.clips[0].columns | columns, rate=rate)
    page = render(replace(found, clips=(clip,), worst=()))
    chart = page[page.index('<div class="charts">') : page.index("</figure>")]
    points = re.findall(r'<polyline class="result" points="([^"]*)"', chart)
    pairs = [[tuple(map(float, pair.split(","))) for pair in line.split()] for line in points]
    return chart, [[(frame, -value) for frame, value in line] for line in pairs]


def test_curves_have_gaps_where_values_are_not_finite() -> None:
    """A frame without a value would be drawn as zero, or break the coordinates of the line."""
    chart, lines = curves({"psnr": [1.0, 2.0, math.nan, math.inf, 3.0, 4.0]})
    assert lines == [[(0, 1), (1, 2)], [(4, 3), (5, 4)]]
    assert curves({"psnr": [1.0, math.nan, 3.0, 4.0, math.nan]})[1] == [[(0, 1), (0, 1)], [(2, 3), (3, 4)]]
    assert not re.search(r"\bnan\b|\binf\b", chart)
    assert "No frame has a value" in curves({"psnr": [math.inf] * 3})[0]
    assert curves({"psnr": [5.0]})[1] == [[(0, 5), (0, 5)]]  # a dot
    chart, (line,) = curves({"psnr": [1.0] * 5})
    top, height = (float(re.search(r'viewBox="0 (\S+) 4 (\S+)"', chart)[i]) for i in (1, 2))
    assert top < -line[0][1] < top + height


def test_long_clips_are_drawn_small_and_keep_their_extremes() -> None:
    """The page of a feature film would be hundreds of megabytes, or hide its one broken frame."""
    values = [30.0] * 100_000
    values[54_321], values[54_330] = 5.0, 60.0
    chart, (line,) = curves({"psnr": values}, rate=24)
    assert len(chart) < 60_000
    assert (54_321, 5.0) in line
    assert (54_330, 60.0) in line


def test_axes_have_time_codes_and_units() -> None:
    """Users could not find a dip of a curve in the film, or would not know the unit of its values."""
    labels = re.compile(r'<span class="(x|y)" style="(?:left|top):([\d.]+)%">([^<]*)')
    chart, _ = curves({"psnr": [20.0 + i % 10 for i in range(25 * 90)]}, rate=25)
    assert "PSNR (dB)" in chart
    assert "time (h:mm:ss)" in chart
    found = {(axis, text): float(place) for axis, place, text in labels.findall(chart)}
    assert found["x", "0:00:20"] == pytest.approx(100 * 500 / 2249, abs=0.01)
    assert ("x", "0:01:20") in found
    assert found["y", "24"] == pytest.approx(100 * (0.05 * 9 + 5) / 9.9, abs=0.01)
    chart, _ = curves({"psnr": [20.0, 21.0, 23.0]}, rate=24)
    assert [text for axis, _, text in labels.findall(chart) if axis == "x"] == ["0:00:00.0"]
    chart, _ = curves({"psnr": [20.0 + i for i in range(11)]})  # a folder of pictures has no frame rate
    assert [text for axis, _, text in labels.findall(chart) if axis == "x"] == ["0", "5", "10"]
    assert ">frame<" in chart


def test_figures_as_text() -> None:
    """nan and inf would stand in tables."""
    assert [figure_text(x, 2) for x in (1.239, math.inf, math.nan)] == ["1.24", "∞", "–"]


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Half a page would be left behind, or the failure would be a traceback."""
    write_report(evaluation(), tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]
    write_report(evaluation(), tmp_path / "new" / "folder" / "a.html")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(evaluation(), tmp_path / "new" / "folder" / "a.html" / "b.html")


def browse(command: list[str], folder: Path, tries: int = 3) -> tuple[int, str, str]:
    """Exit code, stdout and stderr. A browser that hangs at the start is killed with all its processes and started
    again; it writes into files, since leftover processes would keep pipes open."""
    out, err = folder / "out", folder / "err"
    with out.open("w") as to_out, err.open("w") as to_err:
        process = subprocess.Popen(command, stdout=to_out, stderr=to_err, start_new_session=True)
        try:
            code = process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if tries > 1:
                return browse(command, folder, tries - 1)
            raise
    return code, out.read_text("utf-8"), err.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1280, 500])
def test_it_opens_in_chromium(tmp_path: Path, width: int) -> None:
    """The page would be blank, or its curves dead, in a real browser."""
    page = render(evaluation(), with_published=True)
    probe = """<script>
      const svg = document.querySelector(".plot"), box = svg.getBoundingClientRect();
      svg.dispatchEvent(new PointerEvent("pointermove", {clientX: box.right - 2, clientY: box.top + 20}));
      const broken = [...document.images].filter((image) => image.complete && !image.naturalWidth).length;
      document.body.dataset.seen = `${document.images.length} pictures, ${broken} broken, ` +
        `${document.documentElement.scrollWidth <= innerWidth ? "fits" : "too wide"}`;
    </script>"""
    path = tmp_path / "a.html"
    path.write_text(page.replace("</body>", probe + "</body>"), encoding="utf-8")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
    shot = tmp_path / "shot.png"
    code, page_seen, said = browse([*command, f"--screenshot={shot}", "--dump-dom", path.as_uri()], tmp_path)
    assert code == 0, said[-2000:]
    assert "Uncaught" not in said
    assert 'data-seen="4 pictures, 0 broken, fits"' in page_seen
    assert re.search(r"<output>0:00:01.160, frame 29: result \d", page_seen)
    picture = cv2.imread(str(shot))
    assert picture is not None
    assert picture.std() > 10  # not blank
