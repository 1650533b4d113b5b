"""Commands in a process of their own, in which nothing has used the GPU before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from colormnet_cli.bench.film import make_film
from colormnet_cli.networks.weight_file import save_network
from colormnet_cli.video.encoder_support import encoder_support
from colormnet_cli.video.probe import probe
from support.commands import result, start_python
from support.networks import make_small_model

pytestmark = pytest.mark.gpu

COLORIZE = [
    *("colorize", "film.mp4", "--ref", "exemplar.png", "-o", "out.mp4"),
    *("--size", "96", "--model", "small.pt", "--json", "--progress", "none"),
]


def fresh(arguments: list[str], folder: Path) -> tuple[int, str, str]:
    return result(start_python(arguments, folder))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with film.mp4 (12 frames), exemplar.png and small.pt."""
    folder = tmp_path_factory.mktemp("film")
    make_film(folder, 12, (144, 256), (96, 160), 2)
    save_network(make_small_model(), folder / "small.pt")
    return folder


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "auto"])
def test_a_device_given_by_name(film: Path, device: str) -> None:
    """Fails where `--device cuda` ends in "Invalid device argument", because nothing has initialized CUDA yet."""
    code, out, err = fresh([*COLORIZE, "--device", device, "--overwrite"], film)
    assert code == 0, err
    receipt = json.loads(out)
    assert receipt["frames"] == 12
    assert receipt["device"].startswith("cuda:0")
    assert receipt["peak_memory"] > 0


@pytest.mark.parametrize(
    "command",
    ["evaluate film.mp4 film.mp4 --device cuda:0", "bench --device cuda:0 --model small.pt --size 160x96 --film none"],
)
def test_other_commands(film: Path, command: str) -> None:
    """Fails where they measure memory before CUDA is initialized."""
    code, _, err = fresh(command.split(), film)
    assert code == 0, err


@pytest.mark.parametrize("codec", ["h264_nvenc", "hevc_nvenc", "av1_nvenc"])
def test_nvenc(film: Path, codec: str) -> None:
    """Fails where a film encoded on the GPU loses frames, its size, or its codec."""
    problem = {encoder.name: encoder.problem for encoder in encoder_support()}[codec]
    if problem:
        pytest.skip(f"{codec}: {problem}")
    arguments = [part.replace("out.mp4", f"{codec}.mp4") for part in COLORIZE]
    code, out, err = fresh([*arguments, "--device", "cuda", "--codec", codec], film)
    assert code == 0, err
    assert json.loads(out)["frames"] == 12
    info = probe(film / f"{codec}.mp4")
    assert (info.width, info.height) == (256, 144)
    assert info.codec.replace("libdav1d", "av1") == codec.split("_")[0]
