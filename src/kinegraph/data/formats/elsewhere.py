"""Files of motion capture and sensors that are known and cannot be read, each with the way to one that can."""

import re
from pathlib import Path

LOOKED_AT = 1 << 14
# Ends of a name, what the first bytes hold, what the file is, and the way.
KNOWN: tuple[tuple[tuple[str, ...], bytes, str, str], ...] = (
    (
        (".mot", ".sto"),
        rb"(?i)(ground_force|_force_v|_torque_)",
        "forces that OpenSim reads, without joints",
        "give the .trc file of the recording",
    ),
    (
        (".mot", ".sto"),
        rb"(?i)(endheader|nColumns|inDegrees)",
        "a motion of OpenSim: it has angles of joints, and lacks the lengths of bones, which are in the model (.osim)",
        "give the .trc file of the recording, as OpenSim and OpenCap write it beside the motion",
    ),
    ((".osim",), rb"<OpenSimDocument", "a model of OpenSim without motion", "give the .trc file of a recording"),
    ((".tak",), rb"", "a take of OptiTrack Motive", "export it from Motive as CSV, BVH or C3D"),
    ((".fbx",), rb"(?i)(Kaydara FBX|; FBX)", "an FBX file", "export it as BVH, for example from Blender"),
    ((".mvn", ".mvnx"), rb"", "a recording of Xsens MVN", "export it from MVN as BVH or C3D"),
    ((".xef",), rb"", "a recording of Kinect Studio", "write its body frames as JSON or CSV"),
    (
        (".mat",),
        rb"MATLAB",
        "a MATLAB file",
        "save its array (frames, joints, 3) by numpy.save, or by writematrix as CSV",
    ),
    ((".vsk", ".vst"), rb"", "a skeleton of Vicon without motion", "give the .c3d file of a recording"),
)


def known_elsewhere(path: Path) -> str | None:
    """What a file is that cannot be read, and the way, as the end of a message; None for another one."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(LOOKED_AT)
    for endings, pattern, what, way in KNOWN:
        if path.suffix.lower() in endings and re.search(pattern, head):
            return f"{what}; {way}"
    return None
