"""Whether validation can tell widths apart, by tables worked by hand."""

import numpy as np
import pandas as pd
import pytest

from tsprune.study.entsoe_scale.chosen import by_seed, tells_apart


def val(**widths: tuple[float, ...]) -> pd.DataFrame:
    """A row per seed, a column per width: ``w32=(of seed 1, of seed 2)``."""
    return pd.DataFrame({int(name[1:]): values for name, values in widths.items()})


@pytest.mark.parametrize(
    ("table", "told", "chosen"),
    [
        # The seeds choose 32 and 128, whose means lie 0.001 apart.
        (val(w32=(0.264, 0.268), w128=(0.266, 0.264), w512=(0.269, 0.266)), False, (32, 128)),
        # Both choose 128; 512 is 0.0067 behind, more than its seeds' 0.0033.
        (val(w32=(0.2056, 0.2052), w128=(0.1911, 0.1909), w512=(0.196, 0.1993)), True, (128,)),
        # Both choose 128, but 512 is 0.02 behind where its seeds differ by 0.03.
        (val(w128=(0.20, 0.20), w512=(0.205, 0.235)), False, (128,)),
        # And where those of the best one do.
        (val(w128=(0.17, 0.20), w512=(0.205, 0.205)), False, (128,)),
        (val(w32=(0.3,), w128=(0.2,)), False, (128,)),  # one seed
        (val(w32=(0.3, 0.3), w128=(0.2, np.nan)), False, (128,)),  # one of two is known at both widths
    ],
)
def test_seeds_must_agree_and_differ_by_less_than_the_widths_do(table, told, chosen):
    assert tells_apart(table) is told
    assert by_seed(table) == chosen
