"""Structured pruning to a target at the papers' size: what was asked and reached, in how long, and what it gains.

    python benchmarks/structured.py                                       six models, three densities, d_model 512
    python benchmarks/structured.py --models Autoformer --densities 0.5
    python benchmarks/structured.py --size small --threads 1              d_model 64, one thread

Random weights, look-back and horizon 96: widths and speed do not depend on training. A density is a share of all
parameters. Latency is interleaved: in every round each model and its narrow versions take a turn; a speedup is the
median over rounds, with its 95 % interval. No part of the tests.
"""

import argparse
import time

import torch
from models import SIZES, inputs, latency_parser, random_model, speedup_text

from tsprune.measure import count_macs, measure_latency
from tsprune.pruners import structured_prune

MODELS = ("Transformer", "Informer", "Autoformer", "FEDformer", "Crossformer", "iTransformer")
BATCHES = (1, 32)


def main() -> None:
    parser = latency_parser(__doc__, MODELS, repeats=30)
    parser.add_argument("--densities", nargs="+", type=float, default=[0.512, 0.262144, 0.1073741824])
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"torch {torch.__version__}, {given.threads} threads, {SIZES[given.size]}, {given.repeats} rounds\n")
    print("| model | parameters | asked | achieved | multiply-adds | pruned in, s | speed, batch 1 | speed, batch 32 |")
    print("|---|---|---|---|---|---|---|---|")
    for name in given.models:
        rows(name, given)


def rows(name: str, given: argparse.Namespace) -> None:
    """Prune one model to every density, time all versions beside each other, and print a line per density."""
    dense = random_model(name, **SIZES[given.size])
    one, many = inputs(dense, 1), inputs(dense, max(BATCHES))
    found, seconds = {}, {}
    for density in given.densities:
        start = time.perf_counter()
        found[density] = structured_prune(dense, one, density)
        seconds[density] = time.perf_counter() - start
    variants = {"dense": (dense, many)} | {f"{d}": (result.model, many) for d, result in found.items()}
    table = measure_latency(variants, BATCHES, threads=given.threads, repeats=given.repeats)
    speed = table.set_index(["variant", "batch"])
    macs = count_macs(dense, one).macs_executed
    for density, result in found.items():
        share = count_macs(result.model, one).macs_executed / macs
        words = [speedup_text(speed.loc[(f"{density}", batch)]) for batch in BATCHES]
        floor = f" ({result.floor})" if result.floor else ""
        print(
            f"| {name} | {result.parameters[0]:,} | {density:.3f} | {result.achieved:.3f}{floor} | {share:.3f} "
            f"| {seconds[density]:.1f} | {words[0]} | {words[1]} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
