"""A file that no format knows: the message says what is in it and which formats are near."""

import gzip
import io
import json
import pickle
import re
import zipfile

import numpy as np
import pytest

from kinegraph.data.formats import FORMATS
from kinegraph.data.formats.unknown import contents, nearest_formats
from kinegraph.data.read import recordings
from kinegraph.skeleton.layout import load_layout
from tests.data.formats import written

JOINTS = load_layout("coco17").joints


def zipped(*names):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return archive.getvalue()


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ("", "an empty file"),
        ("\n\nhello\tthere\nmore", "text that begins with 'hello there'"),
        (json.dumps([{"image": 1, "boxes": []}]), "JSON, a list with image, boxes"),
        (json.dumps({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}), "JSON, an object with a, b, c, d and 1 more"),
        ("[build-system]\nrequires = []", "text that begins with '[build-system]'"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a picture (PNG)"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a picture (WebP)"),
        (b"MATLAB 5.0 MAT-file\0\xff", "a MATLAB file"),
        (gzip.compress(b"x", mtime=0), "compressed by gzip; unpack it first"),
        (zipped("xl/workbook.xml"), "an Excel workbook (.xlsx); save it as CSV, one row per frame, or as Parquet"),
        (zipped("a.csv", "b.csv"), "an archive (zip) of a.csv, b.csv; unpack it first, and give the folder"),
        (b"PK\x03\x04\xff", "an archive (zip) that is cut or damaged; copy it again"),
        (b"glTF\2\0\0\0\xff", "a 3D scene (glTF binary, .glb or .vrm); export its motion as BVH"),
        (b"#ROSBAG V2.0\n", "a ROS bag; write its skeletons as CSV or JSON"),
        (b"SQLite format 3\0\xff", "an SQLite database, such as a ROS 2 bag"),
        (b"TDSm\x0e\0\0\0\xff", "a file of LabVIEW (TDMS); save it as CSV, one row per frame"),
        (bytes(257) + b"ustar\xff", "an archive (tar); unpack it first"),
        (b"\0\xff\xfe\x01", "a binary file of 4 bytes"),
    ],
)
def test_what_a_file_is(tmp_path, content, seen):
    path = written(tmp_path / "file.xyz", content)
    assert contents(path).startswith(seen)
    with pytest.raises(ValueError, match=re.escape(seen)):
        recordings(path)


def test_arrays_are_named_with_their_shapes(tmp_path):
    np.savez(tmp_path / "a.npz", foo=np.zeros((3, 4)), bar=np.zeros(2))
    assert contents(tmp_path / "a.npz") == "NumPy arrays: foo (3, 4), bar (2,)"


def test_the_nearest_formats_have_the_words_of_the_file(tmp_path):
    path = written(tmp_path / "a.json", json.dumps([{"image_id": "a", "category_id": 1, "keypoints_of": [], "idx": 1}]))
    assert set(nearest_formats(path, FORMATS)) == {"alphapose", "coco"}
    with pytest.raises(
        ValueError, match=r"the nearest formats are (alphapose and coco|coco and alphapose) \(--format\)"
    ):
        recordings(path)
    assert nearest_formats(written(tmp_path / "b.json", '{"qqq": 1}'), FORMATS) == []


