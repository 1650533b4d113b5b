"""Imports point one way, so that any part can be read, and used, without those above it."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "colormnet_cli"
# From the bottom up: a part imports from its own row and those before it. A new part needs a place here.
ROWS = (
    "_version errors wording timecode files settings opencv",
    "color networks",
    "metrics video weights inference media shots",
    "passes",
    "film",
    "recoloring workers evaluation train bench",
    "cli",
)
# The same thing in several folders: parts of each network; a command and what it does.
SHARED_NAMES = {"config", "decoder", "published_names", "colorize", "compare", "evaluate", "recolor", "verify"}
ROW = {part: row for row, parts in enumerate(ROWS) for part in parts.split()}
ONLY = {
    "typer": {"cli"}, "rich": {"cli"}, "av": {"video"}, "huggingface_hub": {"weights"}, "cv2": {"opencv"},
    "ray": {"workers"},
}  # fmt: skip


def imports() -> set[tuple[str, str]]:
    """(importing part, what it imports: another part as ".part", or a package), wherever in a file that happens."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        *folders, file = path.relative_to(PACKAGE).parts
        part = folders[0] if folders else file.removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {(part, name.name.split(".")[0]) for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level <= len(folders):
                found |= {(part, (node.module or "").split(".")[0])} if node.level == 0 else set()
            elif isinstance(node, ast.ImportFrom):  # from the top of the package
                found |= {(part, f".{(node.module or name.name).split('.')[0]}") for name in node.names}
    return found - {(part, f".{part}") for part in ROW}


def test_parts_import_only_what_lies_below() -> None:
    """A library that needs its command line, or a network that needs a film, cannot be used alone."""
    upwards = [
        f"{part} imports {other[1:]}"
        for part, other in imports()
        if other[1:] in ROW and part in ROW and ROW[other[1:]] > ROW[part]
    ]
    assert not upwards
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts - {"__init__", "__main__"} == set(ROW)


def test_no_two_modules_of_one_name_are_different_things() -> None:
    """Whoever reads "settings" or "run" in a message or in a list of files would open the wrong one."""
    names = [path.stem for path in PACKAGE.rglob("*.py") if path.stem != "__init__"]
    assert {name for name in names if names.count(name) > 1} <= SHARED_NAMES


def test_no_part_needs_itself() -> None:
    """Parts that import each other can only be understood together."""
    below: dict[str, set[str]] = {part: set() for part in ROW}
    for part, other in imports():
        if part in ROW and other[1:] in ROW:
            below[part].add(other[1:])
    TopologicalSorter(below).prepare()  # raises CycleError


def test_each_big_dependency_stays_in_one_part() -> None:
    """What everything imports cannot be replaced, nor updated without looking everywhere."""
    strays = [f"{part} imports {other}" for part, other in imports() if part not in ONLY.get(other, {part})]
    assert not strays


def test_help_does_not_wait_for_the_network() -> None:
    """`colormnet --help` answers at once: nothing heavy is imported until a command runs."""
    code = "import sys, colormnet_cli, colormnet_cli.cli.app; print({'torch', 'av', 'cv2', 'numpy'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
