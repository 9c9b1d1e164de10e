"""Layers that compute only with the weights that are not zero, instead of a model's own layers."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from tsprune.deploy.kernels import Average, Packed, Product, Products
from tsprune.layers.decomposition import MovingAverage, TrendProjection
from tsprune.layers.embedding import CircularTokens
from tsprune.layers.encoder_decoder import ACTIVATIONS, FeedForward
from tsprune.layers.fourier import ComplexWeights, times_i
from tsprune.models.crossformer import MLP


class SparseLinear(nn.Module):
    """Linear: ``(..., inputs)`` to ``(..., outputs)``. Evaluation only, float32 on the CPU."""

    def __init__(self, linear: nn.Linear, path: str):
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.product = Product([Packed.of(linear.weight, linear.bias)], path)

    def forward(self, x: Tensor) -> Tensor:
        return _rows(self.product, x)


class SparseFeedForward(nn.Module):
    """Linear, activation, Linear in one call of the kernel: ``(..., d_model)`` to the same shape."""

    def __init__(self, up: nn.Linear, activation: str, down: nn.Linear, path: str):
        super().__init__()
        first = Packed.of(up.weight, up.bias, activation)
        self.product = Product([first, Packed.of(down.weight, down.bias)], path)

    def forward(self, x: Tensor) -> Tensor:
        return _rows(self.product, x)


class SparseTokens(SparseLinear):
    """:class:`CircularTokens`."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(CircularTokens.neighbours(x))


class SparseTrend(SparseLinear):
    """:class:`TrendProjection`."""

    def forward(self, x: Tensor) -> Tensor:
        return TrendProjection.joined(super().forward(x), self.out_features // 3)


class SparseConvolution(nn.Module):
    """Conv1d along time, without padding, stride and dilation: ``(batch, channels, length)`` to
    ``(batch, outputs, length - taps + 1)``.

    With the channels of a time step side by side, what a tap and its neighbours see is one row of numbers, and the rows
    overlap: nothing is copied for it.
    """

    def __init__(self, convolution: nn.Conv1d, path: str):
        super().__init__()
        self.taps = convolution.kernel_size[0]
        weight = convolution.weight.detach().transpose(1, 2).flatten(1)
        self.product = Product([Packed.of(weight, convolution.bias)], path)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, length = x.shape
        steps = x.transpose(1, 2).contiguous()
        # Rows that reach from one sample into the next are computed too, and left out.
        rows = steps.as_strided((batch * length - self.taps + 1, self.taps * channels), (channels, 1))
        y = self.product(rows)
        outputs = y.shape[1]
        whole = y.as_strided((batch, length - self.taps + 1, outputs), (length * outputs, outputs, 1))
        return whole.transpose(1, 2)


class SparseComplexWeights(nn.Module):
    """:class:`ComplexWeights`: the small matrix of a mode and head, real and imaginary part side by side."""

    def __init__(self, weights: ComplexWeights, path: str):
        super().__init__()
        self.head_dim = weights.head_dim
        both = torch.cat([weights.real, weights.imag], dim=2).detach().transpose(2, 3).flatten(0, 1)
        self.product = Products([[Packed.of(matrix)] for matrix in both], path)

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.cat([x, times_i(x, 2)], dim=-1).flatten(2, 3).flatten(0, 1)
        return self.product(rows).view(*x.shape[:-1], self.head_dim)


class SparseAverage(nn.Module):
    """:class:`MovingAverage`, whose matrix has as many numbers in a row as the average has values, or fewer."""

    def __init__(self, trend: MovingAverage, path: str):
        super().__init__()
        self.average = Average(trend.kernel // 2, (trend.kernel - 1) // 2, path)

    def forward(self, x: Tensor, time_last: bool = False, rest: bool = False) -> Tensor:
        return self.average(x.mT, rest).mT if time_last else self.average(x, rest)


def sparse_form(module: nn.Module) -> Callable[[str], nn.Module] | None:
    """What makes, for a path of the kernel, ``module`` with its zeros left out; None where there is no such form."""
    if isinstance(module, FeedForward | MLP):
        parts = list(module) if isinstance(module, MLP) else [module.up, module.activation, module.down]
        up, activation, down = parts[0], _activation(parts[1]), parts[2]
        return None if activation is None else lambda path: SparseFeedForward(up, activation, down, path)
    if isinstance(module, nn.Conv1d):
        plain = module.stride == module.dilation == (1,) and module.groups == 1 and module.padding == (0,)
        return (lambda path: SparseConvolution(module, path)) if plain else None
    forms = {nn.Linear: SparseLinear, CircularTokens: SparseTokens, TrendProjection: SparseTrend}
    forms |= {ComplexWeights: SparseComplexWeights, MovingAverage: SparseAverage}
    form = forms.get(type(module))
    return None if form is None else lambda path: form(module, path)


def _activation(module: nn.Module) -> str | None:
    """Its name among those of the kernel, which has gelu in its exact form only."""
    exact = not isinstance(module, nn.GELU) or module.approximate == "none"
    return next((name for name, kind in ACTIVATIONS.items() if type(module) is kind and exact), None)


def _rows(product: Product, x: Tensor) -> Tensor:
    return product(x.reshape(-1, product.inputs)).view(*x.shape[:-1], product.outputs)


def stored_bytes(model: nn.Module) -> int:
    """Bytes of the weights of a model, with layers of this module in it or without."""
    products = [module.product for module in model.modules() if isinstance(getattr(module, "product", None), Products)]
    biases = [layer.bias for product in products for layer in product.layers if layer.bias is not None]
    packed = sum(layer.nbytes for product in products for layer in product.layers)
    return sum(_bytes(weight) for weight in (*model.parameters(), *biases)) + packed


def _bytes(weight: Tensor) -> int:
    """Of a weight; of a packed one, which counts as what it stands for, those of the tensors that it is made of."""
    if not is_traceable_wrapper_subclass(weight):
        return weight.nbytes
    return sum(getattr(weight, name).nbytes for name in weight.__tensor_flatten__()[0])
