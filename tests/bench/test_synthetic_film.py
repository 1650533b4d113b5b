"""The synthetic film, and its memory."""

from __future__ import annotations

import colormnet_cli as cm
from colormnet_cli.bench.synthetic_film import start_film, synthetic_luma


def test_frames_are_the_same_everywhere() -> None:
    """Fails where two machines would be compared on different films, or the film stands still."""
    first, again, next_ = (synthetic_luma(i, (48, 64)) for i in (0, 0, 1))
    assert (first == again).all()
    assert (first != next_).mean() > 0.5
    assert 16 <= first.min() < first.max() <= 235


def test_the_memory_is_full_and_stays_so(small_model: cm.ColorMNet) -> None:
    """Fails where the figures would be those of a film's first second."""
    colorizer = cm.Colorizer(small_model, cm.MemoryConfig(n_s=6, n_e=3, m=16, long_term=300))
    pool, fill = start_film(colorizer, (64, 96), (64, 96), 16)
    bank = colorizer.engine.film.bank
    assert len(bank) == fill.bound == 300 + 24 + 4 * 24  # elements of four recent frames of 4×6
    sizes = set()
    for L in pool:
        assert colorizer.step(L).isfinite().all()
        sizes.add((bank.long, bank.permanent, bank.recent_frames))
    assert sizes == {(300, 24, n) for n in (2, 3, 4)}  # condensed at once, then growing again
    use = bank.normalized_use()
    assert float(use.max() - use.min()) > 0
