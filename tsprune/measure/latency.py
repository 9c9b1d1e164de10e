"""How long a forecast takes, measured side by side, so that what disturbs the machine disturbs every variant alike."""

import gc
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from tsprune.allocator import keep_freed_memory
from tsprune.cudnn import whole_float32
from tsprune.errors import UserError
from tsprune.layers import evaluation
from tsprune.measure.load import Load, Watch
from tsprune.processor import on_threads

Variant = tuple[Callable[..., Any], Sequence[Tensor | None]]
"""A model, or any other callable, and the inputs it is called with: windows along the first axis."""

PRECISION = 0.1
"""How wide the interval of a speedup may be, as a share, where it is said."""

_PATIENCE = 20.0
"""Seconds of further rounds after which none is begun, or half the time of the first ones, where that is longer."""

_LONG = 100.0
"""Milliseconds from which on a call is its own warm-up: what caches held of a model before is a small part of what it
reads. Of 83 forms of eight forecasters that took longer, half took 0.95 to 0.99 times as long after another form."""


def measure_latency(
    variants: Mapping[str, Variant],
    batch_sizes: Sequence[int] = (1, 32),
    *,
    threads: int | None = None,
    repeats: int = 50,
    warmup: int = 5,
    most: int | None = None,
    warm: bool = True,
) -> pd.DataFrame:
    """Latency of every variant at every batch size, in rounds as :func:`latency_rounds` has them: one row for each,
    variants in their order, of which the first is the baseline.

    ``warm``: each timed call of less than a tenth of a second follows one of the same variant that is not timed, as in
    a service that runs one model. Otherwise the round's other variants have just emptied the caches, and a small model
    is up to twice as slow. Hardly slower are a large model, which no cache holds, and one on a GPU whose operators the
    processor starts one by one.

    ``variant``, ``batch``, ``threads``, ``device``, ``repeats``; ``median_ms``, ``p5_ms``, ``p95_ms``, of the rounds
    that all variants have, so that they can be compared; ``baseline``; ``speedup``, ``speedup_p5``, ``speedup_p95``:
    median and percentiles over the rounds of the baseline's time divided by the variant's in the same round;
    ``speedup_low``, ``speedup_high``: the 95 % interval of that median (:func:`median_interval`; NaN below six rounds);
    ``others``: cores that other processes kept busy meanwhile and just before (NaN: not known), ``load``: the same in
    words; ``trouble``: None, or why nothing can be concluded from the row.

    After ``repeats`` rounds further ones follow, with the baseline and those variants whose interval is still wider
    than the share :data:`PRECISION`. They end when none is, at ``most`` rounds in all (None: four times ``repeats``),
    or after 20 seconds or half the time of the first rounds, whichever is longer. Where an interval stays wider, and
    where threads had to share their cores with other processes, there is ``trouble``. ``threads``: of torch; None: as
    many as now.

    Raises :class:`UserError` for ``threads`` below 1, and as :func:`latency_rounds`.
    """
    _check(variants, batch_sizes, threads, repeats)
    baseline = next(iter(variants))
    most = 4 * repeats if most is None else max(most, repeats)
    order = np.random.default_rng(0)
    found = {}
    with _quiet([call for call, _ in variants.values()], threads), torch.inference_mode():
        watch = Watch()
        for batch in batch_sizes:
            begun = time.perf_counter()
            rounds = _rounds(variants, batch, repeats, warmup, order, warm=warm)
            done, now = repeats, time.perf_counter()
            until = now + max(_PATIENCE, (now - begun) / 2)
            while done < most and (wide := _wide(_speedups(rounds, baseline))):
                if rounds["device"].iloc[0] == "cpu" and watch.load().crowded(torch.get_num_threads()):
                    break  # more rounds would be as little to be trusted
                if time.perf_counter() > until:
                    break
                again = {name: variant for name, variant in variants.items() if name in {baseline, *wide}}
                count = min(repeats, most - done)
                more = _rounds(again, batch, count, 0, order, first=done, warm=warm)
                rounds = pd.concat([rounds, more], ignore_index=True)
                done += count
            found[batch] = rounds
        load = watch.load()
    parts = (_summary(variants, rounds, batch, baseline, load, repeats) for batch, rounds in found.items())
    return pd.DataFrame(chain.from_iterable(parts))


