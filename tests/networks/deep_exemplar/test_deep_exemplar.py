"""Deep Exemplar: the authors' figures, their files' names, the matching, and what is refused."""

from __future__ import annotations

import copy
import io
import json
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import colormnet_cli as cm
from colormnet_cli.errors import CheckpointError
from colormnet_cli.networks.deep_exemplar import Exemplar, match
from colormnet_cli.networks.deep_exemplar.shortcuts import add_conv3x3_of_doubled, instance_norm
from colormnet_cli.networks.weight_file import network_from_content, save_network
from support.golden import GOLDEN, deep_exemplar_state, unpack_frames
from support.networks import make_small_deep_exemplar
from support.plain_deep_exemplar import plain_frame


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A checkpoint with the published names and the prefixes of its three files."""
    return deep_exemplar_state()


@pytest.fixture(scope="module")
def net(state: dict[str, Tensor]) -> cm.DeepExemplar:
    """The published size with the golden weights."""
    net = cm.DeepExemplar()
    cm.load_state(net, state)
    return net


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


class Clip:
    """A golden clip: frames and exemplar as Lab, and the figures."""

    def __init__(self, name: str):
        packed = np.load(GOLDEN / "deep_exemplar.npz")
        self.figures = {key.removeprefix(f"{name}_"): packed[key] for key in packed if key.startswith(name)}
        self.frames = torch.stack([to_lab(rgb) for rgb in unpack_frames(self.figures, "frames")])
        self.exemplar = to_lab(self.figures["ref"])[None]

    def difference(self, name: str, ours: Tensor) -> float:
        """The largest one from the figures."""
        golden = torch.from_numpy(self.figures[name])
        assert ours.shape == golden.shape
        return float((ours - golden).abs().max())


def to_lab(rgb: np.ndarray) -> Tensor:
    return cm.rgb_to_lab(torch.from_numpy(rgb).movedim(-1, -3).float() / 255)


def random_lab(h: int, w: int, seed: int = 0, batch: int = 1) -> Tensor:
    """A picture of noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(batch, 3, h, w, generator=generator)
    return torch.cat((100 * x[:, :1], 80 * x[:, 1:] - 40), dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["even", "padded"])
def test_golden_matching(net: cm.DeepExemplar, name: str) -> None:
    """Fails where frames would match other places of the exemplar than in the authors' program, and says from where."""
    clip = Clip(name)
    taps = net.vgg(cm.lab_to_rgb(clip.exemplar))
    found = {
        f"exemplar_r{stage}2": clip.difference(f"exemplar_r{stage}2", tap[0, ::32, ::step, ::step])
        for stage, tap, step in zip(range(1, 6), taps, (4, 2, 1, 1, 1), strict=True)
    }
    assert max(found.values()) <= 2e-3, found
    exemplar, L = net.exemplar(clip.exemplar), clip.frames[:, :1]
    hard, soft = net.match(L, exemplar), net.match(L, exemplar, temperature=0.01)
    assert clip.difference("similarity", hard.similarity[:, 0]) <= 1e-4
    assert clip.difference("similarity", soft.similarity[:, 0]) <= 1e-4
    assert clip.difference("hard_warped", hard.lab) <= 1e-3
    assert clip.difference("soft_warped", soft.lab) <= 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["even", "padded"])
def test_golden_colors(net: cm.DeepExemplar, name: str) -> None:
    """Fails where a frame gets other colors than from the authors' program, with the same frame before it."""
    clip = Clip(name)
    exemplar = net.exemplar(clip.exemplar)
    given = torch.from_numpy(clip.figures["hard_ab"])  # of all frames but the last
    before = [None, *torch.cat((clip.frames[:-1, :1], given), dim=1).split(1)]
    ab = torch.cat([net(L, exemplar, last) for L, last in zip(clip.frames[:, :1].split(1), before, strict=True)])
    assert clip.difference("hard_ab", ab[:-1]) <= 0.02
    assert clip.difference("hard_ab_end", ab[-1, :, ::3, ::3]) <= 0.02


