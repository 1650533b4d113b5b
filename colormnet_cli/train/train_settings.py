"""Everything a training run can be told, and the two presets. Saved with the run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from ..inference.device import DTYPES
from ..networks.colormnet.config import ColorMNetConfig
from .kinds import check_kinds

__all__ = ["PRESETS", "Schedule", "TrainSettings", "fine_tuning", "preset"]

# What holds from which share of the run on: ((0.0, 5), (0.1, 10)) is 5 at first and 10 after a tenth.
Schedule = tuple[tuple[float, int], ...]

_LEAST_MADE_UP = 32  # pixels: in smaller pictures the smallest shapes would have none
_FROM_ZERO = (
    "warmup", "weight_decay", "clip_norm", "raw_loss", "fade_loss", "chroma_loss", "seed", "workers",
)  # fmt: skip


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one run. The defaults are those of the paper and of its authors' released settings."""

    network: ColorMNetConfig = field(default_factory=ColorMNetConfig)
    init: str = "random"  # random, colormnet, pretrained (ImageNet and DINOv2), or a weight file

    # material
    data: tuple[str, ...] = ()  # folders of frames, DAVIS's layout, or videos
    synthetic: bool = False  # clips made on the fly instead
    cut: float = 0.1  # made-up clips whose first frame is another arrangement of the same objects
    vivid: float = 0.4  # made-up clips in strong colours, where confusing two objects costs most
    frames: int = 8  # a clip
    jumps: Schedule = ((0.0, 5), (0.1, 10), (0.3, 15), (0.9, 5))  # most frames of the film between two of a clip
    crops: Schedule = ((0.0, 448),)
    crop_scale: tuple[float, float] = (0.36, 1.0)  # of the picture's area
    affine: bool = True  # small turns, shears and colour jitter, frame by frame
    plain_share: float = 1 / 16  # share of the run, at its end, without them: 10,000 steps of 160,000

    # optimisation
    steps: int = 160_000
    batch: int = 4  # clips a step, over all processes
    accumulate: int = 1  # parts that a step's batch is worked off in
    lr: float = 2e-5
    schedule: str = "steps"  # or cosine, after a warm-up
    lr_drops: tuple[int, ...] = (120_000,)  # lr × 0.1 at these steps
    warmup: int = 0
    weight_decay: float = 0.05
    clip_norm: float = 0.0  # largest norm of the gradient; 0 leaves it alone
    average: float = 0.0  # decay of a running mean of the weights, which is what is validated and written; 0: none
    freeze_transformer: bool = True
    norm_share: float = 0.0  # share of the run in which BatchNorm learns its statistics; frozen after that
    hidden_renewal: float = 0.2  # how often the value encoder renews the hidden state
    raw_loss: float = 0.0  # weight of the raw readouts' own error
    matching_share: float = 0.0  # share of the run that learns the keys alone, by reading true ab
    fade_loss: float = 0.0  # weight of missing chroma
    chroma_loss: float = 0.0  # the error's weight is 1 + this · |ab|

    # the run
    seed: int = 0
    precision: str = "fp32"  # fp32, fp16 or bf16 (autocast; the parameters stay float32)
    workers: int = 0
    checkpoint_every: int = 1000
    validate_every: int = 5000
    validation_clips: int = 8
    half_weights: bool = False  # best.pt and final.pt in float16
    keep_back: float = 0.05  # share of the films in `data` that only validation sees

    def __post_init__(self) -> None:
        check_kinds(TrainSettings, {entry.name: getattr(self, entry.name) for entry in fields(self)})
        for entry in fields(self):  # JSON gives lists
            if isinstance(value := getattr(self, entry.name), list):
                object.__setattr__(self, entry.name, tuple(tuple(x) if isinstance(x, list) else x for x in value))
        if isinstance(self.network, dict):
            object.__setattr__(self, "network", _network(self.network))
        if not isinstance(self.network, ColorMNetConfig):
            raise ValueError(f"network must be a table of sizes, got {self.network!r}")
        self._check()

    def _check(self) -> None:
        for name in ("steps", "batch", "accumulate", "checkpoint_every", "validate_every", "validation_clips"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.init:
            raise ValueError("init must name weights, or be random")
        if self.frames < 2:
            raise ValueError(f"a clip needs at least 2 frames, got {self.frames}")
        if self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} cannot be worked off in {self.accumulate} equal parts")
        if self.lr <= 0:
            raise ValueError(f"lr must be above 0, got {self.lr}")
        for name in _FROM_ZERO:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.seed >= 2**62:
            raise ValueError(f"seed must be below 2^62, got {self.seed}")
        if not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise ValueError(f"crop_scale must be two rising shares of the picture, got {list(self.crop_scale)}")
        if not 0 <= self.average < 1:
            raise ValueError(f"average must be at least 0 and below 1, got {self.average}")
        for name in ("plain_share", "norm_share", "matching_share", "hidden_renewal", "cut", "vivid", "keep_back"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a share, 0 to 1, got {getattr(self, name)}")
        for name in ("jumps", "crops"):
            given: Schedule = getattr(self, name)
            shares = [share for share, _ in given]
            if not shares or shares[0] != 0 or shares != sorted(shares) or min(value for _, value in given) < 1:
                raise ValueError(f"{name} must begin at share 0 and rise, with values above 0, got {given}")
        multiple = self.network.pad_multiple
        for _, crop in self.crops:
            if crop % multiple:
                raise ValueError(f"crops must be multiples of {multiple}, as the network pads, got {crop}")
            if self.synthetic and crop < _LEAST_MADE_UP:
                raise ValueError(f"crops of clips made on the fly must be at least {_LEAST_MADE_UP}, got {crop}")
        if self.schedule not in ("steps", "cosine"):
            raise ValueError(f"schedule must be 'steps' or 'cosine', got {self.schedule!r}")
        if self.precision not in DTYPES:
            raise ValueError(f"precision must be fp32, fp16 or bf16, got {self.precision!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and for checkpoints."""
        return {**asdict(self), "network": self.network.to_dict()}

    def at(self, schedule: Schedule, step: int) -> int:
        """What a schedule says at a step."""
        return [value for share, value in schedule if step >= share * self.steps][-1]

    def with_overrides(self, **overrides: Any) -> TrainSettings:
        """The same settings but for those given (None leaves one alone)."""
        return replace(self, **{name: value for name, value in overrides.items() if value is not None})


def _network(sizes: dict[str, Any]) -> ColorMNetConfig:
    """The network's sizes out of JSON."""
    check_kinds(ColorMNetConfig, sizes, prefix="network.")
    for name, size in sizes.items():
        least = 0 if name in ("local_radius", "vit_taken", "detail_dim") else 1
        if not isinstance(size, (bool, str)) and min(size if isinstance(size, (list, tuple)) else [size]) < least:
            raise ValueError(f"network.{name} must be at least {least}, got {size}")
    return ColorMNetConfig(**sizes)


_PREVIEW_NETWORK = ColorMNetConfig(
    coarse_step=1,
    trunk_block="basic",
    trunk_stem=24,
    trunk_widths=(32, 64, 128),
    trunk_depths=(1, 1, 2),
    vit_patch=16,
    vit_dim=64,
    vit_depth=2,
    vit_heads=2,
    vit_mlp=2,
    vit_grid=16,
    vit_taken=(1,),
    fusion_heads=64,  # few channels a head: averages over many would blur what is local
    fused_maps=1,
    key_dim=32,
    value_dim=16,
    value_stem=8,
    value_widths=(8, 16, 32),
    value_depths=(1, 1, 1),
    hidden_dim=16,
    detail_dim=16,
    raw_ab=True,
    decoder_widths=(48, 32, 16),
    update_dim=16,
    gate_reduction=8,
)

PRESETS = {
    "full": TrainSettings(),
    "preview": TrainSettings(
        network=_PREVIEW_NETWORK,
        synthetic=True,
        jumps=((0.0, 1), (0.15, 2), (0.4, 3), (0.7, 5)),
        crops=((0.0, 112),),  # 14×14 elements: whole tiles of local attention
        plain_share=0.0,
        steps=1300,
        batch=4,
        lr=1.5e-3,
        schedule="cosine",
        warmup=100,
        weight_decay=0.01,
        clip_norm=1.0,
        freeze_transformer=False,
        norm_share=0.7,
        raw_loss=0.6,
        matching_share=0.55,
        chroma_loss=0.02,
        precision="bf16",
        half_weights=True,
        checkpoint_every=50,
        validate_every=200,
    ),
}


def preset(name: str) -> TrainSettings:
    """The settings of that name."""
    if name not in PRESETS:
        raise ValueError(f"there is no training configuration {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def fine_tuning(settings: TrainSettings) -> TrainSettings:
    """The same for weights that know their task already: small steps from the first on, and nothing learned anew."""
    return settings.with_overrides(lr=min(settings.lr, 2e-4), warmup=0, matching_share=0.0, norm_share=0.0)
