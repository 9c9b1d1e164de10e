"""What is foreign or damaged is refused by its bytes, before a runtime sees any of them."""

import json
import pickle

import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.deploy.small import ABOUT
from tsprune import __version__
from tsprune.deploy import Forecaster, session
from tsprune.deploy.card import Card
from tsprune.deploy.onnx_file import join, read_onnx
from tsprune.errors import UserError
from tsprune.models import About

CARD = Card(
    **{"units": "real", "model": "DLinear", "seq_len": 24, "label_len": 12, "pred_len": 8, "freq": "h"},
    **{"columns": ABOUT.columns, "mean": ABOUT.mean, "std": ABOUT.std, "density": 1.0, "parameters": 3},
)


@pytest.fixture(autouse=True)
def nothing_is_run(monkeypatch):
    def run(*_):
        raise AssertionError("a runtime was asked for")

    monkeypatch.setattr(session, "need", run)


def refused(path, content, say="is not an ONNX file of tsprune, is damaged, or has no checksum yet"):
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        Forecaster.load(path)
    assert str(error.value).startswith(str(path)) and say in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_joined_is_read_by_us_and_by_onnx(tmp_path):
    network = onnx.ModelProto(ir_version=10, producer_name="x" * 300).SerializeToString()
    (tmp_path / "x.onnx").write_bytes(join(network, CARD))
    assert read_onnx(tmp_path / "x.onnx") == (CARD, join(network, CARD))
    proto = onnx.load(tmp_path / "x.onnx")
    properties = {item.key: item.value for item in proto.metadata_props}
    assert proto.producer_name == "x" * 300 and CARD.properties().items() <= properties.items()


@settings(max_examples=20)
@given(st.data())
def test_a_file_cut_short_or_changed_in_any_byte_is_refused(exported, tmp_path_factory, data):
    content = (exported / "linear.onnx").read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    path = tmp_path_factory.mktemp("bad") / "x.onnx"
    path.write_bytes(content[:place])
    with pytest.raises(UserError):
        read_onnx(path)
    changed = content[:place] + bytes([content[place] ^ data.draw(st.integers(1, 255))]) + content[place + 1 :]
    path.write_bytes(changed)
    with pytest.raises(UserError):
        read_onnx(path)


def test_a_number_of_the_properties_that_became_another_is_refused(tmp_path, exported):
    content = (exported / "linear.onnx").read_bytes()
    assert content.count(b"9000.0") == 1  # a standard deviation
    refused(tmp_path / "x.onnx", content.replace(b"9000.0", b"1000.0"))
    assert content.count(b'"load", "wind"') == 1
    refused(tmp_path / "x.onnx", content.replace(b'"load", "wind"', b'"wind", "load"'))


@settings(max_examples=20)
@given(st.binary(max_size=200))
def test_no_bytes_are_taken_for_a_file_of_ours(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("random") / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"ONNX file of tsprune|readable checkpoint|not written by tsprune"):
        Forecaster.load(path)


@pytest.mark.parametrize("pair", [b"\x0a\x02ab", b"\x12\x02ab", b""])
def test_a_property_without_name_or_value_is_damage(tmp_path, exported, pair):
    content = (exported / "linear.onnx").read_bytes() + b"\x72" + bytes([len(pair)]) + pair
    refused(tmp_path / "x.onnx", content)


def test_foreign_files_are_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return exec, ("raise SystemExit('run')",)

    foreign = onnx.helper.make_model(onnx.helper.make_graph([], "other", [], []))
    refused(tmp_path / "other.onnx", foreign.SerializeToString())
    refused(tmp_path / "empty.onnx", b"")
    refused(tmp_path / "pickle.onnx", pickle.dumps(Trap()))
    torch.save({"x": torch.zeros(2)}, tmp_path / "x.pt")
    refused(tmp_path / "x.onnx", (tmp_path / "x.pt").read_bytes())
    refused(tmp_path / "json.onnx", b"\x02\0\0\0\0\0\0\0{}", "was not written by tsprune")


@pytest.mark.parametrize(
    ("change", "say"),
    [
        ({"format": 2}, "format = 2"),
        ({"seq_len": 10**12}, "seq_len = 1000000000000"),
        ({"columns": ["a", "a", "b"]}, "a column appears twice"),
        ({"mean": [1.0]}, "one of each per variable"),
        ({"std": [1.0, 0.0, 1.0]}, "std of column 'wind' is 0.0: it must be above 0"),
        ({"color": "red"}, "unknown parameter 'color'"),
    ],
)
def test_a_card_out_of_range_is_refused(tmp_path, change, say, monkeypatch):
    properties = CARD.properties() | {f"tsprune.{name}": json.dumps(value) for name, value in change.items()}
    monkeypatch.setattr(Card, "properties", lambda self: properties)
    refused(tmp_path / "x.onnx", join(b"\x08\x0a", CARD), say)


def test_a_file_of_another_version_that_cannot_be_read_is_told_as_such(tmp_path, monkeypatch):
    properties = CARD.properties() | {"tsprune.color": '"red"', "tsprune.version": '"9.1"'}
    monkeypatch.setattr(Card, "properties", lambda self: properties)
    refused(tmp_path / "x.onnx", join(b"\x08\x0a", CARD), f"; it was written by tsprune 9.1, this is {__version__}")
    del properties["tsprune.color"]
    (tmp_path / "x.onnx").write_bytes(join(b"\x08\x0a", CARD))
    assert read_onnx(tmp_path / "x.onnx")[0].version == "9.1"


def test_numbers_come_back_bit_for_bit():
    numbers = (0.1, 1e-300, 49_999.999999999993)
    card = CARD.model_copy(update={"mean": numbers, "after": {"mse": 1 / 3}})
    assert Card.of_properties(card.properties()) == card
    assert About(columns=ABOUT.columns, mean=numbers, std=ABOUT.std).mean == card.mean


def test_names_that_are_no_files_are_told_in_a_line(tmp_path):
    for path, say in (
        (tmp_path / "none.onnx", "there is no file"),
        (tmp_path, "is not a file"),
        (tmp_path / ("x" * 300), "File name too long"),
        ("a\0b", "null"),
        (tmp_path / "a\x1b[31m.onnx", "there is no file"),
    ):
        with pytest.raises(UserError, match=say) as error:
            Forecaster.load(path)
        assert str(error.value).isprintable()