@pytest.mark.slow
def test_weights_of_the_figures(state: dict[str, Tensor]) -> None:
    """Fails where the figures' weights are not those of the recipe."""
    for name, total, first in (
        ("warp.layer2_1.1.weight", -32.4281308, 0.00898642),
        ("color.conv1_2norm_ss.weight", -13.6367616, -1.88755143),
        ("color.conv10_ab.weight", -0.0237807, 0.00071336),
    ):
        assert float(state[name].double().sum()) == pytest.approx(total, abs=2e-6)
        assert float(state[name].flatten()[0]) == pytest.approx(first, abs=1e-7)


def test_published_names(net: cm.DeepExemplar) -> None:
    """Fails where a tensor of the authors' files would be left out, or one be wanted that they have not."""
    listed = json.loads((GOLDEN / "deep_exemplar_state_dict.json").read_text())
    wanted = {name: list(shape) for name, shape in net.published_shapes().items()}
    assert wanted == {name: shape for name, (shape, _) in listed.items()}
    unused = 2 * (512 * 512 * 9 + 512)  # VGG's conv5_3 and conv5_4
    published = sum(int(np.prod(shape)) for shape, _ in listed.values())
    assert sum(p.numel() for p in net.parameters()) == published - unused == 55_024_269


def test_mismatches_are_reported(net: cm.DeepExemplar, state: dict[str, Tensor]) -> None:
    """Fails where a wrong checkpoint loads in part, or is refused without saying why."""
    wrong = dict(state)
    del wrong["warp.layer5_1.8.weight"]
    wrong["vgg.conv6_1.weight"] = torch.zeros(1)
    wrong["color.conv2_2_short.bias"] = torch.zeros(7)
    with pytest.raises(CheckpointError) as error:
        cm.load_state(net, wrong)
    assert "1 missing: warp.layer5_1.8.weight;" in str(error.value)
    assert "1 not of this network: vgg.conv6_1.weight;" in str(error.value)
    assert "color.conv2_2_short.bias is [7] instead of [128]" in str(error.value)
    with pytest.raises(CheckpointError, match=r"The tensor vgg\.conv5_4\.bias holds values that are no finite numbers"):
        cm.load_state(net, state | {"vgg.conv5_4.bias": torch.full((512,), torch.nan)})


def test_files_come_back(state: dict[str, Tensor]) -> None:
    """Fails where a network comes back from its file as another one, or a published file is not recognized."""
    assert isinstance(network_from_content(state), cm.DeepExemplar)
    small, file = make_small_deep_exemplar(), io.BytesIO()
    save_network(small, file)
    loaded = network_from_content(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    assert isinstance(loaded, cm.DeepExemplar)
    assert loaded.config == small.config
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in small.state_dict().items())


def plain_match(theta: Tensor, exemplar: Exemplar, temperature: float) -> tuple[Tensor, Tensor]:
    """As the paper has it: all similarities at once."""
    f = theta.flatten(2).transpose(1, 2) @ exemplar.phi
    warped = exemplar.lab @ (f / temperature).softmax(dim=2).transpose(1, 2)
    return warped.view(len(theta), 3, *theta.shape[2:]), f.amax(dim=2).view(len(theta), 1, *theta.shape[2:])


