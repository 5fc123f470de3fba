"""The people in pictures, while they happen: of a camera, of an address, or of a video file that is played."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from pathlib import Path

from kinegraph.commands.stream_sources import Played
from kinegraph.data.formats.json_lines import Frame, Head
from kinegraph.data.pose.camera import camera, is_camera
from kinegraph.data.pose.estimators import Estimator
from kinegraph.data.pose.film import Picture, head_of, pictures
from kinegraph.data.pose.sightings import Seeing

RATE = 30.0  # of a source that does not say its own
SLOW = 0.8  # of the frame rate; an estimator that is slower is mentioned


@contextmanager
def watched(
    source: str, estimator: Estimator, *, dimensions: int, fps: float | None, note: Callable[[str], None]
) -> Generator[Played, None, None]:
    """The people of each picture; frames have the numbers of their moments, so that pictures may be left out.

    dimensions: that the network wants, 2 for pixels or 3 for metres. fps: in place of what the source says.
    note: takes lines on what was not seen. Raises ValueError for a source without pictures, and for an estimator that
    does not know metres where they are wanted.
    """
    seeing = Seeing(estimator, dimensions)
    with ExitStack() as opened:
        if live := is_camera(source):
            rate, coming = opened.enter_context(camera(source))
        else:
            rate, coming = head_of(Path(source)).rate, opened.enter_context(closing(pictures(Path(source))))
        rate = fps or rate or RATE
        if (first := next(coming, None)) is None:
            raise ValueError(f"{source} gave no picture")
        frames = _frames(chain([first], coming), source, seeing, rate, note)
        size = first.image.shape[1], first.image.shape[0]
        yield Played(source, Head(estimator.layout, rate, size), opened.enter_context(closing(frames)), live)


def _frames(
    coming: Iterator[Picture], source: str, seeing: Seeing, rate: float, note: Callable[[str], None]
) -> Generator[Frame, None, None]:
    last, looked, estimating = -1, 0, 0.0
    try:
        for picture in coming:
            number = round(picture.time * rate)
            if number <= last:  # the source is faster than --fps
                continue
            before = time.perf_counter()
            people, scores = seeing.people(picture.image, f"{source}: frame {number:,}")
            estimating += time.perf_counter() - before
            last, looked = number, looked + 1
            yield Frame(people, scores, None, number)
    finally:
        if looked and (able := looked / max(estimating, 1e-9)) < SLOW * rate:
            note(f"{seeing.estimator.name} manages {able:.1f} pictures a second, the source gives {rate:g}")
