"""Every network that colorizes films, through the same calls; and what is particular to Deep Exemplar."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import colormnet_cli as cm
from colormnet_cli.color.guided_upsampling import upsample_ab
from colormnet_cli.color.resize import resize
from colormnet_cli.errors import UsageError
from colormnet_cli.inference.cost import frame_cost
from colormnet_cli.inference.engine import _ENGINES, engine_of
from colormnet_cli.inference.frame_colorizer import Resampler
from colormnet_cli.networks.deep_exemplar import Exemplar
from colormnet_cli.networks.state_dict import Network
from support.networks import make_small_ddcolor, make_small_deep_exemplar, make_small_model

pytestmark = pytest.mark.usefixtures("one_thread")

MEMORY = cm.MemoryConfig(gamma=2, n_s=4, n_e=2, m=8, top_k=5, long_term=40)
NETWORKS: dict[str, Callable[[], Network]] = {
    "ColorMNet": make_small_model,
    "PreviewNet": lambda: make_small_model(preview=True, detail_dim=8),
    "DeepExemplar": make_small_deep_exemplar,
}


@pytest.fixture(params=list(NETWORKS))
def network(request: pytest.FixtureRequest) -> Network:
    return NETWORKS[request.param]()


def random_lab(height: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(3, height, width, generator=generator)
    return torch.cat((100 * x[:1], 60 * x[1:] - 30))


def film(frames: int, height: int = 40, width: int = 56) -> Tensor:
    return torch.stack([random_lab(height, width, seed=7)[:1].roll((t, 2 * t), (1, 2)) for t in range(frames)])


def test_every_engine_is_tested() -> None:
    """Fails where a network was added that no test here runs."""
    assert NETWORKS.keys() | {"DDColor"} == _ENGINES.keys()


def test_ddcolor_needs_no_exemplar_and_takes_none() -> None:
    """A picture without a reference could not be colored, or a reference would be ignored in silence."""
    torch.manual_seed(1)
    colorizer = cm.Colorizer(make_small_ddcolor(), device="cpu")
    L = film(3)
    ab = colorizer.steps(L)
    assert ab.shape == (3, 2, 40, 56)
    assert torch.equal(colorizer.step(L[1]), ab[1])  # each frame on its own
    with pytest.raises(cm.UsageError, match="without an exemplar"):
        cm.Colorizer(make_small_ddcolor()).set_exemplar(random_lab(33, 70, seed=1))


def test_likeness_is_1_for_the_same_picture_and_less_for_another(network: Network) -> None:
    """Shots would borrow colors from any other shot."""
    colorizer = cm.Colorizer(network, MEMORY, device="cpu")
    one, other = (colorizer.compared(random_lab(64, 96, seed)[:1]) for seed in (1, 2))
    assert colorizer.likeness(one, one) == pytest.approx(1, abs=1e-3)
    assert colorizer.likeness(one, other) < 0.95


@pytest.mark.parametrize("kind", ["ColorMNet", "PreviewNet"])
def test_likeness_is_the_mean_match_of_places(kind: str) -> None:
    """Two measures of one thing would contradict each other; or what is transparent would count as shown."""
    colorizer = cm.Colorizer(NETWORKS[kind](), MEMORY, device="cpu")
    exemplar, L = random_lab(48, 64, seed=1), random_lab(48, 64, seed=2)[:1]
    colorizer.set_exemplar(exemplar)
    colorizer.steps(torch.stack([L, exemplar[:1]]))
    other, same = colorizer.exemplar_match()
    likeness = colorizer.likeness(colorizer.compared(L), colorizer.compared(exemplar[:1]))
    assert float(other.mean()) == pytest.approx(likeness, abs=0.03)  # a coarse map is enlarged to pixels
    assert float(same.min()) == pytest.approx(1, abs=1e-3)
    half = torch.ones(1, 48, 64)
    half[..., 32:] = 0
    colorizer.reset()
    colorizer.set_exemplar(exemplar, shown=half)
    colorizer.step(exemplar[:1])
    partly = colorizer.exemplar_match()[0, 0]
    assert float(partly[:, :16].min()) == pytest.approx(1, abs=1e-3)
    assert float(partly[:, 48:].max()) < 0.98


@pytest.mark.parametrize("first_frame", [True, False])
def test_the_expected_error_is_that_of_the_decoder(first_frame: bool) -> None:
    """A report would name other frames than those whose colors the network doubts, or other places of them."""
    network = make_small_model(preview=True, detail_dim=8, guided=True)
    heard, answer = [], network.answer
    network.answer = lambda *args, **more: heard.append(answer(*args, **more)) or heard[-1]  # type: ignore[method-assign]
    colorizer = cm.Colorizer(network, MEMORY, device="cpu")
    colorizer.set_exemplar(random_lab(35, 56, seed=7), first_frame=first_frame)
    colorizer.steps(film(3, 35))
    errors = colorizer.expected_error()
    assert errors.shape == (3, 1, 35, 56)
    if first_frame:
        assert float(errors[0].abs().max()) == 0
    for said, error in zip(heard[::-1], errors.flip(0), strict=False):
        assert said.error is not None
        whole = 110 * resize(said.error[0], (48, 64))  # padded by 6 rows above and 4 columns at the left
        assert torch.allclose(whole[:, 6:41, 4:60], error, atol=1e-4)
    assert len(heard) == (2 if first_frame else 3)
    with pytest.raises(NotImplementedError, match="ColorMNetEngine expects no errors"):
        cm.Colorizer(make_small_model(), MEMORY).expected_error()


@pytest.mark.parametrize("size", [(40, 56), (35, 51), (20, 17)])
def test_a_film_of_any_size(network: Network, size: tuple[int, int]) -> None:
    """Fails where a network colorizes only films whose sides it likes, or gives colors of another size."""
    colorizer = cm.Colorizer(network, MEMORY)
    colorizer.set_exemplar(random_lab(33, 70, seed=1))
    colorizer.set_exemplar(random_lab(*size, seed=2), first_frame=True)
    ab = torch.cat([colorizer.steps(part, 2) for part in film(5, *size).split(2)])
    assert (ab.shape, ab.dtype) == ((5, 2, *size), torch.float32)
    assert torch.allclose(ab[0], random_lab(*size, seed=2)[1:], atol=1e-4)  # the frame that somebody colored
    assert ab[1:].std() > 0
    assert colorizer.frame == 5


@pytest.mark.parametrize("first_frame", [True, False])
def test_a_resumed_film_is_the_same(network: Network, first_frame: bool) -> None:
    """Fails where a film that was interrupted gets other colors than one that was not."""

    def begun() -> cm.Colorizer:
        colorizer = cm.Colorizer(network, MEMORY)
        colorizer.set_exemplar(random_lab(40, 56, seed=2), first_frame=first_frame)
        return colorizer

    frames, whole = film(8), begun()
    expected = [whole.step(L) for L in frames]
    for broken_at in (0, 1, 5):
        first, saved = begun(), io.BytesIO()
        for L in frames[:broken_at]:
            first.step(L)
        torch.save(first.state_dict(), saved)
        second = cm.Colorizer(network, MEMORY)
        second.load_state_dict(torch.load(io.BytesIO(saved.getvalue()), weights_only=True))
        assert second.frame == broken_at
        for number in range(broken_at, 8):
            assert torch.equal(second.step(frames[number]), expected[number])


def test_a_film_starts_again_after_reset(network: Network) -> None:
    """Fails where the second clip of an evaluation sees the first one's colors."""
    colorizer, answers = cm.Colorizer(network, MEMORY), []
    for _ in range(2):
        with pytest.raises(ValueError, match="no exemplar"):
            colorizer.step(film(1)[0])
        colorizer.set_exemplar(random_lab(40, 56, seed=2))
        answers.append([colorizer.step(L) for L in film(3)])
        colorizer.reset()
    assert all(torch.equal(a, b) for a, b in zip(*answers, strict=True))


