"""The model card: what a weights file is, in Markdown for people. It says what is in the file and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from kinegraph.atomic import write_atomic
from kinegraph.messages import counted
from kinegraph.models.network import network_kind
from kinegraph.skeleton.layout import JointLayout

LISTED = 500  # classes
MARK = "<!-- Written by Kinegraph with the weights file beside it, and again whenever that is written. -->"


def write_card(path: Path, text: str) -> None:
    """Write a card, unless there is a file of that name which is no card."""
    if path.is_dir() or (path.exists() and not path.read_bytes().startswith(MARK.encode())):
        return
    write_atomic(path, text.encode())


def model_card(
    name: str,
    model: nn.Module,
    layout: JointLayout,
    class_names: Sequence[str],
    preprocessing: Mapping[str, Any],
    extra: Mapping[str, Any],
) -> str:
    """The card's text. name: of the weights file. extra: of its header, see `weights.py`."""
    sections = {
        "Use": _use(name, len(layout), model.config["channels"], bool(preprocessing)),
        "Trained on": _trained_on(extra),
        "Measured": _measured(extra.get("measured", ())),
        "What it takes": _input(model, layout, preprocessing, extra),
        "Classes": [_classes(class_names)],
        "Limits": _limits(extra),
        "Licence": [str(extra.get("licence") or "The file states none for the weights; their data's is above.")],
        "Notes": [extra["notes"]] if extra.get("notes") else [],
        "Recipe": ["```yaml", extra["recipe"].strip(), "```"] if extra.get("recipe") else [],
    }
    kind = network_kind(model).__name__
    parameters = sum(weight.numel() for weight in model.parameters())
    head = f"{kind} with {parameters:,} parameters that knows {len(class_names)} classes of movement "
    lines = [MARK, "", f"# {Path(name).stem}", "", head + f"from {len(layout)} joints."]
    for title, text in sections.items():
        lines += ["", f"## {title}", "", *text] if text else []
    return "\n".join(lines) + "\n"


def _classes(names: Sequence[str]) -> str:
    more = f"; and {len(names) - LISTED:,} more, which the file names" if len(names) > LISTED else ""
    return "; ".join(names[:LISTED]) + more


def _use(name: str, joints: int, channels: int, prepares: bool) -> list[str]:
    if prepares:
        lines = [
            f'answer = kg.predict("{name}", clip)  # a SkeletonClip, or an array (people, frames, {joints} joints, '
            "coordinates)",
            "print(answer.class_name, answer.probability)",
        ]
        return ["```python", "import kinegraph as kg", *lines, "```", "", f"or `kinegraph predict {name} RECORDING`."]
    lines = [f'model = kg.load_model("{name}")', f"logits = model(x)  # x (N, M, T, {joints}, {channels}), prepared"]
    return ["```python", "import kinegraph as kg", *lines, "```"]


def _trained_on(extra: Mapping[str, Any]) -> list[str]:
    facts, base = extra.get("training", {}), extra.get("based_on", {})
    if not facts and not base:
        source = extra.get("source")
        return [f"The file does not say it{f'; it was converted from `{source}`' if source else ''}."]
    lines = list(_data(facts))
    if extra.get("epoch"):
        lines.append(f"* {extra['epoch']} of {extra['epochs']} epochs" if "epochs" in extra else "")
    if base:
        lines += [f"* started from `{base['weights']}`, whose data was:", *(f"  {line}" for line in _data(base))]
    if made := extra.get("made_with"):
        lines.append("* with " + ", ".join(f"{program} {version}" for program, version in made.items()))
    return [line for line in lines if line]


def _data(facts: Mapping[str, Any]) -> Iterator[str]:
    if "source" in facts:
        yield f"* data: {facts['source']}{_part(facts)}"
    if "clips" in facts:
        subjects = f" of {facts['subjects']} subjects" if "subjects" in facts else ""
        yield f"* {counted(facts['clips'], 'clip')}{subjects} in {facts.get('classes', 'unknown')} classes"
    if "frames" in facts:
        low, middle, high = facts["frames"]
        yield f"* {low} to {high} frames a clip, half of them up to {middle}"
    yield f"* licence of the data: {facts.get('licence') or 'not stated by the data set'}"


def _part(facts: Mapping[str, Any]) -> str:
    return f", {facts['split']} / {facts['part']}" if {"split", "part"} <= facts.keys() else ""


def _measured(figures: Sequence[Mapping]) -> list[str]:
    if not figures:
        return ["Nothing yet."]
    lines = ["| clips of | clips | top-1 | mean class accuracy | top-5 |", "|---|---|---|---|---|"]
    for figure in figures:
        cells = [f"{figure[key]:.1%}" if key in figure else "" for key in ("top1", "mean_class_accuracy", "top5")]
        lines.append(f"| {figure['source']}{_part(figure)} | {figure['clips']:,} | {' | '.join(cells)} |")
    if any(figure.get("chosen_by") for figure in figures):
        lines += ["", "The epoch was chosen by these very clips: on others expect a little less."]
    return lines


def _input(
    model: nn.Module, layout: JointLayout, preprocessing: Mapping[str, Any], extra: Mapping[str, Any]
) -> list[str]:
    coordinates = extra.get("training", {}).get("coordinates")
    lines = [f"* joints of layout `{layout.name}`: {', '.join(layout.joints)}"]
    if coordinates:
        units = extra["training"].get("units")
        lines.append(f"* coordinates {', '.join(coordinates)}{f', recorded in {units}' if units else ''}")
    lines.append(f"* {model.config['channels']} channels for each joint and frame")
    if not preprocessing:
        return [*lines, "* how clips were prepared is not said in the file"]
    plain = {key: value for key, value in preprocessing.items() if value not in (None, False) and key != "augment"}
    text = (
        f"{key} {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}"
        for key, value in plain.items()
    )
    return [*lines, f"* prepared by: {'; '.join(text)} (done by Kinegraph)"]


def _limits(extra: Mapping[str, Any]) -> list[str]:
    facts = extra.get("training", {})
    lines = ["* It always names one of its classes, also for a movement that is none of them."]
    if absent := facts.get("absent"):
        lines.append(f"* No training clip showed {', '.join(absent)}: it cannot know them.")
    if facts.get("subjects"):
        lines.append(f"* It has seen {facts['subjects']} people; how well it does on others is only known as measured.")
    if extra.get("stored") == "float16":
        lines.append("* Matrices and kernels are kept with 11 bits (float16) and used with 24.")
    return lines
