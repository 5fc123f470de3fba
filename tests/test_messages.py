"""Text helpers against what they are for: one line, no control character, no formula, a near name."""

import re

from hypothesis import given
from hypothesis import strategies as st

from kinegraph.messages import (
    counted,
    did_you_mean,
    first_few,
    megabytes,
    nearest,
    one_line,
    plain_name,
    quoted,
    shortened,
    spreadsheet_cell,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # halves of characters too


def test_of_very_many_names_the_nearest_is_one_that_begins_alike():
    names = [f"{'x' * 100}_{i:05}" for i in range(30_000)]
    assert nearest(names[20_001] + "y", names) == names[20_001]
    assert nearest("z", names) is None


def test_shortened_names_keep_both_ends():
    assert shortened("standing shoulder scaption, incorrect", 20) == "standing…incorrect"
    assert shortened("drink water", 20) == "drink water"


def test_names_are_plain():
    assert plain_name("a\x00b\tc\nd\u202e \udcff é") == "a\ufffdb c d\ufffd \ufffd é"


@given(ANY_TEXT)
def test_text_from_a_file_is_one_line_that_a_terminal_can_show(text):
    for shown in (plain_name(text), one_line(text), quoted(text), shortened(text, 20)):
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", shown)
    plain_name(text).encode()
    assert plain_name(plain_name(text)) == plain_name(text)
    assert len(quoted(text)) <= 60
    assert len(one_line(text)) <= 300


def test_a_value_that_has_no_text_is_quoted():
    assert quoted(10**5000) == "a huge int"


@given(ANY_TEXT)
def test_a_spreadsheet_runs_nothing(text):
    assert not str(spreadsheet_cell(text)).lstrip().startswith(("=", "+", "-", "@"))


def test_a_spreadsheet_keeps_numbers():
    assert [spreadsheet_cell(value) for value in (-1.5, 3, None, True)] == [-1.5, 3, None, 1]
    assert spreadsheet_cell(" =1+1") == "' =1+1"


def test_the_nearest_name_is_suggested():
    assert did_you_mean("crossentropy", ["cross_entropy", "focal"]) == "; did you mean 'cross_entropy'?"
    assert did_you_mean("xyz", ["cross_entropy", "focal"]) == ""
    assert did_you_mean("a" * 1_000_000, ["focal"]) == ""  # and soon


def test_lists_counts_and_sizes():
    assert first_few(["a", "b", "c"]) == "a, b, c"
    assert first_few(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert [counted(1, "clip"), counted(2000, "clip")] == ["1 clip", "2,000 clips"]
    assert counted(3, "class", "classes") == "3 classes"
    assert megabytes(1_234_500_000) == "1,234.5 MB"