@pytest.mark.slow
def test_what_a_frame_of_deep_exemplar_costs() -> None:
    """Fails where --dry-run ends in an error, on this device or for a GPU, or forgets what a larger film takes."""
    network = make_small_deep_exemplar()
    small, large = (frame_cost(network, size, MEMORY) for size in ((48, 64), (96, 128)))
    assert large.memory > small.memory
    assert 3 < large.operations / small.operations < 20
    on_gpu = frame_cost(network, (48, 64), MEMORY, device="cuda", precision="fp16", lookahead=2)
    assert on_gpu.operations == pytest.approx(small.operations, rel=0.01)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("kind", ["black", "white", "noise"])
def test_no_nan(network: Network, precision: str, kind: str) -> None:
    """Fails where an empty or wild frame (a leader, a fade, a burnt reel) ends the film in NaN."""
    L = {"black": torch.zeros(1, 40, 56), "white": torch.full((1, 40, 56), 100.0), "noise": 100 * torch.rand(1, 40, 56)}
    colorizer = cm.Colorizer(network, MEMORY, precision=precision)
    colorizer.set_exemplar(torch.cat((L[kind], torch.zeros(2, 40, 56))))
    colorizer.set_exemplar(random_lab(40, 56, seed=2))
    assert all(colorizer.step(L[kind]).isfinite().all() for _ in range(4))


def test_other_networks_are_refused() -> None:
    """Fails where a network for something else ends in an error deep inside a film."""
    with pytest.raises(ValueError, match="BlindConsistency does not colorize films: give one of ColorMNet"):
        cm.Colorizer(cm.BlindConsistency(6, 2, width=8, blocks=1))


