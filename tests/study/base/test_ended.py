"""What ended the shrinking of PALS, by trainings worked by hand."""

import pytest

from tsprune.study.base.ended import ended


@pytest.mark.parametrize(
    ("sparsities", "why"),
    [
        ((0.3, 0.6, 0.88, 0.905, 0.905, 0.905, 0.905, 0.905), "cap"),  # no update shrinks from 0.9 on
        ((0.3, 0.6, 0.7, 0.8, 0.85, 0.88, 0.89, 0.9), "cap"),  # the last update came to it
        ((0.3, 0.91, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3), "cap"),  # what came later, expansion, is no matter
        # Biases and norms, not in these numbers, lift it over the cap: it stands.
        ((0.3, 0.6, 0.8, 0.89, 0.8995, 0.8995, 0.8995, 0.8995), "cap"),
        # Close to the cap, and rising still: without a cap it would have ended the same.
        ((0.86, 0.865, 0.87, 0.875, 0.88, 0.885, 0.8915, 0.8968), "unfinished"),
        # Slowly, by less than what counts as equal: still not the cap, and not the loss.
        ((0.88, 0.885, 0.889, 0.8895, 0.8897, 0.8899, 0.8901, 0.8903), "unfinished"),
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
