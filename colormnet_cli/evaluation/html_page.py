"""HTML pages that need nothing else: no network, no files beside them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ..errors import OutputError
from ..files import write_whole

__all__ = ["html_page", "write_page"]


def html_page(title: str, body: str, script: str = "") -> str:
    """The text of a page; title and body are HTML."""
    css = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{css}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
{f"<script>{chr(10)}{script}</script>" if script else ""}
</body>
</html>
"""


def write_page(path: str | Path, text: str) -> None:
    """Write a page, whole or not at all. Raises OutputError if it cannot be written."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(Path(path), text.encode())
    except OSError as error:
        raise OutputError(f"The report {path} cannot be written ({error.strerror or error}).") from error
