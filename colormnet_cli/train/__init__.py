"""Training and fine-tuning, on films or on synthetic clips."""

from .loop import TrainingProgress, TrainingResult, train
from .presets import PRESETS, fine_tuning, preset
from .train_settings import TrainSettings

__all__ = ["PRESETS", "TrainSettings", "TrainingProgress", "TrainingResult", "fine_tuning", "preset", "train"]
