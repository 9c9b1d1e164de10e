"""Schedules: their ends, and values worked by hand in between."""

import pytest

from tsprune.pruners.schedules import SCHEDULES, constant, cubic, half_cosine


@pytest.mark.parametrize("schedule", [schedule for schedule in SCHEDULES.values() if schedule is not constant])
def test_every_schedule_goes_from_start_to_end(schedule):
    assert schedule(0, 0.8, 0.2) == 0.8
    assert schedule(1, 0.8, 0.2) == pytest.approx(0.2)
    values = [schedule(i / 10, 0.8, 0.2) for i in range(11)]
    assert values == sorted(values, reverse=True)


def test_the_cubic_has_done_seven_eighths_of_its_way_at_half_time():
    assert cubic(0.5, 1.0, 0.2) == pytest.approx(0.2 + 0.8 / 8)


def test_the_half_cosine_is_half_way_at_half_time_and_stays_at_its_end():
    assert half_cosine(0.5, 0.5, 0.1) == pytest.approx(0.3)
    assert half_cosine(7, 0.5, 0.1) == pytest.approx(0.1)
