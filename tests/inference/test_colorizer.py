"""One film's state: sizes, errors, continuation, flat memory."""

from __future__ import annotations

import gc
import io

import pytest
import torch
from torch import Tensor, nn

import colormnet_cli as cm
from colormnet_cli.film.fingerprint import model_sha256
from colormnet_cli.networks.colormnet import pad
from support.networks import make_small_model

MEMORY = cm.MemoryConfig(gamma=2, n_s=4, n_e=2, m=8, top_k=5, long_term=40)


def film(frames: int, height: int = 30, width: int = 50, seed: int = 0) -> Tensor:
    """Moving lightness [T, 1, H, W] in 0..100."""
    generator = torch.Generator().manual_seed(seed)
    still = 100 * torch.rand(1, height, width, generator=generator)
    return torch.stack([still.roll((t, 2 * t), (1, 2)) for t in range(frames)])


def exemplar(height: int = 30, width: int = 50) -> Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.cat((film(1, height, width)[0], 60 * torch.rand(2, height, width, generator=generator) - 30))


def colorizer_for(model: cm.ColorMNet, **options: str) -> cm.Colorizer:
    colorizer = cm.Colorizer(model, MEMORY, **options)
    colorizer.set_exemplar(exemplar())
    return colorizer


def test_shape_range_and_movement(small_model: cm.ColorMNet) -> None:
    """Fails where an answer has another size than its frame, or is no color."""
    ab = colorizer_for(small_model).steps(film(3))
    assert ab.shape == (3, 2, 30, 50)
    assert ab.dtype == torch.float32
    assert ab.abs().max() <= 110
    assert ab.std() > 0


def test_fp32_is_float32_for_exemplars_as_well(small_model: cm.ColorMNet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a GPU rounds convolutions to ten bits (TF32, PyTorch's default), though fp32 was asked for."""
    seen = []
    features = cm.ColorMNet.features

    def noting(self: cm.ColorMNet, L: Tensor) -> object:
        seen.append(torch.backends.cudnn.allow_tf32)
        return features(self, L)

    monkeypatch.setattr(cm.ColorMNet, "features", noting)
    before = torch.backends.cudnn.allow_tf32
    colorizer_for(small_model).step(film(1)[0])
    assert seen == [False, False]
    assert torch.backends.cudnn.allow_tf32 == before


def test_first_frame_keeps_the_exemplars_color(small_model: cm.ColorMNet) -> None:
    """Fails where the frame that the user colored does not come out as they colored it."""
    colorizer = cm.Colorizer(small_model, MEMORY)
    colorizer.set_exemplar(exemplar(), first_frame=True)
    assert torch.allclose(colorizer.step(film(1)[0]), exemplar()[1:], atol=1e-4)


def test_looking_ahead_changes_nothing(small_model: cm.ColorMNet) -> None:
    """Fails where computing features of several frames at once changes the answers."""
    every = cm.MemoryConfig(gamma=2, n_s=4, n_e=2, m=8, top_k=10_000)  # so that rounding cannot change who is in top-k
    single, ahead = (cm.Colorizer(small_model, every) for _ in range(2))
    for colorizer in (single, ahead):
        colorizer.set_exemplar(exemplar())
    one_by_one = torch.stack([single.step(L) for L in film(11)])
    batched = torch.cat([ahead.steps(part) for part in film(11).split(4)])
    assert torch.allclose(one_by_one, batched, atol=1e-3)


def test_an_exemplar_of_another_size_starts_the_film(small_model: cm.ColorMNet) -> None:
    """Fails where exemplars of other sizes, or several, upset the film."""
    colorizer = cm.Colorizer(small_model, MEMORY)
    colorizer.set_exemplar(exemplar(16, 16))
    colorizer.set_exemplar(exemplar(70, 33))
    colorizer.set_exemplar(exemplar(), first_frame=True)
    answers = colorizer.steps(film(12))
    assert answers.isfinite().all()
    assert torch.allclose(answers[0], exemplar()[1:], atol=1e-4)
    assert colorizer.engine.film.bank.permanent == 1 + 5 * 3 + 2 * 4


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"preview": True, "detail_dim": 8}])
@pytest.mark.parametrize("first_frame", [True, False])
def test_continuation_is_exact(first_frame: bool, more: dict[str, object]) -> None:
    """Fails where a resumed film differs from an uninterrupted one, wherever it was interrupted."""
    frames, small_model = film(24), make_small_model(**more)
    whole = cm.Colorizer(small_model, MEMORY)
    whole.set_exemplar(exemplar(), first_frame=first_frame)
    answers = [whole.step(L) for L in frames]
    for broken_at in (0, 1, 7, 18):
        first = cm.Colorizer(small_model, MEMORY)
        first.set_exemplar(exemplar(), first_frame=first_frame)
        for L in frames[:broken_at]:
            first.step(L)
        saved = io.BytesIO()
        torch.save(first.state_dict(), saved)
        second = cm.Colorizer(small_model, MEMORY)
        second.load_state_dict(torch.load(io.BytesIO(saved.getvalue()), weights_only=True))
        for t in range(broken_at, 24):
            assert torch.equal(second.step(frames[t]), answers[t])


