"""Multiply-adds of one forecast, by kind of operator and by module, from a trace; nothing unsupported passes unseen.

fvcore traces the model and walks the graph; the handlers are ours. fvcore's own miss fused attention, LSTM and Fourier
transforms, forget the batch in a product of a constant matrix with a batched one, and round einsum.
"""

import copy
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from tsprune.errors import UserError
from tsprune.layers.attention import Attention
from tsprune.layers.autocorrelation import AutoCorrelation
from tsprune.layers.decomposition import DecompositionDecoderLayer, DecompositionEncoderLayer, MovingAverage
from tsprune.layers.fourier import ComplexWeights, FourierBlock, FourierCrossBlock, FourierLayer
from tsprune.layers.masks import mask_problem
from tsprune.layers.probsparse import ProbSparseAttention

KINDS: dict[type[nn.Module], str] = {
    AutoCorrelation: "auto-correlation",
    ProbSparseAttention: "ProbSparse attention",
    Attention: "attention",
    ComplexWeights: "Fourier",
    FourierBlock: "Fourier",
    FourierCrossBlock: "Fourier",
    FourierLayer: "Fourier",
    MovingAverage: "decomposition",
    DecompositionEncoderLayer: "decomposition",
    DecompositionDecoderLayer: "decomposition",
}
"""What a product that is no Linear, convolution or recurrence is called, by the module it happens in (the first that
fits). Elsewhere: ``attention`` for a product of two activations, ``constant`` for one with a table."""

ELEMENTWISE = """
abs add add_ amax argmax avg_pool1d batch_norm clamp clamp_ clamp_min cos cumsum div div_ elu exp gelu group_norm
index_add instance_norm layer_norm leaky_relu log log_softmax max max_pool1d mean min mul mul_ neg pow relu relu_ rsqrt
rsub sigmoid silu sin softmax softplus sqrt square std sub sub_ sum tanh topk var
"""
"""Operators whose work grows with the elements they read or write; counted apart, in elements."""

FREE = """
_conj alias broadcast_tensors clone complex fill_ imag index_copy index_select lift_fresh logical_not masked_fill_
masked_select movedim new_ones ones_like pad real repeat repeat_interleave resolve_conj scatter scatter_ swapaxes tile
triu unflatten unfold view_as view_as_complex view_as_real where zero_
"""
"""Operators that only place or move elements, besides those fvcore ignores (views, cat, gather, roll, ...)."""

KEEPS_ZEROS = """
_conj alias cat chunk clone complex contiguous detach div expand flatten flip index_select mul movedim narrow neg pad
permute real repeat reshape select slice split split_with_sizes squeeze stack swapaxes t tile to transpose type_as
unbind unflatten unsqueeze view view_as view_as_complex
"""
"""What a weight may pass through on its way into a product and still be that weight, with its zeros: layout, and
scaling. Anything else makes an activation of it."""

RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


@dataclass(frozen=True)
class Operation:
    """One product of the forward pass."""

    module: str
    """Name of the module that ran it; ``""`` is the model itself."""
    operator: str
    kind: str
    macs: int
    weights: tuple[str, ...] = ()
    """Names of the parameters that one operand is made of; none: no operand is made of parameters alone."""


@dataclass(frozen=True)
class MacReport:
    """What :func:`count_macs` found, for one window."""

    operations: tuple[Operation, ...]
    elements: Mapping[str, int]
    """Elements that pass through each operator that is no product (norms, activations, sums). No part of any total."""
    unsupported: Mapping[str, int]
    """Operators that nothing is known about, and how often they ran. Not empty: the totals are too low."""
    shapes: Mapping[str, Sequence[int]] = field(repr=False)
    """Of each parameter."""
    densities: Mapping[str, float] | None = None
    """Share kept of each masked parameter; None: no masks were given."""

    @property
    def macs_executed(self) -> int:
        """Multiply-adds that dense kernels execute, whatever the weights' values. For dense and structured models."""
        return sum(operation.macs for operation in self.operations)

    @property
    def macs_if_zeros_skipped(self) -> int | None:
        """Multiply-adds left if a kernel skipped every masked weight. None without masks.

        The multiply-adds of each product with a masked weight, times the density of that weight. Attention and
        all other products of activations stay dense.
        """
        if self.densities is None:
            return None
        return round(sum(operation.macs * self._density(operation) for operation in self.operations))

    def with_masks(self, masks: Mapping[str, Tensor]) -> "MacReport":
        """The same count under ``masks`` (parameter name to bool tensor), without tracing again.

        A mask of no parameter, of another shape or of other numbers than bools raises :class:`UserError`.
        """
        if problem := mask_problem(masks, self.shapes, "parameter"):
            raise UserError(problem)
        return replace(self, densities={name: int(mask.sum()) / mask.numel() for name, mask in masks.items()})

    def _density(self, operation: Operation) -> float:
        sizes = {name: math.prod(self.shapes[name]) for name in operation.weights}
        total = sum(sizes.values())
        if not total:
            return 1.0
        return sum(size * self.densities.get(name, 1.0) for name, size in sizes.items()) / total


