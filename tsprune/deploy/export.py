"""Forecasters to ONNX: dense, masked or narrowed, bare or in real units, float or int8, each compared with PyTorch."""

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from tsprune.data import Splits, Windows
from tsprune.deploy.card import Card
from tsprune.deploy.describe import describe
from tsprune.deploy.files import MOST_BYTES, named, need_place, read_whole
from tsprune.deploy.model_card import CARD_TITLE, card_text
from tsprune.deploy.network import Bare, RealUnits
from tsprune.deploy.onnx_file import join
from tsprune.deploy.packages import need
from tsprune.deploy.quantise import in_int8
from tsprune.deploy.session import OUTPUT, Session
from tsprune.errors import UserError, unknown
from tsprune.layers.attention import plain_attention
from tsprune.measure import count_macs
from tsprune.models import About, Forecaster, load_checkpoint, read_about
from tsprune.shown import plain
from tsprune.whole import write_whole

OPSET = 20
UNITS = ("real", "scaled")
BATCHES = (1, 7)
TOLERANCE = 1e-5
"""Largest difference from PyTorch, in standard deviations of the training rows; relative to forecasts above 1. That of
int8 is not bounded but said."""


def export_checkpoint(
    checkpoint: str | os.PathLike, path: str | os.PathLike, units: str = "real", **how: bool | Splits | Windows | None
) -> Card:
    """Write the model of a checkpoint as ONNX; see :func:`export_onnx` for the other arguments."""
    model, masks = load_checkpoint(checkpoint)
    return export_onnx(model, path, units, masks=masks, about=read_about(checkpoint), **how)


def export_onnx(
    model: Forecaster,
    path: str | os.PathLike,
    units: Literal["real", "scaled"] = "real",
    *,
    masks: Mapping[str, torch.Tensor] | None = None,
    about: About | None = None,
    int8: bool = False,
    splits: Splits | None = None,
    test: Windows | None = None,
) -> Card:
    """Write ``model`` to ``path`` (.onnx) and its model card beside it (.md); returns what the file says of itself.

    ``units`` real: :class:`RealUnits`, scaled: :class:`Bare`. The batch is dynamic, inputs and output (``forecast``)
    have fixed names; ``model`` is left in evaluation mode. Nothing is written before ONNX Runtime's forecasts equal
    PyTorch's within TOLERANCE at each of BATCHES.

    ``int8``: the network is then quantised, see :func:`in_int8`; ``splits`` and ``test``: what it is tested on.

    Raises :class:`UserError` where a package is missing, the file cannot be written, an operator has no ONNX form
    (named), or the numbers differ.
    """
    path = Path(path)
    page = check_export(path, units)
    model = model.eval()
    network = (RealUnits(model, about) if units == "real" else Bare(model)).eval()
    content, about = _serialised(network), about or About()
    found = {"opset": OPSET, "difference": _difference(network, content), "macs": _macs(model)}
    card = describe(network, masks or {}, about).model_copy(update=found)
    if int8:
        content, card = in_int8(content, card, lambda batch: _arrays(network, network.example(batch)), splits, test)
    content = join(content, card)
    write_whole(path, content)
    write_whole(page, card_text(card, path.name, len(content), about.protocol).encode())
    return card


def check_export(path: Path, units: str) -> Path:
    """What can be said of an export before there is a model: raises :class:`UserError` as :func:`export_onnx` for other
    units, a missing package and a file that cannot be written. Returns where the model card goes."""
    if units not in UNITS:
        raise UserError(unknown("units", units, UNITS))
    for package in ("onnx", "onnxscript", "onnxruntime"):
        need(package)
    return card_place(path)


def card_place(path: Path) -> Path:
    """Where the model card of an ONNX file goes; raises :class:`UserError` where another text is there."""
    if path.suffix != ".onnx":
        raise UserError(f"{named(path)}: the name of an ONNX file ends in .onnx")
    page = path.with_suffix(".md")
    for place in (path, page):
        need_place(place)
    if page.exists() and not read_whole(page).startswith(CARD_TITLE.encode()):
        raise UserError(
            f"{named(page)} is there and is not a model card; give the ONNX file another name, or move that file"
        )
    return page


def _macs(model: Forecaster) -> int | None:
    """Multiply-adds that dense kernels execute for a window; None where an operator is not known to the counter."""
    bare = Bare(model)
    given = dict(zip(bare.inputs, bare.example(1), strict=True))
    counted = count_macs(model, [given.get(name) for name in model.input_shapes()])
    return None if counted.unsupported else counted.macs_executed


def _serialised(network: Bare | RealUnits) -> bytes:
    """The network as the bytes of an ``onnx.ModelProto`` without a word of where and by what code it was made."""
    name = network.model.name
    size = sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
    if size > MOST_BYTES:
        raise UserError(f"{name}: {size:,} bytes of weights; an ONNX file has at most {MOST_BYTES:,}")
    example = network.example(2)
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} for _ in example)
    try:
        # Attention as plain products: some of the fused kernels have layouts that the exporter's rules do not keep.
        with torch.no_grad(), plain_attention(network), _quiet():
            program = torch.onnx.export(
                network,
                example,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(network.inputs),
                output_names=[OUTPUT],
                dynamic_shapes=(shapes,) if isinstance(network, Bare) else shapes,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise UserError(f"{name} cannot be exported: {_cause(error)}") from None
    proto = program.model_proto
    for graph in (proto.graph, *proto.functions):
        for part in (graph, *graph.node, *graph.value_info):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        value.ClearField("metadata_props")
    proto.ClearField("metadata_props")
    return proto.SerializeToString(deterministic=True)


def _difference(network: Bare | RealUnits, content: bytes) -> float:
    """Largest difference of ONNX Runtime's forecasts from PyTorch's, in scaled units."""
    name, largest = network.model.name, 0.0
    try:
        session = Session(content, name, threads=1)
    except UserError as error:
        if network.dtype == torch.float64:
            raise UserError(
                f"{error}; it lacks some operators in float64: convert the model with model.float()"
            ) from None
        raise
    for batch in BATCHES:
        example = network.example(batch)
        with torch.no_grad():
            wanted = network.scaled(network(*example))
        found = network.scaled(torch.from_numpy(session.run(_arrays(network, example))))
        difference = (found - wanted).abs().max().item()
        if found.shape != wanted.shape or not difference <= TOLERANCE * max(1.0, wanted.abs().max().item()):
            raise UserError(
                f"{name}: ONNX Runtime's forecast differs from PyTorch's by {difference:.1e} at batch {batch}, at most "
                f"{TOLERANCE:.0e} is allowed; nothing is written"
            )
        largest = max(largest, difference)
    return largest


def _arrays(network: Bare | RealUnits, tensors: Sequence[torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in zip(network.inputs, tensors, strict=True)}


def _cause(error: BaseException) -> str:
    """The operator that has no ONNX form, where that is the reason; else what the innermost error says first."""
    while error.__cause__ is not None:
        error = error.__cause__
    if operator := re.search(r"No ONNX function found for .*?op='([\w.]+)'", str(error)):
        return f"the operator {operator[1]} has no ONNX form"
    return plain((str(error).strip() or type(error).__name__).splitlines()[0], 300)


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside the block the exporter keeps its hints to itself: of packages that are not used, of its own code."""
    names = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
