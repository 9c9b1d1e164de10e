"""What part of a training step or a forecast is matrix products, and what that leaves to gain over the published style.

    python benchmarks/where_time_goes.py                                  the models of models.py, d_model 64
    python benchmarks/where_time_goes.py --size std --models Informer     d_model 512
    python benchmarks/where_time_goes.py --operators                      our time by kind of operator instead
    python benchmarks/where_time_goes.py --operators --size std --models Transformer --widths 1 0.5 0.25 --threads 1
                                                                          what does not shrink in narrower models

The operators of our model, forward, backward and Adam, are recorded with their shapes and strides and replayed alone,
interleaved with the whole step and with the published style. `products` are mm, addmm, bmm, baddbmm and convolutions,
fused attention undone; `arithmetic` is every operator that computes: those, sums, norms, activations, dropout's draws,
Adam, but no copy, no cast, no selection, no view, and neither autograd nor Python. `ratio` is the published style over
our whole step; `at most` the published style over what is replayed, once for the products and once for the arithmetic:
a speedup that no rearrangement of the rest can pass.

`--operators` profiles our step alone: own milliseconds of each kind of operator in a median step. `calls` is everything
else: views, autograd's nodes, Python, and the profiler, which lengthens it most at batch 1.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import cache
from itertools import product

import torch
from models import MODELS, SIZES, against_style, forecast, inputs, timed, train_step
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from tsprune.allocator import keep_freed_memory
from tsprune.layers import plain_attention

PRODUCTS = {"mm", "addmm", "bmm", "baddbmm", "convolution", "convolution_backward"}
NO_ARITHMETIC = {
    *(
        "empty",
        "empty_like",
        "new_empty",
        "zeros",
        "zeros_like",
        "new_zeros",
        "ones_like",
        "full",
        "full_like",
        "arange",
    ),
    *("_to_copy", "copy_", "clone", "cat", "stack", "fill_", "zero_", "constant_pad_nd", "repeat", "flip", "roll"),
    *("gather", "scatter", "scatter_add", "index", "index_put", "index_select", "index_add", "_unsafe_view", "detach"),
    *("slice_backward", "select_backward", "randint", "bernoulli"),
}

KINDS = {
    "products": "mm addmm convolution mkldnn_convolution _slow_conv2d_forward convolution_backward",
    "batched products": "bmm baddbmm _scaled_dot_product_flash_attention_for_cpu",
    "elementwise": "add add_ sub mul mul_ div div_ neg exp sqrt tanh tanh_backward gelu gelu_backward elu elu_backward",
    "norms, sums": "native_layer_norm native_layer_norm_backward native_batch_norm native_batch_norm_backward _softmax "
    "_softmax_backward_data sum mean amax cumsum topk max_pool2d_with_indices max_pool2d_with_indices_backward",
    "copies": "copy_ cat fill_ zero_ gather scatter scatter_add_ index index_select index_add_ flip",
    "draws": "random_ ge_",
    "Adam": "_fused_adam_",
}
KIND = {f"aten::{name}": kind for kind, names in KINDS.items() for name in names.split()}

WHAT = {
    "train": (train_step, 32, False),
    "train, ours bf16": (train_step, 32, True),
    "forecast, batch 32": (forecast, 32, False),
    "forecast, batch 1": (forecast, 1, False),
}


class Recorder(TorchDispatchMode):
    """Keeps the operators it sees that are ``wanted``: each with tensors laid out as its arguments were."""

    def __init__(self, model: torch.nn.Module, wanted: Callable[[torch._ops.OpOverload], bool]):
        super().__init__()
        self.weights = {p.untyped_storage().data_ptr(): p.detach().clone() for p in model.parameters()}
        self.wanted = wanted
        self.calls = []

    def __torch_dispatch__(self, operator, types, arguments=(), options=None):
        options = options or {}
        if operator.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd):
            with self:  # inference mode shows a linear layer or a matmul whole
                return operator.decompose(*arguments, **options)
        if self.wanted(operator):
            self.calls.append((operator, *tree_map(self.alike, (arguments, options))))
        return operator(*arguments, **options)

    def alike(self, value):
        """Weights are each their own, to be read from memory as they must be; places and levels are as they were."""
        if not isinstance(value, torch.Tensor):
            return value
        if not value.is_floating_point():
            return value.detach().clone()
        weight = self.weights.get(value.untyped_storage().data_ptr())
        if weight is not None:
            return weight.as_strided(value.shape, value.stride(), value.storage_offset())
        return random(value.shape, value.stride(), value.dtype)


def is_product(operator: torch._ops.OpOverload) -> bool:
    return operator.overloadpacket.__name__ in PRODUCTS


def is_arithmetic(operator: torch._ops.OpOverload) -> bool:
    return not operator.is_view and operator.overloadpacket.__name__ not in NO_ARITHMETIC


@cache
def random(shape: torch.Size, strides: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """One for all that are laid out alike, which keeps them few and near: what is replayed takes its least time."""
    reach = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    return torch.rand(reach, dtype=dtype).as_strided(shape, strides)


def replay(model, step: Callable[[], None], wanted: Callable[[torch._ops.OpOverload], bool]) -> Callable[[], None]:
    with Recorder(model, wanted) as recorder:
        step()

    def run():
        with torch.inference_mode():
            for operator, arguments, options in recorder.calls:
                operator(*arguments, **options)

    return run


def by_kind(step: Callable[[], None], seconds: float) -> dict[str, float]:
    """Milliseconds of each kind of operator in a profiled step; medians."""
    rounds, stop = [], time.perf_counter() + seconds
    while len(rounds) < 6 or time.perf_counter() < stop:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            step()
        spent = dict.fromkeys([*KINDS, "calls"], 0.0)
        for event in profile.key_averages():
            spent[KIND.get(event.key, "calls")] += event.self_cpu_time_total / 1e3
        rounds.append(spent)
    return {kind: statistics.median(spent[kind] for spent in rounds[1:]) for kind in rounds[0]}


def medians(steps: tuple[Callable[[], None], ...], seconds: float) -> list[float]:
    """Milliseconds of each, in turns."""
    rounds, stop = [], time.perf_counter() + seconds
    while len(rounds) < 5 or time.perf_counter() < stop:
        rounds.append([timed(step) * 1e3 for step in steps])
    return [statistics.median(times) for times in zip(*rounds[1:], strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--what", nargs="+", choices=WHAT, default=list(WHAT))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="of measuring per row")
    parser.add_argument("--operators", action="store_true", help="time by kind of operator instead")
    parser.add_argument("--widths", nargs="+", type=float, default=[1.0], help="shares of d_model and d_ff")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    torch.set_flush_denormal(True)  # what is replayed again and again in place may fade away
    print(f"torch {torch.__version__}, {arguments.threads} threads, {arguments.size}: {SIZES[arguments.size]}\n")
    columns = (
        ["ours, ms", *KINDS, "calls"]
        if arguments.operators
        else ["ours, ms", "products", "arithmetic", "ratio", "at most", "at most"]
    )
    print(f"| model | widths | what | {' | '.join(columns)} |\n|---|---|---|{'---|' * len(columns)}")
    for name, share in product(arguments.models, arguments.widths):
        size = {width: round(share * value) for width, value in SIZES[arguments.size].items()}
        model, slow = against_style(name, size)
        for what in arguments.what:
            make, batch, autocast = WHAT[what]
            values = inputs(model, batch)
            ours = make(model, values, autocast=True) if autocast else make(model, values)
            if arguments.operators:
                spent = by_kind(ours, arguments.seconds)
                cells = [f"{ms:.1f}" for ms in (sum(spent.values()), *spent.values())]
            else:
                with plain_attention(model):
                    products = replay(model, ours, is_product)
                steps = (ours, products, replay(model, ours, is_arithmetic), make(slow, values))
                whole, products, arithmetic, theirs = medians(steps, arguments.seconds)
                cells = [f"{whole:.1f}", f"{products / whole:.0%}", f"{arithmetic / whole:.0%}"]
                cells += [f"{theirs / part:.2f}" for part in (whole, products, arithmetic)]
            print(f"| {name} | {share:g} | {what} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
