"""Frequency-enhanced blocks (Zhou et al. 2022, arXiv 2201.12740, sections 3.2 and 3.3) in real arithmetic.

A complex number is a pair of real ones on an axis of length 2. Spectra are taken at the selected modes only, by a
product with rows of the DFT matrix; nothing here is a complex tensor or an FFT, so every block can be exported. The
matrices are kept in float64 and cast at each call (they are small), so that a float64 model is exact to float64.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from tsprune.layers.axes import Slot, inputs, outputs


def select_modes(length: int, modes: int, method: str, generator: torch.Generator) -> list[int]:
    """``min(modes, length // 2)`` frequencies below ``length // 2``, ascending: the lowest (``low``), or drawn."""
    available = length // 2
    count = min(modes, available)
    if method == "low":
        return list(range(count))
    return sorted(torch.randperm(available, generator=generator, device="cpu")[:count].tolist())


def forward_matrix(modes: Sequence[int], length: int) -> torch.Tensor:
    """``(2 * modes, length)``: times a signal gives the real, then the imaginary parts of its DFT at ``modes``.

    Rows of modes beyond the spectrum of ``length`` are zero: the reference skips them. float64.
    """
    angle, exists = angles(modes, length)
    return torch.cat([angle.cos(), -angle.sin()]) * exists.repeat(2)[:, None]


def inverse_matrix(modes: Sequence[int], length: int) -> torch.Tensor:
    """``(2 * modes, length)``: a spectrum, zero but at ``modes``, times this gives the inverse real DFT.

    The imaginary parts at frequency zero and at the Nyquist frequency have no effect. float64.
    """
    angle, exists = angles(modes, length)
    unpaired = torch.tensor([mode in (0, length / 2) for mode in modes], device="cpu")
    weight = (2.0 - unpaired.double()) * exists / length
    imaginary = -angle.sin() * (~unpaired)[:, None]
    return torch.cat([angle.cos() * weight[:, None], imaginary * weight[:, None]])


def angles(modes: Sequence[int], length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """2 pi mode t / length, ``(modes, length)``, float64, and whether each mode is in the spectrum of ``length``."""
    mode = torch.tensor(modes, dtype=torch.int64, device="cpu")
    turns = mode.outer(torch.arange(length, device="cpu")) % length  # whole numbers: exact before the division
    return turns.double() * (2 * math.pi / length), mode <= length // 2


def times_i(x: torch.Tensor, dim: int) -> torch.Tensor:
    """i x, for real and imaginary parts along ``dim``. (a + ib)(c + id) is (a, b) c + i(a, b) d: no part is taken out
    of a product, which would cost a tensor of zeros for each in the backward pass."""
    real, imag = x.unbind(dim)
    return torch.stack([-imag, real], dim)


class ComplexWeights(nn.Module):
    """One complex matrix ``(inputs, outputs)`` per mode and head, applied to spectra.

    ``real`` and ``imag`` are ``(modes, n_heads, head_dim, head_dim)``, initially uniform in [0, 1 / d_model^2).
    ``head_dim`` is the number of outputs; a pruner may leave fewer inputs.
    """

    def __init__(self, modes: int, n_heads: int, head_dim: int):
        super().__init__()
        self.n_heads = n_heads
        self.head_dim = head_dim
        scale = 1 / (n_heads * head_dim) ** 2
        self.real, self.imag = (
            nn.Parameter(nn.init.uniform_(torch.empty(modes, n_heads, head_dim, head_dim), 0, scale)) for _ in range(2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(modes, n_heads, 2, batch, inputs)`` to ``(..., head_dim)``: a complex product for each mode and head."""
        rows, turned = x.flatten(2, 3).flatten(0, 1), times_i(x, 2).flatten(2, 3).flatten(0, 1)
        by_real = torch.bmm(rows, self.real.flatten(0, 1))
        return torch.baddbmm(by_real, turned, self.imag.flatten(0, 1)).view(*x.shape[:-1], self.head_dim)

    def along(self, dim: int) -> list[Slot]:
        """Where modes (0), inputs (2) or outputs (3) lie."""
        return [Slot(self, "real", dim), Slot(self, "imag", dim)]


class FourierBlock(nn.Module):
    """Spectrum at the selected modes, a complex matrix per mode and head, and back (paper: FEB-f).

    As in the published code, the result of the w-th selected mode is put at frequency w, whatever the mode;
    ``exact_bins=True`` puts it back where it was taken, which is the paper's formula. ``head_dim`` is that of the
    input; the output's is that of the weights.
    """

    def __init__(self, n_heads: int, head_dim: int, length: int, modes: Sequence[int], exact_bins: bool = False):
        super().__init__()
        self.n_heads = n_heads
        self.head_dim = head_dim
        self.length = length
        self.exact_bins = exact_bins
        self.weights = ComplexWeights(len(modes), n_heads, head_dim)
        self.set_modes(modes)

    def set_modes(self, modes: Sequence[int]) -> None:
        """Choose the modes, as many as there are weights."""
        self.modes = len(modes)
        bins = modes if self.exact_bins else range(len(modes))
        self.register_buffer("forward_dft", forward_matrix(modes, self.length), persistent=False)
        self.register_buffer("inverse_dft", inverse_matrix(bins, self.length), persistent=False)

    def forward(self, q: torch.Tensor) -> torch.Tensor:
        """``(batch, length, n_heads * head_dim)`` to ``(batch, n_heads, head_dim, length)``."""
        spectrum = (self.forward_dft.to(q.dtype) @ q).view(-1, 2, self.modes, self.n_heads, self.head_dim)
        mixed = self.weights(spectrum.permute(2, 3, 1, 0, 4))
        return mixed.permute(3, 1, 4, 2, 0).flatten(3) @ self.inverse_dft.to(q.dtype)

    def mode_slots(self) -> list[Slot]:
        """Where the modes lie. Real and imaginary rows come one after the other."""
        dft = [Slot(self, name, 0, outer=2) for name in ("forward_dft", "inverse_dft")]
        return [*self.weights.along(0), *dft]


class FourierCrossBlock(nn.Module):
    """Attention between the spectra of queries and keys, each at its own modes (paper: FEA-f).

    The keys are the values too, as in the published code. ``activation``: ``tanh`` of the real and of the imaginary
    parts, or ``softmax`` of the absolute values over the key modes. The result is divided by d_model squared.
    """

    def __init__(
        self,
        n_heads: int,
        head_dim: int,
        length: int,
        source_length: int,
        query_modes: Sequence[int],
        key_modes: Sequence[int],
        activation: str = "tanh",
    ):
        super().__init__()
        self.n_heads = n_heads
        self.head_dim = head_dim
        self.scale = (n_heads * head_dim) ** -2
        self.length = length
        self.source_length = source_length
        self.activation = activation
        self.weights = ComplexWeights(len(query_modes), n_heads, head_dim)
        self.set_modes(query_modes, key_modes)

    def set_modes(self, query_modes: Sequence[int], key_modes: Sequence[int]) -> None:
        """Choose the modes; as many for the queries as there are weights."""
        self.query_modes, self.key_modes = len(query_modes), len(key_modes)
        self.register_buffer("query_dft", forward_matrix(query_modes, self.length), persistent=False)
        self.register_buffer("key_dft", forward_matrix(key_modes, self.source_length), persistent=False)
        self.register_buffer("inverse_dft", inverse_matrix(query_modes, self.length), persistent=False)

    def forward(self, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        """Queries ``(batch, length, n_heads * head_dim)``, keys likewise; ``(batch, n_heads, head_dim, length)``."""
        heads = (self.n_heads, self.head_dim)
        queries = (self.query_dft.to(q.dtype) @ q).unflatten(-1, heads).unflatten(1, (2, self.query_modes))
        queries = queries.permute(0, 3, 1, 2, 4)  # (batch, head, 2, mode, feature)
        queries = torch.stack([queries, times_i(queries, 2)], -2).flatten(2, 3).flatten(3)
        keys = (self.key_dft.to(k.dtype) @ k).unflatten(-1, heads).unflatten(1, (2, self.key_modes))
        keys = keys.permute(0, 3, 2, 1, 4).flatten(3)  # (batch, head, mode, 2 * feature)
        scores = queries @ keys.transpose(-2, -1)  # (batch, head, 2 * query mode, key mode)
        if self.activation == "tanh":
            values = (scores.tanh() @ keys).unflatten(3, (2, self.head_dim)).unflatten(2, (2, self.query_modes))
            by_real, by_imag = values.unbind(2)
            values = by_real + times_i(by_imag, 3)
        else:
            power = scores.unflatten(2, (2, self.query_modes)).square().sum(2)
            # The root has no gradient at zero, where a pruner has left nothing of the queries.
            scores = power.clamp(min=torch.finfo(power.dtype).tiny).sqrt().softmax(-1)
            values = (scores @ keys).unflatten(3, (2, self.head_dim))
        mixed = self.weights(values.permute(2, 1, 3, 0, 4))
        return mixed.permute(3, 1, 4, 2, 0).flatten(3) @ (self.inverse_dft * self.scale).to(q.dtype)

    def mode_slots(self) -> list[Slot]:
        """Where the modes of the queries lie. Real and imaginary rows come one after the other."""
        dft = [Slot(self, name, 0, outer=2) for name in ("query_dft", "inverse_dft")]
        return [*self.weights.along(0), *dft]


class FourierLayer(nn.Module):
    """Projections around a Fourier block that several layers share and that comes with the call.

    The published code reads the block's ``(batch, n_heads, head_dim, length)`` as
    ``(batch, length, n_heads * head_dim)`` without putting the axes back; ``transpose_heads=True`` puts them back,
    which is the paper's.

    ``unused_projections=True`` creates the projections that the published model has but never uses (values everywhere,
    keys in self-attention), for its parameter count.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        uses_keys: bool,
        transpose_heads: bool = False,
        unused_projections: bool = False,
    ):
        super().__init__()
        self.n_heads = n_heads
        self.head_dim = d_model // n_heads
        self.transpose_heads = transpose_heads
        inner = self.n_heads * self.head_dim
        self.query = nn.Linear(d_model, inner)
        self.key = nn.Linear(d_model, inner) if uses_keys or unused_projections else None
        self.value = nn.Linear(d_model, inner) if unused_projections else None
        self.out = nn.Linear(inner, d_model)
        self.uses_keys = uses_keys

    def forward(self, x: torch.Tensor, source: torch.Tensor, block: nn.Module) -> torch.Tensor:
        queries = self.query(x)
        mixed = block(queries, self.key(source)) if self.uses_keys else block(queries)
        if self.transpose_heads:
            mixed = mixed.permute(0, 3, 1, 2)
        return self.out(mixed.reshape(x.shape[0], x.shape[1], self.n_heads * self.head_dim))

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        return [*inputs(self.query), *outputs(self.out)]

    def source(self) -> list[Slot]:
        """Where the width of ``source`` lies."""
        return [*inputs(self.key), *inputs(self.value)]

    def projected(self) -> list[Slot]:
        """Where the features of a head lie that go into the block: every head has the same."""
        return [slot for layer in (self.query, self.key, self.value) for slot in outputs(layer, outer=self.n_heads)]

    def merged(self) -> list[Slot]:
        """Where the features of a head lie that come out of the block."""
        return inputs(self.out, outer=self.n_heads)
