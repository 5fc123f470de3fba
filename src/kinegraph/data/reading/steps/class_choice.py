"""Some of the classes, and several as one: `--classes wave bow`, `--merge squat=deep squat,half squat`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from kinegraph.data.reading.clips.recordings import Item, Recordings, each_clip
from kinegraph.messages import composed, counted, did_you_mean, first_few, quoted
from kinegraph.skeleton.clip import SkeletonClip


def chosen(found: Recordings, only: Sequence[str] | None, merge: Sequence[str] | None) -> Recordings:
    """The recordings of the chosen classes, in the order in which they are named; of others no clip is given.

    merge: "NEW=OLD,OLD ..." makes one class of several, or gives one another name. only: names after merging, by
    default all. Of long recordings segments are left out, not recordings. Spelling does not matter but for letters and
    digits. Raises ValueError for a class that is not there.
    """
    if not found.class_names:
        raise ValueError("the clips have no classes to choose from; --labels-file gives labels")
    new_name = _merged(found.class_names, merge or ())
    after = list(dict.fromkeys(new_name.values()))
    kept = [_same(name, after) for name in only] if only else after
    number = {old: kept.index(new) for old, (_, new) in enumerate(new_name.items()) if new in kept}
    left_out: list[str] = []

    def skipped() -> list[str]:
        line = f"{counted(len(left_out), 'clip')} of classes that were not chosen: {first_few(left_out)}"
        return [*found.skipped(), line] if left_out else found.skipped()

    clips = each_clip(found.clips, lambda clip: _renumbered(clip, number, left_out))
    return replace(found, clips=clips, class_names=tuple(kept), skipped=skipped)


def _merged(names: Sequence[str], merge: Sequence[str]) -> dict[str, str]:
    """The new name of each class, in the order of the old ones."""
    new_name = {name: name for name in names}
    for text in merge:
        new, equals, old = text.partition("=")
        if not equals or not new.strip() or not old.strip():
            raise ValueError(f"--merge is {quoted(text)}, expected NEW=OLD,OLD, such as squat=deep squat,half squat")
        for one in old.split(","):
            new_name[_same(one, names)] = new.strip()
    return new_name


def _same(name: str, known: Sequence[str]) -> str:
    """The class of that name. Raises ValueError with those that are near where there is none."""
    found = [option for option in known if option == name.strip()] or [
        option for option in known if _plain(option) == _plain(name)
    ]
    if not found:
        hint = did_you_mean(name, known) or f"; there are {first_few(list(known), 8)}"
        raise ValueError(f"there is no class {quoted(name.strip())}{hint}")
    return found[0]


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, composed(name).casefold()))


def _renumbered(clip: SkeletonClip, number: Mapping[int, int], left_out: list[str]) -> Iterator[Item]:
    if clip.segments is not None:
        kept = [replace(segment, label=number[segment.label]) for segment in clip.segments if segment.label in number]
        yield replace(clip, segments=tuple(kept))
    elif clip.label is None or clip.label not in number:
        left_out.append(clip.name)
    else:
        yield replace(clip, label=number[clip.label])