def count_macs(
    model: nn.Module, inputs: Sequence[Tensor | None], masks: Mapping[str, Tensor] | None = None
) -> MacReport:
    """Count the multiply-adds of one window's forecast in evaluation mode.

    The first window of ``inputs`` is forecast alone, so the count does not depend on the batch. What is counted is what
    runs: a causal attention computes all scores, the moving average is a product with a constant matrix,
    Auto-Correlation is two products of L x L (no FFT), Fourier blocks are products with rows of the DFT matrix.

    Counted, a multiply-add as one, exactly: Linear, convolution, LSTM/GRU/RNN, every matrix product, einsum (operands
    contracted from left to right), fused attention. A complex product counts four. An FFT of N points counts
    2.5 N log2 N floating-point operations if real, 5 N log2 N if complex, two of them as one multiply-add.

    Not counted: views, copies, gathers (:data:`FREE`, and what fvcore ignores). Counted apart, in elements: norms,
    activations, sums and other elementwise work (:data:`ELEMENTWISE`). Anything else is in ``unsupported``.

    ``masks`` of unstructured pruning give ``macs_if_zeros_skipped`` too; a weight that is joined from several
    parameters has the density of them all. Raises :class:`UserError` for masks as :meth:`MacReport.with_masks` does.
    """
    model = copy.deepcopy(model).eval()  # fvcore leaves its hooks behind if the model raises
    window = tuple(None if x is None else x[:1] for x in inputs)
    used = [i for i, x in enumerate(window) if x is not None]
    traced = _Positional(model, len(window), used)
    counter = _Counter(traced, tuple(window[i] for i in used))
    counter.count()
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    report = MacReport(tuple(counter.operations), dict(counter.elements), counter.unsupported, shapes)
    return report if masks is None else report.with_masks(masks)


class _Positional(nn.Module):
    """The model with only the inputs that are given: a tracer takes no None."""

    def __init__(self, model: nn.Module, length: int, used: list[int]):
        super().__init__()
        self.model = model
        self.length = length
        self.used = used

    def forward(self, *given: Tensor) -> Tensor:
        places = dict(zip(self.used, given, strict=True))
        return self.model(*(places.get(i) for i in range(self.length)))


