"""One forecaster in what may run it. On a CPU: PyTorch, the sparse kernel, ONNX Runtime, with fewer bits; on a GPU:
PyTorch, CUDA graphs, with fewer bits, with two weights of four in the tensor cores."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from tsprune.deploy.bfloat16 import InBfloat16
from tsprune.deploy.cuda import Graphed, pack_two_of_four
from tsprune.deploy.export import export_onnx
from tsprune.deploy.quantise import quantised
from tsprune.deploy.session import UNFUSED, Session
from tsprune.deploy.sparse import sparsify
from tsprune.deploy.sparse_layers import stored_bytes
from tsprune.errors import UserError
from tsprune.measure import version_of
from tsprune.models import Forecaster
from tsprune.processor import has_bfloat16

EAGER, BFLOAT16, SPARSE = "PyTorch", "PyTorch, bfloat16", "sparse kernel"
ONNX, INT8 = "ONNX Runtime", "ONNX Runtime, int8"
GRAPH, GRAPH_BFLOAT16, GRAPH_TWO_OF_FOUR = "CUDA graph", "CUDA graph, bfloat16", "CUDA graph, bfloat16, 2:4"

ON = {"cpu": (SPARSE, ONNX, BFLOAT16, INT8), "cuda": (BFLOAT16, GRAPH, GRAPH_BFLOAT16, GRAPH_TWO_OF_FOUR)}
"""What may be timed beside eager PyTorch, by device."""

RIVALS = tuple(dict.fromkeys(name for names in ON.values() for name in names))


def onnx_runtime() -> str | None:
    """The release of ONNX Runtime, and what is left out of it: times hold for these alone. None: it is not there."""
    release = version_of("onnxruntime")
    return release and f"{release} without {', '.join(UNFUSED)}"


class Runnable(NamedTuple):
    """A forecaster ready to be called with its four inputs, and the bytes of its weights (of its file, in ONNX)."""

    call: Callable[..., Tensor]
    bytes: int


def runnable(model: Forecaster, runtime: str, folder: Path, threads: int) -> Runnable:
    """``model``, in evaluation mode, in EAGER or what :data:`ON` has for its device; ``folder``: for files. For
    GRAPH_TWO_OF_FOUR its linear layers have two zeros in every four weights.

    Raises :class:`UserError`, a line with the reason, where this machine or this environment cannot.
    """
    if runtime == EAGER:
        return Runnable(model, stored_bytes(model))
    if next(model.parameters()).is_cuda:
        return _on_gpu(model, runtime)
    if runtime == BFLOAT16:
        if not has_bfloat16():
            raise UserError("this processor has no instructions for it: PyTorch emulates it, far slower than float32")
        return Runnable(_autocast(model), stored_bytes(model))
    if runtime == SPARSE:
        found = sparsify(model, 1, measured=False)
        if found.path.reason:
            raise UserError(found.path.reason)
        return Runnable(found.model, stored_bytes(found.model))
    if runtime in (ONNX, INT8):
        content = _exported(model, folder / "float32.onnx")
        content = quantised(content, model.name, everywhere=not _has_vnni()) if runtime == INT8 else content
        return Runnable(_session(model, content, threads), len(content))
    raise ValueError(runtime)


def _has_vnni() -> bool:
    """Whether this processor adds up products of bytes in 32 bits. Without that, int8 weights may use seven bits only
    (see :func:`quantised`)."""
    return any(torch.cpu.get_capabilities().get(name) for name in ("avx512_vnni", "avx_vnni"))


def _on_gpu(model: Forecaster, runtime: str) -> Runnable:
    if runtime == GRAPH:
        return Runnable(Graphed(model), stored_bytes(model))
    half = InBfloat16(model)
    if runtime == BFLOAT16:
        return Runnable(half, stored_bytes(half.model))
    if runtime == GRAPH_TWO_OF_FOUR:
        if not pack_two_of_four(half.model):
            raise UserError(f"{model.name}: no linear layer whose sides are multiples of 64, which 2:4 needs on a GPU")
    elif runtime != GRAPH_BFLOAT16:
        raise ValueError(runtime)
    return Runnable(Graphed(half.model, torch.bfloat16), stored_bytes(half.model))


def _autocast(model: Forecaster) -> Callable[..., Tensor]:
    def call(*inputs: Tensor | None) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return model(*inputs)

    return call


def _exported(model: Forecaster, path: Path) -> bytes:
    """As ONNX, of scaled values; written once."""
    if not path.exists():
        export_onnx(model, path, "scaled")
    return path.read_bytes()


def _session(model: Forecaster, content: bytes, threads: int) -> Callable[..., Tensor]:
    """A network in ONNX Runtime, called as the forecaster is."""
    session, order = Session(content, model.name, threads), list(model.input_shapes())

    def call(*inputs: Tensor | None) -> Tensor:
        given = dict(zip(order, inputs, strict=True))
        return torch.from_numpy(session.run({name: given[name].numpy() for name in session.inputs}))

    return call
