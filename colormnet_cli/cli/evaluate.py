"""`colormnet evaluate`: measure results against references, or the model on a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..wording import many
from . import options as o
from .progress import Reporter
from .session import Session

if TYPE_CHECKING:
    from rich.table import Table

    from ..evaluation.evaluate import EvaluateSettings, Evaluation, EvaluationProgress

__all__ = ["register"]

WHAT, BENCHMARK = "What is measured", "Benchmark"
ONLY_BENCHMARK = (
    "output", "overwrite", "model", "precision", "size", "guided", "gamma", "ns", "ne", "m", "top_k", "long_term",
)  # fmt: skip
CLIP_MEASURES = ("psnr", "psnr_published", "ssim", "lpips", "ciede2000", "warp_error")  # what 80 columns have room for

Result = Annotated[
    Path | None,
    typer.Argument(
        metavar="RESULT",
        parser=o.path,
        show_default=False,
        help="A film, a folder of frames, or a folder of such clips.",
    ),
]
Reference = Annotated[
    Path | None,
    typer.Argument(
        metavar="REFERENCE",
        parser=o.path,
        show_default=False,
        help="The same in true color: as many, as large, same names.",
    ),
]
Benchmark = Annotated[
    Path | None,
    typer.Option(metavar="DIR", parser=o.path, rich_help_panel=BENCHMARK, show_default=False,
                 help="Color every clip of a folder from its first frame, as the papers do, and measure that."),
]  # fmt: skip
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", parser=o.path, rich_help_panel=BENCHMARK, show_default=False,
                 help="Keep the colored frames, as PNG."),
]  # fmt: skip
Overwrite = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=BENCHMARK, help="Replace frames that --output holds already.")
]
Paper = Annotated[
    bool,
    typer.Option(
        "--paper",
        rich_help_panel=WHAT,
        help="Also PSNR and colorfulness exactly as the authors' script computes them (uint8 wrap).",
    ),
]
Perceptual = Annotated[
    bool,
    typer.Option(
        "--perceptual",
        rich_help_panel=WHAT,
        help="Also LPIPS and FID; needs torchmetrics\\[image] and downloads the weights of their networks.",
    ),
]
WithPublished = Annotated[
    bool, typer.Option("--with-published", rich_help_panel=o.OUTPUT, help="Print the papers' figures beside one's own.")
]
Csv = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", parser=o.path, rich_help_panel=o.OUTPUT, show_default=False,
                              help="Every frame's figures."),
]  # fmt: skip
Report = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.html", parser=o.path, rich_help_panel=o.OUTPUT,
                              show_default=False, help="One page with curves and the worst frames; needs no network."),
]  # fmt: skip
Worst = Annotated[int, typer.Option("--worst", min=0, rich_help_panel=o.OUTPUT, help="Frames shown in the report.")]


def register(app: typer.Typer) -> None:
    app.command("evaluate")(evaluate)


def evaluate(
    ctx: typer.Context, result: Result = None, reference: Reference = None,
    paper: Paper = False, perceptual: Perceptual = False,
    report: Report = None, csv: Csv = None, with_published: WithPublished = False, worst: Worst = 6,
    benchmark: Benchmark = None, output: Output = None, overwrite: Overwrite = False,
    model: o.Model = "colormnet", device: o.Device = "auto", precision: o.PrecisionOption = o.Precision.auto,
    size: o.Size = "480", guided: o.Guided = True,
    gamma: o.Gamma = 5, ns: o.Ns = 10, ne: o.Ne = 5, m: o.M = 128, top_k: o.TopK = 30, long_term: o.LongTerm = 10_000,
    progress: o.Form = o.ProgressForm.auto, as_json: o.Json = False, verbose: o.Verbose = 0, quiet: o.Quiet = False,
    debug: o.Debug = False,
) -> None:  # fmt: skip
    """Measure how near colors are to the true ones, and how steady they are.

    Examples:  [bold]colormnet evaluate out.mp4 true.mp4 --report out.html[/bold]

    [bold]colormnet evaluate results/ DAVIS/ --paper --with-published[/bold]

    [bold]colormnet evaluate --benchmark DAVIS/ --csv frames.csv[/bold]
    """
    _check_usage(ctx, result, reference, benchmark)
    session: Session = ctx.obj
    memory = o.memory_config(gamma, ns, ne, m, top_k, long_term)
    with Reporter(session, progress) as reporter:
        reporter.step("Starting PyTorch")
        from ..evaluation.evaluate import EvaluateSettings
        from ..evaluation.evaluate import evaluate as measure
        from ..film.plan import check_output

        inputs = [path for path in (result, reference, benchmark) if path is not None]
        for path in (report, csv):
            if path is not None:  # known before hours of measuring, not behind them
                check_output(path, inputs, overwrite=True)
        settings = EvaluateSettings(paper=paper, perceptual=perceptual, worst=worst)
        if benchmark is not None:
            from ..evaluation.benchmark import BenchmarkSettings

            coloring = BenchmarkSettings(size=o.parse_size(size), guided=guided)
            how = {"memory": memory, "coloring": coloring, "output": output, "overwrite": overwrite}
            found = _benchmark(session, reporter, benchmark, (model, device, precision.value), settings, how)
        else:
            assert result is not None
            assert reference is not None
            found = measure(result, reference, settings=settings, device=device, progress=reporter.film)
    _write(session, found, report, csv, with_published)
    if as_json:
        session.result(found.to_json(**_published(with_published)))
        return
    _print(found, with_published)


def _check_usage(ctx: typer.Context, result: Path | None, reference: Path | None, benchmark: Path | None) -> None:
    from ..errors import UsageError

    if benchmark is None and (result is None or reference is None):
        raise UsageError("give a RESULT and its REFERENCE, or --benchmark DIR")
    if benchmark is not None and result is not None:
        raise UsageError("--benchmark makes its own results: give it alone, without RESULT and REFERENCE")
    if benchmark is None:
        sources = {f"--{name.replace('_', '-')}": ctx.get_parameter_source(name) for name in ONLY_BENCHMARK}
        given = ", ".join(option for option, source in sources.items() if source and source.name == "COMMANDLINE")
        if given:
            raise UsageError(f"{given}: that is for what --benchmark colors, and has no use without it")


def _benchmark(
    session: Session, reporter: Reporter, folder: Path, how: tuple[str, str, str], settings: EvaluateSettings,
    more: dict[str, Any],
) -> Evaluation:  # fmt: skip
    from dataclasses import replace

    from ..evaluation.benchmark import benchmark, check_results
    from .running import make_ready

    check_results(folder, more["output"], more["overwrite"])  # before half a gigabyte is fetched
    ready = make_ready(session, reporter, *how)
    progress: EvaluationProgress = reporter.film
    found = benchmark(
        folder, model=ready.model, settings=settings, device=ready.device, precision=ready.precision, progress=progress,
        **more,
    )  # fmt: skip
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
    """The tables on stdout; as wide as they need to be where that is no terminal."""
    import sys

    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(_overall(found))
    if len(found.clips) > 1:
        console.print(_clips(found))
    if with_published:
        from ..evaluation.tables import NOTE

        console.print(_beside_published(found))
        console.print(NOTE, markup=False)


def _overall(found: Evaluation) -> Table:
    from rich.table import Table

    from ..evaluation.tables import METRICS, figure_text

    clips = f", mean of {len(found.clips)} clips" if len(found.clips) > 1 else ""
    table = Table(title=f"{many(found.frames, 'frame')}{clips}", title_justify="left")
    table.add_column("Metric")
    table.add_column("Result", justify="right")
    table.add_column("Reference", justify="right")
    table.add_column("")
    for key, value in found.overall.items():
        if key.endswith("_reference"):
            continue
        measure = METRICS[key]
        reference = found.overall.get(f"{key}_reference")
        theirs = "" if reference is None else figure_text(reference, measure.digits)
        better = f"{measure.better} is better; " if measure.better else ""
        table.add_row(measure.label, figure_text(value, measure.digits), theirs, better + measure.about)
    return table


def _clips(found: Evaluation) -> Table:
    from rich.table import Table

    from ..evaluation.tables import METRICS, figure_text

    keys = [key for key in found.measures if key in CLIP_MEASURES]
    table = Table(title="Clips (--report and --json have all measures)", title_justify="left")
    table.add_column("Clip", overflow="fold")
    table.add_column("Frames", justify="right")
    for key in keys:
        table.add_column(METRICS[key].label, justify="right")
    for clip in found.clips:
        means = clip.means()
        table.add_row(clip.name, f"{clip.frames:,}", *(figure_text(means[key], METRICS[key].digits) for key in keys))
    return table


def _beside_published(found: Evaluation) -> Table:
    from rich.table import Table

    from ..evaluation.tables import DIGITS, METRICS, PUBLISHED, figure_text

    table = Table(title="Published figures", title_justify="left")
    table.add_column("Method")
    table.add_column("Data set")
    for key in DIGITS:
        table.add_column(METRICS[key].label, justify="right")
    ours = (figure_text(found.overall.get(key, float("nan")), digits) for key, digits in DIGITS.items())
    table.add_row("Yours", Path(found.reference).name, *ours, style="bold", end_section=True)
    for row in PUBLISHED:
        table.add_row(row.method, row.dataset, *(figure_text(row.figures[key], DIGITS[key]) for key in DIGITS))
    return table
