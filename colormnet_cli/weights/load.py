"""From a model name or a file to a network with weights."""

from __future__ import annotations

import glob
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import CheckpointError, WeightsError
from ..wording import did_you_mean
from .download import OnFetch
from .lock import LockEntry, read_lock
from .parts import files_of, joined, parts_of
from .resolve import Notice, ensure, find

if TYPE_CHECKING:
    from ..networks.state_dict import Network

__all__ = ["blank_network", "load_model", "locate", "network_from_file", "weights_path"]


def load_model(
    name_or_path: str | Path = "colormnet",
    device: str = "cpu",
    *,
    notice: Notice | None = None,
    progress: OnFetch | None = None,
) -> Network:
    """A network with weights, by a name in weights.lock (downloaded and verified if need be) or from a file.

    `notice` gets sentences for people, among them the license before the first download; `progress` gets the bytes.

    Raises:
        WeightsError: there is no such model or file, or it cannot be downloaded.
        CheckpointError: the file is not one of weights, or not of a known network.
    """
    return network_from_file(weights_path(name_or_path, notice=notice, progress=progress), device)


def weights_path(name_or_path: str | Path, *, notice: Notice | None = None, progress: OnFetch | None = None) -> Path:
    """The file of a model, by its name in weights.lock (exactly that file, downloaded if need be) or its own path."""
    found = locate(name_or_path)
    return ensure(found, notice=notice, progress=progress) if isinstance(found, LockEntry) else found


def locate(name_or_path: str | Path) -> LockEntry | Path:
    """The lock's entry of a model name, or the path of an existing file. Raises WeightsError for anything else."""
    entries = read_lock()
    if isinstance(name_or_path, str) and name_or_path in entries:
        return entries[name_or_path]
    path = Path(os.path.expanduser(name_or_path))
    # Unlike Path's methods these raise nothing for an unknown ~user or a name too long
    if os.path.isfile(path) or (os.path.isdir(path) and files_of(path)):
        return path
    names = ", ".join(entries)
    if os.path.isdir(path):
        raise WeightsError(f"{path} is a folder: give a weight file, or the name of a model ({names})")
    files = map(os.path.normpath, glob.glob(os.path.join(glob.escape(str(path.parent)), "*.pt*")))
    advice = did_you_mean(str(path), [*entries, *files])
    raise WeightsError(f"{str(name_or_path)!r} is neither a model ({names}) nor an existing file{advice}")


def network_from_file(path: Path, device: str = "cpu") -> Network:
    """The network in a file of this program, which holds its configuration, or in a published checkpoint."""
    from ..networks.weight_file import network_from_content

    content = _read_tensors(path)
    try:
        network = network_from_content(content)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return network.to(device).eval()


def blank_network(model: LockEntry | Path) -> Network:
    """The network of a model, on the meta device: its sizes without its values, which are mapped, not read.

    Of a model that is not on disk, the published size of the network that the lock names.
    """
    from ..networks.weight_file import blank, blank_from_content

    path = find(model) if isinstance(model, LockEntry) else model
    if path is None:
        assert isinstance(model, LockEntry)  # for the type checker
        return blank(model.network)
    content = _read_tensors(path, mmap=True)
    try:
        return blank_from_content(content)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _read_tensors(path: Path, mmap: bool = False) -> Mapping[str, Any]:
    """The content of a weight file. Only tensors and plain values are read: nothing in the file can run.

    mmap: tensors are mapped, for a look at what the file is; a network must not depend on the file staying as it is.
    """
    try:
        parts = parts_of(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not parts:
        return _load(path, path, mmap)
    return joined({name: _load(part, f"{name} in {path}", False) for name, part in parts.items()})


def _load(file: Path | IO[bytes], name: str | Path, mmap: bool) -> Mapping[str, Any]:
    import torch

    try:
        with warnings.catch_warnings():  # about pickle protocols: no help with a wrong file
            warnings.simplefilter("ignore", UserWarning)
            try:
                content = torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
            except RuntimeError:  # files from before PyTorch 1.6 cannot be mapped
                if not mmap:
                    raise
                content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if match := re.search(r"GLOBAL (\S+)", str(error)):
            raise CheckpointError(
                f"{name} is refused: it holds more than tensors ({match[1]}), and loading such a file could run code"
            ) from error
        raise CheckpointError(f"{name} is not a file of PyTorch weights") from error
    except OSError as error:
        raise WeightsError(f"{name} cannot be read: {error.strerror or error}") from error
    except MemoryError:
        raise
    except Exception as error:  # torch.load raises many classes for a damaged file
        raise CheckpointError(f"{name} is not a file of PyTorch weights, or it is damaged") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{name} holds a {type(content).__name__} instead of named tensors")
    return content
