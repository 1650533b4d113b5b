"""The figures of the published arithmetic: whatever passes them loads the real checkpoint and answers as it does."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import colormnet_cli as cm
from colormnet_cli.inference.colormnet_engine import ColorMNetEngine
from colormnet_cli.inference.memory import MemoryBank, similarity
from colormnet_cli.networks.colormnet import Readout, Remembered
from support.golden import GOLDEN, unpack_frames

TOLERANCE = 1e-4


def to_lab(rgb: np.ndarray) -> Tensor:
    return cm.rgb_to_lab(torch.from_numpy(rgb).movedim(-1, -3).float() / 255)


class Clip:
    """A packed golden clip."""

    def __init__(self, name: str):
        packed = np.load(GOLDEN / f"{name}.npz")
        self.frames = [to_lab(rgb) for rgb in unpack_frames(packed, "frames")]
        self.exemplar = to_lab(packed["ref"])
        self.first_frame = str(packed["mode"]) == "first"
        self.answers = dict(zip(packed["keep"].tolist(), packed["ab"], strict=True))
        self.sizes = int(packed["work_size"]), int(packed["long_size"])
        letters = json.loads(str(packed["config"]))
        self.memory = cm.MemoryConfig(
            gamma=letters["mem_every"],
            n_s=letters["max_mid_term_frames"],
            n_e=letters["max_mid_term_frames"] - letters["min_mid_term_frames"],
            m=letters["num_prototypes"],
            top_k=letters["top_k"],
            long_term=letters["max_long_term_elements"],
        )

    def differences(self, model: cm.ColorMNet, **options: str) -> tuple[list[Tensor], tuple[int, int]]:
        """|ab/110 difference| on every kept frame, and the memory's sizes before the last frame."""
        colorizer = cm.Colorizer(model, self.memory, **options)
        colorizer.set_exemplar(self.exemplar, first_frame=self.first_frame)
        found = []
        for i, lab in enumerate(self.frames):
            if i == len(self.frames) - 1:
                bank = colorizer.engine.film.bank
                sizes = bank.permanent + bank.recent, bank.long
            ab = colorizer.step(lab[:1]).cpu() / 110
            if i in self.answers:
                found.append((ab[:, ::2, ::2] - torch.from_numpy(self.answers[i])).abs())
        return found, sizes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["first_frame", "any_exemplar_padded", "eviction"])
def test_clip(name: str, golden_model: cm.ColorMNet) -> None:
    """Fails where the authors' checkpoint would color a film otherwise than their program does."""
    clip = Clip(name)
    differences, sizes = clip.differences(golden_model)
    assert len(differences) == len(clip.answers)
    assert max(d.max() for d in differences) <= TOLERANCE
    assert sizes == clip.sizes


@pytest.mark.slow
def test_clip_with_folded_batch_norm(golden_model: cm.ColorMNet) -> None:
    """Fails where a GPU, where BatchNorm is folded into convolutions, colors otherwise than the published network."""
    folded = copy.deepcopy(golden_model)
    folded.fold_batch_norm()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    differences, _ = Clip("first_frame").differences(folded)
    assert max(d.max() for d in differences) <= TOLERANCE


@pytest.mark.slow
def test_bfloat16_on_the_cpu(golden_model: cm.ColorMNet) -> None:
    """Fails where half precision changes colors visibly."""
    differences, _ = Clip("first_frame").differences(golden_model, precision="bf16")
    assert torch.stack([d.mean() for d in differences]).mean() <= 0.03


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", None), ("fp16", 0.01), ("bf16", 0.03)])
@pytest.mark.parametrize("name", ["first_frame", "any_exemplar_padded", "eviction"])
def test_clip_on_cuda(name: str, precision: str, tolerance: float | None, golden_model: cm.ColorMNet) -> None:
    """Fails where a CUDA device colors otherwise than the CPU."""
    differences, _ = Clip(name).differences(golden_model, device="cuda", precision=precision)
    if tolerance is None:
        assert max(d.max() for d in differences) <= TOLERANCE
    else:
        assert torch.stack([d.mean() for d in differences]).mean() <= tolerance


