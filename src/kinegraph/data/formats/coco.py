"""Keypoint annotations and results of COCO, and files of PoseTrack -> clips.

    {"images": [{"id", "file_name", "width", "height"}],
     "categories": [{"keypoints": [names], "skeleton": [[1, 2] ...]}],
     "annotations": [{"image_id", "keypoints": [x, y, v ...], "track_id", "score"}]}          annotations
    [{"image_id": 42, "category_id": 1, "keypoints": [x, y, score ...], "score": 0.9}, ...]   results

Pictures of one recording are those of one `vid_id` or `video_id` (PoseTrack), or of one folder or name with a number; a
picture whose number stands alone is a clip of one frame. v is 0 for a joint that is not there, 1 for one that is
hidden, 2 for one that is seen: scores of 0, 0.5 and 1.
Source: cocodataset.org/#format-data, PoseTrack's poseval.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kinegraph.data.formats.conventions import layout_for
from kinegraph.data.formats.detections import (
    Person,
    Pictures,
    beyond_lines,
    clips_of,
    picture_number,
    pose_of,
    sequences,
    sides,
)
from kinegraph.data.formats.recordings import FormatError, Recordings
from kinegraph.safe_io import read_json
from kinegraph.skeleton.anatomy import complete
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout

NAME = "coco"
TITLE = "COCO keypoints"
SUFFIXES = (".json",)
HEAD = 1 << 16


def detect(path: Path) -> str | None:
    """A JSON file with images and annotations, or a list of results with a number as image_id."""
    if not path.is_file() or path.suffix.lower() != ".json":
        return None
    with path.open("rb") as file:
        head = file.read(HEAD).lstrip()
        file.seek(max(path.stat().st_size - HEAD, 0))
        text = head + file.read(HEAD)
    if head.startswith(b"{") and b'"keypoints"' in text and (b'"annotations"' in text or b'"images"' in text):
        return "has COCO's images and annotations"
    is_result = head.startswith(b"[") and b'"image_id"' in head and b'"keypoints"' in head
    start = head.partition(b'"image_id"')[2].lstrip(b" :\t\r\n")[:1]
    return "a list of COCO's results" if is_result and start.isdigit() else None


def read(path: Path, *, layout: str | None = None, people: int | None = None) -> Recordings:
    """The clips of an annotation or result file; see above. people: bodies of a clip at most, by default all.

    Raises ValueError where it holds no keypoints.
    """
    content = read_json(path)
    about = content if isinstance(content, Mapping) else {"annotations": content}
    annotations = _dicts(about.get("annotations"), path, "annotations")
    images = {it.get("id"): it for it in _dicts(about.get("images", []), path, "images")}
    found: dict[str, Pictures] = {}
    for image in images.values():
        _place(found, image, path)  # also pictures without anybody
    for number, annotation in enumerate(annotations):
        if not annotation.get("keypoints"):
            continue
        image = images.get(annotation.get("image_id"), {"id": annotation.get("image_id")})
        pictures, frame = _place(found, image, path)
        who = annotation.get("track_id", annotation.get("person_id"))
        pose = pose_of(annotation["keypoints"], where=f"annotation {number} ")
        pictures.add(frame, Person(_scored(pose), who if isinstance(who, int | str) else None))
    recordings = sequences(list(found.values()))
    joints = next((len(it.pose) for one in recordings for there in one.people.values() for it in there), None)
    if joints is None:
        raise FormatError("empty", f"{path} has no annotation with keypoints")
    own = None if layout else _own_layout(_dicts(about.get("categories", []), path, "categories"), joints)
    left_out: dict[str, int] = {}
    of = own or layout_for(joints, layout)
    return Recordings(
        clips=clips_of(recordings, of, people, left_out),
        count=len(recordings),
        layout=of,
        class_names=(),
        units="px",
        source=f"COCO keypoints of {path.name}",
        skipped=lambda: beyond_lines(left_out),
        guessed=frozenset(("units",) if layout or own else ("units", "layout")),
    )


def _dicts(value: object, path: Path, what: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(it, Mapping) for it in value):
        raise ValueError(f"{path}: '{what}' is no list of objects")
    return value


def _place(found: dict[str, Pictures], image: Mapping[str, Any], path: Path) -> tuple[Pictures, int]:
    """The recording of a picture, and the number of its frame."""
    name, number = picture_number(str(image.get("file_name", image.get("id", 0))))
    for key in ("vid_id", "video_id"):
        if key in image:
            name, number = str(image[key]), image.get("frame_id", number)
    if not isinstance(number, int) or isinstance(number, bool):
        name, number = str(image.get("file_name", image.get("id"))), 0
    size = sides(image.get("width"), image.get("height"))
    key = f"{name} {size}"  # pictures of other sizes are of another recording
    pictures = found.setdefault(key, Pictures(name or path.stem, size=size))
    pictures.add(number, None)
    return pictures, number


def _scored(pose):
    """Visibilities 0, 1, 2 as scores; scores stay."""
    if pose[:, 2].max(initial=0) == 2:
        pose[:, 2] /= 2
    return pose


def _own_layout(categories: Sequence[Mapping[str, Any]], joints: int) -> JointLayout | None:
    """The layout that a category names, the built-in one where the names are its own."""
    for category in categories:
        names, bones = category.get("keypoints"), category.get("skeleton") or []
        if not isinstance(names, list) or len(names) != joints or not all(isinstance(it, str) for it in names):
            continue
        for name in layout_names():
            if [_plain(it) for it in load_layout(name).joints] == [_plain(it) for it in names]:
                return load_layout(name)
        try:
            pairs = tuple((int(b) - 1, int(a) - 1) for a, b in bones)
            return complete(JointLayout(str(category.get("name", "coco")), tuple(names), pairs, centre=0))[0]
        except (ValueError, TypeError):  # no tree: bones are missing, or count from 0
            return None
    return None


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
