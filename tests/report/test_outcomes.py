"""What may be said of a difference is said once for all studies, and counted."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import read

from tsprune.errors import UserError
from tsprune.report.outcomes import (
    BETTER,
    LOST,
    NOISE,
    ONE_SEED,
    WORSE,
    counts_table,
    furthest,
    known_outcomes,
    outcomes,
)


def differences(*rows: tuple) -> pd.DataFrame:
    """Rows of ``(relative, clear, seeds)``."""
    return pd.DataFrame(rows, columns=["relative", "clear", "seeds"])


ALL = differences((-0.1, True, 2), (0.2, True, 2), (0.1, False, 3), (0.1, False, 1), (math.nan, False, 0))


def test_a_difference_is_claimed_only_where_it_is_clear_and_from_more_than_one_seed():
    assert outcomes(ALL).tolist() == [BETTER, WORSE, NOISE, ONE_SEED, LOST]
    assert outcomes(differences((-0.1, True, 1))).tolist() == [ONE_SEED]
    assert outcomes(ALL.iloc[:0]).empty
    with pytest.raises(UserError, match="column 'clear' is missing"):
        outcomes(ALL.drop(columns="clear"))


def test_counts_name_what_never_happens_but_not_what_is_rare():
    rows, _ = read(counts_table({"a": ALL.iloc[:3], "b": ALL.iloc[:1]}, "Counted.", {BETTER: "pruned wins"}))
    assert [cell for cell in rows[0] if cell] == ["pruned wins", WORSE, NOISE, "of", "largest claimed"]
    assert rows[1:] == [["a", "1", "1", "1", "3", "+20 %"], ["b", "1", "0", "0", "1", "−10 %"]]
    rows, _ = read(counts_table({"a": ALL}, ""))
    assert rows[1] == ["a", "1", "1", "1", "1", "1", "5", "+20 %"]
    with pytest.raises(UserError, match="'counts' has no rows"):
        counts_table({}, "")


def test_the_largest_difference_is_one_that_may_be_claimed_with_its_model():
    table = differences((-0.1, True, 2), (0.3, False, 2), (0.05, True, 2), (0.5, True, 1)).assign(model=[*"ABCD"])
    rows, _ = read(counts_table({"a": table, "b": table.iloc[[1]]}, ""))
    assert [row[-1] for row in rows[1:]] == ["−10 % (A)", "no claim"]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_the_furthest_is_the_largest_whatever_its_sign_and_whatever_the_index(values):
    table = differences(*((value, True, 2) for value in values)).set_axis([0] * len(values))
    assert abs(furthest(table)["relative"]) == max(map(abs, values))


def test_differences_without_a_number_or_of_one_seed_are_not_spoken_of():
    known, found = known_outcomes(ALL)
    assert known.equals(ALL.iloc[:3]) and found.tolist() == [BETTER, WORSE, NOISE]
