"""Exact shortcuts beside the plain forms that they stand for."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from colormnet_cli.networks.colormnet import ops
from colormnet_cli.networks.colormnet.fusion import FeatureFusion, ResidualBlock
from colormnet_cli.networks.colormnet.ops import attend, conv3x3_of_upsampled
from colormnet_cli.networks.colormnet.pvgfe import CrossChannelAttention


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 4)])
@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_conv_of_an_upsampled_map(factor: int, size: tuple[int, int], bias: bool) -> None:
    """Fails where the low-resolution evaluation changes features, at borders above all."""
    conv, x = nn.Conv2d(6, 5, 3, padding=1), torch.randn(2, 6, *size)
    large = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    plain = F.conv2d(large, conv.weight, conv.bias if bias else None, padding=1)
    assert torch.allclose(conv3x3_of_upsampled(x, conv, factor, bias=bias), plain, atol=1e-5)


def plain_block(block: ResidualBlock, x: torch.Tensor) -> torch.Tensor:
    out = block.conv2(block.conv1(x.relu()).relu())
    return out + (x if block.shortcut is None else block.shortcut(x))


@torch.inference_mode()
def test_parts_shared_between_a_and_b() -> None:
    """Fails where computing the shared part once gives a and b another color than computing it twice."""
    fusion = FeatureFusion(6, 4, 8, reduction=2)
    frame, color = torch.randn(2, 6, 5, 7), torch.randn(2, 2, 4, 5, 7)
    out = fusion(frame, color)
    for i in range(2):
        y = plain_block(fusion.block1, torch.cat((frame, color[:, i]), dim=1))
        plain = plain_block(fusion.block2, y + fusion.gates(y))
        assert torch.allclose(out[:, i], plain, atol=1e-5)


@pytest.mark.parametrize(("dim_in", "dim"), [(6, 4), (5, 5)])
@torch.inference_mode()
def test_shortcut_of_skip_plus_upsampled(dim_in: int, dim: int) -> None:
    """Fails where the decoder's finer scales differ from skip + upsampled, convolved."""
    block = ResidualBlock(dim_in, dim)
    skip, coarse = torch.randn(2, dim_in, 6, 10), torch.randn(2, 2, dim_in, 3, 5)
    out = block.forward_skip(skip, coarse, factor=2)
    for i in range(2):
        up = F.interpolate(coarse[:, i], scale_factor=2, mode="bilinear", align_corners=False)
        assert torch.allclose(out[:, i], plain_block(block, skip + up), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
@torch.inference_mode()
def test_folded_channel_attention(batch: int) -> None:
    """Fails where folding the attention into the projection changes the fused features."""
    module = CrossChannelAttention(8, heads=4)
    source, target = torch.randn(2, batch, 8, 5, 6)
    q, k, v = (
        getattr(module, f"to_{name}_dw")(getattr(module, f"to_{name}")(x)).flatten(2).unflatten(1, (4, -1))
        for name, x in (("q", source), ("k", target), ("v", target))
    )
    scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-1, -2) * module.temperature
    plain = module.out((scores.softmax(-1) @ v).flatten(1, 2).unflatten(2, (5, 6)))
    assert torch.allclose(module(source, target), plain, atol=1e-5)


@pytest.mark.parametrize(("batch", "parts"), [(1, 2), (1, 4), (2, 6)])
@torch.inference_mode()
def test_large_maps_in_parts(batch: int, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a film at a high resolution gets other colors because its maps are computed in parts."""
    torch.manual_seed(0)
    attention, block = CrossChannelAttention(12, heads=6), ResidualBlock(8, 8)
    maps = torch.randn(2, batch, 12, 5, 6)
    skip, coarse = torch.randn(batch, 8, 6, 10), torch.randn(batch, 2, 8, 3, 5)
    conv = nn.Conv2d(12, 40, 3, padding=1)

    def computed() -> tuple[torch.Tensor, ...]:
        upsampled = conv3x3_of_upsampled(maps[0], conv, factor=2)
        return attention(*maps), block.forward_skip(skip, coarse, factor=2), upsampled

    expected = computed()
    monkeypatch.setattr(ops, "_PART", batch * 24 * 5 * 6 * 4 // parts)
    assert ops.parts_of(maps[0], 24) == parts
    assert ops.parts_of(skip, 8) > 1
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(computed(), expected, strict=True))


@torch.inference_mode()
def test_channel_attention_of_a_large_picture_in_half_precision() -> None:
    """Fails where the product of unnormalized maps overflows fp16, and a large film comes out as NaN."""
    torch.manual_seed(0)
    module = CrossChannelAttention(8, heads=2)
    source, target = 30 * torch.randn(2, 1, 8, 280, 480)
    out = module(source, target)
    half = module.half()(source.half(), target.half())
    assert half.isfinite().all()
    assert (half.float() - out).abs().mean() <= 0.01 * out.abs().mean()


def test_a_channel_that_says_nothing_in_half_precision() -> None:
    """Fails where one empty channel turns a whole fp16 film to NaN: zero ÷ a least length that fp16 rounds to zero."""
    torch.manual_seed(0)
    module = CrossChannelAttention(8, heads=2).requires_grad_(False)
    module.to_k_dw.weight[3], module.to_k_dw.bias[3] = 0, 0
    maps = torch.randn(2, 1, 8, 4, 5)
    expected = module(*maps)
    found = module.half()(*maps.half())
    assert (found - expected).abs().max() < 0.01


@pytest.mark.parametrize("tokens", [1, 50, 300])
def test_attention_in_bfloat16(tokens: int) -> None:
    """Fails where the transformer attends to something else in bfloat16, or its error is not that of rounding."""
    q, k, v = torch.randn(3, 2, 3, tokens, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    exact = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    assert attend(q, k, v).sub(exact).abs().max() < 2**-7 * v.abs().max()
    assert attend(q.double(), k.double(), v.double()).equal(exact)
