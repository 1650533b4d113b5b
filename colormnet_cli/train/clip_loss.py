"""One training clip through the network, with gradients: colour goes from frame to frame as in use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.colormnet import ColorMNet, Features, Key, Readout, Remembered
from ..networks.preview import DetailedReadout, Match, PreviewNet, match_exemplars

__all__ = ["ClipLoss", "ClipResult", "draw_memory", "read_memory"]

AB_RANGE = 110.0


@dataclass(frozen=True)
class ClipResult:
    """What one pass gives."""

    loss: Tensor  # what is minimised
    error: Tensor  # mean |ab error| in Lab units, detached
    ab: Tensor  # the answer, Lab units [B, T - 1, 2, H, W], detached


def read_memory(query: Key, key: Tensor, shrinkage: Tensor, value: Tensor, exemplar_weight: float = 1.0) -> Tensor:
    """The whole memory's answer, no top-k: keys [B, Ck, N], shrinkage [B, 1, N], values [B, C, N] to [B, C, h, w].

    The first h·w elements are the exemplar's. In float32: similarities lie far below zero, where exp() underflows.
    """
    h, w = query.key.shape[-2:]
    similarity = similarities(query, key, shrinkage)
    bonus = torch.zeros(key.shape[2], 1, device=key.device)
    bonus[: h * w] = math.log(exemplar_weight)
    weights = (similarity + bonus).softmax(dim=1)
    return (value.float() @ weights).unflatten(2, (h, w))


def similarities(query: Key, key: Tensor, shrinkage: Tensor) -> Tensor:
    """How well elements [B, Ck, N], [B, 1, N] match each pixel of a frame: [B, N, hw]."""
    q, e = query.key.float().flatten(2), query.selection.float().flatten(2)  # (B, Ck, hw)
    k = key.float().transpose(1, 2)  # (B, N, Ck)
    # Σ e (k − q)² without the term that is the same for all elements: it does not pass the softmax unchanged,
    # for shrinkage multiplies it, so it is kept.
    distance = torch.cat((k.square(), -2 * k, torch.ones_like(k[..., :1])), dim=2) @ torch.cat(
        (e, e * q, (e * q.square()).sum(1, keepdim=True)), dim=1
    )  # (B, N, hw)
    return -distance * shrinkage.float().transpose(1, 2) / key.shape[1] ** 0.5


def draw_memory(rng: np.random.Generator, frames: int) -> Tensor:
    """Which frames each frame of a clip reads [frames, 3]: the first, and two others before it drawn at random."""
    picks = torch.zeros(frames, 3, dtype=torch.long)
    for t in range(2, frames):
        drawn = rng.permutation(t - 1)[:2] + 1
        picks[t, 1 : 1 + len(drawn)] = torch.from_numpy(drawn)
    return picks


class ClipLoss(nn.Module):
    """The network with what training asks of it; a module, so that DistributedDataParallel can wrap it."""

    def __init__(self, model: ColorMNet, *, raw_loss: float = 0.0, chroma_loss: float = 0.0, fade_loss: float = 0.0):
        super().__init__()
        self.model = model
        self.raw_loss = raw_loss if isinstance(model, PreviewNet) else 0.0
        self.chroma_loss, self.fade_loss = chroma_loss, fade_loss

    def forward(self, lab: Tensor, picks: Tensor, renew: Tensor, matching: bool = False) -> ClipResult:
        """Lab [B, T, 3, H, W]; frames to read [B, T, 3]; where the value encoder renews the hidden state [T] (bool).

        ``matching`` learns the keys alone: every frame reads the others' true ab, and nothing is encoded or decoded.
        """
        if matching:
            return self._matched(lab, picks)
        renewed = renew.tolist()  # now, with no work to wait for: in several processes it comes on the device
        clip = _Clip(self.model, lab)
        clip.begin(lab[:, 0, 1:] / AB_RANGE)
        answers, raws, details = [], [], []
        for t in range(1, lab.shape[1]):
            memory, local = clip.read(t, picks[:, t])
            last = t == lab.shape[1] - 1
            detail = clip.read_detail(t)
            answers.append(clip.decode(t, memory, local, detail, renew=renewed[t], last=last))
            if detail is not None:
                details.append(detail[:, :2])
            if self.raw_loss:
                raws.append(torch.stack((memory[:, :, -1], local[:, :, -1]), dim=1).float())
        answer, truth = torch.stack(answers, dim=1), lab[:, 1:, 1:] / AB_RANGE
        difference = (answer - truth).abs()
        loss = (self._weight(truth, dim=2) * difference).mean()
        if self.fade_loss:  # what is unsure comes out pale, and is remembered paler each time
            loss = loss + self.fade_loss * (_chroma(truth) - _chroma(answer)).relu().mean()
        if self.raw_loss:
            loss = loss + self.raw_loss * self._raw_error(torch.stack(raws, dim=1), self._coarse(truth))[0]
        if details:
            detail = torch.stack(details, dim=1)
            fine = _pooled(truth, truth.shape[-1] // detail.shape[-1])
            loss = loss + self.raw_loss * (self._weight(fine, dim=2) * (detail - fine).abs()).mean()
        return ClipResult(loss, difference.detach().mean() * AB_RANGE, answer.detach() * AB_RANGE)

    def _matched(self, lab: Tensor, picks: Tensor) -> ClipResult:
        clip = _Clip(self.model, lab)
        coarse = self._coarse(lab[:, :, 1:] / AB_RANGE)  # (B, T, 2, h, w)
        clip.values = list(coarse.unbind(1))
        raws = []
        for t in range(1, lab.shape[1]):
            memory = clip.read_memory(t, picks[:, t])
            local = self.model.local_attention.attend(clip.keys[t].key, clip.keys[t - 1].key, clip.values[t - 1])
            raws.append(torch.stack((memory, local.float()), dim=1))
        raw = torch.stack(raws, dim=1)  # (B, T - 1, 2 readers, 2, h, w)
        loss, error = self._raw_error(raw, coarse[:, 1:])
        return ClipResult(loss, error.detach() * AB_RANGE, raw[:, :, 0].detach() * AB_RANGE)

    def _coarse(self, ab: Tensor) -> Tensor:
        """ab [B, T, 2, H, W] as the memory keeps it: [B, T, 2, h, w]."""
        return _pooled(ab, self.model.config.stride)

    def _raw_error(self, raw: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted and plain mean |error| of raw readouts [B, T, 2 readers, 2, h, w]."""
        apart = (raw - coarse[:, :, None]).abs()
        return (self._weight(coarse, dim=2)[:, :, None] * apart).mean(), apart.mean()

    def _weight(self, truth: Tensor, dim: int) -> Tensor:
        """Strong colours weigh more, or the answer is too pale: grey is never far wrong."""
        return 1 + self.chroma_loss * AB_RANGE * truth.square().sum(dim, keepdim=True).sqrt()


