"""A masked forecaster that computes without its zeros, layer by layer where that is faster on this machine."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from tsprune.deploy.export import TOLERANCE
from tsprune.deploy.kernels import DENSE, Choice, best
from tsprune.deploy.network import Bare
from tsprune.deploy.sparse_layers import sparse_form
from tsprune.errors import UserError
from tsprune.layers.decomposition import MovingAverage
from tsprune.layers.wrappers import computed
from tsprune.measure import latency_rounds, measure_latency
from tsprune.models import Forecaster
from tsprune.models.weights import unwrapped
from tsprune.pruners.masks import need_count

COLUMNS = ("layer", "weights", "density", "calls", "dense_ms", "sparse_ms", "bytes_per_weight", "runs")
SPARSE = "sparse"
"""What runs in a layer that computes without its zeros."""

_WARMUP, _ROUNDS = 2, 5


@dataclass(frozen=True)
class Sparsified:
    """The result of :func:`sparsify`; printed, it is the table and a line about the whole model."""

    model: Forecaster
    """A copy, in evaluation mode, for forecasts only: float32, on the CPU, without gradients."""
    path: Choice
    """The kernel's path, or why none runs."""
    layers: pd.DataFrame
    """COLUMNS, a row per layer: how many ``weights`` it has; ``density``, the share of them that is not zero (a moving
    average has no weights: of the matrix that it multiplies with); ``calls`` in a forecast; ``dense_ms`` and
    ``sparse_ms``, milliseconds of all these calls (medians; NaN where nothing was timed); ``bytes_per_weight`` that is
    not zero; ``runs``: ``sparse``, or ``dense`` with the reason."""
    whole: pd.DataFrame
    """The whole model, dense and sparse, as :func:`tsprune.measure.measure_latency` has it; empty where no layer
    changed."""
    batch: int
    difference: float
    """Largest difference of a forecast from the dense model's."""

    def __str__(self) -> str:
        table = self.layers.to_string(index=False, na_rep="", float_format=_short)
        sparse = int((self.layers["runs"] == SPARSE).sum())
        first = f"kernel: {self.path}; batch {self.batch}; {sparse} of {len(self.layers)} layers run sparse"
        return f"{table}\n\n{first}{self._speed()}"

    def _speed(self) -> str:
        if self.whole.empty:
            return ": the model is unchanged"
        dense, sparse = self.whole.to_dict("records")
        told = f"; {sparse['threads']} threads, {sparse['load']}; forecasts differ by at most {self.difference:.1e}\n"
        if pd.notna(sparse["trouble"]):
            return f"{told}whole model: {sparse['trouble']}"
        return (
            f"{told}whole model: {_short(dense['median_ms'])} ms dense, {_short(sparse['median_ms'])} ms sparse, "
            f"{sparse['speedup']:.2f} times as fast (95 % interval {sparse['speedup_low']:.2f} to "
            f"{sparse['speedup_high']:.2f}, {sparse['repeats']:.0f} rounds)"
        )


def _short(value: float) -> str:
    """Three significant digits, or whole units."""
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def sparsify(model: Forecaster, batch: int, *, measured: bool = True) -> Sparsified:
    """A copy of ``model`` in which layers with zeros leave them out, where that is faster for ``batch`` windows at once
    with as many threads as torch uses now. A moving average is such a layer, too: most of its matrix is zeros, whatever
    the masks.

    Every layer that has a sparse form is timed in both forms on the inputs that it gets in a forecast, all layers in
    turn, five times; finally the whole model is timed the same way, at least twice as often. Where no kernel runs, the
    model is unchanged, and the result says why. ``measured=False``: every layer that can be is made sparse, and nothing
    is timed.

    Raises :class:`UserError` for a ``batch`` below 1, for weights that are not float32 on the CPU, and where a forecast
    differs from the dense one's by more than 1e-5 (relative to forecasts above 1).
    """
    need_count("batch", batch)
    model = unwrapped(model)
    if problem := computed(model):
        raise UserError(f"{model.name}: {problem}")
    if kinds := {str(weight.dtype) for weight in model.parameters()} - {"torch.float32"}:
        raise UserError(
            f"{model.name}: the weights are {', '.join(sorted(kinds))}; sparse layers need float32: model.float()"
        )
    choice = best()
    dense = deepcopy(model).eval()
    network = Bare(dense)
    example = network.example(batch)
    layers, given = _layers(dense), _inputs(network, example)
    forms = {}
    if choice.path != DENSE:
        builders = {name: sparse_form(module) for name, module in layers.items() if _density(module) < 1}
        forms = {name: build(choice.path) for name, build in builders.items() if build and given[name]}
    times = _times(layers, forms, given) if measured and forms else {}
    rows = [_row(name, module, len(given[name]), forms.get(name), times.get(name)) for name, module in layers.items()]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    chosen = frame.loc[frame["runs"] == SPARSE, "layer"]
    sparse = deepcopy(dense)
    _replace(sparse, {name: forms[name] for name in chosen})
    sparse.eval()
    difference = _difference(network, Bare(sparse), example)
    whole = pd.DataFrame()
    if measured and len(chosen):
        variants = {DENSE: (network, example), SPARSE: (Bare(sparse), example)}
        whole = measure_latency(variants, [batch], repeats=2 * _ROUNDS)
    return Sparsified(sparse, choice, frame, whole, batch, difference)


