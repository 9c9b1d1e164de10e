"""What holding masks costs: a training step of a masked model over one of the same model dense, interleaved.

    python benchmarks/masked_step.py                                  all models, d_model 64
    python benchmarks/masked_step.py --size std --models Autoformer   d_model 512

A step is forward, backward, a fused Adam step and, for the masked model, the masks applied again. Pairs of steps
alternate; the ratio is the median over pairs, with its quartiles. No part of the tests.
"""

import argparse
import copy
from collections.abc import Callable

import torch
from models import MODELS, SIZES, inputs, interleave, train_step

from tsprune.layers import seed_dropout
from tsprune.models import create_model
from tsprune.pruners import HeldMasks, magnitude_masks


def masked_step(model, arguments: list[torch.Tensor], density: float) -> Callable[[], None]:
    masks = HeldMasks(magnitude_masks(model, density, "layer"))
    masks.attach(model, None)
    step = train_step(model, arguments)

    def held():
        step()
        masks.after_step(None)

    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--density", type=float, default=0.107)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0, help="of measuring per model")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    size = SIZES[given.size]
    print(f"torch {torch.__version__}, {given.threads} threads, {size}, batch 32, density {given.density}\n")
    print("| model | dense, ms | masked, ms | masked / dense | quartiles |\n|---|---|---|---|---|")
    for name in given.models:
        torch.manual_seed(0)
        dense = create_model(name, **size)
        masked = copy.deepcopy(dense)
        batch = inputs(dense, 32)
        for model in (dense, masked):
            seed_dropout(model, 0)
        steps = train_step(dense, batch), masked_step(masked, batch, given.density)
        ours, theirs, (low, ratio, high) = interleave(*steps, given.seconds)
        print(f"| {name} | {ours:.1f} | {theirs:.1f} | {ratio:.3f} | {low:.3f}-{high:.3f} |", flush=True)


if __name__ == "__main__":
    main()
