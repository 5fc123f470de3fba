"""The script of the golden table: its rows say what the tests of each network check."""

from itertools import islice

import numpy as np

from tests.golden.table import HEAD, HERE, relative, rows, tensorflow_row


def test_rows_have_small_differences_and_the_published_number_of_parameters():
    for row in islice(rows(HERE), 2):
        assert len(row) == len(HEAD)
        assert float(row[2]) < 1e-5
        assert row[5] == row[6]
    size, apart = tensorflow_row(HERE / "tensorflow_checkpoint")[1:3]
    assert size == "12 and 13 frames"
    assert all(0 < float(it) < 1e-5 for it in apart.split(", "))


def test_difference_is_over_the_spread_of_the_published_numbers():
    assert relative(np.array([1.0, 5.5]), np.array([1.0, 5.0])) == "2e-1"
