"""How long one connectivity update of a model of 10 million parameters takes, beside the same update by full sorts.

    python benchmarks/connectivity.py                   Transformer, d_model 512, d_ff 2048; 1 and 2 threads
    python benchmarks/connectivity.py --threads 2 --repeats 30

An update is everything between two training steps: what goes, what comes, the masks applied to the weights. Half of
the weights are there when it starts (gmp, gmp_global, granet: all). Both versions take turns, on the same weights,
gradients and masks, and must choose the same connections. With one thread the processor's time counts, which other
programs disturb less than the clock's; there, too, `least` tells most on a busy machine. No part of the tests.
"""

import argparse
import time
from collections.abc import Callable
from unittest.mock import patch

import torch
from models import SIZES, inputs, quartiles

from tsprune.models import create_model
from tsprune.pruners import dynamic, selection
from tsprune.pruners.methods import make_method
from tsprune.pruners.pals import PALS

_PACE = {"every": 1, "until": 1.0}
_HALF = _PACE | {"density": 0.5}
UPDATES = {
    # a word for the update, the method, and the loss it is shown after one of 1.0
    "rigl: exchange in layers": (make_method("rigl", **_HALF, update_replaces_step=False), 1.0),
    "set: exchange in layers, by sign": (make_method("set", **_HALF), 1.0),
    "pals: shrink in layers": (PALS.variant("code", **_HALF), 0.5),
    "pals: expand in layers": (PALS.variant("code", **_HALF), 9.0),
    "pals: stable in layers": (PALS.variant("code", **_HALF, expands=False), 9.0),
    "pals: shrink over all": (PALS.variant("code", **_HALF, scope="global"), 0.5),
    "gmp: remove in layers": (make_method("gmp", **_PACE, density=0.1), 1.0),
    "gmp_global: remove over all": (make_method("gmp_global", **_PACE, density=0.1), 1.0),
    "granet: remove over all, exchange": (make_method("granet", **_PACE, density=0.1), 1.0),
}


def by_sorting(scores, counts, among=None) -> list[torch.Tensor]:
    """As ``tsprune.pruners.ranking.largest``, each tensor sorted as a whole."""
    masks = among if among is not None else (None for _ in counts)
    chosen = []
    for score, count, mask in zip(scores, counts, masks, strict=False):
        usable = score.detach().abs() if mask is None else torch.where(mask, score.detach().abs(), -1.0)
        keep = torch.zeros(score.numel(), dtype=torch.bool)
        keep[usable.flatten().argsort(descending=True, stable=True)[:count]] = True
        chosen.append(keep.view(score.shape))
    return chosen


def by_sorting_anywhere(scores, count, among=None, one_each=False) -> list[torch.Tensor]:
    scores = [score.detach().clone() for score in scores]
    for score in scores if one_each else ():
        score.view(-1)[score.abs().argmax()] = torch.inf
    everything = torch.cat([score.flatten() for score in scores])
    usable = None if among is None else [torch.cat([mask.flatten() for mask in among])]
    (keep,) = by_sorting([everything], [count], usable)
    parts = keep.split([score.numel() for score in scores])
    return [part.view(score.shape) for part, score in zip(parts, scores, strict=True)]


def an_update(method, loss: float, clock: Callable[[], float]) -> Callable[[], tuple[float, list[torch.Tensor]]]:
    """A function that makes the same update again and again: milliseconds, and the masks it came to."""
    torch.manual_seed(0)
    model = create_model("Transformer", **SIZES["std"])
    model(*inputs(model, 2)).square().mean().backward()
    losses = [1.0, loss]
    sparsity = dynamic.Sparsity(method, steps=100, signal=lambda: losses[min(sparsity.step, 2) - 1])
    sparsity.attach(model, torch.optim.Adam(model.parameters()))
    before = [weight.detach().clone() for weight in sparsity.weights]
    sparsity.memory |= {"best_loss": 1.0, "best_sparsity": 0.3}
    masks, kept, memory = sparsity.masks, sparsity.kept, dict(sparsity.memory)

    def update():
        sparsity.masks, sparsity.kept, sparsity.step, sparsity.memory = masks, kept, 1, dict(memory)
        sparsity.generator.manual_seed(0)
        with torch.no_grad():
            for weight, value in zip(sparsity.weights, before, strict=True):
                weight.copy_(value)
        start = clock()
        sparsity.after_step(torch.tensor(1.0))
        return 1e3 * (clock() - start), sparsity.masks

    return update


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--updates", nargs="+", choices=UPDATES, default=UPDATES)
    given = parser.parse_args()
    sizes = sum(p.numel() for p in create_model("Transformer", **SIZES["std"]).parameters())
    print(f"torch {torch.__version__}, Transformer of {sizes:,} parameters, {given.repeats} turns; ms\n")
    print("| update | threads | median | quartiles | least | by sorting: median | quartiles | sorting / ours |")
    print("|---|---|---|---|---|---|---|---|")
    for threads in given.threads:
        torch.set_num_threads(threads)
        for name in given.updates:
            method, loss = UPDATES[name]
            clock = time.process_time if threads == 1 else time.perf_counter
            update, ours, theirs = an_update(method, loss, clock), [], []
            for turn in range(given.repeats):
                took, masks = update()
                ours.append(took)
                if turn % 4:  # the yardstick is slow
                    continue
                sorting = {"largest": by_sorting, "largest_anywhere": by_sorting_anywhere}
                with patch.multiple(dynamic, **sorting), patch.multiple(selection, **sorting):
                    took, others = update()
                theirs.append(took)
                if not all(map(torch.equal, masks, others)):
                    raise SystemExit(f"{name}: the two versions choose differently")
            (low, mid, high), (a, b, c) = map(quartiles, (ours, theirs))
            print(
                f"| {name} | {threads} | {mid:.0f} | {low:.0f}-{high:.0f} | {min(ours):.0f} "
                f"| {b:.0f} | {a:.0f}-{c:.0f} | {b / mid:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
