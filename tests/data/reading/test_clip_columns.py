"""What people write about their clips: spellings of columns, labels and encodings, in every file that has them."""

import json
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest

from kinegraph.data.read import recordings
from kinegraph.data.reading.clips.clip_columns import named_columns
from kinegraph.data.reading.clips.conventions import names_of_classes
from kinegraph.data.reading.steps.class_choice import chosen

ROWS = "".join(f"c{i},0,nose,{i}.5,2\n" for i in range(8))


@pytest.fixture
def clips(tmp_path):
    (tmp_path / "clips.csv").write_text("clip,frame,joint,x,y\n" + ROWS)
    return tmp_path / "clips.csv"


def labels_file(folder: Path, header: str, encoding: str = "utf-8") -> Path:
    """Two classes and four subjects, two takes of each."""
    rows = "".join(f"c{i},{('bow', 'wave')[i % 2]},{i // 2}\n" for i in range(8))
    (folder / "labels.csv").write_text(header + "\n" + rows, encoding=encoding)
    return folder / "labels.csv"


@pytest.mark.parametrize(
    ("header", "encoding"),
    [("clip,label,subject", "utf-8"), ("Clip,Label,Subject", "utf-8-sig"), ("NAME,LABELS,Subject ID", "utf-16"),
     ("video,class,participant", "utf-8"), ("file;Category;ACTOR", "utf-8"),
     ("Datei;Übung;Patient", "utf-8-sig"), ("fichier;classe;sujet", "utf-8"), ("Archivo;Ejercicio;Paciente", "utf-8"),
     ("Plik,Ćwiczenie,Pacjent", "utf-8"), ("文件名,动作,受试者", "utf-8"), ("ファイル名,ラベル,被験者", "utf-16")],
)  # fmt: skip
def test_the_labels_file_is_understood_however_its_header_is_spelt(clips, tmp_path, header, encoding):
    """Each subject is on one side of the split, whatever the column is called."""
    file = labels_file(tmp_path, header, encoding)
    if ";" in header:
        file.write_text(file.read_text(encoding=encoding).replace(",", ";"), encoding=encoding)
    found = recordings(clips, labels_file=file, layout="coco17")
    read = list(found.clips)
    assert found.class_names == ("bow", "wave")
    sides = {(clip.attributes["subject"], clip.splits["xsub"]) for clip in read}
    assert len(sides) == 4
    assert found.changed() == []


