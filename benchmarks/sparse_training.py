"""What sparse training costs in wall-clock time: an epoch of each method over a dense one, interleaved.

    python benchmarks/sparse_training.py                                  five models, d_model 64, one thread
    python benchmarks/sparse_training.py --models Transformer --every 5

Synthetic data of 7 columns, look-back and horizon 96, batch 32. An epoch is --steps training steps and a pass over an
eighth as many validation windows; PALS looks at the study's default, a fixed subset of the validation windows. In every
round each method trains once from the same weights, another one first each time; a ratio is the median over rounds,
with its quartiles. `a look`: time of one look of PALS as a share of the time between two updates. With one thread the
processor's time counts, which other programs disturb less than the clock's.
No part of the tests.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from models import SIZES, quartiles

from tsprune.data import load_table, make_splits
from tsprune.models import create_model
from tsprune.pruners.dynamic import Sparsity
from tsprune.pruners.methods import METHODS, make_method
from tsprune.pruners.pals import PALS
from tsprune.steps.sparse import SIGNAL_SHARE
from tsprune.training import TrainConfig, evaluate, train

MODELS = ("Transformer", "Informer", "iTransformer", "LSTM", "DLinear")


def look(model, windows, config: TrainConfig, clock: Callable[[], float], seconds: list[float]) -> float:
    before = clock()
    loss = evaluate(model, windows, config).mse
    seconds.append(clock() - before)
    return loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--methods", nargs="+", default=["static", "gmp", "rigl"], choices=[*METHODS][1:])
    parser.add_argument("--every", type=int, default=20, help="steps between updates")
    parser.add_argument("--steps", type=int, default=100, help="of an epoch")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    clock = time.process_time if given.threads == 1 else time.perf_counter
    config = TrainConfig(epochs=1, device="cpu", eval_batch_size=256)
    splits = make_splits(load_table("synthetic"), seq_len=96, label_len=48, pred_len=96)
    count = given.steps * config.batch_size
    windows, held_out = splits.train.subset(torch.arange(count)), splits.val.subset(torch.arange(count // 8))
    looked_at = splits.val.subset(torch.arange(round(SIGNAL_SHARE * given.every * config.batch_size)))
    methods = {name: make_method(name, every=given.every) for name in ("dense", *given.methods)}
    methods |= {"pals": PALS.variant("code", every=given.every)}
    print(f"torch {torch.__version__}, {given.threads} threads, {SIZES['small']}, updates every {given.every} steps, ")
    print(f"{given.rounds} rounds\n\n| model | dense, ms per step | " + " | ".join(list(methods)[1:]) + " | a look |")
    print("|---" * (len(methods) + 2) + "|")
    for name in given.models:
        torch.manual_seed(0)
        start = create_model(name, **SIZES["small"])
        times, looks = {method: [] for method in methods}, []
        for turn in range(given.rounds + 1):
            order = list(methods)[turn % len(methods) :] + list(methods)[: turn % len(methods)]
            for label, method in ((label, methods[label]) for label in order):
                model = copy.deepcopy(start)
                sparsity = Sparsity(method, steps=given.steps)
                if label == "pals":
                    sparsity.signal = partial(look, model, looked_at, config, clock, looks)
                before = clock()
                train(model, windows, held_out, config, seed=0, controller=sparsity if label != "dense" else None)
                if turn:  # the first one warms up
                    times[label].append(clock() - before)
        dense = times.pop("dense")
        cells = [f"{1e3 * statistics.median(dense) / given.steps:.1f}"]
        for own in times.values():
            low, middle, high = quartiles([a / b for a, b in zip(own, dense, strict=True)])
            cells.append(f"{middle:.3f} ({low:.3f}-{high:.3f})")
        cells.append(f"{statistics.median(looks) / (given.every * statistics.median(dense) / given.steps):.1%}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
