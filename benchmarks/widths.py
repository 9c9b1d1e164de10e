"""Does a narrowed model run faster with widths that are multiples of 8 or 16, or without whole heads? As pruning finds
the widths, rounded, and with attention narrowed by heads and not by their features.

    python benchmarks/widths.py                                    iTransformer and Transformer, d_model 512
    python benchmarks/widths.py --models Informer --size small     d_model 64

Random weights, narrowed to a share of their parameters, with widths as found and in multiples.
PyTorch, ONNX Runtime and, where its package is there, OpenVINO, all in turn and warm, one thread; a speedup is the
median over rounds of the dense model's time over the narrow one's in the same round and runtime. `half` and `quarter`
are the same model made with such shares of the widths, with narrower heads or, where their number is named, with fewer
heads of the dense model's width. No part of the tests.
"""

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from models import SIZES, inputs, latency_parser, random_model, speedup_text
from torch import Tensor

from tsprune.deploy.export import export_onnx
from tsprune.deploy.onnx_file import read_onnx
from tsprune.deploy.session import Session
from tsprune.measure import count_macs, measure_latency
from tsprune.models import Forecaster
from tsprune.models.base import INPUTS
from tsprune.pruners import structured_prune

MULTIPLES = (8, 16)
BATCHES = (1, 32)


def main() -> None:
    parser = latency_parser(__doc__, ["iTransformer", "Transformer"], repeats=20)
    parser.add_argument("--density", type=float, default=0.25, help="share of the parameters left")
    given = parser.parse_args()
    print("| model | widths | multiply-adds left | runtime | speed, batch 1 | speed, batch 32 |")
    print("|---|---|---|---|---|---|")
    for name in given.models:
        rows(name, given)


def rows(name: str, given: argparse.Namespace) -> None:
    """Time all forms of one model beside each other in both runtimes; a line per form and runtime."""
    dense = random_model(name, **SIZES[given.size])
    one, many = inputs(dense, 1), inputs(dense, max(BATCHES))
    forms = {"dense": dense}
    for multiple in (1, *MULTIPLES):
        form = "as found" if multiple == 1 else f"of {multiple}"
        forms[form] = structured_prune(dense, one, given.density, multiple=multiple).model
    forms["whole heads"] = structured_prune(dense, one, given.density, inside="n_heads").model
    forms["whole heads, of 8"] = structured_prune(dense, one, given.density, inside="n_heads", multiple=8).model
    for form, share in {"half": 0.5, "quarter": 0.25}.items():
        size = {width: int(share * n) for width, n in SIZES[given.size].items()}
        fewer = int(share * dense.config.n_heads)
        forms[form] = random_model(name, **size)
        forms[f"{form}, {fewer} heads"] = random_model(name, **size, n_heads=fewer)
    macs = {form: count_macs(model, one).macs_executed for form, model in forms.items()}
    runtimes = {"PyTorch": lambda model: model, "ONNX Runtime": exported}
    if find_spec("openvino"):
        runtimes["OpenVINO"] = in_openvino
    for runtime, runs in runtimes.items():
        variants = {form: (runs(model), many) for form, model in forms.items()}
        table = measure_latency(variants, BATCHES, threads=1, repeats=given.repeats)
        speed = table.set_index(["variant", "batch"])
        for form in list(forms)[1:]:
            said = [speedup_text(speed.loc[(form, batch)]) for batch in BATCHES]
            print(
                f"| {name} | {form} | {macs[form] / macs['dense']:.4f} | {runtime} | {said[0]} | {said[1]} |",
                flush=True,
            )
        print(f"({table['load'].iloc[0]})")


def in_onnx(model: Forecaster) -> bytes:
    with TemporaryDirectory() as folder:
        export_onnx(model, Path(folder) / "model.onnx", "scaled")
        return read_onnx(Path(folder) / "model.onnx")[1]


def exported(model: Forecaster) -> Callable[..., object]:
    """The model in ONNX Runtime, called as the model."""
    session = Session(in_onnx(model), model.name, threads=1)

    def call(*given: Tensor) -> object:
        named = dict(zip(INPUTS, given, strict=True))
        return session.run({name: named[name].numpy() for name in session.inputs})

    return call


def in_openvino(model: Forecaster) -> Callable[..., object]:
    """The model in OpenVINO, called as the model; float32, as the others."""
    import openvino  # no dependency of the project

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(in_onnx(model)), "CPU", settings)
    wanted = [port.get_any_name() for port in compiled.inputs]

    def call(*given: Tensor) -> object:
        named = dict(zip(INPUTS, given, strict=True))
        return compiled({name: named[name].numpy() for name in wanted})

    return call


if __name__ == "__main__":
    main()
