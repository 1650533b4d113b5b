"""The loss of one training clip: the network colors frame after frame, as in use, but with gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.colormnet import ColorMNet, Features, Key, Readout, Remembered
from ..networks.preview import DetailedReadout, Match, PreviewNet, match_exemplars

__all__ = ["ClipLoss", "ClipResult", "draw_memory", "read_memory", "surprise"]

AB_RANGE = 110.0


class ClipResult(NamedTuple):
    """Of one forward pass."""

    loss: Tensor
    error: Tensor  # mean |ab error| in Lab units, detached
    ab: Tensor  # the predictions in Lab units [B, T - 1, 2, H, W], detached


def draw_memory(rng: np.random.Generator, frames: int) -> Tensor:
    """Which frames each frame of a clip reads [frames, 3]: the first, and two random others before it."""
    picks = torch.zeros(frames, 3, dtype=torch.long)
    for t in range(2, frames):
        drawn = rng.permutation(t - 1)[:2] + 1
        picks[t, 1 : 1 + len(drawn)] = torch.from_numpy(drawn)
    return picks


class ClipLoss(nn.Module):
    """The network and the loss in one module, for DistributedDataParallel."""

    def __init__(
        self,
        model: ColorMNet,
        *,
        raw_loss: float = 0.0,
        chroma_loss: float = 0.0,
        fade_loss: float = 0.0,
        error_loss: float = 0.0,
    ):
        super().__init__()
        self.model = model
        self.raw_loss, self.chroma_loss, self.fade_loss, self.error_loss = raw_loss, chroma_loss, fade_loss, error_loss
        self.exemplar_weight = 0.0  # 0: the network's own

    def forward(self, lab: Tensor, picks: Tensor, renew: Tensor, keys_only: bool = False) -> ClipResult:
        """The loss of Lab clips.

        Args:
            lab: [B, T, 3, H, W].
            picks: frames that each frame reads [B, T, 3]; see draw_memory.
            renew: in which frames the value encoder updates the hidden state [T] (bool).
            keys_only: train the keys alone: frames read the true ab of others, and nothing is encoded or decoded.
        """
        if keys_only:
            return self._keys_only(lab, picks)
        renewed = renew.tolist()  # before the device has work to wait for: DistributedDataParallel moves it there
        clip, last = _Clip(self.model, lab, self.exemplar_weight), lab.shape[1] - 1
        clip.start(lab[:, 0, 1:] / AB_RANGE)
        steps = [clip.step(t, picks[:, t], renew=renewed[t], last=t == last) for t in range(1, last + 1)]
        answers, readouts, expected = zip(*steps, strict=True)
        answer, truth = torch.stack(answers, dim=1), lab[:, 1:, 1:] / AB_RANGE
        difference = (answer - truth).abs()
        loss = (self._weight(truth) * difference).mean()
        if self.fade_loss:  # uncertain colors come out pale, and paler each time they are remembered
            loss = loss + self.fade_loss * (_chroma(truth) - _chroma(answer)).relu().mean()
        if self.raw_loss and isinstance(self.model, PreviewNet):
            for readout_loss in self._readout_losses(readouts, truth):
                loss = loss + self.raw_loss * readout_loss
        if self.error_loss and expected[0] is not None:
            loss = loss + self.error_loss * surprise(torch.stack(expected, dim=1), difference.detach())
        return ClipResult(loss, difference.detach().mean() * AB_RANGE, answer.detach() * AB_RANGE)

    def _keys_only(self, lab: Tensor, picks: Tensor) -> ClipResult:
        clip = _Clip(self.model, lab, self.exemplar_weight)
        coarse = self._coarse(lab[:, :, 1:] / AB_RANGE)  # (B, T, 2, h, w)
        clip.values = list(coarse.unbind(1))
        readouts = []
        for t in range(1, lab.shape[1]):
            memory = clip.read_memory(t, picks[:, t])
            local = self.model.local_attention.attend(clip.keys[t].key, clip.keys[t - 1].key, clip.values[t - 1])
            readouts.append(torch.stack((memory, local.float()), dim=1))
        raw = torch.stack(readouts, dim=1)  # (B, T - 1, 2 readers, 2, h, w)
        loss, error = self._raw_error(raw, coarse[:, 1:])
        return ClipResult(loss, error.detach() * AB_RANGE, raw[:, :, 0].detach() * AB_RANGE)

    def _readout_losses(self, readouts: Sequence[Any], truth: Tensor) -> Iterator[Tensor]:
        """Of the ab that is read, before it is decoded: from memory and LA, and from the exemplar in detail."""
        raws = [torch.stack([part[:, :, -1] for part in readout[:2]], dim=1).float() for readout in readouts]
        yield self._raw_error(torch.stack(raws, dim=1), self._coarse(truth))[0]
        if isinstance(readouts[0], DetailedReadout) and readouts[0].detail is not None:
            detail = torch.stack([readout.detail[:, :2] for readout in readouts], dim=1)
            fine = _pool(truth, truth.shape[-1] // detail.shape[-1])
            yield (self._weight(fine) * (detail - fine).abs()).mean()

    def _coarse(self, ab: Tensor) -> Tensor:
        """ab [B, T, 2, H, W] at the memory's resolution: [B, T, 2, h, w]."""
        return _pool(ab, self.model.config.stride)

    def _raw_error(self, raw: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted and plain mean |error| of raw readouts [B, T, 2 readers, 2, h, w]."""
        difference = (raw - coarse[:, :, None]).abs()
        return (self._weight(coarse)[:, :, None] * difference).mean(), difference.mean()

    def _weight(self, truth: Tensor) -> Tensor:
        """Weights of errors [B, T, 1, H, W]: larger for strong colors, as otherwise gray is never far wrong."""
        return 1 + self.chroma_loss * AB_RANGE * truth.square().sum(2, keepdim=True).sqrt()


def _pool(ab: Tensor, side: int) -> Tensor:
    """Averages over side × side pixels: [B, T, 2, H, W] to [B, T, 2, H/side, W/side]."""
    return F.avg_pool2d(ab.flatten(0, 1), side).unflatten(0, ab.shape[:2])


def surprise(expected: Tensor, difference: Tensor) -> Tensor:
    """Of |errors| [B, T, 2, H, W] under Laplace distributions with the expected ones [B, T, 1, h, w]: −log p."""
    actual = _pool(difference.mean(2, keepdim=True), difference.shape[-1] // expected.shape[-1])
    return (actual / expected + expected.log()).mean()


def _chroma(ab: Tensor) -> Tensor:
    """[B, T, 2, H, W] to [B, T, H, W], differentiable at gray."""
    return (ab.square().sum(2) + 1e-4).sqrt()


class _Clip:
    """A clip in the network: features and keys of all frames at once, then memory, LA and decoder frame by frame."""

    def __init__(self, model: Any, lab: Tensor, exemplar_weight: float = 0.0):
        # ColorMNet, or PreviewNet, which has readouts of its own
        self.model, self.batch = model, len(lab)
        self.exemplar_weight = exemplar_weight or getattr(model.config, "exemplar_weight", 1.0)
        self.L = lab[:, :, :1].transpose(0, 1)  # (T, B, 1, H, W)
        features = model.features(self.L.flatten(0, 1))
        keys = model.key(features.f16)
        self.features = [Features(*maps) for maps in zip(*(f.split(self.batch) for f in features), strict=True)]
        self.keys = [Key(*maps) for maps in zip(*(k.split(self.batch) for k in keys), strict=True)]
        self.values: list[Tensor] = []

    def start(self, ab: Tensor) -> None:
        """Remember the first frame with its true ab/110 [B, 2, H, W]."""
        self._remember(0, ab)
        detailed = isinstance(self.model, PreviewNet) and self.model.detail is not None
        self.detail = _ExemplarDetail(self, ab) if detailed else None
        h, w = self.keys[0].key.shape[-2:]
        self.hidden = self.model.deep_update(self.values[0], self.model.hidden_zero(h, w, self.batch))

    def step(self, t: int, picks: Tensor, *, renew: bool, last: bool) -> tuple[Tensor, Any, Tensor | None]:
        """ab/110 of frame t, which reads the frames ``picks`` [B, 3]; what it has read; the error that is expected."""
        memory = self.read_memory(t, picks).unflatten(1, (2, -1)).to(self.values[0].dtype)
        local = self.model.local(self.keys[t], Remembered(self.keys[t - 1].key, self.values[t - 1]))
        readout: Any = Readout(memory, local)
        decode = self.model.decode
        if isinstance(self.model, PreviewNet):
            detail = self.detail.read(t) if self.detail else None
            readout, decode = DetailedReadout(memory, local, detail, self.L[t]), self.model.answer
        ab, self.hidden, *error = decode(self.features[t], readout, self.hidden, update_hidden=not renew and not last)
        if not last:
            self._remember(t, ab)
            if renew:
                self.hidden = self.model.deep_update(self.values[t], self.hidden)
        return ab, readout, error[0] if error else None

    def _remember(self, t: int, ab: Tensor) -> None:
        self.values.append(self.model.value(self.L[t], ab, self.features[t].f16))

    def read_memory(self, t: int, picks: Tensor) -> Tensor:
        """What frame t reads from the frames ``picks`` [B, 3], in float32: [B, C, h, w] for values of C channels."""
        rows = torch.arange(self.batch, device=picks.device)[:, None]
        count = min(picks.shape[1], t)  # no frame twice while there are fewer than three

        def picked(maps: list[Tensor]) -> Tensor:
            stacked = torch.stack(maps[:t], dim=1).flatten(2, -3).flatten(-2)  # (B, t, C, hw)
            return stacked[rows, picks[:, :count]].transpose(1, 2).flatten(2)  # (B, C, count·hw)

        key, shrinkage = (picked([k[i] for k in self.keys]) for i in (0, 1))
        with torch.autocast(self.L.device.type, enabled=False):
            return read_memory(self.keys[t], key, shrinkage, picked(self.values), self.exemplar_weight)


class _ExemplarDetail:
    """What `PreviewNet` reads from the first frame in detail; in float32, as colors are read without rounding."""

    def __init__(self, clip: _Clip, ab: Tensor):
        self.model, self.clip = clip.model, clip
        with torch.autocast(ab.device.type, enabled=False):
            self.windows = self.model.exemplar_windows(clip.L[0], ab, self._features(0))

    def read(self, t: int) -> Tensor:
        """The first frame's color where frame t matches it: [B, 4, h4, w4]."""
        clip, first = self.clip, self.clip.keys[0]
        with torch.no_grad():
            similarity = similarities(clip.keys[t], first.key.flatten(2), first.shrinkage.flatten(2))  # (B, N, hw)
            size = first.key.shape[2], first.key.shape[3]
            matches = [_match(s, size) for s in similarity.transpose(1, 2)]
            element, cycle_error = map(torch.stack, zip(*matches, strict=True))
        rows = torch.arange(clip.batch, device=element.device)[:, None]
        with torch.autocast(element.device.type, enabled=False):
            return self.model.exemplar_detail(clip.L[t], self._features(t), self.windows[rows, element], cycle_error)

    def _features(self, t: int) -> Features:
        return Features(*(f.float() for f in self.clip.features[t]))


def _match(similarity: Tensor, size: tuple[int, int]) -> Match:
    """What each pixel of a frame matches in an exemplar of the same size (h, w), by similarities [hw, N]."""
    best_elements, best_pixels = similarity.argmax(1), similarity.argmax(0)
    return match_exemplars(best_elements, best_pixels, size, [size], lambda pixel, element: similarity[pixel, element])


def read_memory(query: Key, key: Tensor, shrinkage: Tensor, value: Tensor, exemplar_weight: float = 1.0) -> Tensor:
    """Read all memory elements, without top-k: keys [B, Ck, N], shrinkage [B, 1, N], values [B, C, N] to [B, C, h, w].

    The first h·w elements are the exemplar's. In float32, as similarities are far below zero, where exp() underflows.
    """
    h, w = query.key.shape[-2:]
    bonus = torch.zeros(key.shape[2], device=key.device)
    bonus[: h * w] = math.log(exemplar_weight)
    asked, known = _factors(query, key, shrinkage)
    asked = torch.cat((asked, torch.ones_like(asked[..., :1])), dim=2)
    known = torch.cat((known, bonus.expand(len(known), -1)[..., None]), dim=2)
    # PyTorch's attention on a CPU is only without the N × hw weights where values are as wide as keys.
    values = F.pad(value.float().transpose(1, 2), (0, max(0, known.shape[2] - value.shape[1])))
    read = F.scaled_dot_product_attention(asked[:, None], known[:, None], values[:, None], scale=1.0)
    return read[:, 0, :, : value.shape[1]].transpose(1, 2).unflatten(2, (h, w))


def similarities(query: Key, key: Tensor, shrinkage: Tensor) -> Tensor:
    """The similarity of each element ([B, Ck, N], [B, 1, N]) to each pixel of a frame: [B, N, hw]."""
    asked, known = _factors(query, key, shrinkage)
    return known @ asked.transpose(1, 2)


def _factors(query: Key, key: Tensor, shrinkage: Tensor) -> tuple[Tensor, Tensor]:
    """Similarities −Σ e (k − q)² · shrinkage / √Ck as products of [B, hw, D] and [B, N, D], for one multiplication.

    The term Σ e q² is the same for all elements, but is multiplied by their shrinkage.
    """
    q, e = (x.float().flatten(2).transpose(1, 2) for x in (query.key, query.selection))  # (B, hw, Ck)
    k = key.float().transpose(1, 2)  # (B, N, Ck)
    asked = torch.cat((e, e * q, (e * q.square()).sum(2, keepdim=True)), dim=2)
    scale = -shrinkage.float().transpose(1, 2) / key.shape[1] ** 0.5
    return asked, scale * torch.cat((k.square(), -2 * k, torch.ones_like(k[..., :1])), dim=2)
