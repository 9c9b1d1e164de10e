"""A checkpoint says what data it was made for and how, and it is read without its weights, without torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tsprune
from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.models import About, load_checkpoint, read_about, save_checkpoint

RECIPE = {"epochs": 3, "learning_rate": 1e-4, "loss": "mse"}


def described(**changes):
    known = {
        "columns": ("HUFL", "Übertragung", "OT"),
        "mean": (0.1 + 0.2, -1e-300, 12345.678901234567),
        "std": (1.0, 5e-324, 2 / 3),
        "unit": "MW",
        "time_step": "15min",
        "season": 96,
        "dataset": "ETTm1",
        "fingerprint": "ab" * 32,
        "protocol": {"recipe": RECIPE, "seed": 3, "method": "magnitude", "layers": [1, None, True]},
        "density_asked": 0.5,
        "density_achieved": 0.49999999999999994,
        "before": {"test_mse": 0.3, "test_mae": 1 / 3},
        "after": {"test_mse": 0.31, "test_mae": None},
    }
    return About.parse(known | changes)


def test_what_was_said_comes_back_bit_for_bit(tmp_path):
    about = described()
    save_checkpoint(tmp_path / "m", small_model("DLinear"), about=about)
    read = read_about(tmp_path / "m")
    assert read == about
    assert [x.hex() for x in (*read.mean, *read.std)] == [x.hex() for x in (*about.mean, *about.std)]
    assert read.version == tsprune.__version__


numbers = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None)
@given(st.lists(st.tuples(words, numbers, numbers.filter(lambda x: x > 0)), max_size=5), words)
def test_any_names_and_numbers_come_back(tmp_path_factory, columns, unit):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    names, mean, std = zip(*columns, strict=True) if columns else ((), (), ())
    about = About(columns=names, mean=mean, std=std, unit=unit)
    save_checkpoint(path, small_model("RepeatLast", enc_in=max(1, len(names)), c_out=max(1, len(names))), about=about)
    assert read_about(path) == about


def test_arrays_and_tensors_are_read_as_numbers():
    about = described(columns=["a", "b"], mean=np.array([0.1, 2.0]), std=torch.tensor([0.5, 1.0], dtype=torch.float64))
    assert (about.columns, about.mean, about.std) == (("a", "b"), (0.1, 2.0), (0.5, 1.0))


def test_a_forecast_in_the_datas_unit_needs_nothing_but_the_file(tmp_path):
    torch.manual_seed(0)
    model, about = small_model("iTransformer").eval(), described(mean=(10.0, -5.0, 0.25), std=(2.0, 4.0, 0.5))
    save_checkpoint(tmp_path / "m", model, about=about)
    mean, std = np.array(about.mean), np.array(about.std)
    raw = np.random.default_rng(0).normal(mean, std, size=(1, 24, 3))
    marks = example(model, batch=1)[1]
    expected = (
        model(torch.tensor((raw - mean) / std, dtype=torch.float32), marks).detach().double().numpy() * std + mean
    )

    loaded, read = load_checkpoint(tmp_path / "m")[0], read_about(tmp_path / "m")
    scaled = torch.tensor((raw - read.mean) / read.std, dtype=torch.float32)
    assert np.array_equal(loaded(scaled, marks).detach().double().numpy() * read.std + read.mean, expected)


def test_a_file_that_says_nothing(tmp_path):
    save_checkpoint(tmp_path / "m", small_model("DLinear"))
    assert read_about(tmp_path / "m") is None


def test_read_where_there_is_no_torch(tmp_path):
    save_checkpoint(tmp_path / "m", small_model("DLinear"), about=described())
    code = f"""
import sys, types
sys.modules["torch"] = None  # an import of it fails
package = sys.modules["tsprune.models"] = types.ModuleType("tsprune.models")
package.__path__ = [{str(Path(tsprune.__file__).parent / "models")!r}]
from tsprune.models.manifest import read_about
print(read_about({str(tmp_path / "m")!r}).model_dump_json())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(tsprune.__path__[0]).parent
    )
    assert done.returncode == 0, done.stderr
    assert About.model_validate_json(done.stdout) == described()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mean": (1.0, 2.0)}, "columns has 3, mean has 2, std has 3"),
        ({"std": (1.0, 0.0, 1.0)}, "std of column 'Übertragung' is 0.0: it must be above 0"),
        ({"mean": (1.0, float("nan"), 2.0)}, "mean.1 = nan: input should be a finite number"),
        ({"protocol": {"lr": float("inf")}}, "protocol.lr.float = inf: input should be a finite number"),
        ({"density_asked": 1.5}, "density_asked = 1.5: input should be less than or equal to 1"),
        ({"seasons": 24}, "unknown parameter 'seasons'; did you mean 'season'?"),
    ],
)
def test_what_cannot_be_so_is_refused_in_one_line_however_it_is_made(wrong, words):
    right = described().model_dump()
    for make, begin in ((About.parse, ""), (lambda values: About(**values), "About: ")):
        with pytest.raises(UserError) as error:
            make(right | wrong)
        assert words in str(error.value) and str(error.value).startswith(begin)
        assert len(str(error.value).splitlines()) == 1


def test_a_description_that_no_reader_would_take_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"config, masks and about take 5\d{6} bytes as JSON, at most 4194304"):
        save_checkpoint(tmp_path / "m", small_model("DLinear"), about=described(unit="x" * 5_000_000))
    save_checkpoint(tmp_path / "m", small_model("DLinear"), about=described(unit='"' * 2_000_000))
    assert read_about(tmp_path / "m").unit == '"' * 2_000_000


def test_a_description_of_other_columns_than_the_model_reads_is_refused(tmp_path):
    with pytest.raises(UserError, match="DLinear reads enc_in = 5 columns, but about has 3"):
        save_checkpoint(tmp_path / "m", small_model("DLinear", enc_in=5, c_out=5), about=described())
    assert list(tmp_path.iterdir()) == []
