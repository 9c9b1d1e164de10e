"""What ended the shrinking of PALS, by trainings worked by hand."""

from itertools import pairwise

import pytest

from tsprune.study.base.ended import ended, sparsities_counted


@pytest.mark.parametrize(
    ("sparsities", "why"),
    [
        ((0.3, 0.6, 0.88, 0.905, 0.905, 0.905, 0.905, 0.905), "cap"),  # no update shrinks from 0.9 on
        ((0.3, 0.6, 0.7, 0.8, 0.85, 0.88, 0.89, 0.9), "cap"),  # the last update came to it
        ((0.3, 0.91, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3), "cap"),  # what came later, expansion, is no matter
        # Close to the cap, and rising still: without a cap it would have ended the same.
        ((0.86, 0.865, 0.87, 0.875, 0.88, 0.885, 0.8915, 0.8968), "unfinished"),
        # By steps as small as these, which no loss held up.
        ((0.60, 0.61, 0.619, 0.627, 0.634, 0.64, 0.643, 0.645), "unfinished"),
        # Just below the cap, which does not act there.
        ((0.3, 0.6, 0.8, 0.89, 0.8995, 0.8995, 0.8995, 0.8995), "loss"),
        ((0.2, 0.5, 0.6, 0.7, 0.7, 0.69, 0.7, 0.7), "loss"),
        ((0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7), "unfinished"),
        ((0.4,), "unfinished"),
        ((), "unfinished"),
    ],
)
def test_the_cap_ended_it_only_where_it_stopped_it(sparsities, why):
    assert ended(sparsities, 0.9) == why


def test_the_cap_is_the_one_that_was_set():
    assert ended((0.3, 0.5, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7), 0.7) == "cap"
    assert ended((0.3, 0.5, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7), 0.99) == "loss"


def test_biases_and_norms_count_as_removed_where_pals_holds_them_against_its_cap():
    """Of 100 prunable weights and 25 others, 80 are kept, then 60, then 15: 0.85 of the prunable ones are removed."""
    updates = [
        {"counted": 1 - before / 125, "sparsity_before": 1 - before / 100, "sparsity": 1 - after / 100}
        for before, after in pairwise((80, 60, 15))
    ]
    assert sparsities_counted(updates) == pytest.approx([1 - 60 / 125, 1 - 15 / 125])
    assert ended(sparsities_counted(updates), 0.87) == "cap"
    assert sparsities_counted([]) == []
