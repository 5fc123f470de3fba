"""Recordings of any known format, found by what a path looks like, as questions to a network one after another."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib import import_module
from inspect import signature
from pathlib import Path

from kinegraph.data.dataset import open_dataset
from kinegraph.data.formats import ntu, ui_prmd
from kinegraph.data.formats.annotations import PART_FILE
from kinegraph.data.formats.clip_facts import image_size_of
from kinegraph.data.formats.ntu_text import parse_bodies
from kinegraph.data.formats.recordings import Recordings
from kinegraph.data.synthetic_marker import is_synthetic
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

SUFFIXES = {
    ".skeleton": "ntu",
    ".npz": "arrays",
    ".npy": "padded",
    ".tfrecord": "tfrecord",
    ".pkl": "annotations",
    ".pickle": "annotations",
    ".csv": "table",
    ".tsv": "table",
    ".json": "table",
}


@dataclass(frozen=True, eq=False)
class Question:
    """A clip to be classified. truth: name of its class, where it is known. source: the path it was read from."""

    clip: SkeletonClip
    truth: str | None = None
    source: str = ""


# ---- what a path is --------------------------------------------------------------------------------------------------


def source_of(path: Path) -> str | None:
    """What reads a path: "dataset", or a module of data.formats; None where it is nothing known.

    By names first and content second. Raises ValueError when there is no such path.
    """
    if path.is_dir():
        return _source_of_folder(path)
    if not path.exists():
        raise ValueError(f"there is no file or folder {path}")
    return "ui_prmd" if ui_prmd.FILE_NAME.fullmatch(path.name) else SUFFIXES.get(path.suffix.lower())


def _source_of_folder(path: Path) -> str | None:
    def has(pattern: str) -> bool:
        return next(path.rglob(pattern), None) is not None

    if (path / "dataset.json").is_file() or (path / "keypoint.npy").is_file():
        return "dataset"
    if has("*.skeleton"):
        return "ntu"
    if any(ui_prmd.FILE_NAME.fullmatch(file.name) for file in path.rglob("*_positions*.txt")):
        return "ui_prmd"
    if has("*.tfrecord"):
        return "tfrecord"
    if any(path.glob("*.npy")):
        return "padded"
    if any(PART_FILE.fullmatch(file.name) for file in path.glob("*.pkl")):
        return "annotations"
    return "openpose" if has("*.json") else None


# ---- reading ---------------------------------------------------------------------------------------------------------


def read_inputs(
    paths: Sequence[Path], classes: Sequence[str] = (), options: Mapping[str, object] | None = None
) -> list[Recordings]:
    """The recordings of each path; nothing is read yet that can be read later.

    classes: names that labels are compared with: of a source's ways to label, the one that has most of them is taken.
    options: what the files do not tell; each source takes what it knows: layout, fps, image_size, units, bodies,
    workers, skip_broken; split and part of dataset folders.
    Raises ValueError for a path that is not recognised and for an option that none of the sources has.
    """
    options = {name: value for name, value in (options or {}).items() if value is not None}
    sources = [_recognised(path) for path in paths]
    knows = {name for source in sources for name in _known(source)} | {"fps", "image_size", "workers", "skip_broken"}
    if odd := [name for name in options if name not in knows]:
        those = " or ".join(sorted(set(sources)))
        raise ValueError(f"--{odd[0].replace('_', '-')} has no use for what is read here ({those})")
    found = [_recordings(path, source, classes, options) for path, source in zip(paths, sources, strict=True)]
    return [_completed(one, options) for one in found]


def questions(found: Iterable[Recordings], paths: Iterable[Path], classes: Sequence[str]) -> Iterator[Question]:
    """The clips of all recordings, one after another, with their true classes as the network spells them."""
    for one, path in zip(found, paths, strict=True):
        with closing(one.clips) as clips:
            for clip in clips:
                yield Question(clip, true_class(clip.label, one.class_names, classes), str(path))


def true_class(label: int | None, names: Sequence[str], classes: Sequence[str]) -> str | None:
    """What a label means: the network's class of that name, else the input's own name for it.

    Where input or network has no names ("class 3", "3"), the network's class of that number.
    """
    if label is None:
        return None
    if _unnamed(names) or (_unnamed(classes) and len(names) == len(classes)):
        return classes[label] if label < len(classes) else f"class {label}"
    return next((name for name in classes if _plain(name) == _plain(names[label])), names[label])


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def _unnamed(names: Sequence[str]) -> bool:
    return all(name.removeprefix("class ") == str(i) for i, name in enumerate(names))


def _recognised(path: Path) -> str:
    if source := source_of(path):
        return source
    if path.is_file():
        what = (
            f"a {path.suffix or 'nameless'} file; expected {', '.join(SUFFIXES)}, a dataset or a folder of recordings"
        )
    else:
        names = sorted(entry.name for entry in path.iterdir())
        what = f"a folder with {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}" if names else "an empty folder"
    raise ValueError(f"{path} is not recognised, it is {what}")


def _known(source: str) -> set[str]:
    """Options that a source has."""
    if source == "dataset":
        return {"split", "part"}
    return set(signature(_reader(source)).parameters) - {"raw"}


def _reader(source: str) -> Callable[..., Recordings]:
    return import_module(f"kinegraph.data.formats.{source}").recordings


def _recordings(path: Path, source: str, classes: Sequence[str], options: Mapping[str, object]) -> Recordings:
    taken = {name: value for name, value in options.items() if name in _known(source)}
    if source == "dataset":
        return _dataset(path, **taken)
    if source == "ntu":
        return _skeleton_files(path, taken)
    if source == "ui_prmd" and path.is_file():
        return _ui_prmd_file(path, classes)
    read = _reader(source)
    if "labels" not in signature(read).parameters:
        return read(path, **taken)
    return max(_labelled(read, path, taken), key=lambda one: len(set(one.class_names) & set(classes)))


def _labelled(read: Callable[..., Recordings], path: Path, taken: Mapping[str, object]) -> Iterator[Recordings]:
    yield read(path, labels="movement", **taken)
    try:
        yield read(path, labels="quality", **taken)
    except ValueError:  # it does not say how well things were done
        return


def _completed(found: Recordings, options: Mapping[str, object]) -> Recordings:
    """With what was given for clips that do not tell."""
    fps, size = options.get("fps"), options.get("image_size")
    if fps is None and size is None:
        return found
    size = image_size_of(size) if size else None

    def clips() -> Iterator[SkeletonClip]:
        with closing(found.clips) as inner:
            for clip in inner:
                yield replace(clip, fps=clip.fps or fps, image_size=clip.image_size or size)

    return replace(found, clips=clips())


# ---- what `prepare` reads otherwise ----------------------------------------------------------------------------------


def _dataset(path: Path, split: str | None = None, part: str | None = None) -> Recordings:
    folder = open_dataset(path)
    chosen = range(len(folder)) if split is None else folder.indices(split, part or "val").tolist()
    told = {"layout": folder.layout, "class_names": folder.class_names, "units": folder.units, "source": folder.source}
    return Recordings(clips=(folder[i] for i in chosen), count=len(chosen), **told)


def _skeleton_files(path: Path, taken: Mapping[str, object]) -> Recordings:
    """Raw NTU RGB+D, all 120 actions and the listed samples too; or files of that form with names of their own."""
    files = sorted(path.rglob("*.skeleton")) if path.is_dir() else [path]
    if all(ntu.FILE_NAME.fullmatch(file.stem) for file in files):
        found = ntu.recordings(path, classes=120, keep_missing=True, **taken)
        return replace(found, source=f"synthetic: {found.source}") if is_synthetic(path) else found
    if (policy := taken.get("bodies", "tracked")) not in ntu.POLICIES:
        raise ValueError(f"body policy '{policy}' is not known; there are {', '.join(ntu.POLICIES)}")
    broken: list[str] = []

    def clips() -> Iterator[SkeletonClip]:
        for file in files:
            try:
                yield _skeleton_file(file, policy)
            except ValueError as error:
                if not taken.get("skip_broken"):
                    raise ValueError(f"{file}: {error}") from None
                broken.append(f"broken: {file}: {error}")

    told = {"layout": load_layout("ntu25"), "class_names": ntu.class_names(120), "units": "m"}
    return Recordings(clips(), len(files), **told, source=f"files of {path.name}", left_out=lambda: broken)


def _skeleton_file(file: Path, policy: str) -> SkeletonClip:
    bodies = parse_bodies(file.read_bytes())
    if not bodies.ids:
        raise ValueError(f"nobody is in any of its {bodies.frames} frames")
    return SkeletonClip(ntu.POLICIES[policy](bodies), load_layout("ntu25"), file.stem, fps=ntu.FPS)


def _ui_prmd_file(path: Path, classes: Sequence[str]) -> Recordings:
    """The clip of one text file and its counterpart."""
    match = ui_prmd.FILE_NAME.fullmatch(path.name)
    folders = {kind: path.parent.with_name(kind.title()) for kind in ("positions", "angles")}
    folders[match[5].lower()] = path.parent
    pair = [folder / f"{match[1]}_{kind}{match[6] or ''}.txt" for kind, folder in folders.items()]
    labels = max(("movement", "quality"), key=lambda labels: len(set(ui_prmd.class_names(labels)) & set(classes)))
    clips = (ui_prmd.read_clip(*pair, labels) for _ in range(1))
    layout, names = load_layout(ui_prmd.LAYOUT), ui_prmd.class_names(labels)
    return Recordings(clips, 1, layout, names, "m", ui_prmd.SOURCE, ui_prmd.LICENCE)
