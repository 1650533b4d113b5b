"""`--batch films.csv`: a list of films, each with options of its own."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer

from ..errors import UsageError
from ..files import not_found
from ..settings import ColorizeSettings, ColorSource, MemoryConfig
from ..wording import did_you_mean
from .groups import build
from .jobs import Job, for_file, output_of

__all__ = ["read_batch"]

_BOOLEANS = {**dict.fromkeys(("yes", "true", "on", "1"), True), **dict.fromkeys(("no", "false", "off", "0"), False)}


def read_batch(path: Path, ctx: typer.Context) -> list[Job]:
    """The films of a CSV file. An empty cell, and an option without a column, is as on the command line.

    Columns: film; references (separated by ;) and output; and options by their names, such as start, crf or archive.
    Files are named relative to the folder of the list.

    Raises UsageError.
    """
    jobs = []
    for line, row in _rows(path):
        where = f"{path}, line {line}"
        try:
            jobs.append(_job(path.parent, row, ctx))
        except (UsageError, typer.BadParameter) as error:
            raise UsageError(f"{where}: {getattr(error, 'message', error)}") from error
    if not jobs:
        raise UsageError(f"{path} lists no film: give one film a line, below the line with the names of the columns")
    return jobs


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and cells of each line."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(not_found(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a text file in UTF-8: save the list as CSV") from error
    first = text.partition("\n")[0]
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter, restval="")
    if "film" not in (reader.fieldnames or ()):
        raise UsageError(
            f"{path} has no column 'film': its first line must name the columns, as film,references,output"
        )
    for row in reader:
        if any(row.pop(None, "")):
            raise UsageError(f"{path}, line {reader.line_num}: there are more cells than columns (quote commas in one)")
        if any(row.values()):
            yield reader.line_num, {name: cell.strip() for name, cell in row.items()}


def _job(folder: Path, row: dict[str, str], ctx: typer.Context) -> Job:
    film, own = folder / row.pop("film"), {}
    if film == folder:
        raise UsageError("There is no film")
    columns = _columns(ctx)
    for name, cell in row.items():
        if name not in columns:
            close = did_you_mean(name, columns) or "; columns are named as the options of a film: start, crf, …"
            raise UsageError(f"The column {name!r} is unknown{close}")
        if cell:
            param, negated = columns[name]
            try:
                own[param.name] = _value(ctx, param, cell, negated)
            except typer.BadParameter as error:
                raise UsageError(f"{name}: {error.message}") from error
            if param.name == "references":
                own[param.name] = [str(folder / reference) for reference in own[param.name]]
            elif param.name == "references_at":
                own[param.name] = [(time, str(folder / image)) for time, image in own[param.name]]
            elif param.name in ("output", "plan", "protect", "chroma_out"):
                own[param.name] = folder / own[param.name]
    values = {**ctx.params, **own}
    settings = build(ColorizeSettings, values)
    output = output_of(film, values["output"], settings, several="output" not in own)
    colors = for_file(build(ColorSource, values), film)
    return Job(film, output, colors, settings, build(MemoryConfig, values))


def _columns(ctx: typer.Context) -> dict[str, tuple[Any, bool]]:
    """Option by column; and whether the column is its opposite, as bilinear is of guided."""
    groups = (ColorSource, ColorizeSettings, MemoryConfig)
    names = {"output", *(field.name for group in groups for field in fields(group))}
    params = [param for param in ctx.command.params if param.name in names]
    columns = {opt.removeprefix("--"): (param, False) for param in params for opt in param.opts if opt.startswith("--")}
    columns |= {opt.removeprefix("--"): (param, True) for param in params for opt in param.secondary_opts}
    columns["references"] = columns["ref"]
    return columns


def _value(ctx: typer.Context, param: Any, cell: str, negated: bool) -> Any:
    """A cell as the option would read it."""
    if param.is_flag:
        if cell.lower() not in _BOOLEANS:
            raise UsageError(f"{param.opts[0].removeprefix('--')} is {cell!r}: give yes or no")
        return _BOOLEANS[cell.lower()] != negated
    given = [part.strip() for part in cell.split(";") if part.strip()] if param.multiple else cell
    return param.process_value(ctx, given)