def test_pictures_are_no_recording_of_another_format(tmp_path):
    """A PNG has the key of C3D in its second byte."""
    (tmp_path / "pictures").mkdir()
    written(tmp_path / "pictures" / "frame_01.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    with pytest.raises(ValueError, match="a picture") as caught:
        recordings(tmp_path / "pictures" / "frame_01.png")
    assert "c3d" not in str(caught.value)
    with pytest.raises(ValueError, match=r"a folder of pictures with frame_01.png; .*ffmpeg -framerate"):
        recordings(tmp_path / "pictures")


@pytest.mark.parametrize(
    ("path", "way"),
    [("https://a.org/a.mp4", "fetch the file first"), ("0", "`kinegraph stream"), ("rtsp://a/1", "`kinegraph stream")],
)
def test_addresses_and_cameras_are_no_files(path, way):
    with pytest.raises(ValueError, match=f"there is no file or folder .*{way}"):
        recordings(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "walk.mot",
            "Coordinates\nversion=1\nnColumns=2\ninDegrees=yes\nendheader\ntime\thip\n",
            "a motion of OpenSim: it has",
        ),
        ("grf.mot", "nColumns=19\nendheader\ntime\tground_force_vx\n", "forces that OpenSim reads, without joints"),
        ("imu.csv", "time,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z\n0,1,2,3,4,5,6\n", "measurements of inertial sensors"),
        ("walk.tak", b"\0\1\2", "a take of OptiTrack Motive; export it from Motive as CSV"),
        (
            "a.xml",
            "<?xml version='1.0'?><annotations><version>1.1</version></annotations>",
            "annotations of CVAT; export",
        ),
        ("a.json", '[{"value": {"keypointlabels": ["nose"]}}]', "annotations of Label Studio; export them as COCO"),
        ("a.pose", b"\xcd\xcc\xcc=", "a file of pose-format; save its body.data"),
        ("velos.csv", "time,elbow_velo_x,elbow_velo_y,elbow_velo_z\n0,1,2,3\n", "speeds or forces of joints, without"),
        ("a.json", '{"shapes": [{"label": "nose", "shape_type": "point"}]}', "annotations of LabelMe or VIA; export"),
        ("0_pose.yml", "%YAML:1.0\n---\nsizes: [1, 25, 3]\n", "a file of OpenCV; let OpenPose write JSON"),
        ("v_assemblies.pickle", pickle.dumps({0: [], "single": {}}), "detections of DeepLabCut before its tracking"),
        ("walk.fbx", b"Kaydara FBX Binary  \0", "an FBX file; export it as BVH"),
        ("0000.pkl", pickle.dumps({"handJoints3D": [0.0]}), "a frame of HO-3D; save handJoints3D[[0, 13, 14,"),
        ("joint_3d.json", '{"0": {"7": {"world_coord": [[1, 2, 3]]}}}', "InterHand2.6M's joints; save world_coord"),
        ("000000.txt", " ".join(["1", *["-0.05"] * 63] * 2), "a frame of both hands, as H2O has them; save the"),
        ("train.txt", "a_1.png\t1.5\t2.5\t3.5\n", "joints beside names of pictures, as BigHand2.2M has them"),
        ("walk.gltf", '{"asset": {"version": "2.0"}}', "a 3D scene; export its motion as BVH"),
        ("walk.binarypb", b"\x0a\x12\x08\x01", "a protocol buffer, which says nothing without its definition; write"),
        (
            "walk.RData",
            gzip.compress(b"RDX3\nX\n", mtime=0),
            "a file of R; save its table by write.csv, one row per frame",
        ),
        ("A_TRAIN.ts", "#a\n@dimensions 75\n@data\n1,2:3,4:walk\n", "series of the UEA archive; x, y = load_from_ts"),
        ("joint.txt", "500\n" + " ".join(["-1.5"] * 63) + "\n", "MSRA's joints of a hand; save the rows behind the"),
        ("annot.mat", b"MATLAB 5.0 MAT-file" + bytes(200), "MPI-INF-3DHP's joints; save annot3[0, 0].reshape(-1, 28"),
        (
            "call.json",
            '{"u0": {"bboxes": [[0.1, 0.2, 0.3, 0.4]], "landmarks": [[[0.5, 0.5], [0.4, 0.4]]], "leading_hand": "l"}}',
            "HaGRID's annotations, a single picture each; save landmarks and labels",
        ),
        (
            "a.json",
            '[{"event_uuid": "1", "freeze_frame": [{"location": [60.1, 40.2]}]}]',
            "places of players, a point each",
        ),
        (
            "a.json",
            '[{"frame": 1, "data": [{"x": 1, "y": 2, "trackable_object": 7}]}]',
            "places of players, a point each",
        ),
        ("a.json", '{"Persons": [{"Person": {"BoundingBox": {"Width": 0.1}}}]}', "boxes of people and faces (Amazon"),
        ("a.json", '[{"name": ["elbow"], "position": [0.1], "velocity": [0]}]', "the state of a robot's joints (ROS)"),
        ("a.jsonl", '{"op": "publish", "topic": "/a", "msg": {"joints": []}}\n', "messages of rosbridge; save the msg"),
        (
            "a.json",
            json.dumps({"frames": [{"joints": {"head": [1.0] * 16}}]}),
            "transforms of joints (ARKit), matrices",
        ),
        ("a.csv", "gameId,playId,nflId,frameId,x,y\n1,2,3,4,5,6\n", "places of players, a point each"),
        (
            "a.txt",
            "#Kinovea Trajectory data export\n#T X Y\n0 10 20\n",
            "trajectories of Kinovea, a point after another",
        ),
        (
            "a.trk",
            "<object class='org.opensourcephysics.cabrillo.tracker'/>",
            "a project of Tracker (Open Source Physics)",
        ),
        ("arm.urdf", "<robot name='arm'/>", "a model of a robot without motion; write the transforms of its links"),
        ("vmc.txt", "0.0 /VMC/Ext/Bone/Pos Hips 0 1 0 0 0 0 1\n", "messages of the VMC protocol: turns of bones"),
        ("walk.eaf", "<ANNOTATION_DOCUMENT/>", "a file of what happens when, without joints; give the recordings"),
        (
            "walk.srt",
            "1\n00:00:01,500 --> 00:00:03,000\nwalk\n",
            "a file of what happens when, without joints; give the rec",
        ),
    ],
)
def test_a_known_file_that_cannot_be_read_is_named_with_the_way(tmp_path, name, content, said):
    with pytest.raises(ValueError, match=re.escape(f"{name} is {said}")):
        recordings(written(tmp_path / name, content))


