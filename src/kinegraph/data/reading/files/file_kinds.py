"""Kinds of files that hold no recordings read here, by name and first bytes, and the way to one that can be read."""

import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kinegraph.data.folders import files_below
from kinegraph.messages import first_few, plain_name

UNPACK = "unpack it first"
NO_PICTURES = "make a video of pictures: `ffmpeg -framerate 30 -pattern_type glob -i '*.png' new.mp4`"
AS_TABLE = "save it as CSV, one row per frame, or as Parquet"
AS_NPY = "save its array of joints by numpy.save, (frames, joints, 2 or 3)"
AS_POINTS = "export its tracks into one CSV: time, then x and y of each point (knee_x, knee_y, hip_x ...)"
AS_CSV = "save it as CSV, one row per frame"
AS_BVH = "export its motion as BVH, for example from Blender"
OF_ROBOT = (
    "the state of a robot's joints (ROS): their angles, no places",
    "write the transforms of its links, as of tf, as CSV, one row per link and frame",
)
AS_MESSAGES = "write its skeletons as CSV or JSON, one row per joint and frame"
OF_NETWORK = "it holds a network and no recordings"
# The first bytes, what the file is, and the way to one that can be read.
KINDS = (
    (b"\x89PNG", "a picture (PNG)", NO_PICTURES),
    (b"\xff\xd8\xff", "a picture (JPEG)", NO_PICTURES),
    (b"GIF8", "a picture (GIF)", NO_PICTURES),
    (b"BM", "a picture (BMP)", NO_PICTURES),
    (b"II*\0", "a picture (TIFF)", NO_PICTURES),
    (b"%PDF", "a PDF", "it holds a document and no recordings"),
    (b"MATLAB ", "a MATLAB file", ""),
    (b"\x89HDF", "HDF5", AS_NPY),
    (b"CDF", "netCDF 3", "save it as netCDF 4"),
    (b"\xcd\xf3\x00\x01", "NASA's CDF, as of Human3.6M", "save its array Pose by numpy.save, (frames, 32, 3)"),
    (b"\x93NUMPY", "a NumPy array", ""),
    (b"PAR1", "a Parquet file", ""),
    (b"ARROW1", "an Arrow or Feather file", "save it as Parquet or CSV"),
    (b"Rar!", "an archive (RAR)", UNPACK),
    (b"7z\xbc\xaf", "an archive (7z)", UNPACK),
    (b"\x1f\x8b", "compressed by gzip", UNPACK),
    (b"BZh", "compressed by bzip2", UNPACK),
    (b"\xfd7zXZ", "compressed by xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old file of Excel, Word or Qualisys", "export it as CSV, TSV or C3D"),
    (b"ID3", "sound (MP3)", "it holds no video"),
    (b"\xff\xfb", "sound (MP3)", "it holds no video"),
    (b"OggS", "sound or video (Ogg)", "convert it to .mp4"),
    (b"fLaC", "sound (FLAC)", "it holds no video"),
    (b"#ROSBAG", "a ROS bag", AS_MESSAGES),
    (b"\x89MCAP", "an MCAP log of ROS 2", AS_MESSAGES),
    (b"SQLite format 3", "an SQLite database, such as a ROS 2 bag", AS_MESSAGES),
    (b"XDF:", "a recording of LabStreamingLayer (XDF)", AS_MESSAGES),
    (b"SVO", "a recording of a ZED camera", "export it as a video, or its bodies as JSON"),
    (b"glTF", "a 3D scene (glTF binary, .glb or .vrm)", AS_BVH),
    (b"Kaydara FBX", "an FBX file", AS_BVH),
    (b"Vocaloid Motion Data", "a motion of MikuMikuDance (.vmd)", AS_BVH),
    (b"BLENDER", "a Blender file", "export its motion as BVH"),
    (b"PXR-USDC", "a 3D scene (USD)", AS_BVH),
    (b"#usda", "a 3D scene (USD)", AS_BVH),
    (b"ply\n", "points of a mesh (PLY)", "it has no joints"),
    (b"$FL", "a file of SPSS (.sav)", AS_CSV),
    (b"<stata_dta", "a file of Stata (.dta)", AS_CSV),
    (b"TDSm", "a file of LabVIEW (TDMS)", AS_CSV),
    (b"TRACK\0", "nerve fibres (TrackVis)", "it holds no joints"),
    (b"NI10", "a recording of OpenNI", AS_MESSAGES),
    (b"Ogawa", "a 3D scene (Alembic)", AS_BVH),
    (b"MZ", "a program of Windows", ""),
    (b"\x7fELF", "a program of Linux", ""),
    (b"\x80", "a pickle", ""),
)
IN_THE_MIDDLE = (  # where the bytes begin
    (8, b"WEBP", "a picture (WebP)", NO_PICTURES),
    (4, b"ftyphei", "a picture (HEIC)", NO_PICTURES),
    (4, b"ftypavif", "a picture (AVIF)", NO_PICTURES),
    (8, b"WAVE", "sound (WAV)", "it holds no video"),
    (4, b"TFL3", "a network of TensorFlow Lite", OF_NETWORK),
    (257, b"ustar", "an archive (tar)", UNPACK),
)
IN_ZIP = (  # how the names in a zip begin or end
    ("xl/", "an Excel workbook (.xlsx)", AS_TABLE),
    ("word/", "a Word document (.docx)", "it holds a document and no recordings"),
    ("ppt/", "a PowerPoint file (.pptx)", "it holds a document and no recordings"),
    ("content.xml", "an OpenDocument file", AS_TABLE),
    (".usdc", "a 3D scene (USD)", AS_BVH),
    ("archive/data.pkl", "a file of torch.save", "save its arrays by numpy.savez, or name the network it belongs to"),
    ("data.pkl", "a file of torch.save", "save its arrays by numpy.savez"),
)