FORMS = {  # files of the clips a to d; the column "posture" has their labels beside another one
    "long.csv": "clip,frame,joint,x,y,posture,action\n"
                + "".join(f"{it},0,nose,1,2,{'ab'[i % 2]},x\n" for i, it in enumerate("abcd")),
    "wide.csv": "posture,action," + ",".join(f"{joint}_x,{joint}_y" for joint in "mnopq")
                + "\n" + "".join(f"{it},x,1,2,3,4,5,6,7,8,9,9\n" * 2 for it in "abab"),
    "clips.json": json.dumps({"clips": [{"name": it, "posture": "ab"[i % 2], "keypoint": [[[[1, 2]] * 17]]}
                                        for i, it in enumerate("abcd")]}),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_column_is_named_as_that_of_the_labels(tmp_path, name):
    """Of tables, of other formats by what they know of a clip, and of labels files."""
    (tmp_path / name).write_text(FORMS[name])
    layout = None if name == "wide.csv" else "coco17"
    found = recordings(tmp_path / name, labels="Posture", layout=layout)
    assert [clip.label for clip in found.clips] == [0, 1, 0, 1]
    assert found.class_names == ("a", "b")
    with pytest.raises(ValueError, match=r"has no column 'postur', .*did you mean 'posture'"):
        recordings(tmp_path / name, labels="postur", layout=layout)


def test_a_column_of_the_labels_file_or_of_a_pickle_is_named(tmp_path):
    file = labels_file(tmp_path, "clip,posture,group")
    for i in range(8):
        np.save(tmp_path / f"c{i}.npy", np.random.default_rng(i).uniform(0, 500, (4, 17, 2)))
    without = recordings(tmp_path, labels_file=file, layout="coco17")
    assert [clip.label for clip in without.clips] == [0, 1] * 4  # the only words that come again
    found = recordings(tmp_path, labels_file=file, labels="group", layout="coco17")
    assert [clip.label for clip in found.clips] == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(ValueError, match=r"has no column 'room', which --labels names; found posture|found nothing"):
        recordings(tmp_path, labels="room", layout="coco17")


def test_a_labels_file_of_subjects_alone_is_complete(tmp_path):
    """Folders may give the labels; a column that may hold some is named."""
    for i in range(4):
        (tmp_path / "set" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "set" / "ab"[i % 2] / f"c{i}.npy", np.random.default_rng(i).uniform(0, 500, (4, 17, 2)))
    rows = "".join(f"c{i},{i // 2},7{i} kg,1.8 m\n" for i in range(4))
    (tmp_path / "s.csv").write_text("clip,subject,weight,height\n" + rows)
    found = recordings(tmp_path / "set", labels_file=tmp_path / "s.csv", layout="coco17")
    assert [(clip.label, clip.attributes["subject"]) for clip in found.clips] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert not [line for line in found.skipped() if line.startswith("labels")]
    assert "column 'height': left out, as one of width and height alone is no size of pictures" in found.skipped()


def test_clips_are_found_in_whatever_column_names_them(tmp_path):
    """By the cells; clips may have an ending that no row has. A column of subjects alone names none."""
    for name in ("s1_walk", "s1_run", "s2_walk", "s2_run"):
        np.save(tmp_path / f"{name}_color.npy", np.random.default_rng(len(name)).uniform(0, 500, (4, 17, 2)))
    header = "Nr,Trial label,Patient,Outcome,weight,variation_id\n"
    rows = [f"{i},s{i // 2}_{('walk', 'run')[i % 2]},{i // 2},{'ab'[i % 2]},70,1\n" for i in range(2, 6)]
    (tmp_path / "odd.csv").write_text(header + "".join(rows))
    found = recordings(tmp_path, labels_file=tmp_path / "odd.csv", layout="coco17")
    said = [(clip.name, clip.label, clip.attributes["subject"]) for clip in found.clips]
    assert said[:2] == [("s1_run_color", 1, 1), ("s1_walk_color", 0, 1)]
    assert [subject for *_, subject in said] == [1, 1, 2, 2]
    assert "clips are named in the column 'Trial label' of odd.csv" in found.assumed
    assert "rows of odd.csv name clips without their common ending '_color'" in found.assumed


LISTS = {
    "ucf.txt": "".join(f"videos/c{i}.avi {i % 2}\n" for i in range(8)),
    "rawframes.txt": "".join(f"videos/c{i} 120 {i % 2}\n" for i in range(8)),
    "pairs.csv": "".join(f"c{i},{i % 2}\n" for i in range(8)),
    "excel.csv": "sep=;\nclip;label\n" + "".join(f"c{i};{i % 2}\n" for i in range(8)),
    "names.json": json.dumps({f"c{i}.mp4": i % 2 for i in range(8)}),
    "wlasl.json": json.dumps(
        [
            {"gloss": it, "instances": [{"video_id": f"c{i}", "box": [1, 2]} for i in range(8) if i % 2 == label]}
            for label, it in enumerate(("book", "drink"))
        ]
    ),
    "corpus.csv": "name|video|orth\n" + "".join(f"c{i}|c{i}/*.png|{'AB'[i % 2]}\n" for i in range(8)),
    "facts.json": json.dumps({f"c{i}.mp4": {"label": i % 2, "age": 30} for i in range(8)}),
}


@pytest.mark.parametrize("name", LISTS)
def test_labels_files_that_are_no_tables(clips, tmp_path, name):
    (tmp_path / name).write_text(LISTS[name])
    labels = "orth" if name == "corpus.csv" else None
    found = recordings(clips, labels_file=tmp_path / name, layout="coco17", labels=labels)
    assert [clip.label for clip in found.clips] == [0, 1] * 4
    assert found.skipped() == []
    assert name in ("excel.csv", "wlasl.json", "corpus.csv") or any(
        line.startswith(("rows of", name)) for line in found.assumed
    )


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        (["26734/100.parquet", "28656/100.parquet"], ["a", "b"]),  # the same name in two folders
        (["data/26734/100.parquet", "data/28656/100.parquet"], ["a", "b"]),
        (["other/100.csv", "28656/100"], [None, "b"]),  # of another folder: not theirs
        (["100.csv"], ["a", "a"]),  # of both, as cameras see the same
    ],
)
def test_rows_of_files_with_one_name_in_several_folders(tmp_path, written, labels):
    names = ["26734/100", "28656/100"]
    (tmp_path / "clips.csv").write_text("clip,frame,joint,x,y\n" + "".join(f"{it},0,nose,1,2\n" for it in names))
    rows = "".join(f"{it},{'ab'[i]}\n" for i, it in enumerate(written))
    (tmp_path / "labels.csv").write_text("path,sign\n" + rows)
    found = recordings(tmp_path / "clips.csv", labels_file=tmp_path / "labels.csv", layout="coco17")
    said = {clip.name: found.class_names[clip.label] for clip in found.clips}
    assert [said.get(name) for name in names] == labels


