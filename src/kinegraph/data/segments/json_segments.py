"""Segments as JSON: objects with a start, an end and a label, alone or under the names of recordings; and three tools'.

    [{"video": "a", "start": 1.0, "end": 3.5, "label": "walk"}, ...]       the names of columns are those of `table`
    {"a.mp4": [{"start": 1.0, "end": 3.5, "label": "walk"}, ...], ...}
    {"database": {"a": {"annotations": [{"segment": [1.0, 3.5], "label": "walk"}]}}}     ActivityNet, THUMOS
    {"file": {"1": {"fname": "a.mp4"}}, "metadata": {"1_x": {"vid": "1", "z": [1.0, 3.5], "av": {"1": "walk"}}}}   VIA 3
    [{"data": {"video": "a.mp4"}, "annotations": [{"result": [{"value": {"ranges": [{"start": 1, "end": 90}],
      "timelinelabels": ["walk"]}}]}]}]                                    Label Studio, in frames from 1

Sources: activity-net.org, format of the annotations; VGG Image Annotator 3; Label Studio, export of timeline labels.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kinegraph.data.segments.rows import Row, SegmentTable, Source, Unit, plain
from kinegraph.data.segments.table import END, LABEL, RECORDING, START, column_of, unit_of
from kinegraph.messages import quoted
from kinegraph.safe_io import parsed_json

TITLE = "segments as JSON"
OF_STUDIO = "timelinelabels"
LIKELY = re.compile(
    r'"(z|database|ranges|segment|[^"]{0,20}(start|begin|onset|from|first|t0|in)[^"]{0,20})"\s*:', re.IGNORECASE
)


def detect(source: Source) -> bool:
    """A JSON in which an object has a start, an end and a label, in one of these forms."""
    if source.path.suffix.lower() != ".json" or not LIKELY.search(source.text[: 1 << 16]):
        return False
    try:
        return next(_rows(source), None) is not None
    except (ValueError, TypeError, AttributeError, LookupError):
        return False


def read(source: Source) -> SegmentTable:
    """Raises ValueError with the file for a segment that cannot be read."""
    try:
        found = list(_rows(source))
    except (TypeError, AttributeError, LookupError) as error:
        raise ValueError(f"{source.path} has a segment that cannot be read: {quoted(error)}") from None
    units = {unit for _, unit in found}
    whole = all(row.start.is_integer() and row.end.is_integer() for row, _ in found)
    unit: Unit | None = next(iter(units)) if len(units) == 1 else None
    return SegmentTable(source.path, TITLE, unit or (None if whole else "seconds"), tuple(row for row, _ in found))


def _rows(source: Source) -> Iterator[tuple[Row, Unit | None]]:
    """The rows, each with its unit where the form says it."""
    content = parsed_json(source.text.encode(), source.path)
    if isinstance(content, Mapping) and isinstance(content.get("database"), Mapping):
        yield from _of_activitynet(content["database"])
    elif isinstance(content, Mapping) and isinstance(content.get("metadata"), Mapping) and "file" in content:
        yield from _of_via(content)
    elif isinstance(content, list) and any(isinstance(task, Mapping) and "annotations" in task for task in content):
        yield from _of_label_studio(content)
    elif isinstance(content, Mapping):
        for name, listed in content.items():
            for item in listed if isinstance(listed, list) else ():
                yield _row(source, item, str(name))
    elif isinstance(content, list):
        for item in content:
            yield _row(source, item, "")


def _row(source: Source, item: Mapping[str, Any], recording: str) -> tuple[Row, Unit | None]:
    keys = list(item)
    names = [plain(str(key)) for key in keys]
    start, end, label, named = (column_of(names, words) for words in (START, END, LABEL, RECORDING))
    if start is None or end is None or label is None:
        raise ValueError(f"{source.path} has a segment {json.dumps(item)[:80]}, expected start, end and label")
    first, last = (source.number(str(item[keys[at]]), 0, names[at]) for at in (start, end))
    unit = unit_of(names[start])
    scale = 1e-3 if unit == "ms" else 1.0
    recording = recording or ("" if named is None else str(item[keys[named]]))
    said: Unit | None = "frames" if unit == "frames" else "seconds" if unit else None
    return Row(first * scale, last * scale, str(item[keys[label]]), recording), said


def _of_activitynet(videos: Mapping[str, Any]) -> Iterator[tuple[Row, Unit | None]]:
    for name, about in videos.items():
        for annotation in about.get("annotations", ()):
            start, end = annotation["segment"]
            yield Row(float(start), float(end), str(annotation["label"]), str(name)), "seconds"


def _of_via(content: Mapping[str, Any]) -> Iterator[tuple[Row, Unit | None]]:
    files = {str(key): str(file.get("fname", key)) for key, file in content["file"].items()}
    options = {str(key): attribute.get("options", {}) for key, attribute in content.get("attribute", {}).items()}
    for segment in content["metadata"].values():
        if len(times := segment.get("z", ())) == 2:
            for key, value in segment["av"].items():  # the number of an option, or text
                label = options.get(str(key), {}).get(value, value)
                yield Row(float(times[0]), float(times[1]), str(label), files.get(str(segment["vid"]), "")), "seconds"


def _of_label_studio(tasks: list[Mapping[str, Any]]) -> Iterator[tuple[Row, Unit | None]]:
    for task in tasks:
        data = [value for value in task.get("data", {}).values() if isinstance(value, str)]
        name = next(iter(data), str(task.get("file_upload", "")))
        for result in (result for annotation in task["annotations"] for result in annotation.get("result", ())):
            value = result["value"]
            for label in value.get(OF_STUDIO, ()):
                for part in value.get("ranges", ()):
                    yield Row(float(part["start"]) - 1, float(part["end"]), str(label), name), "frames"
