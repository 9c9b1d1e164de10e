"""Student's distribution."""

import pytest

from tsprune.study.base.student import student


@pytest.mark.parametrize(
    ("freedom", "level", "factor"),
    [(1, 0.95, 12.706), (2, 0.95, 4.303), (3, 0.99, 5.841), (4, 0.95, 2.776), (13, 0.9, 1.771), (120, 0.95, 1.980)],
)
def test_students_distribution_is_that_of_the_tables(freedom, level, factor):
    assert student(level, freedom) == pytest.approx(factor, abs=6e-4)
