"""Training and fine-tuning, on films or on clips made on the fly."""

from .loop import Progress, TrainingError, TrainingResult, train
from .settings import PRESETS, TrainSettings, preset

__all__ = ["PRESETS", "Progress", "TrainSettings", "TrainingError", "TrainingResult", "preset", "train"]
