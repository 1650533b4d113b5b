"""Every exception that a person may meet. Its text is one sentence: what, where, what to do.

Misuse of the Python API (a wrong shape, an order of calls) is a ``ValueError`` that says what came and what was meant.
"""

__all__ = [
    "CheckpointError",
    "ColormnetError",
    "DeviceError",
    "DownloadError",
    "Interrupted",
    "MediaError",
    "OutputError",
    "TrainingError",
    "UsageError",
    "WeightsError",
]


class ColormnetError(Exception):
    """Something went wrong that its text explains; the command ends with exit code 1."""

    exit_code = 1


class UsageError(ColormnetError):
    """The command was asked for something impossible; it ends with exit code 2."""

    exit_code = 2


class MediaError(ColormnetError):
    """A film, picture or exemplar cannot be read, or holds nothing that could be coloured."""


class OutputError(ColormnetError):
    """The result cannot be written: folder, disk, codec or container."""


class WeightsError(ColormnetError):
    """Weights are not there, or are not the ones that weights.lock names."""


class DownloadError(WeightsError):
    """No source gave the weights."""


class CheckpointError(WeightsError):
    """Weights do not fit the network: names or shapes differ."""


class DeviceError(ColormnetError):
    """The requested device is not there, or has too little memory."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after everything was put in order; its text says where the same command goes on. Exit code 130."""

    exit_code = 130


class TrainingError(ColormnetError):
    """A training run cannot go on: its loss is no number any more, or one of its processes has ended."""
