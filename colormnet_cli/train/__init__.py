"""Training and fine-tuning, on films or on clips made on the fly."""

from .loop import Progress, TrainingResult, train
from .settings import PRESETS, TrainSettings, fine_tuning, preset

__all__ = ["PRESETS", "Progress", "TrainSettings", "TrainingResult", "fine_tuning", "preset", "train"]
