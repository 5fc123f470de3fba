"""What a class is called when it is seen in a mirror: "punch left" becomes "punch right"."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from kinegraph.skeleton.anatomy import other_side

ANTI = ("counterclockwise", "counter-clockwise", "counter clockwise", "anticlockwise", "anti-clockwise")


def mirrored_classes(names: Sequence[str]) -> Int[np.ndarray, "classes"]:
    """The class of each class's mirror image: the one whose name differs in left and right, or in clockwise, alone.

    A class without such a partner is its own mirror image.
    """
    mirrored = np.arange(len(names))
    index = {name.casefold(): number for number, name in enumerate(names)}
    for name, number in index.items():
        partners = {index[other] for other in _other_names(name) if other in index} - {number}
        if mirrored[number] == number and partners:
            partner = min(partners)
            mirrored[[number, partner]] = partner, number
    return mirrored


def _other_names(name: str) -> list[str]:
    words = [name.replace(a, b) for a, b in (("left", "right"), ("right", "left"))]
    turned = [re.sub(r"(?<!counter)(?<!anti)(?<!counter.)(?<!anti.)clockwise", way, name) for way in ANTI]
    return [*other_side(name), *words, *turned]
