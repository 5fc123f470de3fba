"""RTMPose by rtmlib: everybody in a picture, 17 joints of COCO. It fetches its models from the net at the first use.

Source: github.com/Tau-J/rtmlib; Jiang et al., RTMPose: Real-Time Multi-Person Pose Estimation, 2023.
"""

from importlib import metadata

import numpy as np
from jaxtyping import Float, UInt8

from kinegraph.data.pose.estimators import CannotStart, Estimator, Pose, checked_people
from kinegraph.skeleton.layout import load_layout

MODE = "balanced"  # rtmlib also has "lightweight" and "performance"
MISSING = "rtmlib is not installed: pip install rtmlib onnxruntime"
WITHOUT_A_NETWORK = "copy ~/.cache/rtmlib from a computer where it ran, or leave out --pose: MediaPipe has its models"


def rtmlib() -> Estimator:
    """Raises ValueError where rtmlib is not installed."""
    try:
        version = metadata.version("rtmlib")
    except metadata.PackageNotFoundError:
        raise ValueError(MISSING) from None
    return Estimator("rtmlib", f"rtmlib-{version}-body-{MODE}", load_layout("coco17"), _start)


def _start() -> Pose:
    try:
        from rtmlib import Body
    except ImportError as error:
        raise CannotStart(f"{MISSING} ({error})") from None
    try:
        body = Body(mode=MODE, backend="onnxruntime", device="cpu")
    except OSError as error:  # also of urllib
        raise CannotStart(f"rtmlib cannot fetch its models: {error}; {WITHOUT_A_NETWORK}") from None

    def see(image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "P 17 3"]:
        places, scores = body(np.ascontiguousarray(image[..., ::-1]))  # it expects blue, green, red
        if not len(places):
            return np.zeros((0, 17, 3), np.float32)
        return checked_people(np.concatenate([places, np.clip(scores, 0, 1)[..., None]], axis=-1), 17)

    return see
