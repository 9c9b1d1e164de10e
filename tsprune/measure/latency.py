"""How long a forecast takes, measured side by side, so that what disturbs the machine disturbs every variant alike."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from tsprune.allocator import keep_freed_memory
from tsprune.errors import UserError, unknown

Variant = tuple[Callable[..., Any], Sequence[Tensor | None]]
"""A model, or any other callable, and the inputs it is called with: windows along the first axis."""


def measure_latency(
    variants: Mapping[str, Variant],
    batch_sizes: Sequence[int] = (1, 32),
    threads: int | None = None,
    repeats: int = 50,
    warmup: int = 5,
    baseline: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Latency of every variant at every batch size, from :func:`latency_rounds`: one row for each.

    ``variant``, ``batch``, ``threads``, ``device``, ``repeats``; ``median_ms``, ``p5_ms``, ``p95_ms``; ``baseline``;
    ``speedup``, ``speedup_p5``, ``speedup_p95``: median and percentiles over the rounds of the baseline's time divided
    by the variant's in the same round. ``baseline``: a name, by default the first.

    Raises :class:`UserError` for an unknown baseline, and as :func:`latency_rounds`.
    """
    baseline = next(iter(variants), None) if baseline is None else baseline
    if variants and baseline not in variants:
        raise UserError(unknown("baseline", baseline, variants))
    rounds = latency_rounds(variants, batch_sizes, threads, repeats, warmup, seed)
    keys = ["batch", "round"]
    reference = rounds[rounds["variant"] == baseline].set_index(keys)["ms"]
    rounds["speedup"] = rounds.set_index(keys).index.map(reference) / rounds["ms"]
    rows = []
    for (batch, name), group in rounds.groupby(["batch", "variant"], sort=False):
        low, median, high = np.percentile(group["ms"], (5, 50, 95))
        ratio_low, ratio, ratio_high = np.percentile(group["speedup"], (5, 50, 95))
        rows.append(
            {
                "variant": name,
                "batch": batch,
                "threads": group["threads"].iloc[0],
                "device": group["device"].iloc[0],
                "repeats": len(group),
                "median_ms": median,
                "p5_ms": low,
                "p95_ms": high,
                "baseline": baseline,
                "speedup": ratio,
                "speedup_p5": ratio_low,
                "speedup_p95": ratio_high,
            }
        )
    return pd.DataFrame(rows)


def latency_rounds(
    variants: Mapping[str, Variant],
    batch_sizes: Sequence[int] = (1, 32),
    threads: int | None = None,
    repeats: int = 50,
    warmup: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Every single time: one row per ``batch``, ``round`` and ``variant``, with ``ms``, ``threads``, ``device``.

    After ``warmup`` calls of each variant, each round calls every variant once, in an order drawn from ``seed``. Runs
    in inference mode, models in evaluation mode, with ``threads`` of torch (None: as many as now), the garbage
    collector off; all of it is put back. A batch is the first windows of a variant's inputs, repeated where they are
    too few. On a GPU the time is that between two CUDA events, on a CPU that of the wall clock.

    Raises :class:`UserError` if there is nothing to measure, or a batch size, ``threads`` or ``repeats`` below 1.
    """
    if not variants:
        raise UserError("variants is empty: give at least one model and its inputs")
    for name, values in {
        "batch_sizes": batch_sizes,
        "threads": [1 if threads is None else threads],
        "repeats": [repeats],
    }.items():
        if not values or min(values) < 1:
            raise UserError(f"{name}: allowed are whole numbers from 1 on, found {list(values)}")
    order = np.random.default_rng(seed)
    names = list(variants)
    rows = []
    with _quiet([call for call, _ in variants.values()], threads), torch.inference_mode():
        for batch in batch_sizes:
            inputs = {name: _batch(given, batch) for name, (_, given) in variants.items()}
            devices = {name: _device(inputs[name]) for name in names}
            for name, (call, _) in variants.items():
                for _ in range(warmup):
                    call(*inputs[name])
            for number in range(repeats):
                for name in order.permutation(names):
                    ms = _time(variants[name][0], inputs[name], devices[name])
                    rows.append((batch, number, str(name), ms, torch.get_num_threads(), devices[name].type))
    return pd.DataFrame(rows, columns=["batch", "round", "variant", "ms", "threads", "device"])


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
    models = [(call, call.training) for call in calls if isinstance(call, nn.Module)]
    before, collecting = torch.get_num_threads(), gc.isenabled()
    try:
        for model, _ in models:
            model.eval()
        torch.set_num_threads(before if threads is None else threads)
        gc.collect()
        gc.disable()
        yield
    finally:
        for model, training in models:
            model.train(training)
        torch.set_num_threads(before)
        if collecting:
            gc.enable()