@pytest.mark.parametrize("who", ["2", "02", "S2"])
@pytest.mark.parametrize("name", ["S{:02}_T{}", "sub-{}_walk_{}", "subject{}/trial_{}", "P{:03}R{:03}"])
def test_rows_may_name_subject_and_trial(tmp_path, name, who):
    header = "clip,frame,joint,x,y\n"
    names = {name.format(subject, trial): (subject, trial) for subject in (1, 2) for trial in (1, 2)}
    (tmp_path / "clips.csv").write_text(header + "".join(f"{it},0,nose,{sum(at)},2\n" for it, at in names.items()))
    labels = tmp_path / "labels.csv"
    labels.write_text(f"Subject,Trial,Label,age\n1,1,bow,3\n1,2,wave,3\n{who},1,bow,4\n{who},2,wave,4\n")
    found = recordings(tmp_path / "clips.csv", labels_file=labels, layout="coco17")
    said = {clip.name: (found.class_names[clip.label], clip.attributes["age"]) for clip in found.clips}
    assert said == {it: ("bow" if trial == 1 else "wave", 2 + subject) for it, (subject, trial) in names.items()}
    assert any("by subject and trial" in line for line in found.assumed)


def test_rows_of_several_clips_are_refused(clips, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("subject,label\n1,bow\n2,wave\n")
    with pytest.raises(
        ValueError, match=r"lists none of the clips, which are c0, .* say by --names where they name subject"
    ):
        recordings(clips, labels_file=labels, layout="coco17")
    clips.write_text("clip,frame,joint,x,y\ns1_s2,0,nose,1,2\n")
    with pytest.raises(ValueError, match="clip 's1_s2' may be subject 1 or subject 2; say by --names"):
        recordings(clips, labels_file=labels, layout="coco17")


def test_the_one_column_that_can_be_that_of_labels_is(clips, tmp_path):
    file = labels_file(tmp_path, "clip,Emotion,age")
    found = recordings(clips, labels_file=file, layout="coco17")
    assert [clip.label for clip in found.clips] == [0, 1] * 4
    assert "labels: the column 'Emotion' of labels.csv, as no other can be theirs" in found.assumed


@pytest.mark.parametrize("written", ["{}", "{}.csv", "videos/{}.mp4", "C:\\data\\{}.avi"])
def test_rows_may_name_files(clips, tmp_path, written):
    file = tmp_path / "labels.csv"
    file.write_text("clip,label\n" + "".join(f"{written.format(f'c{i}')},bow\n" for i in range(8)))
    found = recordings(clips, labels_file=file, layout="coco17")
    assert len(list(found.clips)) == 8
    assert found.skipped() == []


@pytest.mark.parametrize(("here", "there"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_are_the_same_however_a_system_writes_them(tmp_path, here, there):
    """macOS writes ü as u and two dots: no row was of a clip, and one class was two."""
    for number in range(8):
        folder = tmp_path / "raw" / normalize((here, there)[number % 2], "Übung" if number < 4 else "Ruhe")
        folder.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{t},nose,{t}.5,2\n" for t in range(4))
        (folder / normalize(here, f"Müller{number}.csv")).write_text("frame,joint,x,y\n" + rows)
    assert recordings(tmp_path / "raw", layout="coco17").class_names == ("Ruhe", "Übung")
    (tmp_path / "names.txt").write_text(normalize(there, "Übung\nRuhe\n"))
    named = recordings(tmp_path / "raw", layout="coco17", class_names=str(tmp_path / "names.txt"))
    assert named.class_names == ("Übung", "Ruhe")
    assert {clip.label for clip in named.clips if clip.name.startswith("R")} == {1}
    assert chosen(named, [normalize(there, "übung")], []).class_names == ("Übung",)
    file = tmp_path / "labels.csv"
    file.write_text("clip,label\n" + "".join(f"{normalize(there, f'Müller{i}')}.csv,a{i % 2}\n" for i in range(8)))
    found = recordings(tmp_path / "raw", labels_file=file, layout="coco17")
    assert {int(clip.name[-1]): clip.label for clip in found.clips} == {i: i % 2 for i in range(8)}
    assert found.skipped() == []


def test_a_split_in_capitals_is_a_split(clips, tmp_path):
    file = labels_file(tmp_path, "clip,label,Split")
    file.write_text(file.read_text().replace(",0\n", ",Train\n").replace(",1\n", ",VALID\n"))
    assert [clip.splits["split"] for clip in recordings(clips, labels_file=file, layout="coco17").clips][:4] == [
        "train", "train", "val", "val",
    ]  # fmt: skip


def test_columns_without_a_meaning_are_named_and_kept(clips, tmp_path):
    found = recordings(clips, labels_file=labels_file(tmp_path, "clip,label,Mood"), layout="coco17")
    assert next(found.clips).attributes == {"Mood": 0}
    assert found.changed() == ["Mood: kept with the clips as it is, without a meaning here"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("clip,lable,subject", "labels.csv: unknown column 'lable'; did you mean 'label'?"),
        ("clip,label,Subjekt", "labels.csv: unknown column 'Subjekt'; did you mean 'subject'?"),
        ("clip,label,Label", "labels.csv: the column 'label' is there twice"),
    ],
)
def test_wrong_headers_are_one_line(clips, tmp_path, header, message):
    with pytest.raises(ValueError) as caught:
        recordings(clips, labels_file=labels_file(tmp_path, header), layout="coco17")
    assert message in str(caught.value)


def test_facts_of_a_json_have_the_same_names(tmp_path):
    items = [{"name": f"c{i}", "Label": "ab"[i % 2], "Actor": i // 2, "keypoint": [[[1, 2]] * 17]} for i in range(4)]
    (tmp_path / "own.json").write_text(json.dumps({"clips": items}))
    found = recordings(tmp_path / "own.json")
    assert [(clip.label, clip.attributes["subject"]) for clip in found.clips] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert found.class_names == ("a", "b")


def test_an_exact_name_comes_before_another_name_of_it():
    assert named_columns(["Class", "label", "Split_XView"]) == {
        "Class": "Class", "label": "label", "Split_XView": "split_xview",
    }  # fmt: skip


# ---- labels ----------------------------------------------------------------------------------------------------------


def test_whole_numbers_with_a_point_are_numbers_of_classes(tmp_path):
    """As pandas writes them where a cell is empty."""
    table = tmp_path / "own.csv"
    table.write_text("clip,frame,joint,x,y,label\na,0,nose,1,1,0.0\nb,0,nose,1,1,2.0\nc,0,nose,1,1,\n")
    (tmp_path / "names.txt").write_text("bow\nkick\nwave\n")
    found = recordings(table, layout="coco17", class_names=str(tmp_path / "names.txt"))
    assert [clip.label for clip in found.clips] == [0, 2, None]
    assert found.class_names == ("bow", "kick", "wave")


def test_a_negative_label_is_one_line_about_its_clip(tmp_path):
    table = tmp_path / "own.csv"
    table.write_text("clip,frame,joint,x,y,label\na,0,nose,1,1,0\nb,0,nose,1,1,-1\n")
    with pytest.raises(ValueError, match="clip 'b' has label -1, classes count from 0; leave the cell empty"):
        list(recordings(table, layout="coco17").clips)
    assert [clip.name for clip in recordings(table, layout="coco17", on_fault="skip").clips] == ["a"]


# ---- encodings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_class_names_with_a_mark_in_front(tmp_path, encoding):
    (tmp_path / "names.txt").write_text("鞠躬\nkick\n", encoding=encoding)
    assert names_of_classes(str(tmp_path / "names.txt"), (), ()) == ("鞠躬", "kick")


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [("鞠躬\n踢\n挥手\n", "gbk", "looks like GBK; save"), ("Drücken\n", "cp1252", "looks like Windows-1252"),
     ("", "utf-8", "is no text in UTF-8")],
)  # fmt: skip
def test_another_encoding_is_named(tmp_path, text, encoding, named):
    names, table = tmp_path / "names.txt", tmp_path / "labels.csv"
    for file, start in ((names, b""), (table, b"clip,label\nc0,")):
        file.write_bytes(start + (text.encode(encoding) or b"\x80\0\0"))
    with pytest.raises(ValueError, match=f"names.txt .*{named}.*--class-names"):
        names_of_classes(str(names), (), ())
    with pytest.raises(ValueError, match=f"labels.csv .*{named}"):
        list(recordings(tmp_path / "labels.csv", format="table").clips)