class _Counter:
    """fvcore's walk over the traced graph, with handlers that record what each product is made of."""

    def __init__(self, model: _Positional, inputs: tuple[Tensor, ...]):
        self.model = model
        self.modules = dict(model.named_modules())
        self.arguments = len(inputs)
        # The tracer's graph has the inputs first, then the state_dict, tied tensors once.
        owned = {id(p): name.removeprefix("model.") for name, p in model.named_parameters()}
        state = {id(t): t for t in model.state_dict(keep_vars=True).values()}
        self.state_names = [owned.get(key) for key in state]
        self.operations: list[Operation] = []
        self.elements: Counter[str] = Counter()
        layout = {f"aten::{name}" for name in KEEPS_ZEROS.split()}
        self.layout = layout | {"prim::ListConstruct", "prim::ListUnpack", "prim::TupleConstruct", "prim::TupleUnpack"}
        self.origins: dict[str, tuple[bool, frozenset[str]]] = {}
        handlers: dict[str, Callable | None] = {f"aten::{name}": None for name in FREE.split()}
        handlers |= {f"aten::{name}": self.elementwise(name) for name in ELEMENTWISE.split()}
        handlers |= {f"aten::{name}": self.product(name, measure) for name, measure in PRODUCTS.items()}
        handlers |= {f"aten::{name}": self.recurrent(name) for name in RECURRENT}
        with warnings.catch_warnings():  # it scripts functions at import, which torch warns of: an error to some
            warnings.simplefilter("ignore", DeprecationWarning)
            from fvcore.nn.jit_analysis import JitModelAnalysis  # brings much that only a count needs

        self.analysis = JitModelAnalysis(model, inputs).set_op_handle(**handlers)
        self.analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)

    def count(self) -> None:
        with torch.no_grad():
            self.analysis.total()
        self.unsupported = dict(self.analysis.unsupported_ops())

    def record(self, node, operator: str, macs: float, operands: Iterable) -> None:
        """Note a product; its weight is the first of ``operands`` that is laid out from parameters."""
        scope = node.scopeName().split("/")[-1]
        origins = [self.origin(operand) for operand in operands]
        weights = next((tuple(sorted(names)) for computed, names in origins if names and not computed), ())
        constant = not all(computed for computed, _ in origins)
        kind = self.kind(scope, operator, bool(weights), constant)
        self.operations.append(
            Operation(scope.removeprefix("model").removeprefix("."), operator, kind, round(macs), weights)
        )

    def kind(self, scope: str, operator: str, weighted: bool, constant: bool) -> str:
        if operator == "_convolution":
            return "convolution"
        if operator in RECURRENT:
            return "recurrent"
        if operator == "linear" and weighted:
            return "linear"
        if operator.startswith("fft_"):
            return "Fourier transform"
        for cls, kind in KINDS.items():
            if isinstance(self.modules[scope], cls) and not (weighted and kind != "Fourier"):
                return kind
        return "linear" if weighted else "constant" if constant else "attention"

    def origin(self, value) -> tuple[bool, frozenset[str]]:
        """Whether ``value`` is an activation (an input of the model enters it, or parameters through arithmetic), and
        else the parameters it is laid out from; none: a constant table."""
        pending = [value]
        while pending:
            current = pending[-1]
            name, node = current.debugName(), current.node()
            if name in self.origins:
                pending.pop()
                continue
            if node.kind() == "prim::Param":
                place = [v.debugName() for v in node.outputs()].index(name)
                parameter = None if place < self.arguments else self.state_names[place - self.arguments]
                self.origins[name] = (place < self.arguments, frozenset([parameter] if parameter else []))
                continue
            parents = [v for v in node.inputs() if _holds_tensors(v)]
            if missing := [v for v in parents if v.debugName() not in self.origins]:
                pending.extend(missing)
                continue
            known = [self.origins[v.debugName()] for v in parents]
            names = frozenset().union(*(k[1] for k in known))
            computed = any(k[0] for k in known) or (bool(names) and node.kind() not in self.layout)
            self.origins[name] = (computed, frozenset() if computed else names)
        return self.origins[value.debugName()]

    def product(self, operator: str, measure: Callable) -> Callable:
        def handle(inputs, outputs):
            macs, operands = measure(inputs, outputs)
            scale = 4 if any("Complex" in str(v.type().scalarType()) for v in operands) else 1
            if operator.startswith("fft_"):
                scale = 1
            self.record(outputs[0].node(), operator, macs * scale, operands)
            return 0

        return handle

    def recurrent(self, operator: str) -> Callable:
        """Every weight matrix is used once per step and window; biases are additions."""

        def handle(inputs, outputs):
            batch_and_steps = math.prod(_shape(inputs[0])[:-1])
            for weight in inputs[2].node().inputs():
                shape = _shape(weight)
                if len(shape) == 2:
                    self.record(outputs[0].node(), operator, batch_and_steps * math.prod(shape), [weight])
            return 0

        return handle

    def elementwise(self, operator: str) -> Callable:
        def handle(inputs, outputs):
            tensors = [v for v in (inputs[0], outputs[0]) if v.isCompleteTensor()]
            self.elements[operator.removesuffix("_")] += max((math.prod(_shape(v)) for v in tensors), default=0)
            return 0

        return handle