def latency_rounds(
    variants: Mapping[str, Variant], batch_sizes: Sequence[int], *, repeats: int, warmup: int
) -> pd.DataFrame:
    """Every single time: one row per ``batch``, ``round`` and ``variant``, with ``ms``, ``threads``, ``device``.

    After ``warmup`` calls of each variant, each round calls every variant once, in an order that is drawn, alike in
    every call of this function. Runs in inference mode, models in evaluation mode, the garbage collector off; all of it
    is put back. A batch is the first windows of a variant's inputs, repeated where they are too few. On a GPU the time
    is that between two CUDA events, on a CPU that of the wall clock.

    Raises :class:`UserError` if there is nothing to measure, or a batch size or ``repeats`` below 1.
    """
    _check(variants, batch_sizes, None, repeats)
    order = np.random.default_rng(0)
    with _quiet([call for call, _ in variants.values()], None), torch.inference_mode():
        parts = [_rounds(variants, batch, repeats, warmup, order).assign(batch=batch) for batch in batch_sizes]
    columns = ["batch", "round", "variant", "ms", "threads", "device"]
    return pd.concat(parts, ignore_index=True)[columns]


def median_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the median that ``values`` are drawn around, whatever their distribution. Its ends are two
    of the values: as many ranks from either end as a fair coin gives heads with a probability below 2.5 %. NaN below
    six values, which have no such interval."""
    count, ordered = len(values), np.sort(values)
    every = 2**count  # tosses, as whole numbers: from 1,033 values on, floats have no room for them
    ways = below = 1  # with just `rank` heads, and with at most so many
    if 40 * below > every:
        return float("nan"), float("nan")
    rank = 0
    while 40 * (below + (ways := ways * (count - rank) // (rank + 1))) <= every:
        below, rank = below + ways, rank + 1
    return float(ordered[rank]), float(ordered[count - 1 - rank])


def _check(variants: Mapping[str, Variant], batch_sizes: Sequence[int], threads: int | None, repeats: int) -> None:
    if not variants:
        raise UserError("variants is empty: give at least one model and its inputs")
    for name, values in {
        "batch_sizes": batch_sizes,
        "threads": [1 if threads is None else threads],
        "repeats": [repeats],
    }.items():
        if not values or min(values) < 1:
            raise UserError(f"{name}: allowed are whole numbers of 1 or more, found {list(values)}")


def _rounds(
    variants: Mapping[str, Variant],
    batch: int,
    repeats: int,
    warmup: int,
    order: np.random.Generator,
    first: int = 0,
    warm: bool = False,
) -> pd.DataFrame:
    """``round``, numbered from ``first`` on, ``variant``, ``ms``, ``threads``, ``device`` of so many rounds."""
    names, rows = list(variants), []
    inputs = {name: _batch(given, batch) for name, (_, given) in variants.items()}
    devices = {name: _device(inputs[name]) for name in names}
    last = dict.fromkeys(names, 0.0)  # milliseconds; as long as it has not been called, a call may be short
    for name in names:
        for _ in range(warmup):
            last[name] = _time(variants[name][0], inputs[name], devices[name])
    for number in range(first, first + repeats):
        for name in order.permutation(names):
            if warm and last[name] < _LONG:
                variants[name][0](*inputs[name])
            last[name] = _time(variants[name][0], inputs[name], devices[name])
            rows.append((number, str(name), last[name], torch.get_num_threads(), devices[name].type))
    return pd.DataFrame(rows, columns=["round", "variant", "ms", "threads", "device"])


def _speedups(rounds: pd.DataFrame, baseline: str) -> dict[str, np.ndarray]:
    """Per variant, the baseline's time over its own in every round that has it; each has the baseline."""
    times = rounds.pivot(index="round", columns="variant", values="ms")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {name: times[baseline] / times[name] for name in times}
        return {name: ratio[times[name].notna()].to_numpy() for name, ratio in ratios.items()}


