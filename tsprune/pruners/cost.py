"""What a model costs at any widths of its axes, found in one shape-only forward pass.

The twin of a model is a copy without numbers (meta device) whose axes have different large primes as widths. Each
count of the twin, the size of a tensor or the multiply-adds of one product, is then a whole number whose prime factors
say which axes it grows with: a monomial in the widths. Their sum is the cost, exact, and evaluated in microseconds.
"""

import copy
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tag, Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import flop_registry

from tsprune.errors import UserError, unknown
from tsprune.layers import plain_attention

Measure = Literal["parameters", "macs"]


class Cost:
    """``cost(widths)``: parameters, or multiply-adds of a batch of one, of a model whose ``axes`` have these widths.

    ``widths``: units per group, in the order of the axes. Multiply-adds are those of matrix products and convolutions,
    recurrent steps included (``macs_executed`` of ``tsprune.measure.count_macs``). Tied parameters count once.
    """

    def __init__(self, constants: Sequence[int], powers: Sequence[Sequence[int]], axes: int):
        self.constants = np.array(constants, dtype=float)
        self.powers = np.array(powers, dtype=float).reshape(len(constants), axes)

    def __call__(self, widths: Sequence[int]) -> float:
        return float(self.constants @ np.prod(np.asarray(widths, dtype=float) ** self.powers, axis=1))


def cost_of(model: nn.Module, names: Sequence[str], inputs: Sequence[Tensor | None], by: Measure) -> Cost:
    """Cost of ``model`` as a function of the widths of those of its axes that have these ``names``.

    Raises :class:`UserError` for an unknown ``by``.
    """
    if by not in get_args(Measure):
        raise UserError(unknown("measure", by, get_args(Measure)))
    return costs_of(model, names, inputs, (by,))[0][by]


def costs_of(
    model: nn.Module,
    names: Sequence[str],
    inputs: Sequence[Tensor | None],
    measures: Sequence[Measure] = get_args(Measure),
) -> tuple[dict[Measure, Cost], torch.Size | None]:
    """The cost by each of the measures, as :func:`cost_of`, of one twin, and the shape of its forecast of one sample,
    which is the model's at any widths; None where multiply-adds are not asked for."""
    twin = without_numbers(model)
    axes = {axis.name: axis for axis in twin.axes()}
    tensors = (*twin.state_dict().values(), *(x for x in inputs if x is not None))
    sizes = [size for tensor in tensors for size in tensor.shape]
    primes = list(primes_above(8 * max(sizes), len(names)))
    for name, prime in zip(names, primes, strict=True):
        axes[name].take(torch.zeros(axes[name].groups * prime, dtype=torch.int64, device="meta"))
    costs, shape = {}, None
    for by in measures:
        found, forecast = counts(twin, inputs, by)
        shape = forecast or shape
        terms = Counter(factor(count, primes) for count in found)
        costs[by] = Cost([term[0] * n for term, n in terms.items()], [term[1:] for term in terms], len(names))
    return costs, shape


def count(model: nn.Module, inputs: Sequence[Tensor | None], by: Measure) -> int:
    """Parameters (tied ones once), or multiply-adds of one sample, of ``model`` as it is."""
    return sum(counts(without_numbers(model), inputs, by)[0])


def without_numbers(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in evaluation mode whose tensors have a shape only."""
    empty = {id(b): torch.empty_like(b, device="meta") for b in model.buffers()}
    empty |= {id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()}
    return copy.deepcopy(model, empty).eval()


def counts(model: nn.Module, inputs: Sequence[Tensor | None], by: Measure) -> tuple[list[int], torch.Size | None]:
    """Of a model on the meta device: sizes of the parameters, or multiply-adds of each product for one sample and the
    shape of its forecast."""
    if by == "parameters":
        return [p.numel() for p in model.parameters()], None
    sample = [None if x is None else torch.empty_like(x[:1], device="meta") for x in inputs]
    with torch.no_grad(), plain_attention(model), CountedMacs() as products:
        shape = model(*sample).shape
    return products.macs, shape


class CountedMacs(TorchDispatchMode):
    """Lists the multiply-adds of every operator that torch has a formula for, on the meta device. What an operator
    gives is asked of torch once for the same shapes, since that is slow and a recurrent model repeats it step by step;
    one that changes a tensor's shape runs each time.
    """

    def __init__(self):
        super().__init__()
        self.macs: list[int] = []
        self._found: dict[Hashable, tuple[object, list[int]]] = {}

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if _by_shapes_alone(operator):
            key = _outline((operator, args, kwargs))
            if key not in self._found:
                result, macs = _asked(operator, args, kwargs)
                self._found[key] = None if args and result is args[0] else result, macs
            result, macs = self._found[key]
            result = args[0] if result is None else tree_map_only(Tensor, Tensor.detach, result)
        else:
            result, macs = _asked(operator, args, kwargs)
        self.macs += macs
        return result


def _by_shapes_alone(operator: OpOverload) -> bool:
    """Whether an operator gives a tensor of its own, or the one that it is given in the shape that this has."""
    into = any(argument.is_out for argument in operator._schema.arguments)
    return not (operator.is_view or into or Tag.inplace_view in operator.tags)


def _asked(operator: OpOverload, args: tuple, kwargs: dict) -> tuple[object, list[int]]:
    """What an operator gives, and its multiply-adds where torch has a formula for it."""
    result, formula = operator(*args, **kwargs), flop_registry.get(operator.overloadpacket)
    return result, [formula(*args, **kwargs, out_val=result) // 2] if formula else []


def _outline(value: object) -> Hashable:
    """All that decides what shape an operator gives: a tensor's shape, the other values themselves."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype
    if isinstance(value, list | tuple):
        return tuple(map(_outline, value))
    if isinstance(value, dict):
        return tuple((name, _outline(own)) for name, own in value.items())
    return type(value), value  # 1, 1.0 and True are equal


def factor(count: int, primes: Sequence[int]) -> tuple[int, ...]:
    """The part of ``count`` without ``primes``, then the power of each of them."""
    powers = []
    for prime in primes:
        power = 0
        while count and count % prime == 0:
            count, power = count // prime, power + 1
        powers.append(power)
    return (count, *powers)


def primes_above(bound: int, count: int) -> Iterator[int]:
    """The first ``count`` primes larger than ``bound``."""
    number = bound
    while count:
        number += 1
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            count -= 1
            yield number
