"""`colormnet evaluate`: measure results against references, or the network on a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import UsageError
from ..files import check_output
from ..settings import MemoryConfig, NetworkSettings
from . import options as o
from .groups import CommandLine
from .reporter import Reporter
from .session import Session, printable

if TYPE_CHECKING:
    from rich.console import Console

    from ..evaluation.evaluate import EvaluateSettings, Evaluation
    from ..evaluation.tables import Table

__all__ = ["register"]

METRICS, BENCHMARK = "Metrics", "Benchmark"
ONLY_BENCHMARK = ("output", "overwrite", "model", "precision", "size", "guided", *MemoryConfig.__dataclass_fields__)
CLIP_METRICS = ("psnr", "psnr_published", "ssim", "lpips", "ciede2000", "warp_error")  # what 80 columns have room for


def register(app: CommandLine) -> None:
    app.command("evaluate")(evaluate)


def evaluate(
    ctx: typer.Context,
    memory: MemoryConfig,
    network: o.NetworkChoice,
    working: Annotated[NetworkSettings, ("size", "guided")],
    session: Session,
    result: Annotated[
        Path | None,
        o.argument("RESULT", "A film, a folder of frames, or a folder of such clips."),
    ] = None,
    reference: Annotated[
        Path | None,
        o.argument(
            "REFERENCE", "The same in its true colors: as many frames of the same size; clips have the same names."
        ),
    ] = None,
    paper: Annotated[
        bool,
        o.option(
            METRICS, "Also PSNR and colorfulness exactly as the authors' script computes them (uint8 wrap).", "--paper"
        ),
    ] = False,
    perceptual: Annotated[
        bool,
        o.option(
            METRICS,
            "Also LPIPS and FID; needs torchmetrics (`pipx inject colormnet 'torchmetrics\\[image]'`) and downloads "
            "the weights of their networks.",
            "--perceptual",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        o.option(
            o.OUTPUT,
            "Write one page with a verdict, tables, charts and the worst frames; it works offline.",
            metavar="FILE.html",
            parser=o.path,
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        o.option(
            o.OUTPUT,
            "Also a row for each shot of this plan folder, in --report and --json.",
            metavar="FOLDER",
            parser=o.path,
        ),
    ] = None,
    csv: Annotated[
        Path | None, o.option(o.OUTPUT, "Write the metrics of every frame.", metavar="FILE", parser=o.path)
    ] = None,
    with_published: Annotated[
        bool, o.option(o.OUTPUT, "Also print the figures that papers published.", "--with-published")
    ] = False,
    worst: Annotated[int, o.option(o.OUTPUT, "Number of worst frames in the report.", metavar="N", min=0)] = 6,
    worst_by: Annotated[
        Literal["ciede2000", "psnr", "ssim", "ab_psnr", "lpips", "warp_error", "color_warp_error"],
        o.option(o.OUTPUT, "Metric that says which frames are worst."),
    ] = "ciede2000",
    benchmark: Annotated[
        Path | None,
        o.option(
            BENCHMARK,
            "Colorize every clip of a folder from its first frame, as the papers do, and measure that.",
            metavar="DIR",
            parser=o.path,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        o.option(
            BENCHMARK, "Keep the colorized frames, as PNG files.", "--output", "-o", metavar="FOLDER", parser=o.path
        ),
    ] = None,
    overwrite: Annotated[
        bool, o.option(BENCHMARK, "Replace frames that are in --output already.", "--overwrite")
    ] = False,
    progress: o.Form = "auto",
    as_json: o.Json = False,
) -> None:
    """Measure how accurate, strong and steady colors are, compared with a reference in its true colors.

    Examples:  [bold]colormnet evaluate out.mp4 true.mp4 --report out.html[/bold]

    [bold]colormnet evaluate results/ DAVIS/ --paper --with-published[/bold]

    [bold]colormnet evaluate --benchmark DAVIS/ --csv frames.csv[/bold]
    """
    _check_usage(ctx, result, reference, benchmark)
    inputs = [path for path in (result, reference, benchmark) if path is not None]
    for path in (report, csv):
        if path is not None:  # now, not after hours of measuring
            check_output(path, inputs, overwrite=True)
    with Reporter(session, progress) as reporter:
        reporter.step("Starting PyTorch")
        from ..evaluation.evaluate import EvaluateSettings
        from ..evaluation.evaluate import evaluate as measure

        settings = EvaluateSettings(paper=paper, perceptual=perceptual, worst=worst, worst_by=worst_by)
        if benchmark is not None:
            from ..evaluation.benchmark import BenchmarkSettings

            coloring = BenchmarkSettings(size=working.size, guided=working.guided)
            how = {"memory": memory, "coloring": coloring, "output": output, "overwrite": overwrite}
            found = _benchmark(session, reporter, benchmark, network, settings, how)
        else:
            assert result is not None
            assert reference is not None
            found = measure(
                result, reference, settings=settings, plan=plan, device=network.device, progress=reporter.film
            )
    _write(session, found, report, csv, with_published)
    if as_json:
        session.result(found.to_json(**_published(with_published)))
    else:
        _print(found, with_published)


def _check_usage(ctx: typer.Context, result: Path | None, reference: Path | None, benchmark: Path | None) -> None:
    if benchmark is None and (result is None or reference is None):
        raise UsageError("give a RESULT and its REFERENCE, or --benchmark DIR")
    if benchmark is not None and result is not None:
        raise UsageError("--benchmark makes its own results: give it without RESULT and REFERENCE")
    if benchmark is None:
        sources = {f"`{name}`": ctx.get_parameter_source(name) for name in ONLY_BENCHMARK}
        given = ", ".join(option for option, source in sources.items() if source and source.name == "COMMANDLINE")
        if given:
            raise UsageError(f"{given}: works with --benchmark only")
    if ctx.params["plan"] is not None and (
        benchmark is not None or not (ctx.params["report"] or ctx.params["as_json"])
    ):
        raise UsageError("--plan adds the shots of a film to --report or --json: give one of them, without --benchmark")
    if ctx.params["worst_by"] == "lpips" and not ctx.params["perceptual"]:
        raise UsageError("--worst-by lpips needs --perceptual")


def _benchmark(
    session: Session,
    reporter: Reporter,
    folder: Path,
    network: o.NetworkChoice,
    settings: EvaluateSettings,
    more: dict[str, Any],
) -> Evaluation:
    from dataclasses import replace

    from ..evaluation.benchmark import benchmark, check_results
    from .running import make_ready

    check_results(folder, more["output"], more["overwrite"])  # before weights are downloaded
    ready = make_ready(session, reporter, network)
    where: dict[str, Any] = {"device": ready.device, "precision": ready.precision, "progress": reporter.film}
    found = benchmark(folder, model=ready.model, settings=settings, **where, **more)
    return replace(found, settings={**found.settings, "weights": ready.weights()})


def _write(session: Session, found: Evaluation, report: Path | None, csv: Path | None, with_published: bool) -> None:
    if csv is not None:
        found.write_csv(csv)
        session.say(f"Wrote {csv}")
    if report is not None:
        from ..evaluation.report import write_report

        write_report(found, report, with_published=with_published)
        session.say(f"Wrote {report}")
    for warning in found.warnings:
        session.say(warning, "warning")


def _published(wanted: bool) -> dict[str, Any]:
    from ..evaluation.tables import NOTE, PUBLISHED

    if not wanted:
        return {}
    rows = [{"method": row.method, "dataset": row.dataset, **row.figures} for row in PUBLISHED]
    return {"published": rows, "published_note": NOTE}


def _print(found: Evaluation, with_published: bool) -> None:
    """The tables on stdout; as wide as they need to be where that is not a terminal."""
    import sys

    from rich.console import Console

    from ..evaluation.tables import clip_table, overall_table, published_table
    from ..evaluation.verdict import verdict

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)
    _print_table(console, overall_table(found))
    if len(found.clips) > 1:
        _print_table(console, clip_table(found, CLIP_METRICS, worst_frame=False))
        console.print("--report and --json have all metrics of each clip.")
    if with_published:
        _print_table(console, published_table(found))
    console.print(*verdict(found), sep="\n")


def _print_table(console: Console, table: Table) -> None:
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(title=table.title, title_justify="left")
    for i, head in enumerate(table.heads):
        shown.add_column(Text(head), justify="left" if i in table.left else "right", overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(printable(cell)) for cell in row))
    console.print(shown)
    if table.note:
        console.print(table.note)