# Deep Exemplar


def test_deep_exemplar_is_its_network_frame_after_frame() -> None:
    """Fails where a film gets other colors than the published network gives with each frame's predecessor."""
    net, frames = make_small_deep_exemplar(), film(4)
    exemplars = [random_lab(32, 64, seed=1), random_lab(48, 40, seed=2)]
    colorizer, last = cm.Colorizer(net), None
    for lab in exemplars:
        colorizer.set_exemplar(lab)
    with torch.inference_mode():
        joined = Exemplar(
            *(torch.cat(p, dim=2) for p in zip(*(net.exemplar(lab[None]) for lab in exemplars), strict=True))
        )
        for L in frames:
            ab = net(L[None], joined, last)
            assert torch.equal(colorizer.step(L), ab[0])
            last = torch.cat((L[None], ab), dim=1)


def test_transparent_parts_of_an_exemplar_give_no_color() -> None:
    """Fails where a frame takes colors that the exemplar does not show, or nothing is said of an empty one."""
    net, lab = make_small_deep_exemplar(), random_lab(48, 64, seed=2)
    opacity = torch.zeros(1, 48, 64)
    opacity[..., :32] = 1
    colorizer = cm.Colorizer(net)
    colorizer.set_exemplar(lab, shown=opacity)
    whole = net.exemplar(lab[None])
    expected = whole.lab.unflatten(2, (12, 16))[..., :8].flatten(2)
    assert torch.equal(colorizer.engine.exemplar.lab, expected)
    assert colorizer.step(film(1)[0]).isfinite().all()
    with pytest.raises(UsageError, match="transparent everywhere"):
        cm.Colorizer(net).set_exemplar(lab, shown=0 * opacity)


def test_an_exemplar_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where each frame pays for the exemplar's features again, as in the authors' program."""
    net, seen = make_small_deep_exemplar(), []
    phi = net.warp.phi
    monkeypatch.setattr(net.warp, "phi", lambda taps: (seen.append(taps), phi(taps))[1])
    colorizer = cm.Colorizer(net)
    colorizer.set_exemplar(random_lab(40, 56, seed=2))
    colorizer.steps(film(4))
    assert len(seen) == 1


def test_frames_of_a_batch_are_matched_together() -> None:
    """Fails where computing features ahead changes what a frame matches; a first frame shows it without its past."""
    net = make_small_deep_exemplar()
    single, ahead = (cm.Colorizer(net) for _ in range(2))
    for colorizer in (single, ahead):
        colorizer.set_exemplar(random_lab(40, 56, seed=2))
    assert torch.allclose(ahead.steps(film(3), 3)[0], single.step(film(1)[0]), atol=0.05)


def test_a_films_color_is_more_vivid_than_the_networks_and_the_colored_frame_is_not() -> None:
    """Fails where the paper's factor of 1.25 is missing, or makes the colors that somebody gave too strong."""
    net, frames = make_small_deep_exemplar(), film(2, 64, 96)
    exemplar = cm.Exemplar(torch.cat((frames[0], random_lab(64, 96, seed=2)[1:])))
    found = cm.FrameColorizer(cm.Colorizer(net), [exemplar], size=44, ref_is_first=True, guided=False)
    colorizer = cm.Colorizer(net)
    size = (48, 64)  # multiples of 8, 44×66 otherwise
    colorizer.set_exemplar(resize(exemplar.lab, size), first_frame=True)
    for factor, L in zip((1, 1.25), frames, strict=True):
        small = resize(L, size)
        expected = upsample_ab(factor * colorizer.step(small), small, L, guided=False)
        assert torch.allclose(found.step(L), expected, atol=1e-4)


def test_a_vividness_that_is_given_replaces_the_papers() -> None:
    """Fails where `--vividness 1` still multiplies the network's color."""
    L = film(1, 64, 96)[0]
    own, plain = (
        cm.FrameColorizer(
            cm.Colorizer(make_small_deep_exemplar()),
            [cm.Exemplar(random_lab(64, 96, seed=2))],
            ref_is_first=False,
            resampler=Resampler("source", guided=False, multiple=8, vividness=vividness),
        ).step(L)
        for vividness in (None, 1.0)
    )
    assert torch.allclose(own, 1.25 * plain, atol=1e-4)


def test_the_working_size_is_the_papers_where_none_is_given() -> None:
    """Fails where Deep Exemplar works at ColorMNet's 480 rows, five times slower and not as it was trained."""
    net = make_small_deep_exemplar()
    colorizer = cm.Colorizer(net)
    cm.FrameColorizer(colorizer, [cm.Exemplar(random_lab(300, 400, seed=1))]).step(random_lab(288, 360, seed=2)[:1])
    assert colorizer.size == (216, 272)
    assert engine_of(cm.ColorMNet).default_size == 480
