"""Recordings beside those that a network was trained on: other units, another vertical, another frame rate."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice

from kinegraph.data.conditions import Conditions, Differences, compare, conditions_of
from kinegraph.inference.asking import Asked
from kinegraph.inference.inputs import Question
from kinegraph.skeleton.clip import SkeletonClip

LOOKED_AT = 20  # clips of an input, the first ones
ANY_SIZE = ("sized",)  # ways to normalise that bring bodies to one size, and those that turn them upright
ANY_VERTICAL = ("ntu_published", "first_frame")


def differences(predictor: Asked, clips: Sequence[SkeletonClip], turned: bool = False) -> Differences:
    """How clips differ from those that the network was trained on, as far as its weights say it.

    turned: whether the user said which axis is upward. A clip of other joints is not compared: it is refused anyway.
    """
    comparable = [it for it in clips if predictor.map_layout or it.layout.joints == predictor.layout.joints]
    return differences_from(predictor.trained, predictor.preprocessing.normalize, comparable, turned)


def differences_from(
    trained: Conditions, normalize: str, clips: Sequence[SkeletonClip], turned: bool = False
) -> Differences:
    """The same from the conditions of the training and the way to normalise."""
    if not clips:
        return Differences()
    dimensions, any_vertical = clips[0].keypoint.shape[3], turned or normalize in ANY_VERTICAL
    return compare(trained, conditions_of(clips), dimensions, any_size=normalize in ANY_SIZE, any_vertical=any_vertical)


def compared(
    asked: Iterable[Question], predictor: Asked, say: Callable[[str], None], turned: bool = False
) -> Iterator[Question]:
    """The questions, after the first clips of each input were compared. say: gets what is only worth knowing.

    Raises ValueError where answers would be wrong.
    """
    for source, questions in groupby(asked, key=lambda question: question.source):
        first = list(islice(questions, LOOKED_AT))
        found = differences(predictor, [question.clip for question in first], turned)
        if found.wrong:
            raise ValueError(f"{source}: {'; '.join(found.wrong)}")
        for line in found.notes:
            say(f"{source}: {line}")
        yield from first
        yield from questions  # noqa: B031  what is left of the group
