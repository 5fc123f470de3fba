"""ELAN's annotations (.eaf): XML with tiers of annotations between time slots, in milliseconds.

The label is the text of an annotation, or its tier where it has none; the person is the tier's participant. A slot
without a time lies between its neighbours. Annotations of tiers that refer to others have the time of those. The
recording is the media file. Source: the EAF annotation format 3.0 (Max Planck Institute for Psycholinguistics).
"""

from collections.abc import Iterator
from xml.etree import ElementTree

from kinegraph.data.segments.rows import Row, SegmentTable, Source
from kinegraph.messages import one_line, quoted

TITLE = "annotations of ELAN"
MOST_LINKS = 100


def detect(source: Source) -> bool:
    """XML whose first element is an annotation document."""
    return source.text.lstrip()[:1] == "<" and "<ANNOTATION_DOCUMENT" in source.text[: 1 << 14]


def read(source: Source) -> SegmentTable:
    """Raises ValueError for XML that cannot be read, or has a DOCTYPE, and for an annotation without its time."""
    if "<!DOCTYPE" in source.text or "<!ENTITY" in source.text:  # no file of ELAN has one; entities may be bombs
        raise ValueError(f"{source.path} has a DOCTYPE, which is not read; leave it out")
    try:
        root = ElementTree.fromstring(source.text.encode())
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise ValueError(f"{source.path} is not readable XML: {one_line(error)}") from None
    media = next((media.get("MEDIA_URL", "") for media in root.iter("MEDIA_DESCRIPTOR")), "")
    return SegmentTable(source.path, TITLE, "seconds", tuple(_rows(source, root, media)))


def _rows(source: Source, root: ElementTree.Element, media: str) -> Iterator[Row]:
    times = _slots(source, root)
    span, refers = dict[str, tuple[float, float]](), dict[str, str]()
    for annotation in root.iter("ALIGNABLE_ANNOTATION"):
        name, slots = annotation.get("ANNOTATION_ID", ""), [annotation.get(f"TIME_SLOT_REF{i}", "") for i in (1, 2)]
        if missing := [slot for slot in slots if slot not in times]:
            raise ValueError(f"{source.path}: annotation {quoted(name)} has no time slot {quoted(missing[0])}")
        span[name] = times[slots[0]], times[slots[1]]
    for annotation in root.iter("REF_ANNOTATION"):
        refers[annotation.get("ANNOTATION_ID", "")] = annotation.get("ANNOTATION_REF", "")
    for tier in root.iter("TIER"):
        for annotation in (*tier.iter("ALIGNABLE_ANNOTATION"), *tier.iter("REF_ANNOTATION")):
            name = first = annotation.get("ANNOTATION_ID", "")
            for _ in range(MOST_LINKS):
                name = refers.get(name, name)
            if name not in span or span[name][0] > span[name][1]:
                raise ValueError(f"{source.path}: annotation {quoted(first)} has no time, or ends before it starts")
            label = " ".join((annotation.findtext("ANNOTATION_VALUE") or "").split()) or tier.get("TIER_ID", "")
            yield Row(*span[name], label, media, tier.get("PARTICIPANT", ""))


def _slots(source: Source, root: ElementTree.Element) -> dict[str, float]:
    """The time of each slot in seconds; slots without one are spread evenly between their neighbours."""
    names = [slot.get("TIME_SLOT_ID", "") for slot in root.iter("TIME_SLOT")]
    times = [slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")]
    if wrong := [time for time in times if time is not None and not (time.isdecimal() and len(time) < 12)]:
        raise ValueError(f"{source.path}: a time slot has {quoted(wrong[0])}, expected milliseconds")
    known = [i for i, time in enumerate(times) if time is not None]
    if times and (not known or known[0] or known[-1] < len(times) - 1):
        raise ValueError(f"{source.path}: its first or last time slot has no time")
    found: dict[str, float] = {}
    for before, after in zip(known[:1] + known[:-1], known, strict=True):
        first, last = (int(times[i] or 0) / 1000 for i in (before, after))
        for i in range(before, after + 1):
            found[names[i]] = first + (last - first) * (i - before) / max(after - before, 1)
    return found
