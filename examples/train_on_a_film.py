"""Fine-tune the preview model on films in color, to use it on similar ones.

python examples/train_on_a_film.py RUN STEPS FILM [FILM ...]
"""

import sys
from pathlib import Path

from colormnet_cli.train import fine_tuning, preset, train

if len(sys.argv) < 4:
    sys.exit(__doc__)
run, steps, *films = sys.argv[1:]
settings = fine_tuning(preset("preview")).with_overrides(
    data=tuple(films), synthetic=False, init="preview", steps=int(steps), batch=2, crops=((0.0, 128),)
)
result = train(settings, Path(run), progress=lambda at: print(f"step {at.step}: error {at.error:.2f}"))
print(f"best validation {result.best_psnr:.2f} dB; use it with --model {result.weights}")
