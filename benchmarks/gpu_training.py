"""How long a training step takes on a GPU: its passes replayed as a CUDA graph, and one operator after the other.

    python benchmarks/gpu_training.py                          six forecasters, d_model 512, bfloat16 and float32
    python benchmarks/gpu_training.py --models Informer

Both are `tsprune.training`'s own step (loss, gradients, fused Adam) on one random batch of 32 windows of 7 columns,
look-back and horizon 96, from the same weights. Turns of several steps alternate; a ratio is the median over turns,
with its quartiles. No part of the tests.
"""

import argparse
import statistics
import time

import torch
from models import SIZES, inputs, quartiles, random_model

from tsprune import captured
from tsprune.data.windows import Batch
from tsprune.training import TrainConfig, _deterministic, _Training

MODELS = ["Transformer", "Nonstationary_Transformer", "Informer", "Autoformer", "FEDformer", "iTransformer"]
SHAPE = {"enc_in": 7, "dec_in": 7, "c_out": 7, "seq_len": 96, "label_len": 48, "pred_len": 96, "dropout": 0.05}
AFTER = captured._BEFORE
NEVER = 10**9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--size", choices=SIZES, default="std")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="steps per turn")
    given = parser.parse_args()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    print("| model | precision | graph, ms a step | operator by operator, ms a step | times as fast |")
    print("|---|---|---|---|---|")
    for name in given.models:
        for precision in ("bfloat16", "float32"):
            graph, plain = measured(name, precision, given)
            ratios = [slow / fast for fast, slow in zip(graph, plain, strict=True)]
            low, median, high = quartiles(ratios)
            both = " | ".join(f"{statistics.median(times):.2f}" for times in (graph, plain))
            print(f"| {name} | {precision} | {both} | {median:.1f} ({low:.1f} to {high:.1f}) |", flush=True)


def measured(name: str, precision: str, given: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Milliseconds a step in every turn, as a graph and not."""
    trainings = [begun(name, precision, given.size, before) for before in (AFTER, NEVER)]
    values = [x.cuda() for x in inputs(trainings[0].model, TrainConfig().batch_size)]
    batch = Batch(*values, torch.randn(len(values[0]), SHAPE["pred_len"], SHAPE["c_out"], device="cuda"))
    with _deterministic(torch.device("cuda")):
        for training in trainings:
            timed(training, batch, 2 * AFTER)
        turns = [[timed(training, batch, given.steps) for training in trainings] for _ in range(given.turns)]
    graph, plain = zip(*turns, strict=True)
    return list(graph), list(plain)


def begun(name: str, precision: str, size: str, before: int) -> _Training:
    """A training whose passes are captured after so many steps."""
    model = random_model(name, **SIZES[size], **SHAPE).cuda().train()
    captured._BEFORE = before
    return _Training(model, TrainConfig(precision=precision), seed=1, controller=None)


def timed(training: _Training, batch: Batch, steps: int) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(steps):
        training._step(batch)
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps * 1e3


if __name__ == "__main__":
    main()
