"""The page that says where to look in a colored film."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colormnet_cli.errors import OutputError
from colormnet_cli.evaluation import film_report
from colormnet_cli.evaluation.film_report import render_film, write_film_report
from colormnet_cli.film.findings import Finding, Findings
from colormnet_cli.film.receipt import FileRecord, Receipt
from support.films import make_film

FOUND = (
    Finding("sudden change", 4, 6, 0.16, 0.24, 5, 0.2, 0.16, 21.4, 9.0),
    Finding("pale", 8, 8, 0.32, 0.32, 8, 0.32, 0.28, 0.21, 0.35),
    Finding("unlike", 0, 11, 0.0, 0.44, 3, 0.12, 0.08, 0.612, 0.79),
)


@pytest.fixture(scope="module")
def receipt(tmp_path_factory: pytest.TempPathFactory) -> Receipt:
    film = make_film(tmp_path_factory.mktemp("film") / "a <b> film.mkv", color=True)
    record = FileRecord(str(film), 1, None)
    return Receipt(
        (record,), (), record, {}, {}, {}, {"colormnet": "1"}, "cpu", "fp32", 12, 1.0, 12.0,
        findings=Findings(FOUND, 3, 10).to_dict(), warnings=("Something & more.",),
    )  # fmt: skip


def test_every_passage_is_there_with_its_time_and_pictures(receipt: Receipt, tmp_path: Path) -> None:
    """Someone would have to look through the whole film for what the program noticed."""
    write_film_report(receipt, tmp_path / "new" / "out.html")
    page = (tmp_path / "new" / "out.html").read_text("utf-8")
    assert "a &lt;b&gt; film.mkv" in page
    assert "3 passages in 12 frames, and 3 more that are less marked; 2 frames were not looked at." in page
    assert "Something &amp; more." in page
    for text in ("0:00:00.160 to 0:00:00.240", "by 21 Lab units", "21% of the chroma", "match 0.61", "frames 4 to 6"):
        assert text in page
    pictures = re.findall(r'<img src="data:image/jpeg;base64,[^"]+" alt="([^"]+)"', page)
    assert pictures == [
        "Frame before, 0:00:00.160", "Worst frame, 0:00:00.200", "Worst frame, 0:00:00.320", "Worst frame, 0:00:00.120",
    ]  # fmt: skip
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_a_film_without_findings_and_a_missing_film(receipt: Receipt, tmp_path: Path) -> None:
    """The page would be missing, or an error after hours of work."""
    clean = render_film(replace(receipt, findings=Findings((), 0, 12).to_dict()))
    assert "Nothing was noticed." in clean
    gone = replace(receipt, output=FileRecord(str(tmp_path / "gone.mp4"), 1, None))
    assert "<img" not in render_film(gone)
    with pytest.raises(OutputError, match="cannot be written"):
        write_film_report(receipt, tmp_path)


def test_pictures_are_bounded(receipt: Receipt, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a bad film would take an hour to write, and have hundreds of megabytes."""
    calls: list[Any] = []
    monkeypatch.setattr(film_report, "frame_at", lambda *a: calls.append(a))
    many = Findings(tuple(replace(FOUND[1], first=n, last=n, worst=n) for n in range(100)), 0, 100)
    monkeypatch.setattr(film_report, "thumbnail", lambda frame: b"")
    page = render_film(replace(receipt, findings=many.to_dict()))
    assert page.count("<img") == len(calls) == film_report.PICTURED
    assert page.count("<h3") == 100
    assert f"100 passages in 12 frames; the first {film_report.PICTURED} have pictures." in page
