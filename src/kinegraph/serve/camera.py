"""Pictures from a browser's camera: decoded, and the people in them as a frame of a stream."""

import struct
from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from kinegraph.data.formats.json_lines import Frame
from kinegraph.data.pose.estimators import Estimator
from kinegraph.data.pose.sightings import Seeing
from kinegraph.messages import one_line

HEAD = 8  # bytes before the picture: its time in milliseconds, float64, little-endian
LARGEST = 1920 * 1920  # pixels


class Camera:
    """A camera of a page. dimensions: that the network wants. fps: of the stream; times are brought to it.

    Raises ValueError for an estimator that does not know metres where they are wanted.
    """

    def __init__(self, estimator: Estimator, dimensions: int, fps: float):
        self.seeing, self.fps = Seeing(estimator, dimensions), fps
        self.begin: float | None = None
        self.last = -1
        self.size: tuple[int, int] | None = None  # of the pictures

    def frame(self, message: bytes) -> Frame | None:
        """The people of a picture; None where it belongs to the same frame as the last one."""
        time, image = picture(message)
        self.begin = time if self.begin is None else self.begin
        number = round((time - self.begin) / 1000 * self.fps)
        if not self.last < number < self.last + 2**31:
            return None
        people, scores = self.seeing.people(image, f"frame {number:,}")
        self.last, self.size = number, (image.shape[1], image.shape[0])
        return Frame(people, scores, None, number)


def picture(message: bytes) -> tuple[float, UInt8[np.ndarray, "H W 3"]]:
    """The time in milliseconds and the pixels of a message. Raises ValueError for anything but a JPEG behind a time."""
    time = struct.unpack("<d", message[:HEAD])[0] if len(message) > HEAD else float("nan")
    try:
        with Image.open(BytesIO(message[HEAD:]), formats=("JPEG",)) as image:
            if image.width * image.height > LARGEST:
                raise ValueError(f"a picture of {image.width}x{image.height} pixels, expected at most {LARGEST:,}")
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the message is no JPEG picture: {one_line(error)}") from None
    if not 0 <= time < 1e15:
        raise ValueError(f"the picture's time is {time} ms, expected 8 bytes of a float64 in front of the JPEG")
    return time, pixels
