"""Whether the third number of a joint is a coordinate or its score, by the size and the bones of bodies."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.conventions import PERCENT, candidates, is_flat
from kinegraph.skeleton.geometry import bones, extent, seen
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.proportions import recognise

LEAST_IN_MM = 320.0  # the longest edge of the box around a body
BODIES = 64  # of the first clips that are measured
PIXELS = 5.0  # a body that is larger in a picture is in pixels
STEADIER = 0.8  # bones are steadier in space if their lengths vary by less than this share of the variation in a plane


def full_score(bodies: Sequence[Float[np.ndarray, "_ V C"]], layout: JointLayout | None) -> int:
    """1 where the third number of every joint is a confidence and no coordinate, 100 where it is in percent; else 0.

    layout: where it is known. Among pixels a third coordinate would be as large as the others; numbers of about 0 to 1
    are a score, and those up to 100 beside bodies that would be deeper in mm. Where x and y are small too, as fractions
    are, or where files of these joints usually hold (x, y, score), it is a score unless bones are steadier with it:
    real bones keep their lengths in space, not in a picture.
    """
    if not bodies or any(body.shape[2] != 3 for body in bodies):
        return 0
    third = np.concatenate([body[..., 2].ravel() for body in bodies])
    plane = [body[..., :2] for body in bodies]
    if not third.any():
        return 0
    if size_of(plane) > LEAST_IN_MM and third.min() >= 0 and PERCENT < third.max() <= 100:
        return 100
    if size_of(plane) > PIXELS:
        return int(third.min() >= -1.001 and third.max() <= 1.5)
    if third.min() < 0 or third.max() > 1.0001:
        return 0
    known = [layout] if layout else candidates(bodies[0].shape[1])
    fractions = all(body.min(initial=0) >= 0 and body.max(initial=0) <= 1.0001 for body in plane)
    if not all(map(is_flat, known)) and (layout or not fractions):
        return 0
    layout = layout or recognise(some_bodies(plane), known) or (known[0] if len(known) == 1 else None)
    return int(layout is not None and not _steadier(bodies, plane, layout))


def _steadier(
    bodies: Sequence[Float[np.ndarray, "_ V 3"]], plane: Sequence[Float[np.ndarray, "_ V 2"]], layout: JointLayout
) -> bool:
    """Whether bones keep their lengths clearly better in space than in the plane, in most clips."""

    def unrest(body: Float[np.ndarray, "B V C"]) -> float:
        lengths = np.linalg.norm(bones(body.astype(np.float64), layout), axis=2)
        return float(np.median(lengths.std(0) / np.maximum(lengths.mean(0), 1e-9)))

    pairs = [(unrest(space), unrest(flat)) for space, flat in zip(bodies, plane, strict=True) if len(space) > 1]
    return sum(in_space < STEADIER * flat for in_space, flat in pairs) * 2 > len(pairs)


def some_bodies(bodies: Sequence[Float[np.ndarray, "_ V C"]]) -> Float[np.ndarray, "B V C"]:
    """Bodies of all clips, at equal distances."""
    alike = np.concatenate(bodies)
    return alike[np.unique(np.linspace(0, len(alike) - 1, min(len(alike), BODIES)).astype(int))]


def size_of(bodies: Sequence[Float[np.ndarray, "_ V C"]]) -> float:
    """The longest edge of the box around a body, the median over all of them; 0 where there is none."""
    edges = [extent(np.where(seen(body)[..., None], body, np.nan)).max(1) for body in bodies if len(body)]
    return float(np.nanmedian(np.concatenate(edges))) if edges else 0.0