def _match(alike: Tensor, size: tuple[int, int]) -> Match:
    """What a frame matches in an exemplar of its size, by the similarity of all [hw, N]."""
    return match_exemplars(
        alike.argmax(1), alike.argmax(0), size, [size], lambda pixels, elements: alike[pixels, elements]
    )


def _pooled(ab: Tensor, side: int) -> Tensor:
    """Averaged over side × side pixels: [B, T, 2, H, W] to [B, T, 2, H/side, W/side]."""
    return F.avg_pool2d(ab.flatten(0, 1), side).unflatten(0, ab.shape[:2])


def _chroma(ab: Tensor) -> Tensor:
    """[B, T, 2, H, W] to [B, T, H, W], with a gradient at gray."""
    return (ab.square().sum(2) + 1e-4).sqrt()


class _Clip:
    """A clip on its way through: features of all frames at once, then memory, LA and decoder in order."""

    def __init__(self, model: Any, lab: Tensor):
        self.model, (self.batch, self.frames) = model, lab.shape[:2]
        self.L = lab[:, :, :1].transpose(0, 1)  # (T, B, 1, H, W)
        features = model.features(self.L.flatten(0, 1))
        keys = model.key(features)
        self.features = [Features(*parts) for parts in zip(*(f.split(self.batch) for f in features), strict=True)]
        self.keys = [Key(*parts) for parts in zip(*(k.split(self.batch) for k in keys), strict=True)]
        self.values: list[Tensor] = []

    @property
    def _reads_detail(self) -> bool:
        return isinstance(self.model, PreviewNet) and self.model.detail is not None

    def begin(self, ab: Tensor) -> None:
        """The first frame's own colour [B, 2, H, W] is remembered."""
        self._remember(0, ab)
        if self._reads_detail:
            with torch.autocast(ab.device.type, enabled=False):
                self.windows = self.model.exemplar_windows(self.L[0], ab, self._in_full(0))
        h, w = self.keys[0].key.shape[-2:]
        self.hidden = self.model.deep_update(self.values[0], self.model.hidden_zero(h, w, self.batch))

    def _remember(self, t: int, ab: Tensor) -> None:
        self.values.append(self.model.value(self.L[t], ab, self.features[t]))

    def read(self, t: int, picks: Tensor) -> tuple[Tensor, Tensor]:
        """What the memory (frames ``picks`` [B, 3]) and LA (the frame before) say of frame t: [B, 2, Cv, h, w] each."""
        memory = self.read_memory(t, picks).unflatten(1, (2, -1)).to(self.values[0].dtype)
        local = self.model.local(self.keys[t], Remembered(self.keys[t - 1].key, self.values[t - 1]))
        return memory, local

    def read_memory(self, t: int, picks: Tensor) -> Tensor:
        """The memory's answer alone, in float32: [B, C, h, w] for values of C numbers."""
        rows = torch.arange(self.batch, device=picks.device)[:, None]
        width = min(picks.shape[1], t)  # no frame twice while there are fewer than three

        def chosen(parts: list[Tensor]) -> Tensor:
            stacked = torch.stack(parts[:t], dim=1).flatten(2, -3).flatten(-2)  # (B, t, C, hw)
            return stacked[rows, picks[:, :width]].transpose(1, 2).flatten(2)  # (B, C, width·hw)

        key, shrinkage = (chosen([k[i] for k in self.keys]) for i in (0, 1))
        device = self.L.device.type
        with torch.autocast(device, enabled=False):
            weight = getattr(self.model.config, "exemplar_weight", 1.0)
            return read_memory(self.keys[t], key, shrinkage, chosen(self.values), weight)

    def read_detail(self, t: int) -> Tensor | None:
        """The first frame's finer colour where frame t matches it: [B, 4, h4, w4]; None where the network has none."""
        if not self._reads_detail:
            return None
        with torch.no_grad():
            first = self.keys[0]
            alike = similarities(self.keys[t], first.key.flatten(2), first.shrinkage.flatten(2))  # (B, N, hw)
            size = first.key.shape[2], first.key.shape[3]
            found, cycle_error = map(torch.stack, zip(*(_match(s.T, size) for s in alike), strict=True))
        rows = torch.arange(self.batch, device=found.device)[:, None]
        with torch.autocast(found.device.type, enabled=False):
            return self.model.exemplar_detail(self.L[t], self._in_full(t), self.windows[rows, found], cycle_error)

    def _in_full(self, t: int) -> Features:
        """A frame's features in float32: colour is read from the exemplar without rounding."""
        return Features(*(f.float() for f in self.features[t]))

    def decode(
        self, t: int, memory: Tensor, local: Tensor, detail: Tensor | None, *, renew: bool, last: bool
    ) -> Tensor:
        """ab/110 of frame t, and everything renewed that the frames after it need."""
        readout = Readout(memory, local) if detail is None else DetailedReadout(memory, local, detail)
        update_hidden = not renew and not last
        ab, self.hidden = self.model.decode(self.features[t], readout, self.hidden, update_hidden=update_hidden)
        if not last:
            self._remember(t, ab)
            if renew:
                self.hidden = self.model.deep_update(self.values[t], self.hidden)
        return ab
