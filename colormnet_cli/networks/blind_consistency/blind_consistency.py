"""The network: two encoders, residual blocks, a ConvLSTM that remembers the film, and a decoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..state_dict import Network
from .config import BlindConsistencyConfig

__all__ = ["BlindConsistency", "State"]


class State(NamedTuple):
    """What the ConvLSTM carries from frame to frame, each [B, 4·width, H/4, W/4]."""

    hidden: Tensor
    cell: Tensor


class BlindConsistency(Network):
    """The network with random weights; `load_state` and `load_model` fill it.

    The published arrangement is 12 channels to 3: RGB four times, to RGB. P_t and O_{t-1} have as many channels as the
    output, I_t and I_{t-1} half of the rest each: 6 to 2 is the ab of P and O, and the L of I, to ab.
    """

    def __init__(self, channels_in: int = 12, channels_out: int = 3, *, width: int = 32, blocks: int = 5):
        super().__init__()
        self.config = config = BlindConsistencyConfig(channels_in, channels_out, width, blocks)
        self.conv1a = _conv(2 * config.channels_out, width, 7)
        self.conv1b = _conv(2 * config.guide, width, 7)
        self.conv2a = _conv(width, 2 * width, 3, stride=2)
        self.conv2b = _conv(width, 2 * width, 3, stride=2)
        self.conv3 = _conv(4 * width, 4 * width, 3, stride=2)
        self.blocks = nn.ModuleList(ResidualBlock(4 * width) for _ in range(blocks))
        self.lstm = ConvLSTM(4 * width)
        self.deconv1 = _conv(4 * width, 2 * width, 3)
        self.deconv2 = _conv(4 * width, width, 3)
        self.deconv3 = _conv(2 * width, config.channels_out, 7)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """One frame: what to add to P_t, so that O_t = P_t + y does not flicker, and the state for the next frame.

        Args:
            x: P_t, O_{t-1}, I_t, I_{t-1} [B, channels_in, H, W], H and W multiples of 4, at least 8; O_0 = P_0.
            state: from the frame before; None at the start.

        Returns:
            y [B, channels_out, H, W] in -1..1, float32; the state.
        """
        if x.ndim != 4 or x.shape[1] != self.config.channels_in or any(n < 8 or n % 4 for n in x.shape[2:]):
            raise ValueError(
                f"frames are [B, {self.config.channels_in}, H, W], H and W multiples of 4 and at least 8; got "
                f"{list(x.shape)}"
            )
        x, colors = x.to(self.conv3.weight.dtype), 2 * self.config.channels_out
        a1, b1 = _act(self.conv1a(x[:, :colors])), _act(self.conv1b(x[:, colors:]))
        a2, b2 = _act(self.conv2a(a1)), _act(self.conv2b(b1))
        x = _act(self.conv3(torch.cat((a2, b2), dim=1)))
        for block in self.blocks:
            x = block(x)
        state = self.lstm(x, state)
        x = _act(self.deconv1(_doubled(state.hidden)))
        x = _act(self.deconv2(_doubled(torch.cat((x, a2), dim=1))))
        return self.deconv3(torch.cat((x, a1), dim=1)).float().tanh(), state

    @classmethod
    def of_sizes(cls, sizes: Mapping[str, Any]) -> BlindConsistency:
        """See `Network`."""
        return cls(**sizes)

    @classmethod
    def of_published(cls, state: Mapping[str, Tensor]) -> BlindConsistency:
        """See `Network`."""
        return cls()

    def published_shapes(self) -> dict[str, torch.Size]:
        """See `Network`. The file has the statistics of norms that do not act: they are asked for, and not used."""
        shapes = {_published_name(name): shape for name, shape in self.own_shapes().items()}
        normed = [name.removesuffix("conv2d.bias") for name in shapes if name.endswith("conv2d.bias")]
        for layer in normed:
            if layer != "deconv3.":
                width = shapes[f"{layer}conv2d.bias"]
                shapes[f"{layer}norm_layer.running_mean"] = shapes[f"{layer}norm_layer.running_var"] = width
                shapes[f"{layer}norm_layer.num_batches_tracked"] = torch.Size()
        return shapes

    def from_published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Network`."""
        return {name: state[_published_name(name)] for name in self.own_shapes()}


class ResidualBlock(nn.Module):
    """x + conv2(LeakyReLU(conv1(x)))."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1, self.conv2 = _conv(width, width, 3), _conv(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(_act(self.conv1(x)))


class ConvLSTM(nn.Module):
    """c = remember · c + in · cell; h = out · tanh(c), the gates from a convolution of (x, h)."""

    def __init__(self, width: int):
        super().__init__()
        self.gates = nn.Conv2d(2 * width, 4 * width, 3, padding=1)

    def forward(self, x: Tensor, state: State | None) -> State:
        hidden, cell = state or (torch.zeros_like(x), torch.zeros_like(x))
        gates = self.gates(torch.cat((x, hidden), dim=1))
        let_in, remember, let_out = gates[:, : 3 * x.shape[1]].sigmoid().chunk(3, dim=1)
        cell = remember * cell + let_in * gates[:, 3 * x.shape[1] :].tanh()
        return State(let_out * cell.tanh(), cell)


def _conv(width_in: int, width: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(width_in, width, kernel, stride, padding=kernel // 2, padding_mode="reflect")


def _act(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _published_name(ours: str) -> str:
    if ours.startswith("lstm.gates."):
        return ours.replace("lstm.gates.", "convlstm.Gates.")
    layer, kind = ours.replace("blocks.", "ResBlocks.").rsplit(".", 1)
    return f"{layer}.conv2d.{kind}"
