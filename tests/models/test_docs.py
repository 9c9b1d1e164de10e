"""The page about models says what is so, and its example works."""

import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from tests.models.small import example, small_model
from tsprune.models import base, list_models, save_checkpoint

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


@pytest.fixture
def own_model():
    """The model of the page, registered for the time of one test."""
    code = re.findall(r"```python\n(.*?)```", PAGE, re.S)[-1]
    assert len(code.splitlines()) < 45
    exec(compile(code, "docs/models.md", "exec"), {"__name__": "nlinear"})
    yield "NLinear"
    del base._registry["NLinear"]


def test_a_model_of_ones_own(own_model):
    assert own_model in list_models(trainable=True)
    model = small_model(own_model)
    x = example(model)
    assert model(*x).shape == (4, model.config.pred_len, 3)
    torch.testing.assert_close(model(x[0] + 5), model(x[0]) + 5)


def test_every_kind_of_tensor_that_a_checkpoint_holds_is_named(tmp_path):
    model = small_model("DLinear")
    save_checkpoint(tmp_path / "m.safetensors", model)
    with safe_open(tmp_path / "m.safetensors", "pt") as file:
        other = {name for name in file.keys() if not name.startswith("weight/")}  # noqa: SIM118
    saved = PAGE.split("## Saved")[1].split("## ")[0]
    assert other and all(f"`{name}`" in saved for name in other)


def test_every_model_is_on_the_page_with_its_own_settings():
    for name in list_models():
        row = next((line for line in PAGE.splitlines() if name in re.split(r"[|, ]+", line.split(" | ")[0])), None)
        assert row, f"the table of docs/models.md has no row for {name}"
        own = set(small_model(name).config.model_dump()) - set(base.ForecastConfig.model_fields)
        assert all(f"`{setting}`" in row for setting in own), (name, own)
