"""int8 instead of float32: a network's matrix products with weights of one byte each (dynamic quantisation).

Weights are rounded once, with a scale per output; what is multiplied with them is rounded as it comes, with the scale
of the batch at hand (ONNX Runtime's dynamic quantisation). Convolutions, norms and attention's own products stay.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tsprune.data import Splits, Windows
from tsprune.deploy.card import Card, Unquantised
from tsprune.deploy.in_place import InPlace, to_be_timed
from tsprune.deploy.onnx_file import join
from tsprune.deploy.packages import need
from tsprune.deploy.session import Session
from tsprune.errors import UserError
from tsprune.measure import machine, measure_latency, prediction_intervals
from tsprune.training import TrainConfig, evaluate

TIMED = (1, 32)
"""Batches at which an int8 file is timed beside the float32 one."""
ROUNDS = 40

_PRODUCTS = ("MatMul", "Gemm")


def in_int8(
    network: bytes,
    card: Card,
    example: Callable[[int], Mapping[str, np.ndarray]],
    splits: Splits | None = None,
    test: Windows | None = None,
) -> tuple[bytes, Card]:
    """A float32 network quantised, and its card, which says what that changed in errors, intervals, time and size.

    ``example``: makes inputs of a number of windows, for timing and comparing. It is tested on the ``splits`` of its
    data (on the CPU), its errors on ``test`` where float32's are not those of every test window; without ``splits``
    the card has no test errors and no prediction intervals, as the old ones are the float32 network's. Raises
    :class:`UserError` if there is no product to quantise, or the forecasts are not finite.
    """
    small = quantised(network, card.model, everywhere=True)
    # One thread each: what two threads gain depends on what else the machine does.
    sessions = [Session(each, card.model, threads=1) for each in (network, small)]
    models = [InPlace(card, session) for session in sessions]
    difference = max(_difference(models, example(batch)) for batch in TIMED)
    if not np.isfinite(difference):
        raise UserError(f"{card.model}: in int8 its forecasts are not finite; nothing is written")
    found = {"weights": "int8", "difference": difference, "after": {}, "intervals": None}
    if splits is not None:
        scores = evaluate(models[1], splits.test if test is None else test, TrainConfig(eval_batch_size=128))
        found["after"] = {"mse": scores.mse, "mae": scores.mae}
        found["intervals"] = prediction_intervals(models[1], splits)
    times = _times(sessions, example(max(TIMED)))
    beside = Unquantised(bytes=len(join(network, card)), errors=card.after, processor=machine()[0], **times)
    return small, card.model_copy(update=found | {"unquantised": beside})


def _difference(models: list[InPlace], inputs: Mapping[str, np.ndarray]) -> float:
    one, other = (model.scaled(model.session.run(inputs)) for model in models)
    return float(np.abs(one - other).max())


def _times(sessions: list[Session], inputs: Mapping[str, np.ndarray]) -> dict[str, dict]:
    """``speedup``: by batch, how many times as fast as the first of two sessions the second is: median, 5th, 95th
    percentile; ``untimed``: by batch, why that cannot be trusted here, in its place."""
    variants = {name: to_be_timed(each, inputs) for name, each in zip(("float32", "int8"), sessions, strict=True)}
    table = measure_latency(variants, TIMED, threads=1, repeats=ROUNDS)
    rows = table[table["variant"] == "int8"]
    sure, unsure = (rows[found].itertuples() for found in (rows["trouble"].isna(), rows["trouble"].notna()))
    told = {str(row.batch): (row.speedup, row.speedup_p5, row.speedup_p95) for row in sure}
    return {"speedup": told, "untimed": {str(row.batch): row.trouble for row in unsure}}


def quantised(network: bytes, name: str, *, everywhere: bool = False) -> bytes:
    """A serialised float32 ``onnx.ModelProto`` with int8 weights.

    ``everywhere``: the weights use seven of the eight bits, so that the file forecasts the same on every processor.
    Those without VNNI add up products of two bytes in 16 bits, which weights of eight bits overflow: forecasts were
    then off by several of their own standard deviations. Raises :class:`UserError`, which begins with ``name``, where
    no product has weights to round."""
    onnx, tools = need("onnx"), need("onnxruntime.quantization")
    proto = onnx.ModelProto.FromString(network)
    # Of a weight with a batch of matrices the runtime has no product with a scale per output.
    single = onnx.TensorProto.FLOAT
    matrices = {w.name for w in proto.graph.initializer if len(w.dims) == 2 and w.data_type == single}
    nodes = [node.name for node in proto.graph.node if node.op_type in _PRODUCTS and node.input[1] in matrices]
    if not nodes:
        raise UserError(f"{name} cannot be exported in int8: it has no matrix product with float32 weights")
    with TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        tools.quantize_dynamic(
            proto,
            path,
            nodes_to_quantize=nodes,
            per_channel=True,
            reduce_range=everywhere,
            weight_type=tools.QuantType.QInt8,
        )
        proto = onnx.load(path)
    proto.ClearField("metadata_props")
    return proto.SerializeToString(deterministic=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside the block the quantiser keeps its hints to itself; they go to the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
