"""Evaluation: figures of frames, clips and all, the files that are written, and the command."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import psutil
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import colormnet_cli as cm
from colormnet_cli import metrics
from colormnet_cli.cli import main
from colormnet_cli.errors import OutputError
from colormnet_cli.evaluation.clip_metrics import ClipMeter, batches, mean_of
from colormnet_cli.evaluation.evaluate import EvaluateSettings, FramePairs, evaluate, measure
from colormnet_cli.evaluation.report import render
from colormnet_cli.networks.weight_file import save_network
from colormnet_cli.settings import Progress
from colormnet_cli.shots.detect import Boundary
from colormnet_cli.shots.make_plan import make_plan
from colormnet_cli.shots.shot import Transition
from support.clips import faded, picture, two_clips, write_film, write_frames


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return two_clips(tmp_path_factory.mktemp("clips"))


def test_figures_of_frames_clips_and_all(folders: tuple[Path, Path]) -> None:
    """Tables would show other figures than those of the frames."""
    found = evaluate(*folders, device="cpu", settings=EvaluateSettings(paper=True))
    one, two = found.clips
    assert (one.name, one.frames, two.frames, found.frames) == ("one", 6, 12, 18)
    for number in range(6):
        result, truth = faded(picture(number), 0.3), picture(number)
        assert one.columns["psnr"][number] == pytest.approx(peak_signal_noise_ratio(truth, result), rel=1e-5)
        similarity = structural_similarity(truth, result, channel_axis=-1)
        assert one.columns["ssim"][number] == pytest.approx(similarity, rel=1e-4)
        wrapped = 10 * math.log10(255**2 / np.mean((result - truth) ** 2))
        assert one.columns["psnr_published"][number] == pytest.approx(wrapped, rel=1e-5)
    assert one.means()["psnr"] == pytest.approx(sum(one.columns["psnr"]) / 6)
    assert found.overall["psnr"] == pytest.approx((one.means()["psnr"] + two.means()["psnr"]) / 2)
    assert found.by_frame["psnr"] == pytest.approx((one.means()["psnr"] * 6 + two.means()["psnr"] * 12) / 18)
    assert math.isnan(one.columns["warp_error"][0])
    assert one.means()["warp_error"] == pytest.approx(sum(one.columns["warp_error"][1:]) / 5)
    assert one.means()["colourfulness"] < one.means()["colourfulness_reference"]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_batches_do_not_change_the_figures(folders: tuple[Path, Path], size: int) -> None:
    """Another device (with other batches) would give other figures, in particular between two batches."""
    whole = evaluate(folders[0] / "two", folders[1] / "two", device="cpu", settings=EvaluateSettings(batch=4))
    parts = evaluate(folders[0] / "two", folders[1] / "two", device="cpu", settings=EvaluateSettings(batch=size))
    for key, value in whole.clips[0].means().items():
        assert parts.clips[0].means()[key] == pytest.approx(value, rel=1e-5), key
    for key, column in whole.clips[0].columns.items():
        np.testing.assert_allclose(parts.clips[0].columns[key], column, rtol=1e-4, err_msg=key)


@pytest.mark.parametrize(("key", "before"), [("warp_error", 10), ("warp_error_long", 1)])
def test_warp_errors_are_between_frames_1_and_10_apart(folders: tuple[Path, Path], key: str, before: int) -> None:
    """Flicker would be measured between the wrong frames."""
    clip = evaluate(folders[0] / "two", folders[1] / "two", device="cpu").clips[0]
    grays = [cv2.cvtColor(picture(i), cv2.COLOR_RGB2GRAY) for i in (before, 11)]
    to_past, to_future = metrics.dis_flow(grays[1], grays[0])[None], metrics.dis_flow(grays[0], grays[1])[None]
    frames = [cv2.imread(str(folders[0] / "two" / f"{i}.png"))[..., ::-1].copy() for i in (before, 11)]
    past, now = (torch.from_numpy(frame).permute(2, 0, 1)[None] / 255 for frame in frames)
    expected = metrics.warp_errors(past, now, to_past, to_future)
    assert clip.columns[key][11] == pytest.approx(expected.item(), rel=1e-4)
    colors = metrics.warp_errors(metrics.color_only(past), metrics.color_only(now), to_past, to_future)
    assert clip.columns[f"color_{key}"][11] == pytest.approx(colors.item(), rel=1e-4)
    assert math.isnan(clip.columns["warp_error_long"][9])
    assert math.isfinite(clip.columns["warp_error_long"][10])


def test_a_flickering_copy_has_the_higher_errors(tmp_path: Path) -> None:
    """Flicker could not be told from motion and light, in the table, the verdict or the chart."""
    write_frames(tmp_path / "truth", 14)
    tints = np.random.default_rng(0).uniform(0.5, 1.5, (14, 3))
    write_frames(tmp_path / "result", 14)
    for number in range(14):
        tinted = (picture(number) * tints[number]).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "result" / f"{number}.png"), tinted[..., ::-1])
    found = evaluate(tmp_path / "result", tmp_path / "truth", device="cpu")
    for key in ("warp_error", "warp_error_long", "color_warp_error", "color_warp_error_long"):
        assert found.overall[key] > 1.5 * found.overall[f"{key}_reference"], key
    page = render(found)
    assert 'aria-label="Flicker over time"' in page
    assert "Steadiness: colors flicker (" in page


def test_large_frames_and_the_worst_one(tmp_path: Path) -> None:
    """Frames larger than a strip would be measured in part, or the report would show another frame than it names."""
    write_frames(tmp_path / "truth", 5, size=(200, 700))
    write_frames(tmp_path / "result", 5, faded, size=(200, 700))
    broken = faded(picture(3, 200, 700), 0.1)
    cv2.imwrite(str(tmp_path / "result" / "3.png"), broken[..., ::-1])
    found = evaluate(tmp_path / "result", tmp_path / "truth", device="cpu")
    truth, result = (rgb2lab(x) for x in (picture(3, 200, 700), broken))
    assert found.clips[0].columns["ciede2000"][3] == pytest.approx(deltaE_ciede2000(truth, result).mean(), rel=1e-4)
    ab = 10 * math.log10(255**2 / np.mean((truth - result)[..., 1:] ** 2))
    assert found.clips[0].columns["ab_psnr"][3] == pytest.approx(ab, rel=1e-4)
    (worst,) = found.worst
    assert (worst.clip, worst.frame) == ("result", 3)
    assert worst.value == found.clips[0].columns["ciede2000"][3]
    small = cv2.resize(broken, (480, 137), interpolation=cv2.INTER_AREA)
    kept = cv2.imdecode(np.frombuffer(worst.result, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(kept.astype(int) - small).mean() < 1  # JPEG


def test_films_and_folders_of_the_same_frames_measure_alike(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    """A film would be measured differently from its own frames."""
    a = write_film(tmp_path / "a.mkv", [faded(picture(i), 0.3) for i in range(6)])
    b = write_film(tmp_path / "b.mkv", [picture(i) for i in range(6)])
    film = evaluate(a, b, device="cpu").overall
    assert film == pytest.approx(evaluate(folders[0] / "one", folders[1] / "one", device="cpu").overall, nan_ok=True)
    assert film == pytest.approx(evaluate(a, folders[1] / "one", device="cpu").overall, nan_ok=True)


def test_identical_frames_are_left_out_of_means_with_a_warning(tmp_path: Path) -> None:
    """One black frame would make the PSNR of a whole film infinite, or be ignored silently."""
    a, b = write_frames(tmp_path / "a", 4, faded), write_frames(tmp_path / "b", 4)
    cv2.imwrite(str(a / "2.png"), picture(2)[..., ::-1])
    found = evaluate(a, b, device="cpu")
    assert math.isinf(found.clips[0].columns["psnr"][2])
    assert math.isfinite(found.overall["psnr"])
    assert found.warnings[0].startswith("1 frame is identical")
    perfect = evaluate(b, b, device="cpu", settings=EvaluateSettings(worst_by="psnr"))
    assert math.isinf(perfect.overall["psnr"])
    values = json.loads(perfect.to_json())
    assert (values["overall"]["psnr"], values["worst"]) == ("inf", [])
    assert math.isnan(mean_of([]))


def test_csv_and_json_hold_what_was_measured(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    """Other programs could not read the results."""
    found = evaluate(*folders, device="cpu")
    found.write_csv(tmp_path / "a.csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [(r["clip"], r["frame"]) for r in rows][:7] == [*(("one", str(i)) for i in range(6)), ("two", "0")]
    assert float(rows[6]["psnr"]) == pytest.approx(found.clips[1].columns["psnr"][0], rel=1e-5)
    assert rows[6]["warp_error"] == ""
    assert list(rows[0]) == [
        "clip", "frame", "psnr", "ssim", "ciede2000", "ab_psnr", "colourfulness", "colourfulness_reference",
        "warp_error", "warp_error_reference", "warp_error_long", "warp_error_long_reference",
        "color_warp_error", "color_warp_error_reference", "color_warp_error_long", "color_warp_error_long_reference",
    ]  # fmt: skip
    values = json.loads(found.to_json())
    assert values["frames"] == 18
    assert set(values["worst"][0]) == {"clip", "frame", "ciede2000"}
    assert values["clips"][1]["psnr"] == pytest.approx(found.clips[1].means()["psnr"])
    found.write_csv(tmp_path / "new" / "folder" / "a.csv")
    assert (tmp_path / "new" / "folder" / "a.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    with pytest.raises(OutputError, match="cannot be written"):
        found.write_csv(tmp_path / "a.csv" / "b.csv")


@pytest.mark.slow
def test_a_long_film_takes_constant_memory_and_less_time_than_scikit_images_ssim() -> None:
    """A long film would fill the memory, or take longer than with the tools that people already have.

    In a process of its own: one that has colorized keeps freed memory, unlike that of a user of scikit-image.
    """
    call = "from evaluation.test_evaluate import measure_a_long_film; measure_a_long_film()"
    run = subprocess.run([sys.executable, "-c", call], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def measure_a_long_film() -> None:
    """Assert both, by processor time and in turns, since other tests may be running.

    Without the worst frames: at the start of a film each frame is one, and pictures are made of it.
    """
    base = picture(0, 480, 854)
    other = faded(base)
    memory: dict[int, int] = {}  # by frame: reports come at most every tenth of a second
    ours, theirs = [], []  # seconds a frame, of each report
    last = (0, 0.0)
    process = psutil.Process()

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number in range(45):
            yield np.roll(other, number % 5, axis=1), np.roll(base, number % 5, axis=1)

    def progress(_: str, at: Progress) -> None:
        nonlocal last
        now = time.process_time()
        if at.frame > last[0]:
            ours.append((now - last[1]) / (at.frame - last[0]))
        memory[at.frame] = process.memory_info().rss
        began = time.thread_time()
        structural_similarity(base, other, channel_axis=-1)
        theirs.append(time.thread_time() - began)
        last = (at.frame, now + theirs[-1])  # frames are read in the meantime: that counts as ours

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # waiting threads count as busy
    clip, settings = FramePairs("synthetic", pairs(), (480, 854), 45, 24.0), EvaluateSettings(worst=0)
    try:
        measure([clip], ("a", "b"), settings=settings, device="cpu", progress=progress)
    finally:
        torch.set_num_threads(threads)
    early, late = (max(rss for at, rss in memory.items() if at in part) for part in (range(5, 20), range(30, 46)))
    assert late - early < 30 << 20
    frame, similarity = median(ours[1:]), median(theirs[1:])
    assert frame < similarity, f"{1000 * frame:.0f} ms a frame, scikit-image's SSIM {1000 * similarity:.0f} ms"


def test_an_error_stops_the_reading_thread(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The command would hang after an error."""

    def fail(*_: object) -> torch.Tensor:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(ClipMeter, "update", fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        evaluate(*folders, device="cpu")


def test_a_wrong_number_of_flows_is_an_error() -> None:
    """The warp error would be that of another pair of frames."""
    frames = [(picture(i), picture(i)) for i in range(4)]
    first, second = batches(frames, 2)
    assert (len(first.flows[1][0]), len(second.flows[1][0]), len(second.flows[10][0]), second.first) == (1, 2, 0, 2)
    meter = ClipMeter()
    with pytest.raises(ValueError, match="2 flows"):
        meter.update(first.result, first.reference, second.flows)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_command(tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The command would not print its results, or not write its files."""
    sheet, page = tmp_path / "a.csv", tmp_path / "a.html"
    code, out, err = run(capsys, "evaluate", *folders, "--paper", "--with-published", "--csv", sheet, "--report", page)
    assert code == 0, err
    for part in ("CIEDE2000", "DeepRemaster", "uint8", "one", "two"):
        assert part in out
    assert len(sheet.read_text().splitlines()) == 19
    assert page.stat().st_size > 10_000
    assert "Accuracy: " in out

    code, out, err = run(capsys, "evaluate", *folders, "--json", "--with-published", "-q", "--device", "cpu")
    published = json.loads(out)["published"]
    first = {"psnr_published": 33.24, "ssim": 0.95, "lpips": 0.062, "fid": 69.56}
    assert published[0] == {"method": "DeepExemplar", "dataset": "DAVIS", **first}
    assert len(published) == 13
    assert (code, err) == (0, "")


@pytest.mark.slow
def test_figures_of_the_shots_of_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures would be those of other frames, or of another film."""
    truth = write_film(tmp_path / "truth.mkv", [picture(i) for i in range(12)])
    result = write_film(tmp_path / "result.mkv", [faded(picture(i), 0.3 if i < 5 else 0.8) for i in range(12)])
    longer = write_film(tmp_path / "longer.mkv", [picture(i) for i in range(14)])
    shots = [Boundary(0, Transition("start")), Boundary(5, Transition("cut"))]
    for film in (truth, longer):
        make_plan(film, tmp_path / f"{film.stem}-plan", boundaries=lambda _: shots)
    found = evaluate(result, truth, plan=tmp_path / "truth-plan", device="cpu")
    assert [(row.shot.start_frame, row.shot.end_frame) for row in found.shots] == [(0, 5), (5, 12)]

    films = ("evaluate", result, truth, "--device", "cpu")
    code, out, err = run(capsys, *films, "--plan", tmp_path / "truth-plan", "--json", "-q")
    assert code == 0, err
    one, two = json.loads(out)["shots"]
    column = found.clips[0].columns["ciede2000"]
    assert one["mean"]["ciede2000"] == pytest.approx(sum(column[:5]) / 5)
    assert two["mean"]["ciede2000"] == pytest.approx(sum(column[5:]) / 7)
    assert two["worst"]["ciede2000"] == max(column[5:])
    assert one["mean"]["ciede2000"] > 1.5 * two["mean"]["ciede2000"]  # more faded
    code, _, err = run(capsys, *films, "--plan", tmp_path / "longer-plan", "--json", "-q")
    assert (code, "is the plan of a film of 14 frames, but the film that is measured has 12" in err) == (1, True), err
    assert "(--plan)" in err
    code, _, err = run(capsys, *films, "--plan", tmp_path / "truth-plan")
    assert (code, "--report or --json" in err) == (2, True), err


def test_benchmark_command(tmp_path: Path, small_model: cm.ColorMNet, capsys: pytest.CaptureFixture[str]) -> None:
    """Users could not measure the published weights, or their own, without writing a program."""
    save_network(small_model, tmp_path / "small.pt")
    write_frames(tmp_path / "clips" / "one", 2)
    arguments = ("--model", tmp_path / "small.pt", "--json", "--device", "cpu", "--gamma", 3, "-o", tmp_path / "out")
    code, out, err = run(capsys, "evaluate", "--benchmark", tmp_path / "clips", *arguments)
    assert code == 0, err
    values = json.loads(out)
    assert (values["clips"][0]["frames"], values["settings"]["memory"]["gamma"]) == (2, 3)
    assert len(values["settings"]["weights"]["file_sha256"]) == 64
    result = tmp_path / "out" / "one" / "1.png"
    result.write_bytes(b"an earlier result")
    code, _, err = run(capsys, "evaluate", "--benchmark", tmp_path / "clips", *arguments)
    assert (code, result.read_bytes()) == (1, b"an earlier result")
    assert f"{result.parent} holds results already" in err
    assert "--overwrite" in err
    assert "Loading" not in err  # before the weights are loaded
    code, _, err = run(capsys, "evaluate", "--benchmark", tmp_path / "clips", *arguments, "--overwrite")
    assert code == 0, err
    assert result.stat().st_size > 100


def test_wrong_use_of_the_command(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake would end in a traceback, do something else, or be reported only after hours of measuring."""
    film = write_film(tmp_path / "film.mkv", [picture(i) for i in range(3)])
    for arguments, expected, said in (
        ((folders[0],), 2, "REFERENCE"),
        ((folders[0], folders[1], "--benchmark", tmp_path), 2, "--benchmark"),
        ((*folders, "-o", tmp_path / "x"), 2, "--output"),
        ((*folders, "--model", "preview", "--top-k", 3), 2, "--model, --top-k: works with --benchmark only"),
        ((*folders, "--bilinear"), 2, "--guided: works with --benchmark"),
        ((*folders, "--worst-by", "lpips"), 2, "--worst-by lpips needs --perceptual"),
        ((*folders, "--csv", film / "a.csv"), 1, "is a file, not a folder"),
        ((*folders, "--report", folders[0]), 2, "is a folder"),
        ((film, film, "--report", film), 2, "is the input itself"),
        ((folders[0], folders[1] / "one"), 1, "one clip"),
    ):
        code, _, err = run(capsys, "evaluate", *arguments)
        assert (code, said in err) == (expected, True), err
        assert "Traceback" not in err
        assert "measure" not in err