def _wide(speedups: dict[str, np.ndarray]) -> set[str]:
    """The variants of which too little is known."""
    return {name for name, values in speedups.items() if not _width(values) <= PRECISION}


def _width(speedups: np.ndarray) -> float:
    """Of the interval of the median, as a share of its lower end; infinite where there is no interval."""
    low, high = median_interval(speedups)
    return high / low - 1 if low > 0 else float("inf")


def _summary(
    variants: Iterable[str],
    rounds: pd.DataFrame,
    batch: int,
    baseline: str,
    load: Load,
    shared: int,
) -> Iterator[dict]:
    """The rows of :func:`measure_latency` for one batch size; all variants have the first ``shared`` rounds."""
    speedups = _speedups(rounds, baseline)
    for name in variants:
        group = rounds[rounds["variant"] == name]
        low, median, high = np.percentile(group.loc[group["round"] < shared, "ms"], (5, 50, 95))
        ratio_low, ratio, ratio_high = np.percentile(speedups[name], (5, 50, 95))
        least, greatest = median_interval(speedups[name])
        threads, device = int(group["threads"].iloc[0]), group["device"].iloc[0]
        crowded = device == "cpu" and load.crowded(threads)
        yield {
            "variant": name,
            "batch": batch,
            "threads": threads,
            "device": device,
            "repeats": len(group),
            "median_ms": median,
            "p5_ms": low,
            "p95_ms": high,
            "baseline": baseline,
            "speedup": ratio,
            "speedup_p5": ratio_low,
            "speedup_p95": ratio_high,
            "speedup_low": least,
            "speedup_high": greatest,
            "others": load.others,
            "load": load.words(),
            "trouble": f"not measurable here: {load.words()}" if crowded else _trouble(speedups[name]),
        }


def _trouble(speedups: np.ndarray) -> str | None:
    """Why nothing is to be said from a variant whose interval stayed wider than :data:`PRECISION`, or None."""
    if _width(speedups) <= PRECISION:
        return None
    low, high = median_interval(speedups)
    interval = "no interval" if math.isnan(low) else f"a speedup of {low:.2g} to {high:.2g}"
    return f"not measurable here: {interval} after {len(speedups)} rounds"


def _time(call: Callable[..., Any], inputs: Sequence[Tensor | None], device: torch.device) -> float:
    """Milliseconds of one call."""
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(device)
        start.record()
        call(*inputs)
        end.record()
        torch.cuda.synchronize(device)
        return start.elapsed_time(end)
    before = time.perf_counter()
    call(*inputs)
    return (time.perf_counter() - before) * 1e3


def _batch(inputs: Sequence[Tensor | None], size: int) -> list[Tensor | None]:
    """The first ``size`` windows, starting again at the first where there are fewer."""
    return [None if x is None else x[torch.arange(size, device=x.device) % len(x)].contiguous() for x in inputs]


def _device(inputs: Sequence[Tensor | None]) -> torch.device:
    return next((x.device for x in inputs if x is not None), torch.device("cpu"))


@contextmanager
def _quiet(calls: Sequence[Callable[..., Any]], threads: int | None) -> Iterator[None]:
    """Models in evaluation mode, ``threads`` threads, no garbage collection, freed memory kept; on leaving, all but the
    last as before."""
    keep_freed_memory()
    models = [call for call in calls if isinstance(call, nn.Module)]
    collecting = gc.isenabled()
    try:
        gc.collect()
        gc.disable()
        with on_threads(threads), evaluation(*models), whole_float32():
            yield
    finally:
        if collecting:
            gc.enable()
