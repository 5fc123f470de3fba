"""Rotation matrices for forward kinematics."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def about_axis(angle: Float[np.ndarray, " T"], axis: int) -> Float[np.ndarray, "T 3 3"]:
    """Matrices that rotate about one axis (0 x, 1 y, 2 z), in radians."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.zeros((len(angle), 3, 3))
    turn[:, axis, axis] = 1
    turn[:, i, i], turn[:, i, j] = cos, -sin
    turn[:, j, i], turn[:, j, j] = sin, cos
    return turn


def one_after_another(angles: Float[np.ndarray, "T axes"], axes: Sequence[int]) -> Float[np.ndarray, "T 3 3"]:
    """The first axis turns first, about axes that stay: x, y, z is Rz Ry Rx. Angles in radians."""
    turn = np.broadcast_to(np.eye(3), (len(angles), 3, 3))
    for column, axis in enumerate(axes):
        turn = about_axis(angles[:, column], axis) @ turn
    return turn
