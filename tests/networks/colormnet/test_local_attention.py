"""LA in tiles beside LA pixel by pixel."""

import pytest
import torch

from colormnet_cli.networks.colormnet.local_attention import LocalAttention
from support.networks import small_config


def plain_attend(module: LocalAttention, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """What is meant: for each pixel, a softmax over the window's positions that lie on the map."""
    _, dim, h, w = query.shape
    r = module.radius
    relative = module.relative(query)
    out = torch.empty_like(value)
    for b in range(len(query)):
        for y in range(h):
            for x in range(w):
                window = [(dy, dx) for dy in range(-r, r + 1) for dx in range(-r, r + 1)]
                seen = [(i, y + dy, x + dx) for i, (dy, dx) in enumerate(window) if 0 <= y + dy < h and 0 <= x + dx < w]
                logits = torch.stack(
                    [query[b, :, y, x] @ key[b, :, v, u] / dim**0.5 + relative[b, i, y, x] for i, v, u in seen]
                )
                values = torch.stack([value[b, :, v, u] for _, v, u in seen])
                out[b, :, y, x] = logits.softmax(0) @ values
    return out


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (7, 14), (8, 15)])
@pytest.mark.parametrize("radius", [1, 3, 7])
@torch.inference_mode()
def test_tiles_equal_windows(size: tuple[int, int], radius: int) -> None:
    """Fails where a pixel looks at the wrong neighbors, at borders and in maps that are not whole tiles above all."""
    torch.manual_seed(0)
    module = LocalAttention(small_config(local_radius=radius))
    query, key = torch.randn(2, 2, 16, *size)
    value = torch.randn(2, 5, *size)
    out = module.attend(query, key, value)
    assert torch.allclose(out, plain_attend(module, query, key, value), atol=1e-5)
