"""Times that can be told apart, in an order that is fair, and a process left as it was found."""

import gc
import math
import time
from collections import Counter
from itertools import chain, cycle, repeat
from types import SimpleNamespace

import pytest
import torch

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.measure import Load, latency, latency_rounds, measure_latency, median_interval


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the variants move."""

    class Clock:
        now = 0.0

        def spend(self, ms):
            self.now += ms / 1e3

    clock = Clock()
    monkeypatch.setattr(latency.time, "perf_counter", lambda: clock.now)
    return clock


@pytest.fixture(autouse=True)
def others(monkeypatch):
    """What else is told to run: nothing, unless a test says otherwise."""
    told = [0.0]
    monkeypatch.setattr(latency, "Watch", lambda: SimpleNamespace(load=lambda: Load(4, told[0])))
    return told


def window():
    return (torch.arange(3.0).reshape(3, 1),)


def test_percentiles_and_paired_ratios(clock):
    slow, fast = iter(range(1, 1000)), iter(range(1, 1000))
    # Both get slower from round to round, by the same factor: each ratio is 2, while the times spread.
    variants = {
        "slow": (lambda x: clock.spend(2 * next(slow)), window()),
        "fast": (lambda x: clock.spend(next(fast)), window()),
    }
    frame = measure_latency(variants, batch_sizes=[1], repeats=101, warmup=0, warm=False).set_index("variant")
    assert frame.loc["fast", ["p5_ms", "median_ms", "p95_ms"]].tolist() == pytest.approx([6, 51, 96])
    assert frame.loc["slow", ["p5_ms", "median_ms", "p95_ms"]].tolist() == pytest.approx([12, 102, 192])
    assert frame.loc["fast", ["speedup_p5", "speedup", "speedup_p95"]].tolist() == pytest.approx([2, 2, 2])
    assert frame.loc["slow", "speedup"] == 1 and set(frame["baseline"]) == {"slow"}
    assert set(frame["repeats"]) == {101}


def test_spread_of_a_ratio(clock):
    times = iter([1, 2, 4] * 100)
    variants = {
        "steady": (lambda x: clock.spend(4), window()),
        "jumpy": (lambda x: clock.spend(next(times)), window()),
    }
    frame = measure_latency(variants, [1], repeats=30, warmup=0, warm=False)
    row = frame.set_index("variant").loc["jumpy"]
    assert (row["speedup_p5"], row["speedup"], row["speedup_p95"]) == pytest.approx((1, 2, 4))


def test_the_interval_of_a_median_by_hand():
    # All of 6 coins are heads with a chance of 1/64. Of 9 at most one is with 10/512, at most two with 46/512.
    assert median_interval([3, 1, 2, 6, 5, 4]) == (1, 6)
    assert median_interval(range(9)) == (1, 7)
    assert all(math.isnan(end) for end in median_interval([1, 2, 3, 4, 5]))
    # Of 10,000 the 4,902nd from either end: half of them less 1.96 standard deviations, of 50 each.
    assert median_interval(range(10_000)) == (4901, 5098)


def test_rounds_go_on_until_the_interval_is_narrow(clock):
    # Ratios 2 and 2.5 in turn for 20 rounds, then 2.2 for good: the interval closes when these are the most.
    first = (ms for _ in range(10) for ms in (2.0, 2.5))
    slow = chain(first, repeat(2.2))
    variants = {"slow": (lambda x: clock.spend(next(slow)), window()), "fast": (lambda x: clock.spend(1), window())}
    row = measure_latency(variants, [1], repeats=10, warmup=0, warm=False).set_index("variant").loc["fast"]
    assert row["repeats"] == 40 and row["trouble"] is None
    frame = measure_latency(dict.fromkeys("edcba", variants["fast"]), [1], repeats=6)
    assert frame["variant"].tolist() == list("edcba")
    assert (row["speedup_low"], row["speedup"], row["speedup_high"]) == pytest.approx((2.2, 2.2, 2.2))


def test_further_rounds_have_the_baseline_and_what_is_not_settled(clock):
    times, called = cycle([1, 18]), Counter()

    def variant(name, ms):
        def call(x):
            called[name] += 1
            clock.spend(next(ms))

        return call, window()

    variants = {
        "dense": variant("dense", repeat(4)),
        "steady": variant("steady", repeat(2)),
        "jumpy": variant("jumpy", times),
    }
    frame = measure_latency(variants, [1], repeats=10, warmup=1, most=35, warm=False).set_index("variant")
    assert frame["repeats"].to_dict() == {"dense": 35, "steady": 10, "jumpy": 35}
    assert called == {"dense": 36, "steady": 11, "jumpy": 36}
    assert frame["speedup"].to_dict() == pytest.approx({"dense": 1, "steady": 2, "jumpy": 4 / 18})


def test_times_are_of_the_rounds_that_all_have(clock):
    # With fewer variants between its calls the baseline becomes faster: no ratio of times may tell that.
    dense, jumpy = chain(repeat(4, 10), repeat(1)), cycle([1, 18])
    variants = {
        "dense": (lambda x: clock.spend(next(dense)), window()),
        "steady": (lambda x: clock.spend(2), window()),
        "jumpy": (lambda x: clock.spend(next(jumpy)), window()),
    }
    frame = measure_latency(variants, [1], repeats=10, warmup=0, most=40, warm=False).set_index("variant")
    assert frame.loc["dense", ["repeats", "median_ms"]].tolist() == pytest.approx([40, 4])
    assert frame.loc["steady", ["repeats", "median_ms", "speedup"]].tolist() == pytest.approx([10, 2, 2])


def test_a_wide_interval_is_not_measurable(clock):
    times = cycle([1, 18])
    spend = {"dense": lambda x: clock.spend(18), "pruned": lambda x: clock.spend(next(times))}
    variants = {name: (call, window()) for name, call in spend.items()}
    row = measure_latency(variants, [1], repeats=5, warmup=0, most=9, warm=False).set_index("variant").loc["pruned"]
    assert row["repeats"] == 9 and row["trouble"] == "not measurable here: a speedup of 1 to 18 after 9 rounds"
    row = measure_latency(variants, [1], repeats=3, warmup=0, most=3, warm=False).set_index("variant").loc["pruned"]
    assert row["trouble"] == "not measurable here: no interval after 3 rounds"


@pytest.mark.parametrize(("seconds", "rounds"), [(0.1, 40), (1.0, 18), (10.0, 12)])
def test_further_rounds_take_seconds_or_about_as_long_again(clock, seconds, rounds):
    times = cycle([0.5 * seconds, 1.5 * seconds])
    spend = {"steady": lambda x: clock.spend(1e3 * seconds), "jumpy": lambda x: clock.spend(1e3 * next(times))}
    variants = {name: (call, window()) for name, call in spend.items()}
    row = measure_latency(variants, [1], repeats=6, warmup=0, most=40, warm=False).set_index("variant").loc["jumpy"]
    assert row["repeats"] == rounds and "not measurable here" in row["trouble"]


def test_threads_that_share_their_cores_measure_nothing(clock, others):
    others[0] = 2.5
    variants = {name: (lambda x: clock.spend(1), window()) for name in ("dense", "pruned")}
    for threads, trouble in ((1, None), (2, "not measurable here: 4 cores, 2.5 of them busy with other processes")):
        frame = measure_latency(variants, [1], threads=threads, repeats=10, warmup=0)
        assert frame["trouble"].tolist() == [trouble] * 2 and set(frame["others"]) == {2.5}


def test_rounds_are_interleaved_shuffled_and_repeatable():
    calls = []

    def run():
        calls.clear()
        variants = {name: (lambda x, n=name: calls.append((n, len(x))), window()) for name in "abc"}
        return latency_rounds(variants, batch_sizes=[1, 5], repeats=20, warmup=2)

    rounds = run()
    assert calls[:6] == [(name, 1) for name in "aabbcc"] and calls[66:72] == [(name, 5) for name in "aabbcc"]
    timed = calls[6:66]
    orders = ["".join(name for name, _ in timed[i : i + 3]) for i in range(0, 60, 3)]
    assert all(sorted(order) == ["a", "b", "c"] for order in orders) and len(set(orders)) > 3
    assert rounds["variant"].tolist()[:60] == [name for name, _ in timed]
    assert run()["variant"].tolist() == rounds["variant"].tolist()
    assert len(rounds) == 2 * 20 * 3 and set(rounds["device"]) == {"cpu"}


def test_a_timed_call_is_warm(clock):
    held = [None]  # what the cache holds: the weights of whoever was called last

    def variant(name, ms):
        def call(x):
            clock.spend(ms if held == [name] else 3 * ms)
            held[0] = name

        return call, window()

    variants = {"large": variant("large", 8), "small": variant("small", 1)}
    for warm, times in ((True, [8, 1]), (False, [24, 3])):
        frame = measure_latency(variants, [1], repeats=6, most=6, warmup=1, warm=warm)
        assert frame["p95_ms"].tolist() == pytest.approx(times)


def test_a_long_call_is_its_own_warm_up(clock):
    calls = Counter()

    def variant(name, ms):
        def call(x):
            calls[name] += 1
            clock.spend(ms)

        return call, window()

    measure_latency({"long": variant("long", 110), "short": variant("short", 90)}, [1], repeats=6, most=6, warmup=1)
    assert calls == {"long": 1 + 6, "short": 1 + 2 * 6}


def test_batches_repeat_the_windows():
    seen = []
    latency_rounds(
        {"a": (lambda x, none: seen.append(x.flatten().tolist()), (*window(), None))}, [2, 5], repeats=1, warmup=0
    )
    assert seen == [[0, 1], [0, 1, 2, 0, 1]]


def test_real_times():
    variants = {"long": (lambda: time.sleep(0.008), ()), "short": (lambda: time.sleep(0.002), ())}
    frame = measure_latency(variants, [1], repeats=5, warmup=1).set_index("variant")
    assert 2 <= frame.loc["short", "median_ms"] < frame.loc["long", "median_ms"]
    assert frame.loc["short", "speedup"] > 1.2


def test_everything_is_put_back():
    model = small_model("DLinear").train()
    before = torch.get_num_threads()
    states = []

    def spy(*inputs):
        states.append((model.training, torch.is_inference_mode_enabled(), torch.get_num_threads(), gc.isenabled()))

    frame = measure_latency({"model": (model, example(model)), "spy": (spy, window())}, threads=2, repeats=2, warmup=0)
    assert set(states) == {(False, True, 2, False)} and set(frame["threads"]) == {2}
    assert sorted(zip(frame["variant"], frame["batch"], strict=True)) == [
        (name, batch) for name in ("model", "spy") for batch in (1, 32)
    ]
    assert (frame[["median_ms", "p5_ms", "p95_ms"]] >= 0).all(axis=None)

    def fail(*inputs):
        raise ZeroDivisionError("as told")

    with pytest.raises(ZeroDivisionError):
        measure_latency({"model": (model, example(model)), "bad": (fail, window())}, threads=2)
    assert model.training and torch.get_num_threads() == before and gc.isenabled()


def test_bad_input():
    variants = {"dense": (lambda x: x, window())}
    for changes in ({"batch_sizes": [0]}, {"batch_sizes": []}, {"repeats": 0}, {"threads": 0}):
        with pytest.raises(UserError, match=next(iter(changes))):
            measure_latency(variants, **changes)
    with pytest.raises(UserError, match="variants is empty"):
        measure_latency({})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: events of a GPU are not measured here")
def test_events_on_a_gpu():
    x = torch.randn(64, 512, 512, device="cuda")
    variants = {"eight": (lambda a: [a @ a for _ in range(8)], (x,)), "one": (lambda a: a @ a, (x,))}
    frame = measure_latency(variants, batch_sizes=[64], repeats=20).set_index("variant")
    assert set(frame["device"]) == {"cuda"} and 4 < frame.loc["one", "speedup"] < 16
