"""Values that look like "no reading" are found where they stand apart from all others."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.data.codes import find_codes


def codes_of(*values: float) -> dict[float, list[int]]:
    return {code: rows.tolist() for code, rows in find_codes(pd.DataFrame({"x": values})).get("x", {}).items()}


LOAD = [100.0 + i % 20 for i in range(40)]


@pytest.mark.parametrize(
    "code",
    [
        *(-9999, -999, -99, 9999, 999, 99999, -999.9, -32768, 9.96921e36, 1e20, -1e34, -2147483648, 9.999e20),
        *(9999999, 99999.9, 99999.99, -888.8, -32767, -2147483647),
    ],
)
@pytest.mark.parametrize("rounded", [float, np.float32])
def test_a_usual_code_that_stands_apart_is_found(code, rounded):
    code = float(rounded(code))
    assert codes_of(*LOAD[:5], code, *LOAD[5:], code) == {code: [5, 41]}


def test_a_small_code_is_one_where_it_comes_again_and_far_apart():
    assert codes_of(*LOAD, -1, -1, -1) == {-1.0: [40, 41, 42]}
    assert codes_of(*LOAD, -1, -1) == {} == codes_of(*range(5), -1, -1, -1)


def test_several_codes_are_found():
    assert codes_of(-9999, *LOAD, -999, 9999) == {-9999.0: [0], -999.0: [41], 9999.0: [42]}


@pytest.mark.parametrize(
    "values",
    [
        [-99, -98, -50, 0, 20],  # one value among others
        [0, 9999, 10_000, 5_000, 20_000],  # inside the range
        [-9999, -8000, -5, 3_000, 7_000],
        [*LOAD, -1],
        [*LOAD, 0],
        [*LOAD, 140],
        [-9999, -9999, -9999],
        [],
    ],
)
def test_values_that_may_well_be_readings_are_not_asked_about(values):
    assert codes_of(*values) == {}


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=50))
def test_what_is_found_is_really_there(values):
    for code, rows in codes_of(*values).items():
        assert [i for i, value in enumerate(values) if value == code] == rows
