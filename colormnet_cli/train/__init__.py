"""Training and fine-tuning, on films or on synthetic clips."""

from .loop import TrainingProgress, TrainingResult, train
from .train_settings import PRESETS, TrainSettings, fine_tuning, preset

__all__ = ["PRESETS", "TrainSettings", "TrainingProgress", "TrainingResult", "fine_tuning", "preset", "train"]
