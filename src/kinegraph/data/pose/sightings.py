"""Who is seen in each frame of a video: estimated once, then kept in a folder and read from there.

What is kept are the estimator's own figures, before people are followed; so other options do not estimate again. A
file there is named by the checksums of the video's content and of the estimator's name, version and settings.
"""

import hashlib
import io
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from kinegraph.atomic import write_atomic
from kinegraph.data.pose.estimators import Estimator, Pose, coordinates
from kinegraph.data.pose.film import head_of, pictures
from kinegraph.files import sha256_of, user_cache
from kinegraph.messages import one_line
from kinegraph.safe_npz import load_npz

MOST_FRAMES = 1_000_000
FORM = 1  # of the files that are kept


@dataclass(frozen=True, eq=False)
class Sightings:
    """times: seconds of each frame. counts: people in it. people: of all frames, in order. size: of a picture."""

    times: Float[np.ndarray, "T"]
    counts: Int[np.ndarray, "T"]
    people: Float[np.ndarray, "P V C"]
    size: tuple[int, int]

    def frames(self) -> list[Float[np.ndarray, "_ V C"]]:
        """The people of each frame."""
        return np.split(self.people, np.cumsum(self.counts)[:-1])


@dataclass(frozen=True)
class Step:
    """How far a video is. total: of its frames, where it says so. seconds: until now; estimating: in the estimator."""

    name: str
    frame: int
    total: int | None
    seconds: float
    estimating: float


Watch = Callable[[Step], None]


def sightings(path: Path, estimator: Estimator, name: str, cache: Path | None, watch: Watch | None) -> Sightings:
    """The people of a video, from the folder `cache` where they are kept. Raises ValueError as `pictures` does."""
    place = cache / f"{_key(path, estimator)}.npz" if cache is not None and estimator.key else None
    if place is not None and place.is_file():
        with suppress(ValueError, OSError, KeyError):  # damaged: it is estimated again
            return _read(place, len(estimator.layout))
    found = _estimated(path, estimator, name, watch)
    if place is not None:
        with suppress(OSError):  # no room or no right to write: it is estimated again next time
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(place, _packed(found))
    return found


def usual_cache() -> Path | None:
    """The folder that estimated people are kept in, in the user's cache."""
    cache = user_cache()
    return None if cache is None else cache / "poses"


def _estimated(path: Path, estimator: Estimator, name: str, watch: Watch | None) -> Sightings:
    began, estimating, total = time.perf_counter(), 0.0, head_of(path).frames
    see, times, people, size = estimator.start(), [], [], (0, 0)
    for count, picture in enumerate(pictures(path), start=1):
        if count > MOST_FRAMES:
            raise ValueError(f"{path} has more than {MOST_FRAMES:,} frames; cut it into clips first")
        size = size if times else picture.image.shape[1::-1]
        if picture.image.shape[1::-1] != size:
            raise ValueError(
                f"{path} changes the size of its pictures in frame {count:,}; try `ffmpeg -i FILE new.mp4`"
            )
        before = time.perf_counter()
        seen = people_of(see, picture.image, f"{path}: frame {count:,}", estimator.name)
        now = time.perf_counter()
        estimating += now - before
        times.append(picture.time)
        people.append(seen)
        if watch is not None:
            watch(Step(name, count, total, now - began, estimating))
    counts = np.array([len(person) for person in people])
    return Sightings(np.array(times), counts, np.concatenate(people).astype(np.float32), (int(size[0]), int(size[1])))


def people_of(see: Pose, image: UInt8[np.ndarray, "H W 3"], where: str, name: str) -> Float[np.ndarray, "P V C"]:
    """Whom an estimator sees. Raises ValueError that begins with `where`, whatever it raises."""
    try:
        return see(image)
    except Exception as error:  # of another library, or of the user's own function
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise ValueError(f"{where}: the estimator {name} failed: {kind}{one_line(error)}") from error


class Seeing:
    """The people of pictures as they come, in the coordinates that a network wants.

    dimensions: 2 for pixels or 3 for metres. Raises ValueError for an estimator that does not know metres where they
    are wanted. The estimator begins with the first picture.
    """

    def __init__(self, estimator: Estimator, dimensions: int):
        if dimensions == 3 and not estimator.world:
            raise ValueError(
                f"the network wants x, y and z; {estimator.name} gives pixels only, mediapipe gives metres"
            )
        self.estimator, self.world = estimator, dimensions == 3
        self.see: Pose | None = None

    def people(
        self, image: UInt8[np.ndarray, "H W 3"], where: str
    ) -> tuple[Float[np.ndarray, "P V D"], Float[np.ndarray, "P V"]]:
        """Coordinates and scores. Raises ValueError that begins with `where`, whatever the estimator raises."""
        self.see = self.see or self.estimator.start()
        people = people_of(self.see, image, where, self.estimator.name)
        return np.ascontiguousarray(coordinates(people, self.world)), people[..., 2]


# ---- files -----------------------------------------------------------------------------------------------------------


def _key(path: Path, estimator: Estimator) -> str:
    return f"{sha256_of(path)[:40]}-{hashlib.sha256(f'{FORM} {estimator.key}'.encode()).hexdigest()[:16]}"


def _packed(found: Sightings) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, times=found.times, counts=found.counts, people=found.people, size=found.size)
    return file.getvalue()


def _read(place: Path, joints: int) -> Sightings:
    """Raises ValueError or KeyError for a file that does not hold what `_packed` wrote."""
    arrays = load_npz(place)
    times, counts, people, size = arrays["times"], arrays["counts"], arrays["people"], arrays["size"]
    fits = times.shape == counts.shape and people.ndim == 3 and people.shape[:2] == (counts.sum(), joints)
    if not fits or not len(times) or size.shape != (2,) or not np.isfinite(people).all():
        raise ValueError(f"{place} does not fit the video")
    return Sightings(times, counts, people, (int(size[0]), int(size[1])))