# Files by which folders of other tools are known, what these are, and the way.
OF_FOLDERS = (
    ((".zgroup", ".zarray", "zarr.json"), "a store of Zarr", "save its arrays by numpy.savez"),
    (("data.mdb",), "a database of LMDB", "save its clips as a pickle of annotations, or as arrays by numpy.savez"),
)

# Files that are recordings whatever is in them; texts, JSON and pickles often hold something else.
OF_RECORDINGS = (
    ".npy", ".npz", ".mat", ".c3d", ".trc", ".bvh", ".amc", ".mvnx", ".skeleton", ".parquet", ".mp4", ".mov", ".avi",
    ".mkv", ".webm",
)  # fmt: skip
LISTS = re.compile(
    r".*(label|train|test|split|class|annotation|metadata|subjects|participants).*\.(txt|csv|tsv|json|xlsx)",
    re.IGNORECASE,
)
LOOKED_AT = 1 << 14  # bytes
# Where the joints of hand21 are among those of data sets of hands.
OF_HO3D = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
OF_INTERHAND = (20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16)
OF_MSRA = (0, 17, 18, 19, 20, *range(1, 17))
OF_3DHP = (4, 23, 24, 25, 18, 19, 20, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16)  # the joints of h36m17 among its 28
OF_PLAYERS = "places of players, a point each, without joints"
A_POSE = "give the video: prepare VIDEO OUT sees the joints of people"
# JSON that has x and y or names of joints, and no places of joints: what its first bytes hold, what it is, and the way.
OF_JSON: tuple[tuple[bytes, str, str], ...] = (
    (rb'"op"\s*:\s*"publish"', "messages of rosbridge", "save the msg of each, one a line (.jsonl)"),
    (
        rb'(?s)"bboxes"\s*:.*"(leading_hand|united_label)"\s*:',
        "HaGRID's annotations, a single picture each",
        "save landmarks and labels by numpy.savez, x (pictures, 1, 21, 2) and y: the joints of hand21",
    ),
    (
        rb'"(trackable_object|player_data|freeze_frame|homePlayers|home_players)"\s*:|"gamedate"\s*:[\s\S]*"moments"\s*:',
        OF_PLAYERS,
        A_POSE,
    ),
    (
        rb'"BoundingBox"\s*:\s*\{\s*"(Width|Height|Left|Top)"|"observedPeople"\s*:',
        "boxes of people and faces (Amazon Rekognition, Azure Video Indexer), without joints of bodies",
        A_POSE,
    ),
    (
        rb'"name"\s*:\s*\[[^\]]*\]\s*,\s*"position"\s*:\s*\[[^\]]*\]\s*,\s*"velocity"',
        *OF_ROBOT,
    ),
)
# Files of motion capture and sensors: ends of a name, what the first bytes hold, what the file is, and the way.
OF_OTHER_TOOLS: tuple[tuple[tuple[str, ...], bytes, str, str], ...] = (
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
    ((".rds", ".rdata", ".rda"), rb"", "a file of R", "save its table by write.csv, one row per frame"),
    ((".dta", ".sas7bdat", ".por", ".zsav"), rb"", "a file of Stata, SAS or SPSS", AS_CSV),
    (
        (".trk",),
        rb"MATLAB|\x89HDF",
        "tracks of APT",
        "save its pTrk by numpy.save, (frames, animals, parts, 2), and give --layout my.yaml",
    ),
    (
        (".ts",),
        rb"(?mi)^@data\s*$",
        "series of the UEA archive",
        "x, y = load_from_ts_file(FILE) of aeon, numpy.savez('all.npz', x=x.transpose(0, 2, 1), y=y), and give all.npz",
    ),
    (
        ("annot.mat",),
        rb"MATLAB",
        "MPI-INF-3DHP's joints",
        f"save annot3[0, 0].reshape(-1, 28, 3)[:, {[*OF_3DHP]}] of scipy.io.loadmat by numpy.save: the joints of "
        "h36m17 of camera 0, in mm",
    ),
    (
        ("annot_data.mat",),
        rb"MATLAB",
        "MPI-INF-3DHP's test set",
        "save its annot3, read by h5py, as .npy (frames, 17, 3), and give --layout my.yaml, --units mm",
    ),
    (
        ("joint.txt",),
        rb"^\d+\s*\n\s*([-\d.e]+\s+){62}[-\d.e]+\s",
        "MSRA's joints of a hand",
        f"save the rows behind the first, reshaped to (frames, 21, 3)[:, {[*OF_MSRA]}], as .npy: the joints of hand21, "
        "in mm",
    ),
    *(((".json", ".jsonl", ".ndjson"), pattern, what, way) for pattern, what, way in OF_JSON),
    (
        (".json", ".jsonl"),
        rb'"joint\w*Transforms?"\s*:\s*\[\s*\[|:\s*\[\s*(-?[\d.eE-]+\s*,\s*){15}1(\.0*)?\s*\]',
        "transforms of joints (ARKit), matrices of 4 x 4 numbers",
        'save the last column of each, where the joint is: {"head_joint": [x, y, z], ...} for each frame',
    ),
    ((".csv", ".txt"), rb"(?i)^[^\n]*field\.position0\b[^\n]*field\.velocity0\b", *OF_ROBOT),
    ((".urdf", ".xacro", ".sdf"), rb"", "a model of a robot without motion", OF_ROBOT[1]),
    ((".csv", ".txt"), rb"(?i)^[^\n]*\bnflId\b|^Period,Frame,Time \[s\]", OF_PLAYERS, A_POSE),
    (
        (".txt", ".log", ".csv", ".json", ".jsonl"),
        rb"/VMC/Ext/",
        "messages of the VMC protocol: turns of bones, and places relative to the bone before",
        AS_BVH,
    ),
    ((".tak",), rb"", "a take of OptiTrack Motive", "export it from Motive as CSV, BVH or C3D"),
    ((".fbx",), rb"(?i)(Kaydara FBX|; FBX)", "an FBX file", "export it as BVH, for example from Blender"),
    ((".mvn",), rb"", "a recording of Xsens MVN", "export it from MVN as MVNX, BVH or C3D"),
    ((".xef",), rb"", "a recording of Kinect Studio", "write its body frames as JSON or CSV"),
    (
        (".csv", ".tsv", ".txt"),
        rb"(?i)^[^\n]*acc\w*[_ .][xyz][^\n]*gyr\w*[_ .][xyz]",
        "measurements of inertial sensors, without places of joints",
        "give what the suit's program makes of them, such as MVNX or BVH",
    ),
    (
        (".csv", ".tsv", ".txt"),
        rb"(?i)^[^\n]*(flexion|adduction|[_ ]angle)[^\n]*(flexion|adduction|[_ ]angle)",
        "angles of joints, without their places",
        "export the markers or joint centres of the recording, as C3D, TRC or CSV",
    ),
    (
        (".csv", ".tsv", ".txt"),
        rb"(?i)^[^\n]*(velo|velocity|force|moment|torque)_[xyz]\b[^\n]*(velo|velocity|force|moment|torque)_[xyz]\b",
        "speeds or forces of joints, without their places",
        "give the markers or joint centres of the recording, as C3D, TRC or CSV",
    ),
    (
        (".csv", ".tsv", ".txt"),
        rb"(?i)^[^\n]*[_. ]q?w\b[^\n]*[_. ]q?x\b[^\n]*[_. ]q?z\b",
        "rotations of joints (quaternions), without their positions",
        "give what the suit's program makes of them, such as MVNX, BVH or C3D",
    ),
    ((".xml",), rb"(?s)<annotations>.*<version>", "annotations of CVAT", "export them as COCO Keypoints"),
    (
        (".json",),
        rb'"shape_type"\s*:\s*"point"|"shape_attributes"\s*:',
        "annotations of LabelMe or VIA",
        "export them as COCO keypoints, or write one row per point as CSV",
    ),
    (
        (".yml", ".yaml", ".xml"),
        rb"%YAML:1\.0|<opencv_storage>",
        "a file of OpenCV",
        "let OpenPose write JSON (--write_json)",
    ),
    (
        (".json",),
        rb'"keypointlabels"',
        "annotations of Label Studio",
        "export them as COCO, or write one row per point as CSV",
    ),
    (
        (".pkl", ".pickle"),
        rb"handJoints3D",
        "a frame of HO-3D",
        f"save handJoints3D[{[*OF_HO3D]}] of all frames as one .npy (frames, 21, 3): the joints of hand21",
    ),
    (
        (".json",),
        rb'"world_coord"\s*:',
        "InterHand2.6M's joints",
        f"save world_coord[:21][{[*OF_INTERHAND]}] of a sequence's frames as .npy (frames, 21, 3), the left hand from "
        "[21:]: the joints of hand21, in mm",
    ),
    (
        (".txt",),
        rb"^\S+\.png\t[-\d.]+\t",
        "joints beside names of pictures, as BigHand2.2M has them",
        "save a sequence's rows as .npy (frames, 21, 3): the joints of bighand21",
    ),
    (
        (".txt",),
        rb"^[01](\.0*)?\s([-\d.e]+\s+){63}[01](\.0*)?\s([-\d.e]+\s+){62}[-\d.e]+\s*$",
        "a frame of both hands, as H2O has them",
        "save the numbers behind each 0 or 1 of all frames as .npy (frames, 2, 21, 3): the joints of hand21",
    ),
    (
        (".pickle", ".pkl"),
        rb"all_joints_names|nms radius|\x8c\x06single\x94",
        "detections of DeepLabCut before its tracking",
        "give the .h5 or .csv that deeplabcut.convert_detections2tracklets and stitch_tracklets write",
    ),
    (
        (".h5",),
        rb"poseest",
        "poses of JABS",
        "save its poseest/points[..., ::-1] by numpy.save, (frames, mice, 12, 2), and give --layout my.yaml",
    ),
    ((".pose",), rb"", "a file of pose-format", "save its body.data and body.confidence by numpy.savez, x and scores"),
    (
        (".pb", ".binarypb", ".pbtxt"),
        rb"",
        "a protocol buffer, which says nothing without its definition",
        "write its landmarks as JSON, as MessageToJson of google.protobuf does",
    ),
    (
        (".gltf", ".dae", ".usdz", ".usdc", ".vrm", ".vrma", ".ma", ".mb", ".max", ".c4d", ".bip", ".anim", ".hip"),
        rb"",
        "a 3D scene",
        AS_BVH,
    ),
    ((".kva",), rb"", "a project of Kinovea", AS_POINTS),
    ((".txt", ".csv"), rb"^#Kinovea Trajectory", "trajectories of Kinovea, a point after another", AS_POINTS),
    ((".trk", ".trz"), rb"opensourcephysics|^PK", "a project of Tracker (Open Source Physics)", AS_POINTS),
    ((".pmx", ".pmd"), rb"", "a model of MikuMikuDance without motion", "export its motion (.vmd) as BVH from Blender"),
    (
        (".cmo", ".cmz", ".qtm", ".cap", ".x1d", ".x2d", ".xcp"),
        rb"",
        "a recording of Visual3D, Qualisys, Cortex or Vicon",
        "export it as C3D or TRC",
    ),
    ((".raw", ".calc"), rb"(?i)axis ?neuron|noitom", "a recording of Perception Neuron", "export it as BVH"),
    (
        (".eaf", ".srt", ".vtt"),
        rb"",
        "a file of what happens when, without joints",
        "give the recordings, and the file beside them: prepare RECORDINGS OUT --segments FILE",
    ),
    (
        (".boris", ".anvil", ".textgrid", ".sub"),
        rb"",
        "a file of what happens when, without joints",
        "export it as a table of start, end and label: prepare RECORDINGS OUT --segments TABLE reads it",
    ),
    (
        (".htr", ".htr2"),
        rb"",
        "segments of Motion Analysis Cortex",
        "export the markers as TRC or C3D, or the motion as BVH",
    ),
    ((".vsk", ".vst"), rb"", "a skeleton of Vicon without motion", "give the .c3d file of a recording"),
)


