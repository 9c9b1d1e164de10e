"""What scores cost: seconds and memory of each score of the registry, and of second-order pruning, on one model.

    python benchmarks/scores.py                                 Transformer, d_model 512, d_ff 2048; 8 batches of 32
    python benchmarks/scores.py --model Crossformer --batches 32

Calibration batches are random. `memory`: most that was held at a time beyond what was held before, on a GPU by torch's
own count, on a CPU by the process's high-water mark: a zero there means no more than those before it. No part of the
tests.
"""

import argparse
import resource
import time
from collections.abc import Callable

import torch
from models import SIZES, inputs

from tsprune.models import create_model
from tsprune.pruners import list_scores, score_weights, second_order_prune
from tsprune.pruners.scores import get_score

ORDER = ("nothing", "inputs", "targets")


def peak_mib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def measured(call: Callable[[], object], device: torch.device) -> str:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    held, start = peak_mib(device), time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return f"{time.perf_counter() - start:.2f} | {peak_mib(device) - held:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="Transformer")
    parser.add_argument("--size", default="std", choices=SIZES)
    parser.add_argument("--batches", type=int, default=8, help="of 32 windows")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    torch.manual_seed(0)
    model = create_model(given.model, **SIZES[given.size]).to(device)
    one = [None if x is None else x.to(device) for x in inputs(model, 32)]
    with torch.no_grad():
        target = torch.randn_like(model.eval()(*one))
    batches = [(one, target)] * given.batches
    total = sum(p.numel() for p in model.parameters())
    print(
        f"torch {torch.__version__}, {given.model} of {total:,} parameters, {given.batches} batches of 32, {device}\n"
    )
    print("| score | needs | seconds | memory, MiB |\n|---|---|---|---|")
    for name in sorted(list_scores(), key=lambda name: ORDER.index(get_score(name).needs)):
        cost = measured(lambda name=name: score_weights(name, model, batches), device)
        print(f"| {name} | {get_score(name).needs} | {cost} |", flush=True)
    for pattern in (None, (2, 4)):
        cost = measured(lambda pattern=pattern: second_order_prune(model, batches, pattern=pattern), device)
        print(
            f"| second order with update, {'unstructured' if pattern is None else '2:4'} | inputs | {cost} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
