"""Deep Exemplar as the paper has it, layer by layer: what the network's shortcuts are compared with.

`python tests/support/plain_deep_exemplar.py` shows the operations and the CPU seconds of a frame of both.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import colormnet_cli as cm

__all__ = ["plain_frame"]

_TINY = 2.2e-16


def plain_frame(net: cm.DeepExemplar, L: Tensor, exemplar: Tensor, last: Tensor, temperature: float = 1e-10) -> Tensor:
    """ab of a frame [1, 1, H, W]: VGG and WarpNet of it and of the exemplar, a softmax over all places, ColorVidNet."""
    theta = _features(net, (L / 100).expand(-1, 3, -1, -1), net.warp.theta_conv)
    phi = _features(net, cm.lab_to_rgb(exemplar), net.warp.phi_conv)
    h, w = theta.shape[2:]
    f = theta.flatten(2).transpose(1, 2) @ phi.flatten(2)
    colors = F.avg_pool2d(_centered(exemplar), 4).flatten(2)
    warped = ((f / temperature).softmax(dim=2) @ colors.transpose(1, 2)).transpose(1, 2).unflatten(2, (h, w))
    similarity = f.amax(dim=2).unflatten(1, (1, h, w))
    matched = F.interpolate(torch.cat((warped[:, 1:], similarity), dim=1), scale_factor=4, mode="nearest")
    return _color(net.color, torch.cat((L - 50, matched, _centered(last)), dim=1))


def _centered(lab: Tensor) -> Tensor:
    return torch.cat((lab[:, :1] - 50, lab[:, 1:]), dim=1)


def _normalized(x: Tensor) -> Tensor:
    return x / (x.norm(dim=1, keepdim=True) + _TINY)


def _features(net: cm.DeepExemplar, rgb: Tensor, last: nn.Conv2d) -> Tensor:
    mean = rgb.new_tensor((0.40760392, 0.45795686, 0.48501961)).view(1, 3, 1, 1)
    x, taps = 255 * (rgb.flip(1) - mean), []
    for stage, depth in enumerate((2, 2, 4, 4, 2), start=1):
        if stage > 1:
            x = F.max_pool2d(x, 2)
        for i in range(1, depth + 1):
            x = F.relu(net.vgg[f"conv{stage}_{i}"](x))
            if i == 2:
                taps.append(_normalized(x))
    warp = net.warp
    maps = [_layers(layer, tap) for layer, tap in zip(_warp_layers(warp), taps[1:], strict=True)]
    (h, w), (ch, cw) = maps[0].shape[2:], maps[3].shape[2:]
    top, left = (h - ch) // 2, (w - cw) // 2
    maps[3] = F.pad(maps[3], (left, left, top, top), mode="replicate")
    x = torch.cat(maps, dim=1)
    for block in warp.layer:
        y = F.prelu(F.instance_norm(_reflected(block.conv1, x)), block.prelu.weight)
        x = F.prelu(x + F.instance_norm(_reflected(block.conv2, y)), block.prelu.weight)
    x = last(x)
    return _normalized(x - x.mean(dim=(2, 3), keepdim=True))


def _warp_layers(warp: nn.Module) -> tuple[nn.Module, ...]:
    return warp.layer2_1, warp.layer3_1, warp.layer4_1, warp.layer5_1


def _layers(sequence: nn.Module, x: Tensor) -> Tensor:
    """A sequence of WarpNet from its convolutions and PReLUs, and from where it doubles."""
    for module in sequence:
        if isinstance(module, nn.Conv2d):
            x = F.instance_norm(
                F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), module.weight, module.bias, module.stride)
            )
        elif isinstance(module, nn.PReLU):
            x = F.prelu(x, module.weight)
        elif type(module).__name__ == "_Double":
            x = F.interpolate(x, scale_factor=2, mode="nearest")
    return x


def _reflected(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), conv.weight, conv.bias)


def _color(net: nn.Module, x: Tensor) -> Tensor:
    def stage(number: int, x: Tensor) -> Tensor:
        for conv in getattr(net, f"stage{number}").convs:
            x = F.relu(conv(x))
        return F.instance_norm(x)

    def join(number: int, x: Tensor, skip: Tensor) -> Tensor:
        part = getattr(net, f"join{number}")
        return F.relu(part.up(F.interpolate(x, scale_factor=2, mode="nearest")) + part.short(skip))

    n1 = stage(1, x)
    n2 = stage(2, net.down1(n1))
    n3 = stage(3, net.down2(n2))
    x = stage(4, net.down3(n3))
    for number in (5, 6, 7):
        x = stage(number, x)
    x = stage(9, join(9, stage(8, join(8, x, n3)), n2))
    x = F.leaky_relu(net.conv10(join(10, x, n1)), 0.2)
    return 128 * torch.tanh(net.ab(x))


def _measured(work: Callable[[], object], frames: int) -> tuple[float, float, float]:
    """GFLOP of a call, the least CPU seconds and the least wall seconds of `frames` calls."""
    with FlopCounterMode(display=False) as count:
        work()
    cpu, wall = [], []
    for _ in range(frames):
        before = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - before[0])
        wall.append(time.perf_counter() - before[1])
    return count.get_total_flops() / 1e9, min(cpu), min(wall)


def main(frames: int = 5) -> None:
    torch.manual_seed(0)
    size = 216, 384
    L, exemplar = 100 * torch.rand(1, 1, *size), torch.cat((100 * torch.rand(1, 1, *size), torch.randn(1, 2, *size)), 1)
    plain = cm.DeepExemplar().requires_grad_(False)
    works: dict[str, Callable[[], object]] = {"plain": lambda: plain_frame(plain, L, exemplar, exemplar)}
    for precision in ("fp32", "bf16"):
        colorizer = cm.Colorizer(cm.DeepExemplar(), precision=precision)
        colorizer.set_exemplar(exemplar[0])
        works[precision] = partial(colorizer.step, L[0])
    with torch.inference_mode():
        for name, work in works.items():
            gflop, cpu, wall = _measured(work, frames)
            threads = torch.get_num_threads()
            sys.stdout.write(f"{name:6} {gflop:.1f} GFLOP, {cpu:.2f} s of CPU, {wall:.2f} s on {threads} threads\n")


if __name__ == "__main__":
    main()