def _replace(model: nn.Module, forms: Mapping[str, nn.Module]) -> None:
    """Put ``forms`` where the modules of their names are, in every place of the model that shares them."""
    of = {id(model.get_submodule(name)): form for name, form in forms.items()}
    for place, module in list(model.named_modules(remove_duplicate=False)):
        if form := of.get(id(module)):
            model.set_submodule(place, form)


def _layers(model: nn.Module) -> dict[str, nn.Module]:
    """By name: the outermost modules that have a sparse form, and others with weights of their own, as the model itself
    may be."""
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{outer}.") and sparse_form(found[outer]) for outer in found)
        weights = any(weight.dim() >= 2 for weight in module.parameters(recurse=False))
        if not inside and (weights or sparse_form(module)):
            found[name] = module
    return found


_Call = tuple[tuple[Tensor, ...], dict[str, bool]]
"""What a layer is called with."""


def _inputs(network: Bare, example: tuple[Tensor, ...]) -> dict[str, list[_Call]]:
    """What each layer is called with in a forecast, call by call."""
    given: dict[str, list] = {name: [] for name in _layers(network.model)}
    hooks = [
        layer.register_forward_pre_hook(lambda _, *call, calls=given[name]: calls.append(call), with_kwargs=True)
        for name, layer in _layers(network.model).items()
    ]
    try:
        with torch.inference_mode():
            network(*example)
    finally:
        for hook in hooks:
            hook.remove()
    return given


def _times(
    layers: Mapping[str, nn.Module], forms: Mapping[str, nn.Module], given: Mapping[str, list[_Call]]
) -> dict[str, tuple[float, float]]:
    """Milliseconds of the calls of a forecast, dense and sparse, of each layer that has a sparse form: medians, the
    sparse one such that their ratio is the median of the rounds' ratios."""
    variants = {}
    for name, form in forms.items():
        for kind, module in ((DENSE, layers[name]), (SPARSE, form)):
            variants[f"{kind} {name}"] = (partial(_call, module, given[name]), ())
    table = latency_rounds(variants, [1], repeats=_ROUNDS, warmup=_WARMUP)
    table = table.pivot(index="round", columns="variant", values="ms")
    found = {}
    for name in forms:
        dense, sparse = table[f"{DENSE} {name}"], table[f"{SPARSE} {name}"]
        found[name] = (dense.median(), dense.median() * (sparse / dense).median())
    return found


def _call(module: nn.Module, calls: list[_Call]) -> None:
    for inputs, how in calls:
        module(*inputs, **how)


def _row(name: str, module: nn.Module, calls: int, form: nn.Module | None, times: tuple[float, float] | None) -> tuple:
    """The COLUMNS of a layer."""
    density, nothing = _density(module), float("nan")
    product = getattr(form, "product", None)  # a moving average has none
    size = nothing if product is None else product.bytes_per_weight
    if not calls:
        runs = "dense: never called"
    elif density == 1:
        runs = "dense: no zeros"
    elif sparse_form(module) is None:
        runs = f"dense: no sparse form of {type(module).__name__}"
    elif form is None:
        runs = "dense: no kernel"
    else:
        runs = SPARSE if times is None or times[1] < times[0] else "dense: faster"
    return name or type(module).__name__, _count(module), density, calls, *(times or (nothing, nothing)), size, runs


def _weights(module: nn.Module) -> list[Tensor]:
    """Those that its sparse form would hold, or its own where it has none: its parts are layers too."""
    whole = sparse_form(module) is not None
    return [weight for weight in module.parameters(recurse=whole) if weight.dim() >= 2]


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in _weights(module))


def _density(module: nn.Module) -> float:
    if isinstance(module, MovingAverage):
        return int(module.counts.count_nonzero()) / module.counts.numel()
    return sum(int(weight.count_nonzero()) for weight in _weights(module)) / _count(module)


def _difference(dense: Bare, sparse: Bare, example: tuple[Tensor, ...]) -> float:
    """Largest difference of the forecasts. Raises :class:`UserError` where it is too large."""
    with torch.inference_mode():
        wanted, found = dense(*example), sparse(*example)
    difference = (found - wanted).abs().max().item()
    if not difference <= TOLERANCE * max(1.0, wanted.abs().max().item()):
        raise UserError(
            f"{dense.model.name}: the sparse layers' forecast differs from the dense one's by {difference:.1e}, at "
            f"most {TOLERANCE:.0e} is allowed"
        )
    return difference
