"""`kinegraph report RUN...`: the page of one run or test, or several compared."""

from pathlib import Path
from typing import Literal


def report(runs: list[Path], *, out: Path | None = None, figures: Literal["svg", "pdf"] | None = None) -> Path:
    """Write a page about a run or a test, or about two or more side by side.

    Args:
        runs: run folders of `kinegraph train`, and folders or result files of `kinegraph test --out`. The others are
            compared with the first: options that differ, learning curves, figures and whether they differ by more than
            chance, classes, and the clips that only one gets right. Or folders of tests on long recordings.
        out: the page, by default report.html in the folder of a single run, compare.html here for several.
        figures: of a single run or test: also write the matrix, calibration and learning curves for papers, as svg
            or pdf, into the folder figures beside the page.

    Examples:
        kinegraph report runs/joint --figures svg
        kinegraph report runs/joint runs/bone --out joint_bone.html
    """
    if out is not None and out.suffix not in (".html", ".htm"):
        raise ValueError(f"the page is '{out}', expected a name that ends in .html")
    if figures is not None and len(runs) > 1:
        raise ValueError(f"--figures are of one run, {len(runs)} are given: call `kinegraph report` for each")
    from kinegraph.report.compare_timelines import is_timeline_test

    if any(map(is_timeline_test, runs)):
        return _of_timelines(runs, out or Path("compare.html"))
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from kinegraph.atomic import write_atomic
    from kinegraph.report.compare_page import METRICS, comparison_page, pairs_with_first, verdict
    from kinegraph.report.runs import read_run, short_names
    from kinegraph.report.write import write_single

    found = [read_run(path) for path in runs]
    if len(found) == 1:
        run = found[0]
        page = out or (run.path if run.path.is_dir() else run.path.parent) / "report.html"
        write_single(run, page)
        print(f"report: {page}")
        if figures is not None:
            from kinegraph.report.plots import write_figures

            written = write_figures(run, page.parent / "figures", figures)
            print(f"figures: {', '.join(map(str, written)) or 'none, because nothing is known of scores or learning'}")
        return page
    names = short_names([path.resolve() for path in runs])
    page = out or Path("compare.html")
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(page, comparison_page(found, names).encode("utf-8"))

    shown = [key for key in METRICS if any(key in run.metrics for run in found)]
    table = Table("run", *shown)
    for run, name in zip(found, names, strict=True):
        figures = (f"{run.metrics[key]:.4f}" if key in run.metrics else "" for key in shown)
        table.add_row(Text(name), *figures)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for pair, name in zip(pairs_with_first(found), names[1:], strict=True):
        if pair is not None:
            console.print(Text(verdict(pair, names[0], name)))
    print(f"report: {page}")
    return page


def _of_timelines(paths: list[Path], page: Path) -> Path:
    """The page of several tests on long recordings."""
    from kinegraph.atomic import write_atomic
    from kinegraph.report.compare_timelines import (
        is_timeline_test,
        read_timeline_test,
        timeline_comparison_page,
        timeline_verdicts,
    )
    from kinegraph.report.runs import short_names

    if len(paths) == 1:
        raise ValueError(f"{paths[0]} is a test on long recordings, whose page is {paths[0] / 'report.html'}; give two")
    if other := next((path for path in paths if not is_timeline_test(path)), None):
        raise ValueError(f"{other} is no test on long recordings (it has no figures.json), the other is: compare alike")
    tests, names = [read_timeline_test(path) for path in paths], short_names([path.resolve() for path in paths])
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(page, timeline_comparison_page(tests, names).encode("utf-8"))
    for test, label in zip(tests[1:], names[1:], strict=True):
        print(*timeline_verdicts(tests[0], test, (names[0], label)), sep="\n")
    print(f"report: {page}")
    return page
