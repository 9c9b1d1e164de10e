"""Do widths of 8, or torch.compile, make a pruned forecaster faster on a GPU? One forecast at batch 1, 3 and 32.

    python benchmarks/gpu.py                                      Transformer and iTransformer, d_model 512
    python benchmarks/gpu.py --models FEDformer --compile         torch.compile beside the others: a minute per model

What study 06 does not have: models that pruning narrowed, whose widths are as it found them (241 channels, heads of 34)
or multiples of 8, which the tensor cores want in bfloat16. Random weights. Called one operator after the other, a small
batch waits for Python, so each form is timed as a CUDA graph too, which replays the same kernels without it. Times are
between two CUDA events; a speedup is the median over rounds of the time of dense float32, operator by operator, over
the form's in the same round, with its 95 % interval. float32 is exact (no TF32). No part of the tests.
"""

import argparse
from collections.abc import Callable

import torch
from models import SIZES, inputs, latency_parser, random_model, speedup_text
from torch import Tensor

from tsprune.deploy.bfloat16 import InBfloat16
from tsprune.deploy.cuda import Graphed
from tsprune.measure import measure_latency
from tsprune.models import Forecaster
from tsprune.pruners import structured_prune

BATCHES = (1, 3, 32)
DENSE, NARROWEST = "dense", "narrowed to 10%, widths of 8"
COMPILED = (DENSE, NARROWEST)
"""What is compiled, in float32: each takes seconds for every batch size."""


def main() -> None:
    parser = latency_parser(__doc__, ["Transformer", "iTransformer"], repeats=60)
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    # A network is compiled for every form and batch size; beyond the limit it would run as it is, and nobody was told.
    torch._dynamo.config.recompile_limit = 64
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    print("| model | form | " + " | ".join(f"ms, batch {b} | speedup" for b in BATCHES) + " |")
    print("|---|---|" + "---|---|" * len(BATCHES))
    for name in given.models:
        rows(name, given)


def rows(name: str, given: argparse.Namespace) -> None:
    """A line per form of one model."""
    called = variants(forms(name, given.size), given.compile)
    said: dict[str, list[str]] = {}
    for batch in BATCHES:
        example = [x.cuda() for x in inputs(random_model(name, **SIZES[given.size]), batch)]
        timed = {form: (call, example) for form, call in called.items()}
        table = measure_latency(timed, [batch], repeats=given.repeats, warmup=10)
        for _, row in table.iterrows():
            said.setdefault(row["variant"], []).append(f"{row['median_ms']:.3f} | {speedup_text(row)}")
    for form, cells in said.items():
        print(f"| {name} | {form} | {' | '.join(cells)} |", flush=True)


def variants(made: dict[str, Forecaster], compiled: bool) -> dict[str, Callable[..., Tensor]]:
    """Every form in float32 and bfloat16, one operator after the other and as a graph; the baseline first."""
    found: dict[str, Callable[..., Tensor]] = {}
    for form, model in made.items():
        half = InBfloat16(model)
        found |= {f"{form}, float32": model, f"{form}, float32, graph": Graphed(model)}
        found |= {f"{form}, bfloat16": half}
        found |= {f"{form}, bfloat16, graph": Graphed(half.model, torch.bfloat16)}
        if compiled and form in COMPILED:
            found[f"{form}, float32, compiled"] = torch.compile(model)
    return found


def forms(name: str, size: str) -> dict[str, Forecaster]:
    """The dense model and what structured pruning makes of it, on the GPU."""
    dense = random_model(name, **SIZES[size]).cuda()
    one = [x.cuda() for x in inputs(dense, 1)]
    made = {DENSE: dense}
    for share in (0.25, 0.1):
        made[f"narrowed to {share:.0%}"] = structured_prune(dense, one, share).model
        made[f"narrowed to {share:.0%}, widths of 8"] = structured_prune(dense, one, share, multiple=8).model
    return made


if __name__ == "__main__":
    main()
