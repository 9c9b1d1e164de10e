"""Two trainings side by side on one thread each, against one at a time on two threads: which gets more done.

``python benchmarks/threads.py``: training steps of a Transformer, d_model 512, batch 32, in two processes on a machine
of two cores. The two ways take turns; printed are training steps a second, of both processes together, and the ratio
within each round, since what else the machine does moves both.
"""

import argparse
import multiprocessing
import statistics
import time

import torch
from models import SIZES, inputs, train_step

from tsprune.allocator import keep_freed_memory
from tsprune.models import create_model

TOGETHER, ALONE = "two at once, one thread each", "one at a time, two threads"


def works(pipe, name: str, size: str, batch: int) -> None:
    """A worker: told how many threads and for how many seconds, it answers with training steps a second."""
    keep_freed_memory()
    lengths = {"seq_len": 96, "label_len": 48, "pred_len": 96}
    model = create_model(name, enc_in=7, dec_in=7, c_out=7, n_heads=8, e_layers=2, d_layers=1, **lengths, **SIZES[size])
    step = train_step(model, inputs(model, batch))
    pipe.send("ready")
    while (asked := pipe.recv()) is not None:
        threads, seconds = asked
        torch.set_num_threads(threads)
        step()
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            step()
            count += 1
        pipe.send(count / (time.perf_counter() - begun))


def main(name: str, size: str, batch: int, seconds: float, rounds: int) -> None:
    context = multiprocessing.get_context("spawn")
    pipes = []
    for _ in range(2):
        here, there = context.Pipe()
        context.Process(target=works, args=(there, name, size, batch), daemon=True).start()
        pipes.append(here)
        here.recv()
    rates: dict[str, list[float]] = {TOGETHER: [], ALONE: []}
    for _ in range(rounds):
        for way, asked, threads in ((TOGETHER, pipes, 1), (ALONE, pipes[:1], 2)):
            for pipe in asked:
                pipe.send((threads, seconds))
            rates[way].append(sum(pipe.recv() for pipe in asked))
    for way, found in rates.items():
        print(f"{name}, {size}, batch {batch}, {way}: {statistics.median(found):.2f} training steps a second")
    ratios = [together / alone for together, alone in zip(*rates.values(), strict=True)]
    print(f"together over alone: {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")
    for pipe in pipes:
        pipe.send(None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="Transformer")
    parser.add_argument("--size", choices=SIZES, default="std", help="std: d_model 512, small: 64")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    main(asked.model, asked.size, asked.batch, asked.seconds, asked.rounds)