@torch.inference_mode()
def test_modules(golden_model: cm.ColorMNet) -> None:
    """Fails where one part of the network differs from the published one, and says which."""
    golden = {name: torch.from_numpy(array) for name, array in np.load(GOLDEN / "modules.npz").items()}
    model, lab = golden_model, to_lab(np.load(GOLDEN / "modules.npz")["frames"])
    L, ab = lab[:, :1], lab[:, 1:] / 110
    f = model.features(L)
    q = model.key(f.f16)
    value = model.value(L[:1], ab[:1], f.f16[:1])
    hidden = model.deep_update(value, golden["hidden_in"])
    local = model.local(q.frame(1), Remembered(q.frame(0).key, value))

    k0, k1 = ([part.flatten(2)[0].T for part in q.frame(i)] for i in (0, 1))
    s = similarity(k0[0], k0[1], k1[0], k1[2])  # (hw, N)
    bank = MemoryBank(ColorMNetEngine.own_memory, key_dim=64, value_dim=1024, elements=98, permanent=98)
    bank.remember_permanently(q.frame(0), value)
    readout = bank.read(q.frame(1))
    answer, after = model.decode(f.frame(1), Readout(readout, local), hidden, update_hidden=True)

    ours = {
        "key": q.key,
        "shrinkage": q.shrinkage,
        "selection": q.selection,
        "f16": f.f16[:, ::16],
        "f8": f.f8[:, ::16, ::2, ::2],
        "f4": f.f4[:, ::16, ::4, ::4],
        "value": value[:, :, ::8],
        "hidden_after_value": hidden[:, :, ::4],
        "short": local[:, :, ::8],
        "similarity": s.T[None],
        "usage": bank.normalized_use()[None],  # one read: use / life is use
        "readout": readout[:, :, ::8],
        "ab": answer,
        "hidden_after_decode": after[:, :, ::4],
    }
    assert golden.keys() - ours.keys() == {"frames", "hidden_in"}
    differences = {name: float((mine - golden[name]).abs().max()) for name, mine in ours.items()}
    assert max(differences.values()) <= TOLERANCE, differences


@torch.inference_mode()
def test_stages(golden_model: cm.ColorMNet) -> None:
    """Tells where inside PVGFE and the encoders a difference begins."""
    golden = {name: torch.from_numpy(array) for name, array in np.load(GOLDEN / "stages.npz").items()}
    lab = to_lab(np.load(GOLDEN / "modules.npz")["frames"])
    x = golden_model._lightness(lab[:, :1])
    pvgfe, seen = golden_model.pvgfe, {}
    watched = {
        "vit_patches": pvgfe.transformer.patches,
        "vit_block0": pvgfe.transformer.blocks[0],
        "vit_block11": pvgfe.transformer.blocks[11],
        "fuse1_attention": pvgfe.fuse[0].attention,
    }
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, out))
        for name, module in watched.items()
    ]
    maps = pvgfe.trunk(x)
    pretrained = pvgfe.guidance(x, size=maps[2].shape[-2:])
    pvgfe.fuse[0](pretrained, maps[2])
    for hook in hooks:
        hook.remove()
    ours = {
        "resnet_4": maps[0][:, ::16, ::4, ::4],
        "resnet_8": maps[1][:, ::16, ::2, ::2],
        "resnet_16": maps[2][:, ::16],
        "vit_patches": seen["vit_patches"].flatten(2).transpose(1, 2)[..., ::8],
        "vit_block0": seen["vit_block0"][..., ::8],
        "vit_block11": seen["vit_block11"][..., ::8],
        "dino_16": pretrained[:, ::16],
        "fuse1_attention": seen["fuse1_attention"][:, ::16],
    }
    differences = {name: float((mine - golden[name]).abs().max()) for name, mine in ours.items()}
    assert max(differences.values()) <= TOLERANCE, differences
