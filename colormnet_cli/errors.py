"""Every exception that a user may see. Its text is one sentence: what, where, what to do.

Settings are named as in Python, between backquotes (`overwrite=True`); the command line shows them as options. Misuse
of the Python API (a wrong shape, a wrong order of calls) is a ``ValueError`` that says what was expected and what came.
"""

import signal

__all__ = [
    "CheckpointError",
    "ColormnetError",
    "DeviceError",
    "DownloadError",
    "InstallationError",
    "Interrupted",
    "LostError",
    "MediaError",
    "NotFiniteError",
    "OutputError",
    "TrainingError",
    "UsageError",
    "WeightsError",
    "WorkerError",
]


class ColormnetError(Exception):
    """An error that its text explains; the command ends with exit code 1."""

    exit_code = 1


class UsageError(ColormnetError):
    """Settings that are wrong or contradict each other; the command ends with exit code 2."""

    exit_code = 2


class MediaError(ColormnetError):
    """A film, picture or exemplar cannot be read, or contains nothing that could be colorized."""


class OutputError(ColormnetError):
    """The result cannot be written: folder, disk, codec or container."""


class WeightsError(ColormnetError):
    """Weights are not there, or are not the ones that weights.lock names."""


class DownloadError(WeightsError):
    """No source gave the weights."""


class CheckpointError(WeightsError):
    """Weights do not fit the network: names or shapes differ."""


class LostError(ColormnetError):
    """All workers that were given a shot have ended before they finished it."""


class WorkerError(OutputError):
    """A worker does not see the same film, pictures, weights or programs as the run that gives it shots."""


class DeviceError(ColormnetError):
    """The requested device is not available, or has too little memory."""


class InstallationError(ColormnetError):
    """A package that is needed cannot be loaded."""


class NotFiniteError(ColormnetError):
    """The network's colors are NaN or infinite: they exceed the precision's range, or the weights are bad."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or another signal, after the progress was saved; the text says where the same command resumes."""

    def __init__(self, text: str, number: int = signal.SIGINT) -> None:
        super().__init__(text)
        self.exit_code = 128 + number  # 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP


class TrainingError(ColormnetError):
    """A training run failed: its loss became NaN or infinite, or one of its processes ended."""