@pytest.mark.parametrize(("temperature", "plain"), [(None, 1e-10), (0.01, 0.01)])
@pytest.mark.parametrize("block", [1 << 22, 1000, 1])
def test_matching_equals_the_plain_formula(
    monkeypatch: pytest.MonkeyPatch, temperature: float | None, plain: float, block: int
) -> None:
    """Fails where taking a block at a time, or the best pixel alone, gives other colors than the paper's softmax."""
    monkeypatch.setattr("colormnet_cli.networks.deep_exemplar.matching._BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    theta = torch.nn.functional.normalize(torch.randn(2, 16, 7, 9, generator=generator).double())
    phi = torch.nn.functional.normalize(torch.randn(1, 16, 40, generator=generator).double())
    exemplar = Exemplar(phi, 50 * torch.randn(1, 3, 40, generator=generator).double())
    warped, similarity = plain_match(theta, exemplar, plain)
    found = match(theta, exemplar, temperature)
    torch.testing.assert_close(found.lab, warped)
    torch.testing.assert_close(found.similarity, similarity)


def test_of_several_exemplars_the_best_wins() -> None:
    """Fails where, with two exemplars joined, a frame takes the colors of the one that is less alike."""
    net = make_small_deep_exemplar()
    one, other = random_lab(32, 48, seed=1), random_lab(64, 40, seed=2)
    both = Exemplar(*(torch.cat(parts, dim=2) for parts in zip(net.exemplar(one), net.exemplar(other), strict=True)))
    L = random_lab(32, 48, seed=3)[:, :1]
    first, second, joined = (net.match(L, e) for e in (net.exemplar(one), net.exemplar(other), both))
    better = first.similarity >= second.similarity
    assert 0 < better.float().mean() < 1
    assert torch.equal(joined.lab, torch.where(better, first.lab, second.lab))


@pytest.mark.parametrize("size", [(32, 48), (40, 56)])
def test_the_network_equals_the_plain_one(size: tuple[int, int]) -> None:
    """Fails where a shortcut for speed changes a color; the second size pads VGG's last maps on both sides."""
    net = make_small_deep_exemplar().double()
    L, exemplar, last = (random_lab(*size, seed=seed).double() for seed in (1, 2, 3))
    expected = plain_frame(net, L[:, :1], exemplar, last, temperature=0.01)
    # `match` is of float32 whatever the network is in
    matched = net.match(L[:, :1], net.exemplar(exemplar), temperature=0.01)
    found = net.refine(L[:, :1], matched, last)
    torch.testing.assert_close(found.double(), expected, atol=2e-2, rtol=1e-3)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (3, 5)])
def test_shortcuts_equal_their_plain_forms(batch: int, size: tuple[int, int]) -> None:
    """Fails where an edge, a phase of the doubled map or another picture of the batch is mixed up."""
    generator = torch.Generator().manual_seed(0)
    conv = torch.nn.Conv2d(4, 6, 3, padding=1).double()
    x = torch.randn(batch, 4, *size, generator=generator).double()
    large = F.interpolate(x, scale_factor=2, mode="nearest")
    total = torch.randn(batch, 6, *large.shape[2:], generator=generator).double()
    expected = total + conv(large)
    torch.testing.assert_close(add_conv3x3_of_doubled(x, conv, total), expected)
    torch.testing.assert_close(instance_norm(large), F.instance_norm(large))


def test_a_frame_costs_less_than_the_plain_one() -> None:
    """Fails where a shortcut is lost, or each frame pays for the exemplar again."""
    with torch.device("meta"):
        net, lab = cm.DeepExemplar(), torch.empty(1, 3, 216, 384)
        exemplar = Exemplar(torch.empty(1, 256, 5184), torch.empty(1, 3, 5184))
        with FlopCounterMode(display=False) as plain:
            plain_frame(net, lab[:, :1], lab, lab)
        with FlopCounterMode(display=False) as ours:
            net(lab[:, :1], exemplar, lab)
    assert plain.get_total_flops() / 1e9 == pytest.approx(462.3, abs=0.5)
    assert ours.get_total_flops() / 1e9 == pytest.approx(321.7, abs=0.5)


_MATCH = """
import resource, torch
from colormnet_cli.networks.deep_exemplar import Exemplar, match
from colormnet_cli.networks.deep_exemplar.shortcuts import add_conv3x3_of_doubled, instance_norm
def run(h, w):
    theta, phi = torch.rand(1, 256, h, w), torch.rand(1, 256, h * w)
    for temperature in (None, 0.01):
        match(theta, Exemplar(phi, torch.rand(1, 3, h * w)), temperature)
run(16, 16)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run(54, 96)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_matching_takes_little_memory() -> None:
    """Fails where matching at the authors' size, 216×384, takes more than 200 MB: all similarities at once take 107."""
    shown = subprocess.run([sys.executable, "-c", _MATCH], capture_output=True, text=True, check=True)
    assert int(shown.stdout) / 1024 < 100  # MB; below the matrix of all similarities


