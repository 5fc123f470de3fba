"""kinegraph export: weights -> a file that runs without torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kinegraph.files import check_new_file
from kinegraph.messages import counted, megabytes

if TYPE_CHECKING:
    from kinegraph.inference.export import Report


def export(
    weights: Path,
    out: Path,
    *,
    int8: Path | None = None,
    split: str | None = None,
    part: str | None = None,
    max_loss: float = 0.5,
    preprocessing: Literal["outside", "graph"] = "outside",
    stream: bool = False,
    page: bool = False,
    ort: Path | None = None,
    overwrite: bool = False,
    plugins: list[Path] | None = None,
) -> None:
    """Write a trained network as ONNX, with all that belongs to it. It is compared with torch before it is kept.

    `predict`, `test`, `stream` and `serve` take the file as they take weights, and compute it by onnxruntime.

    Args:
        weights: a .safetensors file, a run folder, or the name of weights that come with Kinegraph.
        out: file to write, NAME.onnx, or NAME.html with --page. Written completely or not at all.
        int8: a dataset folder: compute with whole numbers of 8 bits, whose scales are those of its training clips.
        split: of that dataset; its part "train" gives the scales.
        part: part of the split on which top-1 is measured before and after, by default val, or test where there is no
            val.
        max_loss: points of top-1 that int8 may lose; where it loses more, nothing is written.
        preprocessing: "graph" makes preparing a part of the graph, which then takes recordings as they are; refused
            with the reason where a recipe does not allow it.
        stream: a graph of single frames, for `kinegraph stream`: a frame and a state go in, logits and the new state
            come out; refused with the reason where the exact engine of `stream` is not possible.
        page: write a page that answers files of joints in a browser, alone and without a network connection.
        ort: of --page: the folder dist of the npm package onnxruntime-web, which becomes a part of the page.
        overwrite: replace the file that is there.
        plugins: Python files that define the network, where the weights name one of your own.

    Examples:
        kinegraph export ui-prmd-10 ui-prmd-10.onnx
        kinegraph export runs/mine/checkpoints/best.safetensors mine.onnx
        kinegraph export best.safetensors live.onnx --stream
        kinegraph export best.safetensors small.onnx --int8 data/mine --split xsub
        kinegraph export best.safetensors answers.html --page --ort package/dist
    """
    if page or ort is not None:
        if stream:
            raise ValueError("a page asks about recordings: leave --stream or --page out")
        _export_page(weights, out, ort if page else None, int8 is not None, overwrite)
        return
    if stream and (int8 is not None or preprocessing == "graph"):
        raise ValueError(
            "--stream takes frames that are prepared outside, in fp32: leave --int8 and --preprocessing out"
        )
    if int8 is None and (split or part):
        raise ValueError("--split and --part are of the dataset of --int8: give --int8 DATASET too")
    if int8 is not None and split is None:
        raise ValueError("--int8 needs --split, whose part 'train' gives the scales")
    if not 0 <= max_loss <= 100:
        raise ValueError(f"--max-loss is {max_loss:g}, expected points of top-1 from 0 to 100")
    check_new_file(out, (".onnx",), overwrite=overwrite, what="the file to write")
    if int8 is not None and split is not None:
        _export_int8(weights, out, int8, split, part, max_loss, preprocessing == "graph")
        return
    if preprocessing == "graph":
        from kinegraph.inference.export_prepared import export_prepared

        report = export_prepared(weights, out)
        print(f"{out}: {megabytes(report.bytes)}, recordings of {counted(report.fixed or 1, 'person', 'people')}")
        return _tell_compared(report)
    if stream:
        return _export_stream(weights, out)
    from kinegraph.inference.export import export as export_network

    report = export_network(weights, out)
    people = "any number of people" if report.fixed is None else f"{report.fixed} people, absent ones zero"
    print(f"{out}: {megabytes(report.bytes)}, clips of any number, {people}, any length")
    _tell_compared(report)


def _export_stream(weights: Path, out: Path) -> None:
    from kinegraph.inference.export_stream import export_stream

    report = export_stream(weights, out)
    print(f"{out}: {megabytes(report.bytes)}, single frames of any number of people, each with a state")
    print(
        f"compared with the exact engine on {report.clips} answers: largest difference {report.difference:.1e} of the "
        f"logits' spread, the same class for {report.same}"
    )


def _export_page(weights: Path, out: Path, ort: Path | None, int8: bool, overwrite: bool) -> None:
    if ort is None or int8:
        raise ValueError("a page takes --page and --ort FOLDER, the folder dist of onnxruntime-web, and no --int8")
    check_new_file(out, (".html",), overwrite=overwrite, what="the page to write")
    from kinegraph.report.answering_page import write_page

    report = write_page(weights, out, ort)
    print(f"{out}: {megabytes(report.bytes)}, recordings of {counted(report.fixed or 1, 'person', 'people')}")
    _tell_compared(report)


def _tell_compared(report: "Report") -> None:
    print(
        f"compared with torch on {report.clips} clips: largest difference {report.difference:.1e} of the logits' "
        f"spread, the same class for {report.same}"
    )


def _export_int8(
    weights: Path, out: Path, dataset: Path, split: str, part: str | None, max_loss: float, prepares: bool
) -> None:
    from kinegraph.data.dataset import open_dataset
    from kinegraph.inference.quantization import SETTINGS, export_int8

    report = export_int8(weights, out, open_dataset(dataset), split, part, max_loss, prepares=prepares)
    before, after = report.milliseconds
    print(f"{out}: {megabytes(report.bytes)}, {report.setting} in int8, scales of {report.calibrated} training clips")
    print(f"top-1 on {report.clips:,} clips of {report.part}: {report.before:.1%} in fp32, {report.after:.1%} in int8")
    print(
        f"one clip on one thread: {before:.2f} ms in fp32, {after:.2f} ms in int8, the fastest of {len(SETTINGS)} "
        f"settings that lose at most {max_loss:g} points"
    )
