"""What people write about their clips: spellings of columns, labels and encodings, in every file that has them."""

import json
from pathlib import Path
from unicodedata import normalize

import pytest

from kinegraph.data.formats import recordings
from kinegraph.data.formats.class_choice import chosen
from kinegraph.data.formats.clip_columns import named_columns
from kinegraph.data.formats.conventions import names_of_classes

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
     ("Datei;Übung;Patient", "utf-8-sig"), ("fichier;classe;sujet", "utf-8"), ("Archivo;Ejercicio;Paciente", "utf-8")],
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
        ("clips,label,subject", "labels.csv has no column 'clip'; found clips, label, subject; did you mean 'clips'?"),
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
