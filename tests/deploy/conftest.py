"""One exported file for all tests that only read it."""

import pytest

from tests.deploy.small import ABOUT, tiny
from tsprune.deploy.export import export_onnx
from tsprune.models import save_checkpoint


@pytest.fixture(scope="session", autouse=True)
def every_export_is_quicker(rules_read_once):
    """None here needs the exporter's rules anew."""


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A folder with seasonal.onnx, linear.onnx, tcn.onnx (which reads the calendar) and their checkpoints."""
    folder = tmp_path_factory.mktemp("exported")
    for file, name in (("seasonal", "SeasonalNaive"), ("linear", "DLinear"), ("tcn", "TCN")):
        model = tiny(name)
        save_checkpoint(folder / f"{file}.safetensors", model, about=ABOUT)
        export_onnx(model, folder / f"{file}.onnx", about=ABOUT)
    return folder