def test_no_frame_makes_the_host_wait() -> None:
    """Fails where a frame's values decide what is computed: on CUDA the host would wait for each frame."""
    net, lab = make_small_deep_exemplar().to("meta"), random_lab(40, 48).to("meta")  # tensors without values
    exemplar = Exemplar(torch.empty(1, 32, 120, device="meta"), torch.empty(1, 3, 120, device="meta"))
    assert net(lab[:, :1], exemplar).shape == (1, 2, 40, 48)
    assert net(lab[:, :1], exemplar, lab, temperature=0.01).shape == (1, 2, 40, 48)


@pytest.mark.gpu
def test_cuda_does_not_wait_for_the_host() -> None:
    """Fails where a frame makes the host wait for the device."""
    net, lab = make_small_deep_exemplar().to("cuda"), random_lab(40, 48).to("cuda")
    exemplar = net.exemplar(lab)
    net(lab[:, :1], exemplar, lab)
    torch.cuda.set_sync_debug_mode("error")
    try:
        net(lab[:, :1], exemplar, lab)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_frames_may_be_matched_together() -> None:
    """Fails where a frame's match depends on what is matched beside it, or an exemplar of another size does not fit."""
    net = make_small_deep_exemplar()
    exemplar = net.exemplar(random_lab(32, 64, seed=1))
    L = random_lab(48, 40, batch=3)[:, :1]
    together = net.match(L, exemplar)
    for i, one in enumerate(L.split(1)):
        alone = net.match(one, exemplar)
        torch.testing.assert_close(together.similarity[i : i + 1], alone.similarity)
        torch.testing.assert_close(together.lab[i : i + 1], alone.lab)


def half_precision(net: cm.DeepExemplar, dtype: torch.dtype, device: str) -> None:
    clip = Clip("even")
    net, rough = copy.deepcopy(net).to(device), copy.deepcopy(net).to(device, dtype)
    L, picture = clip.frames[:1, :1].to(device), clip.exemplar.to(device)
    exact, found = net.match(L, net.exemplar(picture)), rough.match(L, rough.exemplar(picture))
    assert (exact.similarity - found.similarity).abs().mean() < 0.01
    ab = rough.refine(L, exact)
    assert ab.dtype == torch.float32
    assert (ab - net.refine(L, exact)).abs().mean() < 1


@pytest.mark.slow
def test_half_precision(net: cm.DeepExemplar) -> None:
    """Fails where bfloat16 matches what is not alike, or changes colors visibly."""
    half_precision(net, torch.bfloat16, "cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_on_cuda(net: cm.DeepExemplar, dtype: torch.dtype) -> None:
    """Fails where float16 overflows in VGG, or a half changes colors visibly."""
    half_precision(net, dtype, "cuda")


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 1, 64, 64), (1, 3, 64, 60), (1, 3, 24, 64)])
def test_wrong_pictures_are_refused(shape: tuple[int, ...]) -> None:
    """Fails where a wrong picture ends in an error deep inside the network."""
    with pytest.raises(ValueError, match=r"an exemplar must be \[B, 3, H, W\], .* at least 32; got \["):
        make_small_deep_exemplar().exemplar(torch.rand(shape))


def test_wrong_frames_are_refused() -> None:
    """Fails where Lab is taken for lightness, or the frame before is of another size."""
    net, lab = make_small_deep_exemplar(), random_lab(32, 32)
    exemplar = net.exemplar(lab)
    with pytest.raises(ValueError, match=r"a frame must be \[B, 1, H, W\]"):
        net(lab, exemplar)
    with pytest.raises(ValueError, match=r"the frame before must be \[B, 3, H, W\]"):
        net(lab[:, :1], exemplar, lab[..., :24])
    with pytest.raises(ValueError, match="width must be even"):
        cm.DeepExemplar(width=7)
