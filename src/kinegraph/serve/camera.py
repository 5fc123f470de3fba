"""Pictures from a browser's camera: decoded, and the people in them as a frame of a stream."""

import struct
from io import BytesIO

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from kinegraph.data.formats.json_lines import Frame
from kinegraph.data.pose.estimators import Estimator, Pose
from kinegraph.messages import one_line

HEAD = 8  # bytes before the picture: its time in milliseconds, float64, little-endian
LARGEST = 1920 * 1920  # pixels
FACING_UP = np.array((1, -1, -1), np.float32)  # an estimator's metres have y down


class Camera:
    """A camera of a page. fps: of the stream, to which the times of pictures are brought."""

    def __init__(self, estimator: Estimator, dimensions: int, fps: float):
        self.estimator, self.fps, self.world = estimator, fps, dimensions == 3 and estimator.world
        self.begin: float | None = None
        self.last = -1
        self.see: Pose | None = None
        self.size: tuple[int, int] | None = None  # of the pictures

    def frame(self, message: bytes) -> Frame | None:
        """The people of a picture; None where it belongs to the same frame as the last one."""
        time, image = picture(message)
        self.begin = time if self.begin is None else self.begin
        number = round((time - self.begin) / 1000 * self.fps)
        if not self.last < number < self.last + 2**31:
            return None
        self.see = self.see or self.estimator.start()
        try:
            people = self.see(image)
        except Exception as error:  # of another library, or of the user's own function
            raise ValueError(f"the estimator {self.estimator.name} failed: {one_line(error)}") from None
        self.last, self.size = number, (image.shape[1], image.shape[0])
        return frame_of(people, number, self.world)


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


def frame_of(people: Float[np.ndarray, "P V C"], number: int, world: bool) -> Frame:
    """People of an estimator as a frame: in pixels, or in its metres with y up."""
    place = people[..., 3:6] * FACING_UP if world else people[..., :2]
    score = people[..., 2]
    return Frame(np.ascontiguousarray(place * (score > 0)[..., None], np.float32), score, None, number)
