"""The settings of a training run, which saves them in settings.json; `presets` has those that are ready to use."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from ..inference.device import DTYPES
from ..networks.blind_consistency import BlindConsistencyConfig
from ..networks.colormnet import ColorMNetConfig
from ..networks.deep_exemplar import DeepExemplarConfig
from ..networks.preview import PreviewConfig

__all__ = ["Levels", "Schedule", "TrainSettings", "values_of"]

# (share of the run, value from there on), …: ((0.0, 5), (0.1, 10)) is 5 at first, and 10 after a tenth of the steps.
Schedule = tuple[tuple[float, int], ...]
Levels = tuple[tuple[float, float], ...]  # the same, of numbers that need not be whole
_Value = TypeVar("_Value", int, float)

_SMALLEST_SYNTHETIC = 32  # pixels: in smaller frames the smallest shapes would vanish
_MINIMUM = {
    **dict.fromkeys(("steps", "batch", "accumulate", "checkpoint_every", "validate_every", "validation_clips"), 1),
    **dict.fromkeys(("warmup", "weight_decay", "clip_norm", "raw_loss", "fade_loss", "chroma_loss", "seed"), 0),
    **dict.fromkeys(("ema_decay", "exemplar_weight", "error_loss"), 0),
    **dict.fromkeys(("l1_loss", "perceptual_loss", "contextual_loss", "smoothness_loss"), 0),
    **dict.fromkeys(("adversarial_loss", "temporal_loss", "short_term_loss", "long_term_loss", "content_loss"), 0),
    "workers": 0,
    "frames": 2,
}
# What may change with the progress of a run; of these, all but jumps and crops may be one number instead.
_SCHEDULES = (
    "frames", "jumps", "crops", "batch", "ema_decay", "raw_loss", "fade_loss", "chroma_loss", "exemplar_weight",
)  # fmt: skip
_SHARES = (
    "plain_share", "norm_share", "matching_share", "hidden_renewal", "cut", "vivid", "validation_share",
    "preview_share", "people", "thin", "paving", "crossings", "newcomers", "defects",
)  # fmt: skip
_Network = ColorMNetConfig | DeepExemplarConfig | BlindConsistencyConfig
_TYPES = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one run. The defaults are those of the paper and of its authors' released settings.

    Values from JSON are accepted: lists for tuples, and a dict for ``network``.

    Raises:
        ValueError: a value is of another type, or out of range.
    """

    network: _Network = field(default_factory=ColorMNetConfig)
    init: str = "random"  # random, colormnet, pretrained (ImageNet and DINOv2), or a weight file

    # data
    data: tuple[str, ...] = ()  # folders of frames, DAVIS, or videos
    synthetic: bool = False  # synthetic clips, generated on the fly, instead
    cut: float = 0.1  # share of synthetic clips whose first frame shows the same objects in another arrangement
    vivid: float = 0.4  # share of synthetic clips in strong colors, where confusing two objects costs most
    # The shares of synthetic clips with these things in them; 0: none. See scenes/things.py.
    people: float = 0.4  # faces, and limbs that bend
    thin: float = 0.3  # railings, ropes, branches
    paving: float = 0.3  # a ground of slabs, bricks or boards in perspective
    crossings: float = 0.3  # things of one gray and of different colors that pass each other
    newcomers: float = 0.3  # things that the first frame does not show, like known ones or like none
    defects: float = 0.3  # changes of focus and exposure, grain, flicker and dust, in the lightness only
    frames: int | Schedule = 8  # per clip
    jumps: Schedule = ((0.0, 5), (0.1, 10), (0.3, 15), (0.9, 5))  # largest gap between two frames of a clip, in frames
    crops: Schedule = ((0.0, 448),)  # height and width of the frames of a clip, in pixels
    crop_scale: tuple[float, float] = (0.36, 1.0)  # share of the frame's area that is cropped
    affine: bool = True  # small rotations, shears and color jitter, for each frame separately
    plain_share: float = 1 / 16  # share of the run, at its end, without them: 10,000 steps of 160,000
    validation_share: float = 0.05  # share of the videos in `data` that are used for validation only

    # optimization
    steps: int = 160_000
    batch: int | Schedule = 4  # clips per step, over all processes
    accumulate: int = 1  # forward and backward passes that the batch of a process is split into
    lr: float = 2e-5
    schedule: str = "steps"  # or cosine, after a warm-up
    lr_drops: tuple[int, ...] = (120_000,)  # lr × 0.1 at these steps
    warmup: int = 0  # steps
    weight_decay: float = 0.05
    clip_norm: float = 0.0  # largest norm of the gradient; 0: not clipped
    # Of an exponential moving average of the weights, which is validated and saved; 0: none, or the weights themselves.
    ema_decay: float | Levels = 0.0
    freeze_transformer: bool = True
    norm_share: float = 0.0  # share of the run in which BatchNorm updates its statistics; frozen after that
    hidden_renewal: float = 0.2  # how often the value encoder updates the hidden state
    raw_loss: float | Levels = 0.0  # weight of the error of the raw readouts
    matching_share: float = 0.0  # share of the run, at its start, that trains only the keys, by reading the true ab
    fade_loss: float | Levels = 0.0  # weight of missing chroma
    chroma_loss: float | Levels = 0.0  # errors are weighted by 1 + this · |ab|
    error_loss: float = 0.0  # weight of how well the preview expects its errors
    exemplar_weight: float | Levels = 0.0  # of the preview while it is trained; 0: the network's own

    # the weights of Deep Exemplar's losses; 0: not computed
    l1_loss: float = 2.0  # smooth L1 of ab
    perceptual_loss: float = 0.001  # of VGG's relu5_1, against the true frame
    contextual_loss: float = 0.2  # of VGG's relu2_2 to relu5_2, against the exemplar
    smoothness_loss: float = 5.0  # of ab, where lightness is smooth
    adversarial_loss: float = 0.2  # against a discriminator
    temporal_loss: float = 0.02  # of ab along the movement; synthetic clips only

    # the weights of blind temporal consistency's losses, of ab/110, and its flicker; synthetic clips only
    short_term_loss: float = 100.0  # change from the frame before, along the movement
    long_term_loss: float = 100.0  # change from the first frame, along the movement
    content_loss: float = 100.0  # difference from the clip without flicker
    preview_share: float = 0.2  # share of clips whose flicker is that of the preview network, each frame colored alone

    # the run
    seed: int = 0
    precision: str = "fp32"  # fp32, fp16 or bf16 (autocast; the parameters stay float32)
    workers: int = 0
    checkpoint_every: int = 1000  # steps
    validate_every: int = 5000  # steps
    validation_clips: int = 8
    half_weights: bool = False  # best.pt and final.pt in float16

    def __post_init__(self) -> None:
        _check_types(TrainSettings, vars(self))
        for name, value in list(vars(self).items()):
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(tuple(x) if isinstance(x, list) else x for x in value))
        if isinstance(self.network, dict):
            object.__setattr__(self, "network", _network(self.network))
        if not isinstance(self.network, _Network):
            raise ValueError(f"network must be a table of sizes, got {self.network!r}")
        self._check_ranges()

    def _check_ranges(self) -> None:
        for name, minimum in _MINIMUM.items():
            if min(values_of(getattr(self, name)), default=minimum) < minimum:
                raise ValueError(f"{name} must be at least {minimum}, got {getattr(self, name)}")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a share, 0 to 1, got {getattr(self, name)}")
        for name in _SCHEDULES:
            schedule: int | float | Levels = getattr(self, name)
            starts = [start for start, _ in schedule] if isinstance(schedule, tuple) else [0]
            if not starts or starts[0] != 0 or starts != sorted(starts):
                raise ValueError(f"{name} must start at share 0 and ascend, got {schedule}")
        for name in ("jumps", "crops"):
            if min(values_of(getattr(self, name))) < 1:
                raise ValueError(f"{name} must have values above 0, got {getattr(self, name)}")
        multiple, smallest = self.network.pad_multiple, _SMALLEST_SYNTHETIC
        for _, crop in self.crops:
            if crop % multiple:
                raise ValueError(f"crops must be multiples of {multiple}, to which the network pads, got {crop}")
            if self.synthetic and crop < smallest:
                raise ValueError(f"crops of synthetic clips must be at least {smallest}, got {crop}")
        for valid, message in (
            (self.init, "init must name weights, or be random"),
            (self.lr > 0, f"lr must be above 0, got {self.lr}"),
            (self.seed < 2**62, f"seed must be below 2^62, got {self.seed}"),
            (
                max(values_of(self.ema_decay)) < 1,
                f"ema_decay must be at least 0 and below 1, got {self.ema_decay}",
            ),
            (
                all(weight == 0 or weight >= 1 for weight in values_of(self.exemplar_weight)),
                f"exemplar_weight must be 0 or at least 1, got {self.exemplar_weight}",
            ),
            (
                isinstance(self.network, PreviewConfig) or not any(values_of(self.exemplar_weight)),
                "exemplar_weight is of the preview network only: leave it 0",
            ),
            (
                not any(batch % self.accumulate for batch in values_of(self.batch)),
                f"batch {self.batch} must be a multiple of accumulate {self.accumulate}",
            ),
            (
                0 < self.crop_scale[0] <= self.crop_scale[1] <= 1,
                f"crop_scale must be two ascending shares of the frame's area, got {list(self.crop_scale)}",
            ),
            (self.schedule in ("steps", "cosine"), f"schedule must be 'steps' or 'cosine', got {self.schedule!r}"),
            (self.precision in DTYPES, f"precision must be fp32, fp16 or bf16, got {self.precision!r}"),
        ):
            if not valid:
                raise ValueError(message)

    @property
    def reads_memory(self) -> bool:
        """Whether the network is ColorMNet or the preview; the others have no memory."""
        return isinstance(self.network, ColorMNetConfig)

    @property
    def steadies(self) -> bool:
        """Whether the network removes flicker from colors, instead of coloring."""
        return isinstance(self.network, BlindConsistencyConfig)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and for checkpoints."""
        return {**asdict(self), "network": self.network.to_dict()}

    def at(self, schedule: _Value | tuple[tuple[float, _Value], ...], step: int) -> _Value:
        """The value of a schedule at a step."""
        if not isinstance(schedule, tuple):
            return schedule
        return [value for start, value in schedule if step >= start * self.steps][-1]

    def first_sample(self, step: int) -> int:
        """How many samples the steps before this one use."""
        return sum(size * (min(step, end) - begin) for begin, end, size in self._batches() if step > begin)

    def step_of(self, sample: int) -> int:
        """The step that uses a sample."""
        begin, size = [(b, size) for b, _, size in self._batches() if sample >= self.first_sample(b)][-1]
        return begin + (sample - self.first_sample(begin)) // size

    def _batches(self) -> list[tuple[int, int, int]]:
        """The first step of each batch size, the one after its last, and the size."""
        schedule = self.batch if isinstance(self.batch, tuple) else ((0.0, self.batch),)
        begins = [math.ceil(start * self.steps) for start, _ in schedule]
        ends = [*begins[1:], sys.maxsize]
        return [(b, e, size) for b, e, (_, size) in zip(begins, ends, schedule, strict=True) if b < e]

    def with_overrides(self, **overrides: Any) -> TrainSettings:
        """The same settings with some replaced; None leaves one as it is."""
        return replace(self, **{name: value for name, value in overrides.items() if value is not None})


def values_of(schedule: _Value | tuple[tuple[float, _Value], ...]) -> list[_Value]:
    """All values that a setting has in the course of a run."""
    return [value for _, value in schedule] if isinstance(schedule, tuple) else [schedule]


def _check_types(settings: type, values: Mapping[str, Any], prefix: str = "") -> None:
    """Compare values with a class's annotations: "False" for a bool would be true, 2.5 frames would be cut to 2.

    Names that the class does not have are left to its constructor.
    """
    for name, hint in get_type_hints(settings).items():
        if name in values and not _has_type(values[name], hint):
            raise ValueError(f"{prefix}{name} must be {_type_name(hint)}, got {values[name]!r}")


def _has_type(value: Any, hint: Any) -> bool:
    if isinstance(hint, UnionType):
        return any(_has_type(value, kind) for kind in get_args(hint))
    if hint in _TYPES:
        if isinstance(value, bool) or hint is bool:
            return isinstance(value, bool) and hint is bool
        return isinstance(value, (int, float)) and math.isfinite(value) if hint is float else isinstance(value, hint)
    if items := get_args(hint):
        if not isinstance(value, (list, tuple)):
            return False
        hints = items[:1] * len(value) if items[-1] is Ellipsis else items
        return len(value) == len(hints) and all(map(_has_type, value, hints))
    return True


def _type_name(hint: Any) -> str:
    """How a type is written: `an integer or [[a number, an integer], …]`."""
    if isinstance(hint, UnionType):
        return " or ".join(map(_type_name, get_args(hint)))
    if items := get_args(hint):
        return f"[{', '.join('…' if item is Ellipsis else _type_name(item) for item in items)}]"
    return _TYPES[hint]


def _network(sizes: dict[str, Any]) -> _Network:
    """The network's configuration from JSON."""
    config: Any = ColorMNetConfig
    if {"detail_dim", "exemplar_weight"} & sizes.keys():
        config = PreviewConfig
    elif "channels_in" in sizes:
        config = BlindConsistencyConfig
    elif "width" in sizes:
        config = DeepExemplarConfig
    _check_types(config, sizes, prefix="network.")
    for name, size in sizes.items():
        minimum = 0 if name in ("local_radius", "vit_taken", "detail_dim") else 1
        if not isinstance(size, (bool, str)) and min(size if isinstance(size, (list, tuple)) else [size]) < minimum:
            raise ValueError(f"network.{name} must be at least {minimum}, got {size}")
    found: _Network = config(**sizes)
    return found
