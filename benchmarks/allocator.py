"""What it costs that the C library gives freed memory back: training steps in fresh processes, by its rule and kept.

    python benchmarks/allocator.py --models LSTM PatchTST

d_model 64, batch 32. How much is given back depends on how the heap of a process lies, so each model runs in several
processes of each kind, in turns. Printed are the median milliseconds and the page faults per step of every process.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

import torch
from models import SIZES, inputs, train_step

from tsprune.allocator import keep_freed_memory
from tsprune.layers import seed_dropout
from tsprune.models import create_model

MODELS = ("LSTM", "PatchTST", "Nonstationary_Transformer", "Crossformer")


def measure(name: str, threads: int, steps: int) -> str:
    torch.set_num_threads(threads)
    model = create_model(name, **SIZES["small"])
    seed_dropout(model, 0)
    step, seconds = train_step(model, inputs(model, 32)), []
    for _ in range(3):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / steps
    return f"{statistics.median(seconds) * 1e3:.1f} ms ({faults:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--processes", type=int, default=3, help="of each kind")
    parser.add_argument("--one", choices=("by its rule", "kept"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        if given.one == "kept":
            keep_freed_memory()
        print(measure(given.models[0], given.threads, given.steps))
        return
    print("| model | by its rule: ms (faults) per step | kept |\n|---|---|---|")
    for name in given.models:
        found: dict[str, list[str]] = {"by its rule": [], "kept": []}
        for _ in range(given.processes):
            for kind, lines in found.items():
                command = [sys.executable, __file__, "--one", kind, "--models", name]
                command += ["--threads", f"{given.threads}", "--steps", f"{given.steps}"]
                lines.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
        print(f"| {name} | {' | '.join(', '.join(lines) for lines in found.values())} |", flush=True)


if __name__ == "__main__":
    main()
