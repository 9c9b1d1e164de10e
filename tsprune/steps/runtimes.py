"""One forecaster in what may run it on a CPU: PyTorch, the sparse kernel, ONNX Runtime, with fewer bits."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from tsprune.deploy.export import export_onnx
from tsprune.deploy.network import Bare
from tsprune.deploy.packages import need
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
    match runtime:
        case "PyTorch":
            return Runnable(model, stored_bytes(model))
        case "PyTorch, bfloat16":
            return Runnable(_autocast(model), stored_bytes(model))
        case "sparse kernel":
            found = sparsify(model, 1, measured=False)
            if found.path.reason:
                raise UserError(found.path.reason)
            return Runnable(found.model, stored_bytes(found.model))
        case "ONNX Runtime":
            path = folder / "float32.onnx"
            export_onnx(model, path, "scaled")
            return Runnable(_session(model, path, threads), path.stat().st_size)
        case "ONNX Runtime, int8":
            path, small = folder / "float32.onnx", folder / "int8.onnx"
            if not path.exists():
                export_onnx(model, path, "scaled")
            _quantise(path, small)
            return Runnable(_session(model, small, threads), small.stat().st_size)
    raise ValueError(runtime)


def _autocast(model: Forecaster) -> Callable[..., Tensor]:
    def call(*inputs: Tensor | None) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return model(*inputs)

    return call


def _session(model: Forecaster, path: Path, threads: int) -> Callable[..., Tensor]:
    """Of a file that was written here, with as many ``threads`` as the others have, none of which spins in between."""
    runtime = need("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names, order = Bare(model).inputs, list(model.input_shapes())

    def call(*inputs: Tensor | None) -> Tensor:
        given: Mapping[str, Tensor | None] = dict(zip(order, inputs, strict=True))
        return torch.from_numpy(session.run(None, {name: given[name].numpy() for name in names})[0])

    return call


def _quantise(path: Path, small: Path) -> None:
    """Weights of matrix products as 8-bit integers, activations at each call (dynamic quantisation)."""
    need("onnxruntime")
    need("onnx")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _silent():
        quantize_dynamic(path, small, weight_type=QuantType.QInt8)


@contextmanager
def _silent() -> Iterator[None]:
    """Inside the block no logger says less than an error: the quantiser recommends steps of its own."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
