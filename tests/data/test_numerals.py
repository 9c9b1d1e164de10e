"""Numbers by other habits: read where they can be read in one way only."""

import numpy as np
import pandas as pd
import pytest

from tsprune.data.numerals import read_numerals


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1,000.5", "2"], [1000.5, 2]),
        (["1.000,5", "2"], [1000.5, 2]),
        (["1,000", "2,000,000"], [1000, 2_000_000]),
        (["1'000", "5"], [1000, 5]),
        (["1 000,5 kWh", "5 kWh"], [1000.5, 5]),
        (["1\u202f000", "-5"], [1000, -5]),
        (["0,130", "0,5"], [0.13, 0.5]),
        (["1.000 €", "3.40 €"], [1, 3.4]),
        (["-$5", "$1,000.50"], [-5, 1000.5]),
        (["(5.1)", "3"], [-5.1, 3]),
        (["5-", "3"], [-5, 3]),
        (["\u22125", "\u20135", "-5"], [-5, -5, -5]),
        (["5%", None, ""], [5, np.nan, np.nan]),
    ],
)
def test_what_can_be_read_in_one_way_is_read_and_said(cells, numbers):
    found, note = read_numerals(pd.Series(cells, dtype=object))
    np.testing.assert_array_equal(found, numbers)
    assert note == f"'{cells[0].replace(chr(0x202F), ' ')}' and similar cells are read as {numbers[0]:g}"


@pytest.mark.parametrize(
    "cells",
    [
        *(["1,000", "5"], ["1.000 €", "3.400 €"], ["1.234", "1,5"], ["1.000", "2,000"]),  # decimals or thousands
        *(["1000", "1,000.5"], ["1,2,3", "1"], ["1,20,200", "1"], ["1 00", "1"], ["+0992,1", "-0005,1"]),
        *(["5%", "6"], ["5 kW", "6 MW"], ["$5", "5 €"], ["S1", "S2"]),
        *(["0x10"], ["1_000"], ["\u0663"], ["12:30"], ["2020-01-01"], ["-"], [""], [[1.0, 2.0]]),
    ],
)
def test_what_can_be_read_in_two_ways_or_in_none_is_not_read(cells):
    assert read_numerals(pd.Series(cells, dtype=object)) is None
