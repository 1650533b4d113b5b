"""A checkpoint that was published in several files: a folder or a zip of them is taken for one file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ..errors import CheckpointError

__all__ = ["files_of", "joined", "parts_of"]

# Deep Exemplar's: the names, and the prefix of each one's tensors in the network's `published_shapes`
PARTS = {"nonlocal_net_iter_76000.pth": "warp.", "colornet_iter_76000.pth": "color.", "vgg19_conv.pth": "vgg."}


def parts_of(path: Path) -> dict[str, Path | IO[bytes]]:
    """The files of `PARTS` by name, in a folder or a zip; none where it is another file.

    Raises:
        CheckpointError: some of them are missing, or there are two of a name.
        OSError: the folder or the zip cannot be read.
    """
    if path.is_dir():
        return {file.name: file for file in files_of(path)}
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:  # PyTorch's own files are zips too
        chosen = _chosen(path, archive.namelist())
        return {name: io.BytesIO(archive.read(place)) for name, place in chosen.items()}


def joined(contents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One checkpoint of the tensors of each part, by the part's name."""
    return {PARTS[part] + str(name): tensor for part, content in contents.items() for name, tensor in content.items()}


def files_of(path: Path) -> list[Path]:
    """The file itself, or the parts in a folder and two levels below it, as the authors' program has them."""
    if not path.is_dir():
        return [path]
    there = [file for pattern in ("*.pth", "*/*.pth", "*/*/*.pth") for file in sorted(path.glob(pattern))]
    chosen = _chosen(path, [file.relative_to(path).as_posix() for file in there])
    return [path / place for place in chosen.values()]


def _chosen(path: Path, places: Sequence[str]) -> dict[str, str]:
    """Where in the folder or zip each part is."""
    found = {name: [place for place in places if PurePosixPath(place).name == name] for name in PARTS}
    if not any(found.values()):
        return {}
    if missing := [name for name, there in found.items() if not there]:
        raise CheckpointError(f"{path} has no {', '.join(missing)}, which belongs to the checkpoint: add it.")
    if twice := [there for there in found.values() if len(there) > 1]:
        raise CheckpointError(f"{path} has {' and '.join(twice[0])}: leave one of them.")
    return {name: there[0] for name, there in found.items()}
