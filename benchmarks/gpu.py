"""What is pruning worth on a GPU? One forecast at batch 1, 3 and 32: zeros, 2:4, widths, bfloat16, CUDA graphs.

    python benchmarks/gpu.py                                  Transformer, Informer, iTransformer, PatchTST, d_model 512
    python benchmarks/gpu.py --models FEDformer --compile     torch.compile beside the others: minutes per model

Random weights. Called one operator after the other, a small batch waits for Python, so each form is timed as a CUDA
graph too, which replays the same kernels without it. Times are between two CUDA events; a speedup is the median over
rounds of the time of dense float32, operator by operator, over the form's in the same round, with its 95 % interval.
float32 is exact (no TF32). No part of the tests.
"""

import argparse
import copy
from collections.abc import Callable, Sequence

import torch
from models import SIZES, inputs, latency_parser, random_model, speedup_text
from torch import Tensor, nn
from torch.nn import functional
from torch.sparse import to_sparse_semi_structured

from tsprune.measure import measure_latency
from tsprune.models import Forecaster
from tsprune.pruners import apply_masks, magnitude_masks, nm_masks, structured_prune

BATCHES = (1, 3, 32)
BASELINE = "dense, float32"


def main() -> None:
    parser = latency_parser(__doc__, ["Transformer", "Informer", "iTransformer", "PatchTST"], repeats=60)
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    print("| model | form | " + " | ".join(f"ms, batch {b} | speedup" for b in BATCHES) + " |")
    print("|---|---|" + "---|---|" * len(BATCHES))
    for name in given.models:
        rows(name, given)


def rows(name: str, given: argparse.Namespace) -> None:
    """A line per form of one model."""
    made = forms(name, given.size)
    said: dict[str, list[str]] = {}
    for batch in BATCHES:
        variants = {}
        for form, model in made.items():
            like = next(model.parameters())
            example = [x.to(like.device, like.dtype) for x in inputs(model, batch)]
            variants[form] = (model, example)
            variants[f"{form}, graph"] = (graph(model, example), example)
            if given.compile:
                variants[f"{form}, compiled"] = (torch.compile(model), example)
        table = measure_latency(variants, [batch], repeats=given.repeats, warmup=10, baseline=BASELINE)
        for _, row in table.iterrows():
            said.setdefault(row["variant"], []).append(f"{row['median_ms']:.3f} | {speedup_text(row)}")
    for form, cells in said.items():
        print(f"| {name} | {form} | {' | '.join(cells)} |", flush=True)


def forms(name: str, size: str) -> dict[str, Forecaster]:
    """The dense model and what pruning makes of it, on the GPU."""
    dense = random_model(name, **SIZES[size]).cuda()
    zeros = copy.deepcopy(dense)
    apply_masks(zeros, magnitude_masks(zeros, 0.1, "layer"))
    one = [x.cuda() for x in inputs(dense, 1)]
    narrow = {}
    for share in (0.25, 0.1):
        narrow[f"narrowed to {share:.0%}"] = structured_prune(dense, one, share).model
        narrow[f"narrowed to {share:.0%}, widths of 8"] = structured_prune(dense, one, share, multiple=8).model
    made = {BASELINE: dense, "10 % of the weights, float32": zeros}
    made |= {f"{form}, float32": model for form, model in narrow.items()}
    made |= {f"{form}, bfloat16": in_bfloat16(model) for form, model in {"dense": dense, **narrow}.items()}
    return made | {"2:4, bfloat16": semi_structured(in_bfloat16(dense))}


def in_bfloat16(model: Forecaster) -> Forecaster:
    return copy.deepcopy(model).to(torch.bfloat16)


def semi_structured(model: Forecaster) -> Forecaster:
    """``model`` with two of four weights zero, and those layers that the tensor cores take so in their packed form."""
    apply_masks(model, nm_masks(model).masks)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and not any(side % 64 for side in module.weight.shape):
            model.set_submodule(name, Packed(module))
    return model


class Packed(nn.Module):
    """A linear layer whose weight has two of four: such a weight takes rows of one matrix, contiguous."""

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.weight = nn.Parameter(to_sparse_semi_structured(layer.weight.detach()), requires_grad=False)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x.reshape(-1, x.shape[-1]), self.weight, self.bias).view(*x.shape[:-1], -1)


def graph(model: Forecaster, example: Sequence[Tensor]) -> Callable[..., Tensor]:
    """A forecast as one CUDA graph: the same kernels, started together."""
    static = [x.clone() for x in example]
    with torch.no_grad():
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                model(*static)
        torch.cuda.current_stream().wait_stream(side)
        replay = torch.cuda.CUDAGraph()
        with torch.cuda.graph(replay):
            result = model(*static)

    def call(*given: Tensor) -> Tensor:
        for place, x in zip(static, given, strict=True):
            place.copy_(x)
        replay.replay()
        return result

    return call


if __name__ == "__main__":
    main()
