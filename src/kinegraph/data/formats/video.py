"""Videos: people are seen in the pictures by a pose estimator, followed, and brought to a constant frame rate.

FOLDER/wave/01.mp4 is clip wave/01 of class wave, as in `clip_files`. The coordinates are pixels of the upright picture
and the estimator's scores. Times come from the stamps of the frames: where they are not equally far apart, positions
lie on the line between two frames.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.pose.estimators import Estimator, Pose, coordinates, estimator
from kinegraph.data.pose.film import check_av
from kinegraph.data.pose.sightings import Sightings, Watch, sightings, usual_cache
from kinegraph.data.reading.clips.clip_files import ClipFile, clip_files, clips_of, some_below
from kinegraph.data.reading.clips.recordings import Item, Recordings, Unread
from kinegraph.data.reading.faults import Fault, nobody
from kinegraph.data.reading.steps.labels_file import labelled
from kinegraph.data.reading.steps.people import further_people
from kinegraph.data.repair import between
from kinegraph.data.tracking import CROWD, gathered, track
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import seen

NAME = "video"
TITLE = "videos (.mp4, .mov, .avi, .mkv, .webm ...), people by a pose estimator"
SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mts", ".m2ts", ".ogv",
    ".gif",
)  # fmt: skip
NO_VIDEO = (b"M4A ", b"M4B ", b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"crx ")  # sound and stills
HEAD, ANIMATED = 1000, b"NETSCAPE2.0"  # bytes; the mark of a GIF of several pictures stands behind up to 256 colours
STEADY = 5e-4  # a frame rate so near to a whole number is that number
UNEVEN = 0.5  # frames that a time stamp may be from its place at a constant rate
LONGEST = 20  # frames made for each one that there is; time stamps that need more are broken
BRIEF = 1 / 3  # seconds; whoever is seen for less, and for less than half of a short video, is nobody
SMALL = 60  # pixels of a body's height, below which landmarks are little more than a guess


def detect(path: Path) -> str | None:
    """A file that begins as a video does, or a folder with such files at any depth."""
    if path.is_file():
        return _kind(path)
    return "holds videos" if some_below(path, SUFFIXES, _is_video) else None


def _is_video(file: Path) -> bool:
    return file.is_file() and _kind(file) is not None


def _kind(file: Path) -> str | None:
    with file.open("rb") as content:
        head = content.read(HEAD)
    if head[4:8] == b"ftyp":
        return None if head[8:12] in NO_VIDEO else "begins as an MP4 or QuickTime video"
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip") and file.suffix.lower() in SUFFIXES:
        return "begins as a QuickTime video"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "begins as a Matroska or WebM video"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "begins as an AVI video"
    if head.startswith(b"GIF8") and ANIMATED in head:
        return "begins as an animated GIF"
    if head.startswith((b"FLV\x01", b"\x00\x00\x01\xba", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"OggS")):
        return "begins as a video"
    packets = (head[:377:188], head[4:381:192])  # MPEG transport streams, of broadcasts and of camcorders
    return "begins as an MPEG transport stream" if b"GGG" in packets else None


@dataclass
class _Said:
    """What is reported at the end: clip -> figure. people: bodies at most."""

    people: int
    left_out: dict[str, int] = field(default_factory=dict)
    uneven: dict[str, int] = field(default_factory=dict)
    small: dict[str, int] = field(default_factory=dict)
    brief: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        found = further_people(self.left_out, self.people)
        if self.uneven:
            made = f"{counted(len(self.uneven), 'video')} with a variable frame rate: {first_few([*self.uneven])}"
            found.append(f"{made}; brought to a constant one, {counted(sum(self.uneven.values()), 'frame')} more")
        if self.small:
            least, most = min(self.small.values()), max(self.small.values())
            tall = f"{least} to {most} pixels high" if least < most else f"{least} pixels high"
            found.append(
                f"people are small, {tall}, in {counted(len(self.small), 'video')} ({first_few([*self.small])}); "
                f"landmarks are sure from about {SMALL} pixels: film from nearer, or cut the picture"
            )
        if self.brief:
            found.append(
                f"people seen for less than {BRIEF:.1f} s left out, {sum(self.brief.values()):,} in "
                f"{counted(len(self.brief), 'video')}: {first_few([*self.brief])}"
            )
        return found


def read(
    path: Path,
    *,
    pose: str | Pose | None = None,
    world: bool = False,
    layout: str | None = None,
    people: int | None = None,
    labels_file: Path | None = None,
    val_share: float | None = None,
    class_names: str | None = None,
    names: str | None = None,
    cache: str | Path | None = None,
    watch: Watch | None = None,
) -> Recordings:
    """The clips of a folder of videos, in the order of their names, or of one video; sub-folders name classes.

    pose: the estimator, see `estimators.estimator`. world: its metres around each person's hips, y upward, instead of
    pixels. people: bodies to keep, by default all. cache: the folder that what was seen is kept in, by default
    `usual_cache()`; "off" keeps nothing. watch: called after each frame that is estimated.
    Raises ValueError for an estimator that is not installed or does not know metres, and where there is no video.
    """
    check_av()
    see = estimator(pose, layout)
    if world and not see.world:
        raise ValueError(f"--world is for mediapipe; {see.name} gives pixels only")
    files, classes = clip_files(path, SUFFIXES, _is_video) if path.is_dir() else ([ClipFile(path, path.stem)], ())
    kept = Path(cache) if cache is not None else usual_cache()
    kept, said = None if str(cache) == "off" else kept, _Said(people or CROWD)

    def clip(file: ClipFile) -> Item:
        found = sightings(file.path, see, file.name, kept, watch)
        if not found.counts.any():
            return _nobody(file.name)
        about = {"video": file.path.relative_to(path).as_posix()} if path.is_dir() else {}
        clip = _clip(file, found, see, world, people, said)
        return _nobody(file.name) if clip is None else replace(clip, attributes=about)

    listed = Recordings(
        clips=(Unread(file.name, file.label, splits=file.splits) for file in files),
        count=len(files),
        layout=see.layout,
        class_names=classes,
        units="m" if world else "px",
        source=f"videos of {path.resolve().name}, {see.key or see.name}",
        changed=said.lines,
    )

    def clips(wanted: Collection[str] | None = None) -> Recordings:
        return replace(listed, clips=clips_of([file for file in files if wanted is None or file.name in wanted], clip))

    if labels_file is None and val_share is None and class_names is None and names is None:
        return clips()
    return labelled(clips, labels_file, val_share, class_names, look=lambda: listed, names=names)


# ---- from people of single frames to a clip --------------------------------------------------------------------------


def _clip(
    file: ClipFile, found: Sightings, see: Estimator, world: bool, people: int | None, said: _Said
) -> SkeletonClip | None:
    """The clip, or None where nobody is seen for long enough."""
    frames = found.frames()
    tracks = track([frame[..., :2] for frame in frames], [frame[..., 2].mean(1) for frame in frames], people or CROWD)
    if tracks.left_out:
        said.left_out[file.name] = tracks.left_out
    rate, uneven = frame_rate(found.times)
    values = gathered(frames, tracks)
    values = values[_lasting(tracks.rows, rate, file.name, said)]
    if not len(values):
        return None
    if (tall := _height(values)) < SMALL:
        said.small[file.name] = round(tall)
    if uneven:
        values = _at_grid(values, found.times, rate, file.path)
        said.uneven[file.name] = values.shape[1] - len(found.times)
    return SkeletonClip(
        keypoint=np.ascontiguousarray(coordinates(values, world)),
        layout=see.layout,
        name=file.name,
        label=file.label,
        score=np.ascontiguousarray(values[..., 2]),
        fps=rate,
        image_size=None if world else found.size,
        splits=file.splits,
    )


def _nobody(name: str) -> Fault:
    return replace(nobody(name), message="without any person that is seen (small people: film from nearer, or cut)")


def frame_rate(times: Float[np.ndarray, "T"]) -> tuple[float | None, bool]:
    """Frames a second, and whether they come unevenly; then it is the rate at which most of them follow each other."""
    if len(times) < 2:
        return None, False
    steps = np.diff(times)
    mean = steps.mean()
    uneven = bool(np.abs(times - times[0] - mean * np.arange(len(times))).max() > UNEVEN * mean)
    rate = 1 / float(np.median(steps) if uneven else mean)
    return (float(round(rate)) if abs(rate - round(rate)) < STEADY * rate else rate), uneven


def _at_grid(
    values: Float[np.ndarray, "M T V C"], times: Float[np.ndarray, "T"], rate: float | None, path: Path
) -> Float[np.ndarray, "M t V C"]:
    """The values at equal distances in time."""
    assert rate is not None, "one frame is not uneven"
    count = round((times[-1] - times[0]) * rate) + 1
    if count > LONGEST * len(times):
        raise ValueError(
            f"{path} has {counted(len(times), 'frame')} in {times[-1]:,.0f} s, its time stamps jump; "
            "try `ffmpeg -i FILE -r 30 new.mp4`"
        )
    at = np.minimum(times[0] + np.arange(count) / rate, times[-1])
    before = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    share = (at - times[before]) / (times[before + 1] - times[before])
    return between(values, seen(values[..., :2]), before, share[:, None])


def _lasting(rows: Int[np.ndarray, "M T"], rate: float | None, name: str, said: _Said) -> Int[np.ndarray, "n"]:
    """The bodies that are there for a while."""
    there = (rows >= 0).sum(1)
    kept = np.flatnonzero(there >= min(BRIEF * (rate or 1), rows.shape[1] / 2))
    if len(kept) < len(rows):
        said.brief[name] = len(rows) - len(kept)
    return kept


def _height(values: Float[np.ndarray, "M T V C"]) -> float:
    """Of a person's box, the median."""
    y, there = values[..., 1], values[..., :2].any(-1)
    high = np.where(there, y, -np.inf).max(2) - np.where(there, y, np.inf).min(2)
    return float(np.median(high[there.any(axis=2)]))
