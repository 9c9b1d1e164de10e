"""What zeros of masks are worth on a CPU: forecasts dense and with the sparse kernel, warm, a round has one of each.

    python benchmarks/sparse_inference.py                              six models, two densities, d_model 512
    python benchmarks/sparse_inference.py --models Autoformer --densities 0.5 --batches 32
    python benchmarks/sparse_inference.py --layers                     what runs sparse, layer by layer, as well
    python benchmarks/sparse_inference.py --threads 1 --cpu-time       on a busy machine: see below

Random weights, masked by magnitude in each layer alike: speed does not depend on training. A speed is the median over
rounds of the time of our dense model, float32 in eager PyTorch, over that of a variant in the same round; in brackets
the 95 % interval of that median. Beside the sparse model stand the best dense rivals of plain PyTorch: the same Linear
layers through oneDNN in float32 (a private operator, so that it is no way to serve a model), and all in bfloat16, whose
forecasts differ in the second or third digit. What else kept the machine busy stands in the last column: with threads
that share their cores, times tell little. There, `--cpu-time` takes the processor's time of this process instead of the
clock's, which others lengthen through the caches alone; for one thread, since threads that wait for each other may
spin; every layer that can be is sparse then. No part of the tests.
"""

import argparse
import time
from copy import deepcopy

import numpy as np
import pandas as pd
import torch
from models import SIZES, inputs
from torch import nn

from tsprune.deploy.bfloat16 import InBfloat16
from tsprune.deploy.sparse import SPARSE, sparsify
from tsprune.measure import Watch, measure_latency, median_interval
from tsprune.models import create_model
from tsprune.pruners import apply_masks, magnitude_masks

MODELS = ("Transformer", "Informer", "Autoformer", "FEDformer", "Crossformer", "Nonstationary_Transformer")


class OneDnnLinear(nn.Module):
    """A Linear through oneDNN, which on some processors is twice as fast as what torch takes for float32."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")


def through_onednn(model: nn.Module) -> nn.Module:
    model = deepcopy(model)
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear:
            model.set_submodule(name, OneDnnLinear(module))
    return model.eval()


def by_cpu_time(variants: dict, rounds: int) -> pd.DataFrame:
    """The columns of :func:`measure_latency` that are printed, by this process's own time on the processor."""
    times, watch = {name: [] for name in variants}, Watch()
    with torch.inference_mode():
        for number in range(rounds + 1):  # the first is no round
            for name, (call, arguments) in variants.items():
                call(*arguments)  # as in measure_latency, a timed call is warm
                start = time.process_time()
                call(*arguments)
                times[name] += [1e3 * (time.process_time() - start)] if number else []
    rows = {}
    for name, own in times.items():
        speeds = np.divide(times["dense"], own)
        low, high = median_interval(speeds)
        rows[name] = {"median_ms": np.median(own), "speedup": np.median(speeds)}
        rows[name] |= {"speedup_low": low, "speedup_high": high, "load": watch.load().words()}
    return pd.DataFrame.from_dict(rows, orient="index")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="std")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--densities", nargs="+", type=float, default=[0.1, 0.05])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10, help="at least")
    parser.add_argument("--cpu-time", action="store_true", help="of this process, not the clock's: for one thread")
    parser.add_argument("--layers", action="store_true", help="print what runs sparse, layer by layer")
    given = parser.parse_args()
    if given.cpu_time and given.threads > 1:
        parser.error("--cpu-time is for --threads 1")
    torch.set_num_threads(given.threads)
    print(f"torch {torch.__version__}, {given.threads} threads, {SIZES[given.size]}\n")
    print("| model | density | batch | dense, ms | sparse, times as fast | oneDNN | bfloat16 | difference | machine |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in given.models:
        for density in given.densities:
            for batch in given.batches:
                row(name, density, batch, given)


def row(name: str, density: float, batch: int, given: argparse.Namespace) -> None:
    """Mask one model, choose its sparse layers for the batch, time everything in turn, and print a line."""
    torch.manual_seed(0)
    dense = create_model(name, **SIZES[given.size]).eval()
    apply_masks(dense, magnitude_masks(dense, density=density, scope="layer"))
    found = sparsify(dense, batch, measured=not given.cpu_time)
    if given.layers:
        print(f"\n{found}\n")
    arguments = inputs(dense, batch)
    calls = {"dense": dense, SPARSE: found.model, "oneDNN": through_onednn(dense), "bfloat16": InBfloat16(dense)}
    variants = {variant: (call, arguments) for variant, call in calls.items()}
    if given.cpu_time:
        table = by_cpu_time(variants, given.rounds)
    else:
        table = measure_latency(variants, [batch], repeats=given.rounds, most=2 * given.rounds).set_index("variant")
    rivals = table.drop(index="dense").to_dict("records")
    speeds = [f"{t['speedup']:.2f} ({t['speedup_low']:.2f}-{t['speedup_high']:.2f})" for t in rivals]
    print(
        f"| {name} | {density:g} | {batch} | {table['median_ms'].iloc[0]:.1f} | {' | '.join(speeds)} "
        f"| {found.difference:.0e} | {table['load'].iloc[0]} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
