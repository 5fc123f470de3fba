"""kinegraph export: weights -> a file that runs without torch."""

from pathlib import Path

from kinegraph.files import check_new_file
from kinegraph.messages import megabytes
from kinegraph.plugins import load_plugins


def export(weights: Path, out: Path, *, overwrite: bool = False, plugins: list[Path] | None = None) -> None:
    """Write a trained network as ONNX, with all that belongs to it. It is compared with torch before it is kept.

    `kinegraph predict OUT.onnx FILE` answers with it by onnxruntime; torch is not imported.

    Args:
        weights: a .safetensors file, a run folder, or the name of weights that come with Kinegraph.
        out: file to write, NAME.onnx. Written completely or not at all.
        overwrite: replace the file that is there.
        plugins: Python files that define the network, where the weights name one of your own.

    Examples:
        kinegraph export ui-prmd-10 ui-prmd-10.onnx
        kinegraph export runs/mine/checkpoints/best.safetensors mine.onnx
    """
    check_new_file(out, (".onnx",), overwrite=overwrite, what="the file to write")
    load_plugins(plugins or ())
    from kinegraph.inference.export import export as export_network

    report = export_network(weights, out)
    people = "any number of people" if report.fixed is None else f"{report.fixed} people, absent ones zero"
    print(f"{out}: {megabytes(report.bytes)}, clips of any number, {people}, any length")
    print(
        f"compared with torch on {report.clips} clips: largest difference {report.difference:.1e} of the logits' "
        f"spread, the same class for {report.same}"
    )
