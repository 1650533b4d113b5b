"""Evaluation: what is paired with what, what a stream of frames gives, and what a run leaves behind."""

from __future__ import annotations

import csv
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import psutil
import pytest
import torch
from films import make_film
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import colormnet_cli as cm
from colormnet_cli import metrics
from colormnet_cli.benchmark import BenchmarkSettings, benchmark
from colormnet_cli.cli import main
from colormnet_cli.clips import natural_order, open_clip, pair_clips
from colormnet_cli.errors import MediaError, OutputError, UsageError, WeightsError
from colormnet_cli.evaluate import EvaluateSettings, Measured, evaluate, measure
from colormnet_cli.flows import batches
from colormnet_cli.meter import ClipMeter, mean_of
from colormnet_cli.model import save_model
from colormnet_cli.perceptual import PerceptualNetworks, from_lpips, load_networks
from colormnet_cli.video.rgb import RgbFilm, planes_of
from colormnet_cli.worst import WorstFrames


def picture(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth coloured picture that drifts."""
    noise = np.random.default_rng(7).integers(0, 256, (height, width + 96, 3), dtype=np.uint8)
    wide = cv2.GaussianBlur(noise, (0, 0), 4)
    wide = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX)
    return np.ascontiguousarray(wide[:, number : number + width])


def faded(rgb: np.ndarray, share: float = 0.5) -> np.ndarray:
    gray = rgb.mean(-1, keepdims=True)
    return (share * rgb + (1 - share) * gray).round().astype(np.uint8)


def write_frames(
    folder: Path,
    count: int,
    change: Callable[[np.ndarray], np.ndarray] = lambda x: x,
    size: tuple[int, int] = (48, 64),
) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), change(picture(number, *size))[..., ::-1])
    return folder


def write_film(path: Path, frames: list[np.ndarray], pix_fmt: str = "bgr0") -> Path:
    """Lossless, in RGB."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("ffv1", rate=24)
        video.height, video.width, video.pix_fmt = *frames[0].shape[:2], pix_fmt
        for rgb in frames:
            out.mux(video.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)))
        out.mux(video.encode(None))
    return path


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("matrix", "weights"), [("bt709", (0.2126, 0.0722)), ("bt601", (0.299, 0.114))])
@pytest.mark.parametrize("full", [False, True])
def test_films_become_rgb_by_their_own_matrix_and_range(
    tmp_path: Path, matrix: str, weights: tuple[float, float], full: bool
) -> None:
    """Colours would be measured with a green tint, or washed out."""
    kr, kb = weights
    rgb = np.random.default_rng(1).integers(0, 256, (32, 48, 3)).astype(float)
    red, green, blue = np.moveaxis(rgb / 255, -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    span, black, chroma = (255, 0, 255) if full else (219, 16, 224)
    planes = np.stack((luma * span + black, cb * chroma + 128, cr * chroma + 128)).round().clip(0, 255).astype(np.uint8)
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        video = out.add_stream("ffv1", rate=24)
        video.height, video.width, video.pix_fmt = 32, 48, "yuv444p"
        video.codec_context.colorspace, video.codec_context.color_range = (
            1 if matrix == "bt709" else 6,
            2 if full else 1,
        )
        out.mux(video.encode(av.VideoFrame.from_ndarray(planes, format="yuv444p")))
        out.mux(video.encode(None))
    (found,) = RgbFilm(tmp_path / "a.mkv")
    assert np.abs(found - rgb).max() <= 2
    assert np.abs(found - rgb).mean() < 0.45  # 8-bit planes cannot do better
    back = planes_of(found, "yuv444p", matrix, full)
    assert np.abs(np.stack(back).astype(int) - planes).mean() < 0.5


def test_a_film_that_breaks_off_is_not_compared_frame_by_frame(tmp_path: Path) -> None:
    """Every frame behind a lost one would be measured against its neighbour."""
    path = make_film(tmp_path / "a.mkv", frames=24, codec="libx264", color=True)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = os.urandom(400)
    path.write_bytes(data)
    whole = make_film(tmp_path / "b.mkv", frames=24, codec="libx264", color=True)
    with pytest.raises(MediaError, match=r"a\.mkv"):
        evaluate(path, whole, device="cpu")


def test_frames_come_in_natural_order_and_as_8_bits(tmp_path: Path) -> None:
    """Frame 10 would be measured as frame 2, or 16-bit pictures not at all."""
    for number in (10, 9, 100, 1):
        cv2.imwrite(str(tmp_path / f"f{number}.png"), np.full((16, 16, 3), number * 257, np.uint16))
    clip = open_clip(tmp_path)
    assert [p.name for p in clip.pictures] == ["f1.png", "f9.png", "f10.png", "f100.png"]
    assert [int(frame[0, 0, 0]) for frame in clip] == [1, 9, 10, 100]
    assert natural_order(Path("a2b10")) < natural_order(Path("a10b2"))


# --- pairing --------------------------------------------------------------------------------------------------------


def test_everything_that_does_not_fit_is_said_by_name(tmp_path: Path) -> None:
    """Clips that do not belong together would be measured, or end in a traceback."""
    a, shorter = write_frames(tmp_path / "a", 4), write_frames(tmp_path / "b", 3)
    larger = write_frames(tmp_path / "c", 4, size=(48, 80))
    other = write_frames(tmp_path / "d", 4)
    (other / "3.png").rename(other / "4.png")
    with pytest.raises(MediaError, match=r"has 4 frames, .* has 3"):
        pair_clips(a, shorter)
    with pytest.raises(MediaError, match=r"64×48, .* 80×48"):
        pair_clips(a, larger)
    with pytest.raises(MediaError, match=r"3\.png .* 4\.png"):
        pair_clips(a, other)
    with pytest.raises(MediaError, match="no such file"):
        pair_clips(a, tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="neither pictures nor clips"):
        pair_clips(tmp_path / "empty", a)


def test_folders_of_clips_are_paired_by_name(tmp_path: Path) -> None:
    """A clip would be measured against another one, or be left out without a word."""
    for side in ("result", "truth"):
        for name in ("clip10", "clip2"):
            write_frames(tmp_path / side / name, 2)
    assert [pair.name for pair in pair_clips(tmp_path / "result", tmp_path / "truth")] == ["clip2", "clip10"]
    write_film(tmp_path / "truth" / "clip3.mkv", [picture(0)])
    with pytest.raises(MediaError, match="result lacks clip3"):
        pair_clips(tmp_path / "result", tmp_path / "truth")
    with pytest.raises(MediaError, match="result lacks clip3"):
        pair_clips(tmp_path / "truth", tmp_path / "result")
    with pytest.raises(MediaError, match="one clip"):
        pair_clips(tmp_path / "result", tmp_path / "truth" / "clip2")
    write_film(tmp_path / "result" / "clip3.mp4.mkv", [picture(0)])
    write_frames(tmp_path / "result" / "clip3.mp4", 1)
    with pytest.raises(MediaError, match="two clips named"):
        pair_clips(tmp_path / "result", tmp_path / "truth")


@pytest.mark.parametrize("longer", ["result", "reference"])
def test_films_of_different_length_are_found_at_the_end(tmp_path: Path, longer: str) -> None:
    """A film that lost its last frames would pass as whole: containers do not say how many there are."""
    frames = [picture(i) for i in range(5)]
    counts = {"result": 5, "reference": 5, longer: 3 + 2}
    counts["reference" if longer == "result" else "result"] = 3
    a = write_film(tmp_path / "a.mkv", frames[: counts["result"]])
    b = write_film(tmp_path / "b.mkv", frames[: counts["reference"]])
    with pytest.raises(MediaError, match=f"has {counts['result']} frames, .* has {counts['reference']}"):
        evaluate(a, b, device="cpu")


def test_a_size_that_changes_within_a_folder_is_an_error(tmp_path: Path) -> None:
    """It would end in a traceback deep in a metric."""
    a, b = write_frames(tmp_path / "a", 3), write_frames(tmp_path / "b", 3)
    cv2.imwrite(str(a / "2.png"), picture(2, 32, 64))
    with pytest.raises(MediaError, match=r"2\.png is 64×32"):
        evaluate(a, b, device="cpu")
    small = write_frames(tmp_path / "small", 2, size=(10, 64))
    with pytest.raises(MediaError, match="12×12"):
        evaluate(small, small, device="cpu")


# --- measuring ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Result and reference: two clips each, of different lengths; the second result is better."""
    root = tmp_path_factory.mktemp("clips")
    for name, count, share in (("one", 6, 0.3), ("two", 12, 0.8)):
        write_frames(root / "truth" / name, count)
        write_frames(root / "result" / name, count, lambda x, share=share: faded(x, share))  # type: ignore[misc]
    return root / "result", root / "truth"


def test_figures_of_frames_clips_and_all(folders: tuple[Path, Path]) -> None:
    """Tables would not be what the frames say."""
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
    """Another device (other batches) would give other figures, above all between two batches."""
    whole = evaluate(folders[0] / "two", folders[1] / "two", device="cpu", settings=EvaluateSettings(batch=4))
    parts = evaluate(folders[0] / "two", folders[1] / "two", device="cpu", settings=EvaluateSettings(batch=size))
    for key, value in whole.clips[0].means().items():
        assert parts.clips[0].means()[key] == pytest.approx(value, rel=1e-5), key
    for key, column in whole.clips[0].columns.items():
        np.testing.assert_allclose(parts.clips[0].columns[key], column, rtol=1e-4, err_msg=key)


def test_warp_error_of_a_stream_is_the_one_of_its_pairs(folders: tuple[Path, Path]) -> None:
    """Flicker would be measured between the wrong frames."""
    clip = evaluate(folders[0] / "one", folders[1] / "one", device="cpu").clips[0]
    grays = [cv2.cvtColor(picture(i), cv2.COLOR_RGB2GRAY) for i in (2, 3)]
    to_past, to_future = metrics.dis_flow(grays[1], grays[0])[None], metrics.dis_flow(grays[0], grays[1])[None]
    frames = [torch.from_numpy(faded(picture(i), 0.3)).permute(2, 0, 1)[None] / 255 for i in (2, 3)]
    expected = metrics.warp_errors(frames[0], frames[1], to_past, to_future)
    assert clip.columns["warp_error"][3] == pytest.approx(expected.item(), rel=1e-4)


def test_large_frames_and_the_one_that_is_worst(tmp_path: Path) -> None:
    """Frames larger than a strip would be measured in part, and the report would show another frame than it names."""
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
    assert worst.ciede2000 == found.clips[0].columns["ciede2000"][3]
    small = cv2.resize(broken, (480, 137), interpolation=cv2.INTER_AREA)
    assert np.array_equal(worst.result, small)


def test_films_and_folders_of_the_same_frames_measure_alike(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    """A film would be measured differently from its own frames."""
    a = write_film(tmp_path / "a.mkv", [faded(picture(i), 0.3) for i in range(6)])
    b = write_film(tmp_path / "b.mkv", [picture(i) for i in range(6)])
    film = evaluate(a, b, device="cpu").overall
    assert film == pytest.approx(evaluate(folders[0] / "one", folders[1] / "one", device="cpu").overall)
    assert film == pytest.approx(evaluate(a, folders[1] / "one", device="cpu").overall)


def test_identical_frames_leave_the_means_and_are_said(tmp_path: Path) -> None:
    """One black frame would make the PSNR of a whole film infinite, or vanish silently."""
    a, b = write_frames(tmp_path / "a", 4, faded), write_frames(tmp_path / "b", 4)
    cv2.imwrite(str(a / "2.png"), picture(2)[..., ::-1])
    found = evaluate(a, b, device="cpu")
    assert math.isinf(found.clips[0].columns["psnr"][2])
    assert math.isfinite(found.overall["psnr"])
    assert found.warnings[0].startswith("1 frames are identical")
    perfect = evaluate(b, b, device="cpu")
    assert math.isinf(perfect.overall["psnr"])
    assert json.loads(perfect.to_json())["overall"]["psnr"] == "inf"
    assert math.isnan(mean_of([]))


def test_csv_and_json_hold_what_was_measured(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    """Other programs could not read the results."""
    found = evaluate(*folders, device="cpu")
    found.write_csv(tmp_path / "a.csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [(r["clip"], r["frame"]) for r in rows][:7] == [*(("one", str(i)) for i in range(6)), ("two", "0")]
    assert float(rows[6]["psnr"]) == pytest.approx(found.clips[1].columns["psnr"][0], rel=1e-5)
    assert rows[6]["warp_error"] == ""
    values = json.loads(found.to_json())
    assert values["frames"] == 18
    assert values["clips"][1]["psnr"] == pytest.approx(found.clips[1].means()["psnr"])
    with pytest.raises(OutputError, match="cannot be written"):
        found.write_csv(tmp_path / "nowhere" / "a.csv")


def test_worst_frames_are_the_worst_and_no_neighbours() -> None:
    """The report would show six times the same moment, or not the worst one."""
    frame = np.zeros((4, 4, 3), np.uint8)
    worst = WorstFrames(3)
    for number in range(200):  # two peaks
        worst.offer("clip", number, max(50 - abs(number - 100), 45 - abs(number - 30)), frame, frame)
    assert [w.frame for w in worst.frames()][:2] == [100, 30]
    found = [w.frame for w in worst.frames()]
    assert len(found) == 3
    assert all(abs(a - b) >= 12 for a in found for b in found if a != b)
    rising = WorstFrames(4)
    for number in range(120):
        rising.offer("clip", number, number, frame, frame)
    assert [w.frame for w in rising.frames()] == [119, 107, 95, 83]
    both = WorstFrames(2)
    both.offer("one", 5, 1, frame, frame)
    both.offer("two", 5, 2, frame, frame)
    assert [w.clip for w in both.frames()] == ["two", "one"]
    none = WorstFrames(0)
    none.offer("one", 5, 1, frame, frame)
    assert none.frames() == ()
    wide = WorstFrames(1)
    wide.offer("clip", 0, 1, np.zeros((540, 960, 3), np.uint8), np.zeros((540, 960, 3), np.uint8))
    assert wide.frames()[0].result.shape == (270, 480, 3)


def test_a_long_film_takes_flat_memory_and_less_than_scikit_images_ssim(tmp_path: Path) -> None:
    """A long film would fill the memory, or take longer than the tools that people have already.

    Processor time, not seconds on the clock: other tests may be running. On the clock it is half of that on two cores.
    """
    base = picture(0, 480, 854)
    other = faded(base)
    count, used, spent = 50, [], []
    process = psutil.Process()

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number in range(count):
            yield np.roll(other, number % 5, axis=1), np.roll(base, number % 5, axis=1)

    def progress(*_: object) -> None:
        used.append(process.memory_info().rss)
        spent.append(time.process_time())

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other count as busy
    try:
        measure([Measured("made", pairs(), (480, 854), count, 24.0)], ("a", "b"), device="cpu", progress=progress)
    finally:
        torch.set_num_threads(threads)
    ours = min(spent[i + 10] - spent[i] for i in range(5, count - 10)) / 10
    theirs = min(_processor_time(lambda: structural_similarity(base, other, channel_axis=-1)) for _ in range(8))
    assert max(used[30:]) - max(used[5:15]) < 30 << 20
    assert ours < theirs, f"{1000 * ours:.0f} ms a frame, scikit-image's SSIM {1000 * theirs:.0f} ms"


def _processor_time(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def test_the_reading_thread_stops_when_measuring_fails(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error would hang the command for ever."""

    def fail(*_: object) -> torch.Tensor:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(ClipMeter, "update", fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        evaluate(*folders, device="cpu")


def test_flows_that_do_not_fit_are_refused() -> None:
    """The warp error would be taken from the wrong pair."""
    frames = [(picture(i), picture(i)) for i in range(4)]
    first, second = batches(frames, 2)
    assert (first.to_past.shape[0], second.to_past.shape[0], second.first) == (1, 2, 2)
    meter = ClipMeter()
    with pytest.raises(ValueError, match="2 flows"):
        meter.update(first.result, first.reference, second.to_past, second.to_future)


# --- networks that are given ----------------------------------------------------------------------------------------


def small_networks() -> PerceptualNetworks:
    torch.manual_seed(0)
    conv, deep = torch.nn.Conv2d(3, 6, 3, stride=2), torch.nn.Conv2d(6, 8, 3, stride=2)

    def layers(rgb: torch.Tensor) -> list[torch.Tensor]:
        one = conv(rgb).relu()
        return [one, deep(one).relu()]

    return PerceptualNetworks(layers, (torch.rand(6), torch.rand(8)), lambda rgb: deep(conv(rgb / 255)).mean((2, 3)))


def test_lpips_and_fid_of_given_networks(folders: tuple[Path, Path]) -> None:
    """The figures beside the papers' would be of other frames, or of some frames only."""
    networks = small_networks()
    found = evaluate(*folders, device="cpu", settings=EvaluateSettings(perceptual=True, batch=4), networks=networks)
    results = [
        torch.from_numpy(faded(picture(i), s)).permute(2, 0, 1) for n, s in ((6, 0.3), (12, 0.8)) for i in range(n)
    ]
    truths = [torch.from_numpy(picture(i)).permute(2, 0, 1) for n in (6, 12) for i in range(n)]
    x, y = torch.stack(results), torch.stack(truths)
    with torch.inference_mode():
        expected = networks.lpips(x / 255, y / 255)
        distance = metrics.FrechetDistance()
        distance.update(networks.features(x), networks.features(y))
    measured = [*found.clips[0].columns["lpips"], *found.clips[1].columns["lpips"]]
    np.testing.assert_allclose(measured, expected, rtol=1e-4)
    assert found.overall["fid"] == pytest.approx(distance.compute(), rel=1e-4)
    assert "fid" not in found.clips[0].means()


def test_torchmetrics_networks_as_functions() -> None:
    """LPIPS would lack the network's own scaling, or take other layers."""
    lpips_module = pytest.importorskip("torchmetrics.functional.image.lpips")
    torch.manual_seed(4)
    network = lpips_module._LPIPS(pretrained=False, pnet_rand=True, net="squeeze", use_dropout=False)
    a, b = torch.rand(2, 2, 3, 64, 64).unbind()
    with torch.inference_mode():
        ours = from_lpips(network, lambda rgb: rgb).lpips(a, b)
        assert torch.allclose(ours, network(a, b, normalize=True).flatten(), rtol=1e-4)


def test_weights_of_lpips_that_cannot_be_had_are_one_sentence(
    tmp_path: Path, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the network, a traceback of urllib would end the command."""
    pytest.importorskip("torchmetrics")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match=r"cannot be fetched .* without --perceptual"):
        evaluate(*folders, device="cpu", settings=EvaluateSettings(perceptual=True))


def test_without_the_extra_the_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """People would not know what to install."""
    monkeypatch.setitem(sys.modules, "torchmetrics.image", None)
    with pytest.raises(UsageError, match=r"colormnet\[eval\]"):
        load_networks()


# --- benchmark ------------------------------------------------------------------------------------------------------


def test_benchmark_colours_from_the_first_frame(tmp_path: Path, small_model: cm.ColorMNet) -> None:
    """The model would be measured on another task than the papers'."""
    write_frames(tmp_path / "clips" / "one", 4)
    write_film(tmp_path / "clips" / "two.mkv", [picture(i) for i in range(3)])
    found = benchmark(
        tmp_path / "clips", model=small_model, device="cpu", output=tmp_path / "out",
        colouring=BenchmarkSettings(size="source"),
    )  # fmt: skip
    assert [(c.name, c.frames) for c in found.clips] == [("one", 4), ("two", 3)]
    assert found.settings["memory"]["gamma"] == 5
    assert sorted(p.name for p in (tmp_path / "out" / "two").iterdir()) == ["00000.png", "00001.png", "00002.png"]

    colorizer = cm.Colorizer(small_model)
    labs = [cm.rgb_to_lab(torch.from_numpy(picture(i)).permute(2, 0, 1) / 255) for i in range(4)]
    colorizer.set_exemplar(labs[0], first_frame=True)
    for number, lab in enumerate(labs):
        rgb = cm.lab_to_rgb(torch.cat((lab[:1], colorizer.step(lab[:1]))))
        expected = (rgb * 255).round().byte().permute(1, 2, 0).numpy()
        written = cv2.imread(str(tmp_path / "out" / "one" / f"{number}.png"))[..., ::-1]
        assert np.abs(written.astype(int) - expected).max() <= 1
    again = evaluate(tmp_path / "out" / "one", tmp_path / "clips" / "one", device="cpu")
    assert again.clips[0].means() == pytest.approx(found.clips[0].means())


def test_benchmark_of_large_clips_works_at_the_size_that_is_asked_for(
    tmp_path: Path, small_model: cm.ColorMNet
) -> None:
    """A 4K benchmark could not run, or its first frame's colours would be lost."""
    write_frames(tmp_path / "clip", 2, size=(96, 160))
    found = benchmark(tmp_path / "clip", model=small_model, device="cpu", colouring=BenchmarkSettings(size=48))
    assert found.clips[0].frames == 2
    assert found.clips[0].columns["ab_psnr"][0] > 30  # the first frame's own colours, brought down and up again
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="holds no clips"):
        benchmark(tmp_path / "empty", model=small_model, device="cpu")


# --- the command ----------------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_command(tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The command would not show what it measured, or not leave its files."""
    sheet, page = tmp_path / "a.csv", tmp_path / "a.html"
    code, out, err = run(capsys, "evaluate", *folders, "--paper", "--with-published", "--csv", sheet, "--report", page)
    assert code == 0, err
    for part in ("CIEDE2000", "DeepRemaster", "uint8", "one", "two"):
        assert part in out
    assert len(sheet.read_text().splitlines()) == 19
    assert page.stat().st_size > 10_000

    code, out, err = run(capsys, "evaluate", *folders, "--json", "--with-published", "-q", "--device", "cpu")
    published = json.loads(out)["published"]
    first = {"psnr_published": 33.24, "ssim": 0.95, "lpips": 0.062, "fid": 69.56}
    assert published[0] == {"method": "DeepExemplar", "dataset": "DAVIS", **first}
    assert len(published) == 13
    assert (code, err) == (0, "")


def test_benchmark_command(tmp_path: Path, small_model: cm.ColorMNet, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody could measure the published weights, or their own, without writing a program."""
    save_model(small_model, tmp_path / "small.pt")
    write_frames(tmp_path / "clips" / "one", 2)
    arguments = ("--model", tmp_path / "small.pt", "--json", "--device", "cpu", "--gamma", 3, "-o", tmp_path / "out")
    code, out, err = run(capsys, "evaluate", "--benchmark", tmp_path / "clips", *arguments)
    assert code == 0, err
    values = json.loads(out)
    assert (values["clips"][0]["frames"], values["settings"]["memory"]["gamma"]) == (2, 3)
    assert len(values["settings"]["weights"]["file_sha256"]) == 64
    assert (tmp_path / "out" / "one" / "1.png").exists()


def test_wrong_use_of_the_command(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake would be answered by a traceback, or do something else."""
    for arguments, expected, said in (
        ((folders[0],), 2, "REFERENCE"),
        ((folders[0], folders[1], "--benchmark", tmp_path), 2, "--benchmark"),
        ((*folders, "-o", tmp_path / "x"), 2, "--output"),
        ((folders[0], folders[1] / "one"), 1, "one clip"),
    ):
        code, _, err = run(capsys, "evaluate", *arguments)
        assert (code, said in err) == (expected, True), err
        assert "Traceback" not in err