@pytest.mark.parametrize(
    ("clip", "said"),
    [
        ({"pred_instances": {}, "img_id": 1}, "predictions of MMPose's test, one dict per picture; write JSON by"),
        ({"embedding": np.zeros((33, 4))}, "has no keypoint array (people, frames, joints, 2 or 3); it has embedding"),
    ],
)
def test_pickles_of_other_programs_are_named(tmp_path, clip, said):
    path = written(tmp_path / "a.pkl", pickle.dumps([clip]))
    with pytest.raises(ValueError, match=re.escape(said)):
        recordings(path)


@pytest.mark.parametrize(
    ("name", "content", "right"),
    [
        ("walk", "clip,frame,joint,x,y\na,0,nose,1,2\n", "walk.csv"),
        ("walk.json", "clip,frame,joint,x,y\na,0,nose,1,2\n", "walk.csv"),
        ("walk.csv", json.dumps({"joints": {joint: [1, 2] for joint in JOINTS}}) + "\n", "walk.jsonl"),
    ],
)
def test_the_name_that_a_file_should_have(tmp_path, name, content, right):
    with pytest.raises(ValueError, match=f"it is read as {right}: give it this name"):
        recordings(written(tmp_path / name, content))


def test_pickles_that_hold_themselves_are_one_line(tmp_path):
    own, often = [], [1]
    own.append({"frames": own})
    for _ in range(40):
        often = [often, often]
    for i, content in enumerate((own, {"frames": own}, often)):
        path = written(tmp_path / f"{i}.pkl", pickle.dumps(content))
        with pytest.raises(ValueError, match=rf"{i}\.pkl"):
            recordings(path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.zarr/.zgroup", "a store of Zarr; save its arrays by numpy.savez"),
        ("a.zarr/zarr.json", "a store of Zarr"),
        ("db/data.mdb", "a database of LMDB; save its clips as"),
    ],
)
def test_folders_of_other_tools_are_named_with_the_way(tmp_path, name, said):
    path = tmp_path / name
    path.parent.mkdir()
    with pytest.raises(ValueError, match=re.escape(f"{path.parent} is {said}")):
        recordings(written(path, b"\0{}").parent)


def test_a_folder_says_what_its_first_file_is_and_what_lies_beside_recordings(tmp_path):
    (tmp_path / "vecs").mkdir()
    np.save(tmp_path / "vecs" / "000001.npy", np.zeros((60, 263), np.float32))
    with pytest.raises(
        ValueError, match=r"a folder with vecs; its file vecs/000001.npy is a NumPy array of f4 \(60, 263\)"
    ):
        recordings(tmp_path)
    np.save(tmp_path / "vecs" / "000001.npy", np.random.default_rng(0).uniform(0, 500, (9, 17, 2)))
    (tmp_path / "trainlist01.txt").write_text("000001.npy 1\n")
    found = recordings(tmp_path, layout="coco17")
    line = "lists that are not read: trainlist01.txt; --labels-file FILE reads labels and parts of a split"
    assert line in found.skipped()


def test_a_damaged_npz_is_no_file_of_matlab(tmp_path):
    for content in (bytes(4000), b"PK\x03\x04" + bytes(4000)):
        with pytest.raises(ValueError, match=r"cut\.npz") as caught:
            recordings(written(tmp_path / "cut.npz", content))
        assert ".mat" not in str(caught.value)


def test_features_of_other_projects_are_named(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((5, 263), np.float32))
    with pytest.raises(ValueError, match=r"f4 \(5, 263\), features of HumanML3D: its folder new_joints has the joints"):
        recordings(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.random.default_rng(0).normal(size=(5, 553, 3)))
    with pytest.raises(ValueError, match="MediaPipe's body, hands and face save the first 33"):
        recordings(tmp_path / "b.npy")


def test_the_way_of_axes_first_leaves_out_the_numbers_of_frames(tmp_path):
    """As of MM-Fit, whose first joint counts the frames of the video."""
    array = np.random.default_rng(0).normal(size=(3, 9, 18))
    np.save(tmp_path / "b.npy", array)
    array[:, :, 0] = np.arange(7, 16)
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=r"save array\[:, :, 1:\].transpose\(1, 2, 0\), without the numbers"):
        recordings(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=r"save array.transpose\(1, 2, 0\)"):
        recordings(tmp_path / "b.npy")
