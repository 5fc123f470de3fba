"""Two evaluations of the same clips: where they differ, and whether that is more than chance."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from kinegraph.evaluation.evaluation import RESAMPLES, Evaluation
from kinegraph.evaluation.metrics import FEWEST_GROUPS, NORMAL, group_intervals


@dataclass(frozen=True, eq=False)
class Paired:
    """What a second network gets right on the clips that the first was asked too. Differences are second - first.

    places: the common clips in the first and in the second evaluation. first, second: which of them each gets right.
    intervals: 95 %, paired bootstrap, of the differences of top1 and mean_class_accuracy. p: McNemar's exact test.
    subjects: how many people these are drawn from, and p is of (`sign_test`); 0 where clips are taken as independent.
    """

    places: tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]
    first: Bool[np.ndarray, "n"]
    second: Bool[np.ndarray, "n"]
    labels: Int[np.ndarray, "n"]
    differences: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    p: float
    subjects: int = 0

    @property
    def gained(self) -> Int[np.ndarray, "k"]:
        """Of the common clips, those that only the second gets right."""
        return np.flatnonzero(self.second & ~self.first)

    @property
    def lost(self) -> Int[np.ndarray, "k"]:
        """Those that only the first gets right."""
        return np.flatnonzero(self.first & ~self.second)


def paired(first: Evaluation, second: Evaluation, seed: int = 0) -> Paired | None:
    """The comparison on the clips that both were tested on, matched by name; None where they have none in common.

    Where the dataset knows the subjects of the clips, and there are enough, it holds for other people.
    Raises ValueError where a clip is of different classes in the two.
    """
    place = {name: index for index, name in enumerate(first.names)}
    common = [(place[name], index) for index, name in enumerate(second.names) if name in place]
    if not common or first.class_names != second.class_names:
        return None
    a, b = np.array(sorted(common)).T
    labels = np.asarray(first.labels)[a]
    if (other := labels != np.asarray(second.labels)[b]).any():
        raise ValueError(f"clip '{first.names[a[other.argmax()]]}' has another label in the second result")
    first_right, second_right = first.right[a], second.right[b]
    step = second_right.astype(int) - first_right
    differences, intervals = _differences(step, labels, np.random.default_rng(seed))
    p, subjects = mcnemar(int((step > 0).sum()), int((step < 0).sum())), _subjects(first, a)
    if subjects is not None:
        intervals = group_intervals(step, labels, subjects, np.random.default_rng(seed))
        people, place = np.unique(subjects, return_inverse=True)
        p = sign_test(np.bincount(place, step).astype(int))
        return Paired((a, b), first_right, second_right, labels, differences, intervals, p, len(people))
    return Paired((a, b), first_right, second_right, labels, differences, intervals, p)


def _subjects(evaluation: Evaluation, places: Int[np.ndarray, "n"]) -> Shaped[np.ndarray, "n"] | None:
    """The subjects of some clips; None where one is not known, or there are too few for an interval."""
    known = evaluation.facts.get("subject")
    subjects = None if known is None else np.array(list(map(str, known[places].tolist())))
    if subjects is None or (subjects == "").any() or len({*subjects.tolist()}) < FEWEST_GROUPS:
        return None
    return subjects


def _differences(
    step: Int[np.ndarray, "n"], labels: Int[np.ndarray, "n"], rng: np.random.Generator
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Drawing pairs again with replacement makes the counts of won and lost clips multinomial: these are drawn.

    For the mean over classes clips are drawn within each class, as `bootstrap_intervals` does. mean_class_accuracy
    is here over the classes that have clips.
    """
    clips = len(step)
    drawn = rng.multinomial(clips, [(step > 0).mean(), (step < 0).mean(), (step == 0).mean()], RESAMPLES)
    means, spread = _over_classes(step, labels, rng)
    found = {"top1": float(step.mean()), "mean_class_accuracy": float(np.mean(means))}
    top1 = np.quantile((drawn[:, 0] - drawn[:, 1]) / clips, (0.025, 0.975))
    return found, {"top1": tuple(top1.tolist()), "mean_class_accuracy": spread}


def _over_classes(
    step: Int[np.ndarray, "n"], labels: Int[np.ndarray, "n"], rng: np.random.Generator
) -> tuple[list[float], tuple[float, float]]:
    """The mean step of each class, and the interval of their mean; of very many classes by the normal law."""
    order = np.argsort(labels, kind="stable")
    parts = np.split(step[order], np.flatnonzero(np.diff(labels[order])) + 1)
    means, classes = [float(own.mean()) for own in parts], len(parts)
    if classes > NORMAL:
        middle, half = float(np.mean(means)), 1.96 * math.sqrt(sum(own.var() / len(own) for own in parts)) / classes
        return means, (middle - half, middle + half)
    resampled = np.zeros(RESAMPLES)
    for own in parts:
        counts = rng.multinomial(len(own), [(own > 0).mean(), (own < 0).mean(), (own == 0).mean()], RESAMPLES)
        resampled += (counts[:, 0] - counts[:, 1]) / len(own) / classes
    low, high = np.quantile(resampled, (0.025, 0.975)).tolist()
    return means, (low, high)


def mcnemar(won: int, lost: int) -> float:
    """The chance that clips which only one gets right are shared out at least this unevenly between equal networks.

    Source: McNemar 1947, exact and two-sided.
    """
    total = won + lost
    logs = [math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) for k in range(min(won, lost) + 1)]
    return min(1.0, 2 * math.fsum(math.exp(log - total * math.log(2)) for log in logs))


def sign_test(changes: Int[np.ndarray, "groups"]) -> float:
    """The chance of a sum at least this far from 0, if each change might as well have had the other sign.

    changes: clips gained less clips lost, of each subject. Two networks that are equally good exchange their parts in
    half of the subjects. Source: Fisher 1935, exact and two-sided; of single clips it is McNemar's test.
    """
    reach = int(np.abs(changes).sum())
    chances = np.zeros(2 * reach + 1)  # of the sums from -reach to reach
    chances[reach] = 1
    for size in np.abs(changes[changes != 0]).tolist():
        chances = (np.roll(chances, size) + np.roll(chances, -size)) / 2
    far = np.abs(np.arange(-reach, reach + 1)) >= abs(int(changes.sum()))
    return min(1.0, float(chances[far].sum()))


def class_accuracy(evaluation: Evaluation, places: Int[np.ndarray, "n"], classes: int) -> Float[np.ndarray, "classes"]:
    """Accuracy of each class on some of the clips, NaN where it has none."""
    labels, right = np.asarray(evaluation.labels)[places], evaluation.right[places]
    clips, hits = np.bincount(labels, minlength=classes), np.bincount(labels, weights=right, minlength=classes)
    return np.where(clips > 0, hits / np.maximum(clips, 1), np.nan)
