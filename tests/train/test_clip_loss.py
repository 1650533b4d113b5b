"""The training pass: memory readout without top-k, which frames are read, which parameters get a gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from colormnet_cli.inference.preview_state import PreviewMemoryBank
from colormnet_cli.settings import MemoryConfig
from colormnet_cli.train.clip_loss import ClipLoss, draw_memory, read_memory
from colormnet_cli.train.init_weights import initial_model
from colormnet_cli.train.scenes import synthetic_clip
from support.networks import make_small_model, random_key
from support.training import SMALL

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other


def test_memory_readout_agrees_with_the_written_sum():
    """Keys would be trained for another similarity than the one that is used for videos."""
    g = torch.Generator().manual_seed(0)
    query, memory = random_key(g, 1, 8, 2, 3), random_key(g, 1, 8, 4, 5)
    value = torch.randn(1, 7, 20, generator=g)
    k, s = memory.key.flatten(2), memory.shrinkage.flatten(2)
    expected = torch.zeros(7, 6)
    for m in range(6):
        q, e = query.key.flatten(2)[0, :, m], query.selection.flatten(2)[0, :, m]
        similarity = torch.stack([-s[0, 0, n] / 8**0.5 * (e * (k[0, :, n] - q) ** 2).sum() for n in range(20)])
        expected[:, m] = value[0] @ similarity.softmax(0)
    assert torch.allclose(read_memory(query, k, s, value).flatten(2)[0], expected, atol=1e-5)


def test_frames_read_only_frames_before_them():
    """A frame that reads itself learns to copy its own colors, which it does not have in use."""
    for seed in range(20):
        picks = draw_memory(np.random.default_rng(seed), 8)
        assert (picks[:, 0] == 0).all()
        for t in range(1, 8):
            used = picks[t, : min(3, t)].tolist()
            assert max(used) < t
            assert len(set(used)) == len(used)


@pytest.mark.parametrize("more", [{}, {"preview": True}, {"preview": True, "detail_dim": 8}])
def test_every_parameter_gets_a_gradient(more):
    """A module without a gradient would silently keep its random weights."""
    model = make_small_model(**more)
    loss = ClipLoss(model, raw_loss=0.3, chroma_loss=0.02).train()
    lab = 20 * torch.randn(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    picks = draw_memory(np.random.default_rng(0), 4)[None]
    loss(lab, picks, torch.tensor([False, True, False, False])).loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_only_the_first_frame_s_true_colors_are_used():
    """True colors leaking from later frames would make training look perfect, and videos gray."""
    loss = ClipLoss(make_small_model()).eval()
    lab = 20 * torch.randn(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    other = lab.clone()
    other[:, 1:, 1:] += 30
    picks, renew = draw_memory(np.random.default_rng(0), 4)[None], torch.zeros(4, dtype=torch.bool)
    with torch.no_grad():
        assert torch.equal(loss(lab, picks, renew).ab, loss(other, picks, renew).ab)
        other[:, 0, 1:] += 30
        assert not torch.equal(loss(lab, picks, renew).ab, loss(other, picks, renew).ab)


def test_training_only_the_keys_leaves_the_rest():
    """The first part of a preview run would change modules whose output it does not use."""
    model = make_small_model(preview=True)
    loss = ClipLoss(model, chroma_loss=0.02).train()
    lab = 20 * torch.randn(2, 4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    picks = torch.stack([draw_memory(np.random.default_rng(k), 4) for k in range(2)])
    result = loss(lab, picks, torch.zeros(4, dtype=torch.bool), keys_only=True)
    result.loss.backward()
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert trained == {"pvgfe", "key_projection", "local_attention"}
    assert result.ab.shape == (2, 3, 2, 4, 4)


@pytest.mark.parametrize("weight", [1.0, 20.0])
def test_memory_readout_agrees_with_inference(weight):
    """Keys would be trained for another weight of the exemplar than the one in use."""
    g = torch.Generator().manual_seed(0)
    query, exemplar, recent = (random_key(g, 1, 8, 3, 4) for _ in range(3))
    values = [torch.randn(1, 2, 5, 3, 4, generator=g) for _ in range(2)]
    bank = PreviewMemoryBank(
        MemoryConfig(n_s=4, n_e=1, top_k=24, long_term=200),
        key_dim=8,
        value_dim=10,
        elements=12,
        permanent=12,
        exemplar_weight=weight,
    )
    bank.remember_permanently(exemplar, values[0])
    bank.remember(recent, values[1])
    key, shrinkage = (torch.cat((exemplar[i].flatten(2), recent[i].flatten(2)), dim=2) for i in (0, 1))
    value = torch.cat([v.flatten(3).flatten(1, 2) for v in values], dim=2)
    expected = read_memory(query, key, shrinkage, value, weight).view(1, 2, 5, 3, 4)
    assert torch.allclose(bank.read(query), expected, atol=1e-5)


@pytest.mark.slow
def test_the_small_network_can_overfit_one_clip():
    """Whatever breaks training (a detached tensor, a wrong sign, an unused branch) shows here first."""
    torch.manual_seed(0)
    settings = SMALL.with_overrides(frames=4, seed=1)
    model = initial_model(settings)
    loss = ClipLoss(model)
    lab = torch.from_numpy(synthetic_clip(1, 3, frames=4, size=48, jump=1, cut=0.0, vivid=1.0))[None]
    picks, renew = draw_memory(np.random.default_rng(0), 4)[None], torch.zeros(4, dtype=torch.bool)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.0)
    errors = []
    for step in range(400):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 20) * (0.5 + 0.5 * math.cos(math.pi * step / 400))
        loss.train()
        result = loss(lab, picks, renew)
        optimizer.zero_grad()
        result.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        errors.append(float(result.error))
        if errors[-1] < errors[0] / 5.5:
            break
    assert min(errors) < errors[0] / 5
