"""The report: one page that opens anywhere, without a network, and shows what was measured."""

from __future__ import annotations

import base64
import math
import os
import re
import shutil
import signal
import subprocess
from array import array
from pathlib import Path

import cv2
import numpy as np
import pytest

from colormnet_cli.errors import OutputError
from colormnet_cli.evaluation.clip_metrics import ClipMetrics
from colormnet_cli.evaluation.evaluate import Evaluation
from colormnet_cli.evaluation.report import write_report
from colormnet_cli.evaluation.report.charts import Curve, chart
from colormnet_cli.evaluation.report.page import render
from colormnet_cli.evaluation.report.pictures import TOP_OF_SCALE, data_uri, views
from colormnet_cli.evaluation.tables import figure_text
from colormnet_cli.evaluation.worst_frames import WorstFrame

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# What Chromium does of its own accord is switched off: its own look-ups would hide one of the page's.
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
        columns["warp_error"] = array("d", [math.nan, *rng.uniform(0, 0.01, frames - 1)])
        columns["warp_error_reference"] = array("d", [math.nan, *rng.uniform(0, 0.01, frames - 1)])
        found.append(ClipMetrics(f"clip <{number}>", columns, {"cdc": 0.004, "cdc_reference": 0.003}))
    overall = found[0].means()
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, 40:] = (200, 60, 30)
    worst = WorstFrame("clip <0>", 17, 12.5, np.full_like(picture, 90), picture)
    return Evaluation(
        "result/film.mp4", "truth & more/film.mp4", tuple(found), overall, overall, (worst,), {"paper": False},
        {"colormnet": "0.1.0"}, "cpu", 1.5, ("2 frames are identical to their reference.",),
    )  # fmt: skip


def test_the_page_needs_nothing_from_outside() -> None:
    """On a machine without a network (a restorer's, often) the page would stay empty."""
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
    assert f"<b>{found.overall['psnr']:.2f}</b>" in page
    assert "clip &lt;1&gt;" in page
    assert "clip <1>" not in page
    assert "truth &amp; more" in page
    assert "2 frames are identical" in page
    assert "BiSTNet" in page
    assert "25.55" in page
    assert "clip &lt;0&gt;, frame 17" in page
    assert page.count('<svg viewBox="0 0') == 2 * 6
    assert "BiSTNet" not in render(found)
    assert "prefers-color-scheme: dark" in page


def test_curves_have_gaps_where_nothing_is_known() -> None:
    """A frame without a value would be drawn as zero, or break the line's coordinates."""
    drawing = chart("PSNR", [Curve("result", [1.0, 2.0, math.nan, math.inf, 3.0, 4.0])], 2)
    assert drawing.count("<polyline") == 2
    assert "nan" not in drawing
    assert "inf" not in drawing
    assert 'data-result="0:1.00 1:2.00 4:3.00 5:4.00"' in drawing
    assert "no frame has a value" in chart("PSNR", [Curve("result", [math.inf] * 3)], 2)
    assert "<circle" in chart("PSNR", [Curve("result", [5.0])], 2)
    flat = chart("SSIM", [Curve("result", [1.0] * 5)], 4)
    points = [tuple(map(float, p.split(","))) for p in re.search(r'polyline[^>]*points="([^"]*)', flat)[1].split()]
    assert len({y for _, y in points}) == 1
    assert all(0 < y < 210 for _, y in points)


def test_long_clips_are_drawn_small_and_keep_their_extremes() -> None:
    """The page of a feature film would be hundreds of megabytes, or hide its one broken frame."""
    values = [30.0] * 100_000
    values[54_321] = 5.0
    drawing = chart("PSNR", [Curve("result", values)], 2)
    assert len(drawing) < 60_000
    ys = [float(y) for y in re.findall(r",([\d.]+)", re.search(r'polygon[^>]*points="([^"]*)', drawing)[1])]
    assert max(ys) - min(ys) > 100  # the range behind the curve reaches down to it


def test_views_of_a_worst_frame() -> None:
    """The error map would be of something else, or the input would show color."""
    (_, gray), (_, result), (_, reference), (_, error) = views(evaluation().worst[0])
    pictures = [_picture(uri) for uri in (gray, result, reference, error)]
    assert (pictures[0].max(-1).astype(int) - pictures[0].min(-1)).max() < 6
    assert pictures[2][30, 70, 0] > 180
    left, right = (pictures[3][:, part].astype(float).mean() for part in (slice(5, 30), slice(50, 75)))
    assert right > left + 20  # gray 90 is nearer to black than to red
    black = np.zeros((8, 8, 3), np.uint8)
    same = WorstFrame("a", 0, 0.0, black, black)
    assert _picture(views(same)[3][1]).max() < 12
    assert TOP_OF_SCALE == 30


def _picture(uri: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(uri.split(",", 1)[1]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]


def test_figures_as_text() -> None:
    """nan and inf would stand in tables."""
    assert [figure_text(x, 2) for x in (1.239, math.inf, math.nan)] == ["1.24", "∞", "–"]
    assert data_uri(np.zeros((4, 4, 3), np.uint8)).startswith("data:image/jpeg;base64,")


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A half page would be left behind, or the failure would be a traceback."""
    write_report(evaluation(), tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(evaluation(), tmp_path / "nowhere" / "a.html")


def browse(command: list[str], folder: Path, tries: int = 3) -> tuple[int, str, str]:
    """Exit code, stdout and stderr. A browser that hangs as it starts is killed with all its processes, and started
    again; into files, for what is left of it would hold pipes open for ever."""
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


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1280, 500])
def test_it_opens_in_chromium(tmp_path: Path, width: int) -> None:
    """The page would be blank, or its curves dead, in a real browser."""
    page = render(evaluation(), with_published=True)
    probe = """<script>
      const svg = document.querySelector("svg.chart"), box = svg.getBoundingClientRect();
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
    assert re.search(r'class="readout"[^>]*>frame 29: \d', page_seen)
    picture = cv2.imread(str(shot))
    assert picture is not None
    assert picture.std() > 10  # something is there