def test_another_films_state_is_refused(small_model: cm.ColorMNet) -> None:
    """Fails where a state taken with other settings is silently continued."""
    state = colorizer_for(small_model).state_dict()
    with pytest.raises(ValueError, match="another memory"):
        cm.Colorizer(small_model).load_state_dict(state)
    with pytest.raises(ValueError, match="another precision"):
        cm.Colorizer(small_model, MEMORY, precision="bf16").load_state_dict(state)
    with pytest.raises(ValueError, match="another network"):
        cm.Colorizer(make_small_model(key_dim=8), MEMORY).load_state_dict(state)


def held_bytes(root: object) -> int:
    """Bytes of every tensor that can be reached from an object."""
    seen, queue, storages = set(), [root], {}
    while queue:
        thing = queue.pop()
        if id(thing) in seen or isinstance(thing, type):
            continue
        seen.add(id(thing))
        if isinstance(thing, Tensor):
            storages[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
        elif isinstance(thing, torch.nn.Module):
            queue += [*thing.parameters(), *thing.buffers()]
        elif type(thing).__module__.startswith(("colormnet_cli", "builtins")) and not callable(thing):
            queue += gc.get_referents(thing)
    return sum(storages.values())


@pytest.mark.slow
def test_bytes_held_are_flat(small_model: cm.ColorMNet) -> None:
    """Fails where a long film needs more memory than a short one."""
    colorizer = colorizer_for(small_model)
    frames = film(60)
    held = []
    for _ in range(10):
        colorizer.steps(frames)
        held.append(held_bytes(colorizer))
    assert colorizer.frame == 600
    assert held[0] == held[-1]
    assert held[0] > sum(p.numel() * 4 for p in small_model.parameters())


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("kind", ["black", "white", "noise"])
def test_no_nan(small_model: cm.ColorMNet, precision: str, kind: str) -> None:
    """Fails where an empty or wild frame (a leader, a fade, a burnt reel) ends the film in NaN."""
    L = {"black": torch.zeros(1, 30, 50), "white": torch.full((1, 30, 50), 100.0), "noise": 100 * torch.rand(1, 30, 50)}
    colorizer = colorizer_for(small_model, precision=precision)
    assert all(colorizer.step(L[kind]).isfinite().all() for _ in range(6))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_no_nan_in_the_full_network(golden_model: cm.ColorMNet, precision: str) -> None:
    """Fails where half precision overflows at the full network's widths."""
    colorizer = cm.Colorizer(golden_model, MEMORY, precision=precision)
    colorizer.set_exemplar(exemplar(112, 112))
    for L in (torch.zeros(1, 112, 112), torch.full((1, 112, 112), 100.0), 100 * torch.rand(1, 112, 112)):
        assert colorizer.step(L).isfinite().all()
        assert colorizer.step(L).isfinite().all()


@pytest.mark.parametrize(
    ("L", "said"),
    [
        (torch.zeros(30, 50), r"\[1, H, W\].*\[30, 50\]"),
        (torch.zeros(3, 30, 50), r"\[1, H, W\].*\[3, 30, 50\]"),
        (torch.zeros(1, 0, 50), r"\[1, 0, 50\]"),
        (torch.full((1, 30, 50), torch.nan), "nan"),
        (torch.full((1, 30, 50), 255.0), "255"),
        (torch.full((1, 30, 50), -3.0), "-3"),
        (torch.zeros(1, 30, 50, dtype=torch.uint8), "uint8"),
        (torch.zeros(1, 31, 50), "50×31.*50×30"),
    ],
)
def test_bad_frames_are_reported(small_model: cm.ColorMNet, L: Tensor, said: str) -> None:
    """Fails where a wrong frame is colored anyhow, or ends in an error about convolutions."""
    colorizer = colorizer_for(small_model)
    colorizer.step(film(1)[0])
    with pytest.raises(ValueError, match=said):
        colorizer.step(L)
    colorizer.step(film(1)[0])  # and nothing was spoilt


def test_calls_in_the_wrong_order_are_reported(small_model: cm.ColorMNet) -> None:
    """Fails where a missing or late exemplar is not noticed."""
    colorizer = cm.Colorizer(small_model, MEMORY)
    with pytest.raises(ValueError, match="no exemplar"):
        colorizer.step(film(1)[0])
    colorizer.set_exemplar(exemplar(40, 40), first_frame=True)
    with pytest.raises(ValueError, match=r"40×40.*50×30"):
        colorizer.step(film(1)[0])
    with pytest.raises(ValueError, match="only one"):
        colorizer.set_exemplar(exemplar(), first_frame=True)
    colorizer.reset()
    colorizer.set_exemplar(exemplar())
    colorizer.step(film(1)[0])
    with pytest.raises(ValueError, match="before the first step"):
        colorizer.set_exemplar(exemplar())
    with pytest.raises(ValueError, match="precision"):
        cm.Colorizer(small_model, precision="fp8")


@pytest.mark.parametrize(
    ("lab", "said"),
    [
        (torch.zeros(1, 30, 50), r"\[3, H, W\]"),
        (torch.full((3, 30, 50), torch.nan), "nan"),
        (torch.cat((torch.zeros(1, 9, 9), torch.full((2, 9, 9), 255.0))), "255"),
        (torch.cat((torch.zeros(1, 9, 9), torch.full((2, 9, 9), torch.nan))), "nan"),
    ],
)
def test_bad_exemplars_are_reported(small_model: cm.ColorMNet, lab: Tensor, said: str) -> None:
    """Fails where RGB given for Lab, or NaN, spoils a whole film."""
    with pytest.raises(ValueError, match=said):
        cm.Colorizer(small_model).set_exemplar(lab)


def test_the_users_model_is_left_alone(small_model: cm.ColorMNet) -> None:
    """Fails where coloring in half precision changes the model that the user holds."""
    before = {name: tensor.clone() for name, tensor in small_model.state_dict().items()}
    colorizer_for(small_model, precision="bf16").step(film(1)[0])
    assert all(torch.equal(tensor, before[name]) for name, tensor in small_model.state_dict().items())


@pytest.mark.parametrize("preview", [False, True])
def test_batch_norm_is_folded_where_the_model_is_copied(preview: bool) -> None:
    """Fails where a GPU's copy answers otherwise, or folding changes the user's model and with it a film's progress."""
    model = make_small_model(preview=preview)
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.add_(0.3 * torch.rand(tensor.shape, generator=generator))
    digest = model_sha256(model)
    model.train()  # so that it is copied, on the CPU as well
    folded = colorizer_for(model)
    model.eval()
    plain = colorizer_for(model)
    assert any(isinstance(module, nn.BatchNorm2d) for module in plain.model.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.model.modules())
    for L in film(8):
        torch.testing.assert_close(folded.step(L), plain.step(L), rtol=0, atol=1e-3)
    assert model_sha256(model) == digest


def test_padding_is_centered_and_gray() -> None:
    """Fails where the picture lies elsewhere in the padding than the weights expect."""
    padded = pad(torch.ones(1, 5, 9), 4, 7.0)
    assert padded.shape == (1, 8, 12)
    assert padded[:, 1:6, 1:10].eq(1).all()
    assert padded.ne(1).sum() == padded.numel() - 45


def test_a_last_batch_that_is_smaller(small_model, monkeypatch):
    """Its shape was new to a GPU, which searched for algorithms at the end of each film; colors must not change."""
    L = torch.rand(7, 1, 32, 48) * 100
    colorizers = [cm.Colorizer(small_model) for _ in range(2)]
    for colorizer in colorizers:
        colorizer.set_exemplar(torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(0)) * 60)
    plain, padded = colorizers
    padded.engine.pads_batches, shapes = True, []
    features = small_model.features

    def seen(x):
        shapes.append(len(x))
        return features(x)

    expected = [plain.steps(part) for part in L.split(3)]
    monkeypatch.setattr(small_model, "features", seen)
    for part, ab in zip(L.split(3), expected, strict=True):
        assert padded.steps(part, 3).sub(ab).abs().max() <= 1e-3
    assert shapes == [3, 3, 3]
    assert padded.frame == plain.frame == 7