def kind_of(path: Path) -> str | None:
    """What a file is and the way to one that can be read, by its first bytes; None where they are of no kind."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"PK\x03\x04"):
        return _zipped(path)
    found = [(what, way) for start, what, way in KINDS if head.startswith(start)]
    found += [(what, way) for at, start, what, way in IN_THE_MIDDLE if head[at:].startswith(start)]
    return "; ".join(filter(None, found[0])) if found else None


def _zipped(path: Path) -> str:
    """What a zip archive is, by the names of the files in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "an archive (zip) that is cut or damaged; copy it again"
    for mark, what, way in IN_ZIP:
        if any(name.startswith(mark) or name.endswith(mark) for name in names):
            return f"{what}; {way}"
    return f"an archive (zip) of {first_few([plain_name(name) for name in names])}; {UNPACK}, and give the folder"


def other_kinds(folder: Path, endings: Sequence[str], labelled: bool) -> list[str]:
    """Lines on files of recordings in a folder that have none of the endings of the format that is read, and on lists
    beside recordings without labels."""
    counts = Counter(file.suffix.lower() for file in files_below(folder, "*.*"))
    others = [
        f"{count:,} {ending}" for ending, count in counts.items() if ending in OF_RECORDINGS and ending not in endings
    ]
    line = f"files of other formats: {', '.join(sorted(others))}; give their folders alone to read them"
    beside = [entry.name for entry in sorted(folder.iterdir()) if LISTS.fullmatch(entry.name) and entry.is_file()]
    lists = [] if labelled else [name for name in beside if Path(name).suffix.lower() not in endings]
    of_lists = f"lists that are not read: {first_few(lists)}; --labels-file FILE reads labels and parts of a split"
    return ([line] if others else []) + ([of_lists] if lists else [])


def known_by_name(path: Path) -> str | None:
    """What a file or folder is that cannot be read, and the way, as the end of a message; None for another one."""
    if path.is_dir():
        found = (f"{what}; {way}" for names, what, way in OF_FOLDERS if any((path / name).is_file() for name in names))
        first = next(files_below(path, "*.*"), None)
        inside = known_by_name(first) if first is not None else None
        return next(found, inside and f"a folder with {first.name if first else ''}: {inside}")
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(LOOKED_AT)
    for endings, pattern, what, way in OF_OTHER_TOOLS:
        if path.name.lower().endswith(endings) and re.search(pattern, head):
            return f"{what}; {way}"
    return None


def is_other_json(head: bytes) -> bool:
    """Whether the start of a JSON is of a kind that holds no places of joints."""
    return any(re.search(pattern, head) for pattern, _, _ in OF_JSON)
