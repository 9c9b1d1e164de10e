"""How long a training step and a forecast take, beside another implementation of the same model, interleaved.

    python benchmarks/models.py                                       all models, the published style, d_model 64
    python benchmarks/models.py --size std --models Transformer       d_model 512
    python benchmarks/models.py --against neuralforecast              the package of that name (an environment of its
    own)

`--against style` compares with our own models written as published forecasting code usually is (published_style.py),
after asserting that both give the same numbers. `--against neuralforecast` compares with that package's networks at the
same sizes and one variable (most of its models see one); they are not numerically equal. Turns alternate, so that a
noisy machine slows both, each with a run before the one that is timed, so that neither finds the other's memory in the
caches; a ratio is the median over pairs, with its quartiles. A training step is forward, backward and an Adam step,
fused unless a weight is complex. The process keeps the memory it frees, as it does in training: it serves both sides.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from published_style import published_style

from tsprune.allocator import keep_freed_memory
from tsprune.layers import seed_dropout
from tsprune.models import Forecaster, create_model

SIZES = {"small": {"d_model": 64, "d_ff": 256}, "std": {"d_model": 512, "d_ff": 2048}}
SIZES["medium"] = {"d_model": 128, "d_ff": 512}  # what `tsprune compress` starts from
MODELS = ("Transformer", "Informer", "Autoformer", "FEDformer", "Crossformer", "Nonstationary_Transformer")
MODELS += ("iTransformer", "PatchTST", "DLinear")


def latency_parser(doc: str, models: Sequence[str], repeats: int) -> argparse.ArgumentParser:
    """What all benchmarks ask that time forecasts of a model and of what pruning makes of it."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="std")
    parser.add_argument("--models", nargs="+", default=models)
    parser.add_argument("--repeats", type=int, default=repeats, help="rounds of latency per batch size")
    return parser


def random_model(name: str, **size: int) -> Forecaster:
    """A model of random weights, always the same."""
    torch.manual_seed(0)
    return create_model(name, **size).eval()


def speedup_text(row: pd.Series) -> str:
    """Of a row of :func:`tsprune.measure.measure_latency`: the speedup and its 95 % interval."""
    return f"{row['speedup']:.2f} ({row['speedup_low']:.2f} to {row['speedup_high']:.2f})"


def inputs(model, batch: int) -> list[torch.Tensor]:
    values = [torch.randn(batch, *shape) for shape in model.input_shapes().values()]
    values[2][:, model.config.label_len :] = 0
    return values


def train_step(model, arguments: list[torch.Tensor], autocast: bool = False) -> Callable[[], None]:
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, 1e-5, fused=all(p.is_floating_point() for p in parameters))
    with torch.no_grad():
        target = torch.randn_like(model(*arguments))

    def step():
        model.train()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = torch.nn.functional.mse_loss(model(*arguments), target)
        loss.backward()
        optimizer.step()

    return step


def forecast(model, arguments: list[torch.Tensor]) -> Callable[[], None]:
    def step():
        model.eval()
        with torch.inference_mode():
            model(*arguments)

    return step


def timed(step: Callable[[], None]) -> float:
    """Seconds, of the second run."""
    step()
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def quartiles(values: Sequence[float]) -> list[float]:
    """The three quartiles; of a single value that."""
    return statistics.quantiles(values, n=4) if len(values) > 1 else [*values] * 3


def interleave(
    ours: Callable[[], None], theirs: Callable[[], None], seconds: float
) -> tuple[float, float, list[float]]:
    """Median milliseconds of both, and the three quartiles of the ratio theirs / ours over alternating pairs."""
    pairs, stop = [], time.perf_counter() + seconds
    while len(pairs) < 5 or time.perf_counter() < stop:
        pairs.append((timed(ours), timed(theirs)))
    mine, other = (statistics.median(times) * 1e3 for times in zip(*pairs, strict=True))
    return mine, other, quartiles([b / a for a, b in pairs])


def against_style(name: str, size: dict):
    """Our model and the same one in the published style, checked to agree."""
    torch.manual_seed(0)
    model = create_model(name, **size)
    slow = published_style(model)
    arguments = inputs(model, 2)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(*arguments), slow.eval()(*arguments), atol=1e-4, rtol=1e-3)
    return model, slow


def rows(model, other, seconds: float):
    """What was measured, and the result of :func:`interleave`."""
    seed_dropout(model, 0)
    many, one = inputs(model, 32), inputs(model, 1)
    yield "train", interleave(train_step(model, many), train_step(other, many), seconds)
    yield "train, ours bf16", interleave(train_step(model, many, autocast=True), train_step(other, many), seconds)
    yield "forecast, batch 32", interleave(forecast(model, many), forecast(other, many), seconds)
    yield "forecast, batch 1", interleave(forecast(model, one), forecast(other, one), seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--models", nargs="+", default=None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="of measuring per row")
    parser.add_argument("--against", choices=("style", "neuralforecast"), default="style")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    if arguments.against == "neuralforecast":
        from neuralforecast_peers import PEERS
        from neuralforecast_peers import against_neuralforecast as pair
    else:
        PEERS, pair = MODELS, against_style
    print(
        f"torch {torch.__version__}, {arguments.threads} threads, {arguments.size}: {SIZES[arguments.size]}, batch 32\n"
    )
    print("| model | what | ours, ms | theirs, ms | theirs / ours | quartiles |\n|---|---|---|---|---|---|")
    for name in arguments.models or PEERS:
        for what, (ours, theirs, (low, ratio, high)) in rows(*pair(name, SIZES[arguments.size]), arguments.seconds):
            print(f"| {name} | {what} | {ours:.1f} | {theirs:.1f} | {ratio:.2f} | {low:.2f}-{high:.2f} |", flush=True)


if __name__ == "__main__":
    main()
