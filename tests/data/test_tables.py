"""Tables: what a study reads off them beside the values."""

from dataclasses import replace

import pytest

from tsprune.data import load_table

SEASONS = {"15min": 96, "1h": 24, "7min": 1, "24h": 7, "1D": 7, "B": 5, "7D": 52, "W-MON": 52, "MS": 12, "QS-JAN": 4}


@pytest.mark.parametrize(("step", "season"), SEASONS.items())
def test_a_season_is_a_day_a_week_or_a_year(step, season):
    assert replace(load_table("synthetic"), time_step=step).season == season
