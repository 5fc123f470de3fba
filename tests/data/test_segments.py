"""Labels over time from annotation tools: every kind of file gives the rows that it means, and is recognised."""

import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinegraph.cli import main
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.steps.people import each_person
from kinegraph.data.segments import READERS, read_table, read_tables
from kinegraph.data.segments.attach import clips_of_segments, complete, with_none, with_segments
from kinegraph.data.segments.rows import Source, number_of, runs_of, stem_of
from kinegraph.data.segments.summary import facts_of_segments, summarize_segments
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.segment import Segment

BORIS_AGGREGATED = """\
Observation id,Observation date,Description,Observation type,Source,Time offset (s),Coding duration,Media duration (s),\
FPS (frame/s),Subject,Observation duration by subject by observation,Behavior,Behavioral category,Behavior type,\
Start (s),Stop (s),Duration (s),Media file name,Image index start,Image index stop,Comment start,Comment stop
obs1,2024-01-01,,Media file(s),,0,10,10,25,mouse1,5,groom,,STATE,1.0,3.5,2.5,C:\\videos\\cage 1.mp4,25,87,,
obs1,2024-01-01,,Media file(s),,0,10,10,25,No focal subject,5,rear,,POINT,4.0,4.0,NA,C:\\videos\\cage 1.mp4,100,100,,
"""
BORIS_TABULAR = """\
Observation id\tobs1
Media file(s)\t/data/cage 1.mp4

Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tComment\tStatus
1.000\t/data/cage 1.mp4\t10\t25\tmouse1\tgroom\t\t\tSTART
2.000\t/data/cage 1.mp4\t10\t25\tmouse2\tgroom\t\t\tSTART
3.500\t/data/cage 1.mp4\t10\t25\tmouse1\tgroom\t\t\tSTOP
4.000\t/data/cage 1.mp4\t10\t25\tmouse2\tgroom\t\t\tSTOP
5.000\t/data/cage 1.mp4\t10\t25\tmouse1\trear\t\t\tPOINT
"""
ELAN = """\
<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" FORMAT="3.0" VERSION="3.0">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="file:///data/talk.mp4"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="ts2"/>
<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="1500"/></TIME_ORDER>
<TIER PARTICIPANT="anna" TIER_ID="gesture">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>wave</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE></ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="hand"><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
<ANNOTATION_VALUE>left</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""
BABEL = """\
{"7": {"babel_sid": 7, "feat_p": "KIT/KIT/4/Walk01_poses.npz", "dur": 4.0, "seq_ann": null, "frame_ann": {"anntr_id": 1,
"labels": [{"seg_id": "s", "start_t": 0.5, "end_t": 2.0, "act_cat": ["walk", "turn"]}]}}}
"""
ELAN_TABLE = """\
Begin Time - hh:mm:ss.ms\tBegin Time - ss.msec\tEnd Time - ss.msec\tAnnotation
0:00:01.0\t1.0\t2.5\tsit
"""
FILES = {  # name of the file -> text, kind, unit, rows (start, end, label, recording, person)
    "boris.csv": (BORIS_AGGREGATED, "aggregated", "seconds", [
        (1.0, 3.5, "groom", "C:\\videos\\cage 1.mp4", "mouse1"), (4.0, 4.0, "rear", "C:\\videos\\cage 1.mp4", "")]),
    "boris.tsv": (BORIS_TABULAR, "tabular", "seconds", [
        (1.0, 3.5, "groom", "/data/cage 1.mp4", "mouse1"), (2.0, 4.0, "groom", "/data/cage 1.mp4", "mouse2"),
        (5.0, 5.0, "rear", "/data/cage 1.mp4", "mouse1")]),
    "talk.eaf": (ELAN, "ELAN", "seconds", [
        (0.5, 1.0, "wave", "file:///data/talk.mp4", "anna"), (1.0, 1.5, "gesture", "file:///data/talk.mp4", "anna"),
        (0.5, 1.0, "left", "file:///data/talk.mp4", "")]),
    "train.json": (BABEL, "BABEL", "seconds", [
        (0.5, 2.0, "walk", "KIT/KIT/4/Walk01_poses.npz", ""), (0.5, 2.0, "turn", "KIT/KIT/4/Walk01_poses.npz", "")]),
    "0002-L.txt": ("1,10,50,2\n35,60,90,2\n", "PKU-MMD", "frames",
        [(10, 50, "bow", "", ""), (60, 90, "take off a hat", "", "")]),
    "labels.txt": ("0.5\t1.25\tjump\n\\\t100\t200\n2,0\t3,5\tsit down\n", "Audacity", "seconds", [
        (0.5, 1.25, "jump", "", ""), (2.0, 3.5, "sit down", "", "")]),
    "simba.csv": (",Nose_x,Nose_y,Nose_p,Attack,Sniffing\n0,1,0,1,0,1\n1,0,1,1,1,1\n2,1,1,0,1,0\n", "SimBA", "frames", [
        (0, 2, "Sniffing", "", ""), (1, 3, "Attack", "", "")]),
    "mstcn.txt": ("pour\npour\nstir\n", "label for each frame", "frames",
        [(0, 2, "pour", "", ""), (2, 3, "stir", "", "")]),
    "frames.csv": ("video,frame,label\na,0,x\na,1,x\na,3,x\nb,0,y\n", "label for each frame", "frames", [
        (0, 2, "x", "a", ""), (3, 4, "x", "a", ""), (0, 1, "y", "b", "")]),
    "own.csv": ("Clip;Start_frame;End_frame;Behaviour;Person\na;3;9;wave;2\n", "table", "frames",
        [(3, 9, "wave", "a", "2")]),
    "clock.csv": ("start,end,label\n0:01:02.5,1:05,wave\n", "table", "seconds", [(62.5, 65.0, "wave", "", "")]),
    "ms.csv": ("start_ms,duration_ms,label\n500,250,wave\n", "table", "seconds", [(0.5, 0.75, "wave", "", "")]),
    "elan.txt": (ELAN_TABLE, "table", "seconds", [(1.0, 2.5, "sit", "", "")]),
    "open.csv": ("start,end,label\n3,9,wave\n9,12,bow\n", "table", None,
        [(3, 9, "wave", "", ""), (9, 12, "bow", "", "")]),
    "german.csv": ("Datei;Beginn;Ende;Verhalten\na.mp4;1,5;3,0;gehen\n", "table", "seconds",
        [(1.5, 3.0, "gehen", "a.mp4", "")]),
    "french.csv": ("Vidéo,Début,Fin,Étiquette\na,1.5,3,pas\n", "table", "seconds", [(1.5, 3.0, "pas", "a", "")]),
    "spanish.csv": ("archivo,inicio,fin,acción\na,1.5,3,paso\n", "table", "seconds", [(1.5, 3.0, "paso", "a", "")]),
    "chinese.csv": ("视频,开始帧,结束帧,动作\na,3,9,走路\n", "table", "frames", [(3, 9, "走路", "a", "")]),
    "t0.csv": ("clip,t0,t1,class\na,1.5,3,walk\n", "table", "seconds", [(1.5, 3.0, "walk", "a", "")]),
    "first.csv": ("video,first_frame,last_frame,label\na,3,8,walk\n", "table", "frames", [(3, 9, "walk", "a", "")]),
    "rows.json": ('[{"video": "a", "start": 1.5, "end": 3, "label": "walk"}]', "JSON", "seconds",
        [(1.5, 3.0, "walk", "a", "")]),
    "named.json": ('{"a.mp4": [{"start_frame": 3, "end_frame": 9, "action": "walk"}]}', "JSON", "frames",
        [(3, 9, "walk", "a.mp4", "")]),
    "activitynet.json": ('{"database": {"a": {"annotations": [{"segment": [1, 3], "label": "walk"}]}}}', "JSON",
        "seconds", [(1, 3, "walk", "a", "")]),
    "via.json": ('{"file": {"1": {"fname": "a.mp4"}}, "attribute": {"1": {"options": {"0": "walk"}}, "2": {}}, '
        '"metadata": {"1_x": {"vid": "1", "z": [1.5, 3], "av": {"1": "0"}}, '
        '"1_y": {"vid": "1", "z": [4, 5], "av": {"2": "sit"}}}}',
        "JSON", "seconds", [(1.5, 3.0, "walk", "a.mp4", ""), (4, 5, "sit", "a.mp4", "")]),
    "studio.json": ('[{"data": {"video": "/d/a.mp4"}, "annotations": [{"result": [{"value": {"ranges": [{"start": 4, '
        '"end": 9}], "timelinelabels": ["walk"]}}]}]}]', "JSON", "frames", [(3, 9, "walk", "/d/a.mp4", "")]),
    "a.srt": ("1\n00:00:01,500 --> 00:01:03,000\n<i>walk</i>\nslowly\n\n", "subtitles", "seconds",
        [(1.5, 63.0, "walk slowly", "", "")]),
    "a.vtt": ("WEBVTT\n\n00:01.500 --> 00:03.000 align:start\nwalk\n", "subtitles", "seconds",
        [(1.5, 3.0, "walk", "", "")]),
    "last.csv": ("start_frame,end_frame,label\n0,4,a\n5,9,b\n", "table", "frames",
        [(0, 5, "a", "", ""), (5, 10, "b", "", "")]),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_file_is_recognised_and_read(tmp_path, name):
    text, kind, unit, rows = FILES[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = read_table(tmp_path / name)
    assert kind in found.kind
    assert found.unit == unit
    assert [(it.start, it.end, it.label, it.recording, it.person) for it in found.rows] == rows
    claims = [reader.TITLE for reader in READERS if reader.detect(Source(tmp_path / name))]
    assert kind.split(",")[0] in " ".join(claims[:1]) or kind in found.kind


def test_a_folder_of_tables(tmp_path):
    for name in ("mstcn.txt", "0002-L.txt"):
        (tmp_path / name).write_text(FILES[name][0])
    (tmp_path / "readme.txt").write_text("These are, as one can see, no labels.\nNot at all, really.\n")
    tables, notes = read_tables(tmp_path)
    assert [table.path.name for table in tables] == ["0002-L.txt", "mstcn.txt"]
    assert notes == ["readme.txt: no table of segments"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "x,y\n1,2\n", "is no table of segments: it begins with x, y"),
        ("a.npz", "PK\0\0", "is no text, and no table of segments; expected"),
        ("a.csv", "start,end,label\n5,3,wave\n", "line 2 ends at 3, before it starts at 5"),
        ("a.csv", "start,end,label\n5,soon,wave\n", "line 2: end is 'soon'"),
        ("a.csv", "start,end,label\n-5,3,wave\n", "line 2: start is '-5'"),
        ("a.csv", "start,end,label\n1,3,\n", "line 2 has no label"),
        ("a.csv", "start_frame,end_frame,label\n1,3,a\n2.5,4,a\n", "line 3 is from 2.5 to 4, expected frames as"),
        ("a.csv", "start,end,label\n", "holds no segment"),
        ("a.csv", "frame,label\n0,a\n0,b\n", "line 3: frame 0 has two labels"),
        ("a.csv", "frame,label\n0.5,a\n", "expected a whole number"),
        (
            "a.tsv",
            BORIS_TABULAR.replace("4.000\t/data/cage 1.mp4\t10\t25\tmouse2\tgroom\t\t\tSTOP\n", ""),
            "never stops",
        ),
        ("a.tsv", BORIS_TABULAR.replace("START", "STOP", 1), "'groom' has 'STOP', expected START"),
        ("a.eaf", ELAN.replace("?>", '?><!DOCTYPE a [<!ENTITY b "c">]>'), "has a DOCTYPE"),
        ("a.eaf", ELAN.replace("</TIER>", ""), "is not readable XML"),
        ("a.eaf", ELAN.replace('REF1="ts1"', 'REF1="ts9"'), "has no time slot 'ts9'"),
        ("a.eaf", ELAN.replace('REF="a1"', 'REF="a3"'), "annotation 'a3' has no time"),
        ("a.eaf", ELAN.replace('"1500"', '"soon"'), "expected milliseconds"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"a\.(csv|tsv|eaf|npz).*{message}"):
        read_tables(tmp_path / name)


@given(st.text(max_size=300))
def test_no_text_breaks_a_reader(tmp_path_factory, text):
    """Any text is a table, or refused with a message that names the file."""
    file = tmp_path_factory.mktemp("text") / "x.csv"
    file.write_text(text, encoding="utf-8")
    messages = []
    for reader in READERS:
        try:
            source = Source(file)
            if reader.detect(source):
                reader.read(source)
        except ValueError as error:
            messages.append(str(error))
    assert all("x.csv" in message for message in messages)


def test_times_and_names():
    assert [number_of(cell) for cell in ("1.5", "1,5", "1:02", "1:00:02.5", "x", "")] == [
        1.5,
        1.5,
        62,
        3602.5,
        None,
        None,
    ]
    assert [stem_of(name) for name in ("a.mp4", "C:\\x\\a.b.avi", "file:///d/a%20b.wav", "v1.2")] == [
        "a", "a.b", "a%20b", "v1.2"]  # fmt: skip
    assert [(it.start, it.end, it.label) for it in runs_of(["", "a", "a", "", "b"])] == [(1, 3, "a"), (4, 5, "b")]


# ---- recordings ------------------------------------------------------------------------------------------------------

LAYOUT = JointLayout("stick", ("hip", "neck", "head"), ((1, 0), (2, 1)), centre=0)


def recordings(*names: str, frames: int = 100, fps: float | None = 10.0, people: int = 1) -> Recordings:
    keypoint = np.ones((people, frames, 3, 3), np.float32)
    clips = [SkeletonClip(keypoint, LAYOUT, name, 0, fps=fps) for name in names]
    return Recordings((clip for clip in clips), len(names), LAYOUT, ("old",), "m", "made for a test")


def labelled(tmp_path, text: str, found: Recordings, name: str = "a.csv", **options):
    (tmp_path / name).write_text(text)
    return with_segments(found, read_tables(tmp_path / name)[0], **options)


def test_segments_get_to_their_recordings(tmp_path):
    """By name without folder, ending and capitals; seconds become frames; a bare recording is skipped and named."""
    text = "video,start_s,end_s,label\nx/Walk.MP4,1,2.5,b\nx/Walk.MP4,3,3,a\nrün.avi,9.9,12,a\nlost,1,2,c\n"
    run = unicodedata.normalize("NFD", "sub/rün")  # as macOS writes it
    found = labelled(tmp_path, text, recordings("walk", run, "other"))
    clips = list(found.clips)
    assert [(clip.name, clip.label, clip.segments) for clip in clips] == [
        ("walk", None, (Segment(10, 25, 1), Segment(30, 31, 0))),
        (run, None, (Segment(99, 100, 0),)),
    ]
    assert found.class_names == ("a", "b", "c")
    assert found.skipped() == ["1 recording without a row of the segments: other",
                               "segments of 1 recording that is not here: lost"]  # fmt: skip
    assert found.changed() == [f"1 segment past the last frame, cut there: {run} a at 9.9",
                               "1 segment shorter than a frame, now of one: walk a at 3"]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "start_s,end_s,label\n1,2,a\n1,2,a\n", "1 segment in the table twice, taken once: only a at 1"),
        (
            "a.csv",
            "start_s,end_s,label\n0.001,0.003,a\n",
            "1 segment shorter than a frame, now of one: only a at 0.001",
        ),
        ("a.txt", "a\n" * 60, "labels of another number of frames than the recording has: only (60 of 100)"),
        ("a.csv", "frame,label\n0,a\n1,a\n", "than the recording has: only (2 of 100)"),
        ("a.csv", "frame,label\n1,a\n2,a\n", "than the recording has: only (2 of 100)"),
        ("a.csv", "groom,rear\n1,0\n0,1\n0,1\n", "than the recording has: only (3 of 100)"),
    ],
)
def test_what_a_table_says_otherwise_than_the_recording_is_said(tmp_path, name, text, said):
    found = labelled(tmp_path, text, recordings("only"), name=name)
    (clip,) = found.clips
    assert len(clip.segments) == len(set(clip.segments)) > 0
    assert said in " ".join(found.changed())


def test_labels_of_all_frames_need_no_word(tmp_path):
    for name, text in [("a.txt", "a\n" * 100), ("b.csv", "frame,label\n" + "".join(f"{i},a\n" for i in range(1, 101)))]:
        found = labelled(tmp_path, text, recordings("only"), name=name)
        assert len(list(found.clips)) == 1
        assert not found.changed()


def test_classes_that_differ_by_capitals_are_said(tmp_path):
    found = labelled(tmp_path, "start_s,end_s,label\n1,2,Groom\n3,4,groom\n5,6,rear\n", recordings("only"))
    assert any(line.startswith("Groom and groom are different classes") for line in found.assumed)


def test_a_unit_that_contradicts_the_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"--segments-in frames: .* says that it counts seconds; leave the option out"):
        labelled(tmp_path, "start_s,end_s,label\n1,2,a\n", recordings("only"), unit="frames")


def test_frames_of_the_file_are_counted_before_the_rate_is_changed(tmp_path):
    found = labelled(tmp_path, "start_frame,end_frame,label\n20,40,a\n", recordings("only"), resample_fps=5.0)
    assert [(it.start, it.end) for clip in found.clips for it in clip.segments] == [(10, 20)]


def test_a_unit_that_nobody_knows_is_asked_for(tmp_path):
    """Both are possible; or only frames, as seconds would be longer than the recording."""
    (fault,) = labelled(tmp_path, "start,end,label\n1,5,a\n", recordings("only")).clips
    assert isinstance(fault, Fault)
    assert "seconds or frames; give --segments-in" in str(fault)
    (clip,) = labelled(tmp_path, "start,end,label\n1,5,a\n", recordings("only"), unit="seconds").clips
    assert clip.segments == (Segment(10, 50, 0),)
    found = labelled(tmp_path, "start,end,label\n1,5,a\n20,60,b\n", recordings("only"))
    (clip,) = found.clips
    assert clip.segments == (Segment(1, 5, 0), Segment(20, 60, 1))
    assert found.changed() == ["start and end of only count frames, as seconds they are too long"]


@pytest.mark.parametrize(
    ("text", "fps", "message"),
    [
        ("start_s,end_s,label\n1,5,a\n", None, "does not say its frame rate"),
        ("start_s,end_s,label\n20,25,a\n", 10.0, "begins at 20 seconds, frame 200, the recording has 100"),
    ],
)
def test_a_segment_that_cannot_be_placed_is_a_fault(tmp_path, text, fps, message):
    (fault,) = labelled(tmp_path, text, recordings("only", fps=fps)).clips
    assert isinstance(fault, Fault)
    assert message in str(fault)


def test_a_table_of_other_recordings_is_refused(tmp_path):
    text = "video,start_s,end_s,label\nx,1,2,b\ny,1,2,b\n"
    with pytest.raises(ValueError, match="the rows name x, y, the recordings are walk"):
        list(labelled(tmp_path, text, recordings("walk")).clips)


def test_recordings_of_one_name_are_told_apart_by_their_folders(tmp_path):
    """Where only folders tell them apart, and the table has none, nothing is mixed up: it is a fault."""
    text = "video,start_frame,end_frame,label\nKIT/3/walk.npz,1,2,a\nKIT/4/walk.npz,3,4,b\n"
    clips = list(labelled(tmp_path, text, recordings("4/walk", "3/walk")).clips)
    assert [clip.segments for clip in clips] == [(Segment(3, 4, 1),), (Segment(1, 2, 0),)]
    (fault,) = labelled(tmp_path, text, recordings("walk")).clips
    assert "may be 3/walk or 4/walk" in str(fault)
    text = "video,start_frame,end_frame,label\nwalk,1,2,a\n"
    first, second = labelled(tmp_path, text, recordings("3/walk", "4/walk")).clips
    assert first.segments
    assert "both match walk" in str(second)


def test_persons_get_their_own_segments(tmp_path):
    text = "start_frame,end_frame,label,person\n0,10,a,1\n20,30,b,2\n40,50,a,\n"
    found = labelled(tmp_path, text, recordings("pair", people=2))
    one, two = each_person(found).clips
    assert [it.start for it in one.segments] == [0, 40]
    assert [it.start for it in two.segments] == [20, 40]
    (fault,) = each_person(labelled(tmp_path, text.replace(",2\n", ",mouse\n"), recordings("pair", people=2))).clips
    assert "name the person 'mouse'" in str(fault)


def test_persons_of_segments_may_be_individuals(tmp_path):
    """Names count before numbers, without capitals: here the second row is of the individual 1."""
    named = [replace(clip, attributes={"individuals": "Mus2, 1"}) for clip in recordings("pair", people=2).clips]
    found = replace(recordings("pair", people=2), clips=(clip for clip in named))
    text = "start_frame,end_frame,label,person\n0,10,a,1\n20,30,b,mus2\n40,50,a,\n"
    one, two = each_person(labelled(tmp_path, text, found)).clips
    assert [it.start for it in one.segments] == [20, 40]
    assert [it.start for it in two.segments] == [0, 40]
    assert [it.names_of_people for it in (one, two)] == [["Mus2"], ["1"]]


def test_segments_that_do_not_fit_stop_prepare_with_one_line(tmp_path, capsys):
    head = "scorer,n,n,n,n\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n"
    (tmp_path / "walk.csv").write_text(head + "".join(f"{t},10,10,20,{20 + t}\n" for t in range(20)))
    (tmp_path / "boris.csv").write_text("video,start_frame,end_frame,label\nwalk,90,95,rear\n")
    call = ["prepare", str(tmp_path / "walk.csv"), str(tmp_path / "out"), "--segments", str(tmp_path / "boris.csv")]
    assert main(call) == 2
    assert "begins at 90 frames, frame 90, the recording has 20" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*call, "--skip-broken"]) == 2
    assert "no clip is left" in capsys.readouterr().err


def test_gaps_become_a_class_and_clips(tmp_path):
    found = labelled(tmp_path, "start_frame,end_frame,label\n20,40,a\n60,100,b\n", recordings("r"))
    found = with_none(found, "None")
    assert (found.class_names, found.none) == (("a", "b", "None"), "None")
    clips = list(clips_of_segments(found).clips)
    assert [(clip.name, clip.label, clip.frames) for clip in clips] == [
        ("r_000000", 2, 20), ("r_000020", 0, 20), ("r_000040", 2, 20), ("r_000060", 1, 40)]  # fmt: skip
    assert with_none(replace(found, class_names=("a", "NONE"), none=""), "none").class_names == ("a", "NONE")


def test_a_label_for_each_frame_leaves_no_gap(tmp_path):
    (tmp_path / "a.txt").write_text("a\nb\n")
    (tmp_path / "b.txt").write_text("a\n\nb\n")
    assert complete([read_table(tmp_path / "a.txt")])
    assert not complete([read_table(tmp_path / "b.txt")])


def test_the_summary_by_hand():
    """100 frames at 10 a second: a 0-20 and 50-60, b 10-30; so 60 frames without and 10 with two classes."""
    segments = [Segment(0, 20, 0), Segment(10, 30, 1), Segment(50, 60, 0)]
    facts = facts_of_segments(summarize_segments([(segments, 100, 10.0)], 2), ["a", "b"], "none")
    assert facts["duration_seconds"] == {"shortest": 1.0, "median": 2.0, "longest": 2.0}
    assert (facts["between_segments"], facts["several_labels"], facts["gaps_are"]) == (0.6, 0.1, "none")
    assert facts["classes"]["a"]["segments"] == 2
    assert facts["classes"]["a"]["frames"] == 30


def test_recordings_with_segments_lack_no_labels(tmp_path, capsys):
    np.save(tmp_path / "a.npy", 0.1 * np.arange(20 * 3 * 3).reshape(20, 3, 3))
    (tmp_path / "own.yaml").write_text("name: own\njoints: [a, b, c]\nbones: [[b, a], [c, b]]\ncentre: a\n")
    (tmp_path / "s.csv").write_text("recording,start_frame,end_frame,label\na,1,3,walk\n")
    words = ["prepare", tmp_path / "a.npy", tmp_path / "out", "--segments", tmp_path / "s.csv", "--units", "m"]
    assert main([*map(str, words), "--layout", str(tmp_path / "own.yaml")]) == 0
    assert "no labels" not in capsys.readouterr().out


def test_the_label_is_no_id(tmp_path):
    """Drive&Act's tables have annotation_id and chunk_id beside the activity; names of recordings end behind a dot."""
    header = "participant_id,file_id,annotation_id,frame_start,frame_end,activity,chunk_id\n"
    (tmp_path / "split_0.train.csv").write_text(
        header + "1,vp1/run1.ids_1,0,0,19,eating,0\n1,vp1/run1.ids_1,1,20,39,sitting,0\n"
    )
    table = read_table(tmp_path / "split_0.train.csv")
    assert [(row.recording, row.label, row.start, row.end) for row in table.rows] == [
        ("vp1/run1.ids_1", "eating", 0, 20),
        ("vp1/run1.ids_1", "sitting", 20, 40),
    ]
    (found,) = with_segments(recordings("vp1/run1.ids_1.openpose.3d"), [table]).clips
    assert [(it.start, it.end) for it in found.segments] == [(0, 20), (20, 40)]
