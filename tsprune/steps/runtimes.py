"""One forecaster in what may run it on a CPU: PyTorch, the sparse kernel, ONNX Runtime, with fewer bits."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from tsprune.deploy.export import export_onnx
from tsprune.deploy.quantise import quantised
from tsprune.deploy.session import Session
from tsprune.deploy.sparse import sparsify
from tsprune.deploy.sparse_layers import stored_bytes
from tsprune.errors import UserError
from tsprune.models import Forecaster

EAGER, BFLOAT16, SPARSE = "PyTorch", "PyTorch, bfloat16", "sparse kernel"
ONNX, INT8 = "ONNX Runtime", "ONNX Runtime, int8"
RIVALS = (SPARSE, ONNX, BFLOAT16, INT8)
"""What may be timed beside eager PyTorch."""


class Runnable(NamedTuple):
    """A forecaster ready to be called with its four inputs, and the bytes of its weights (of its file, in ONNX)."""

    call: Callable[..., Tensor]
    bytes: int


def runnable(model: Forecaster, runtime: str, folder: Path, threads: int) -> Runnable:
    """``model``, in evaluation mode, in EAGER or one of RIVALS; ``folder``: for files.

    Raises :class:`UserError`, a line with the reason, where this machine or this environment cannot.
    """
    if runtime == EAGER:
        return Runnable(model, stored_bytes(model))
    if runtime == BFLOAT16:
        return Runnable(_autocast(model), stored_bytes(model))
    if runtime == SPARSE:
        found = sparsify(model, 1, measured=False)
        if found.path.reason:
            raise UserError(found.path.reason)
        return Runnable(found.model, stored_bytes(found.model))
    if runtime in (ONNX, INT8):
        content = _exported(model, folder / "float32.onnx")
        content = quantised(content, model.name) if runtime == INT8 else content
        return Runnable(_session(model, content, threads), len(content))
    raise ValueError(runtime)


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
