"""Draws from a seed are the same whatever other threads draw, and leave the generator as it was."""

from concurrent.futures import ThreadPoolExecutor

import torch

from tsprune.seeded import seeded


def draw(seed: int) -> list[float]:
    with seeded(seed):
        return [torch.rand(()).item() for _ in range(300)]


def test_threads_draw_what_each_would_draw_alone():
    seeds = [1, 2, 3] * 10
    alone = {seed: draw(seed) for seed in set(seeds)}
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, seeds)) == [alone[seed] for seed in seeds]


def test_the_generator_goes_on_as_if_nothing_had_been_drawn():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with seeded(6), seeded(7):
        torch.rand(9)
    assert torch.equal(torch.rand(2), expected)