def _shape(value) -> list[int]:
    return value.type().sizes()


def _holds_tensors(value) -> bool:
    """Tensors and lists of tensors; not the numbers of a shape, which inputs enter without their values."""
    kind = value.type().kind()
    return kind == "TensorType" or (kind == "ListType" and value.type().getElementType().kind() == "TensorType")


def _matrix_product(first: int, second: int) -> Callable:
    """Measure of an operator with the operands at these places: elements of the result times the inner dimension."""

    def measure(inputs, outputs):
        a, b = inputs[first], inputs[second]
        return math.prod(_shape(outputs[0])) * _shape(a)[-1], (b, a)

    return measure


def _summed_products(inputs, outputs):
    """addbmm adds up a batch of products."""
    a, b = inputs[1], inputs[2]
    return math.prod(_shape(a)) * _shape(b)[-1], (b, a)


def _linear(inputs, outputs):
    return math.prod(_shape(outputs[0])) * _shape(inputs[1])[-1], (inputs[1],)


def _convolution(inputs, outputs):
    x, weight = _shape(inputs[0]), _shape(inputs[1])
    transposed = inputs[6].toIValue()
    places = math.prod((x if transposed else _shape(outputs[0]))[2:])
    return x[0] * places * math.prod(weight), (inputs[1],)


def _outer(inputs, outputs):
    return math.prod(_shape(outputs[0])), (inputs[1], inputs[0])


def _attention(inputs, outputs):
    q, k, v = (_shape(x) for x in inputs[:3])
    return math.prod(q[:-1]) * k[-2] * (q[-1] + v[-1]), tuple(inputs[:3])


def _einsum(inputs, outputs):
    operands = list(inputs[1].node().inputs())
    return einsum_macs(inputs[0].toIValue(), [_shape(v) for v in operands]), tuple(operands[::-1])


def einsum_macs(equation: str, shapes: Sequence[Sequence[int]]) -> int:
    """Multiply-adds of an einsum whose operands are contracted from left to right, each pair over all their indices.

    An ellipsis raises :class:`UserError`.
    """
    if "." in equation:
        raise UserError(f"einsum '{equation}': an ellipsis is not counted; name every index")
    left, _, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if "->" not in equation:
        result = "".join(letter for letter in left if left.count(letter) == 1)
    size = {letter: n for term, shape in zip(terms, shapes, strict=True) for letter, n in zip(term, shape, strict=True)}
    total, done = 0, set(terms[0])
    for i, term in enumerate(terms[1:], start=1):
        indices = done | set(term)
        total += math.prod(size[letter] for letter in indices)
        done = indices & set("".join(terms[i + 1 :]) + result)
    return total


def _fourier(flops_per_point: float, halved: bool = False) -> Callable:
    """Measure of a one-dimensional transform: flops_per_point * N log2 N operations, two for one multiply-add. Its
    result has the N points that it is of, whatever was cut off or padded before; ``halved``, only half of them."""

    def measure(inputs, outputs):
        shape, along = _shape(outputs[0]), inputs[2].toIValue()
        if halved:
            asked = inputs[1].toIValue()
            shape[along] = _shape(inputs[0])[along] if asked is None else asked
        return math.prod(shape) * flops_per_point * math.log2(max(shape[along], 2)) / 2, (inputs[0],)

    return measure


PRODUCTS: dict[str, Callable] = {
    "linear": _linear,
    "matmul": _matrix_product(0, 1),
    "mm": _matrix_product(0, 1),
    "mv": _matrix_product(0, 1),
    "dot": _matrix_product(0, 1),
    "bmm": _matrix_product(0, 1),
    "addmm": _matrix_product(1, 2),
    "addmv": _matrix_product(1, 2),
    "addbmm": _summed_products,
    "baddbmm": _matrix_product(1, 2),
    "outer": _outer,
    "_convolution": _convolution,
    "scaled_dot_product_attention": _attention,
    "einsum": _einsum,
    "fft_rfft": _fourier(2.5, halved=True),
    "fft_irfft": _fourier(2.5),
    "fft_fft": _fourier(5),
    "fft_ifft": _fourier(5),
}
"""Operator to a function of its inputs and outputs: multiply-adds, and the operands, the likelier weight first."""
