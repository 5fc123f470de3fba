"""A few changed files of each format; `python -m tests.attacks` tries many."""

import pytest

from tests.attacks.agreement import compare
from tests.data import faulty
from tests.data.formats.test_every_format import SAMPLES


@pytest.mark.parametrize("name", SAMPLES)
def test_inspect_prepare_and_predict_agree(tmp_path, name):
    assert compare(name, SAMPLES[name], faulty.recordings(), tmp_path, count=8) == []
