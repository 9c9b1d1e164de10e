"""Whatever a file says or lacks: one line, at once, and no code of it is run."""

import errno
import json
import os
import struct
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.models import list_models, load_checkpoint, read_about, save_checkpoint
from tsprune.models.checkpoint import CHECKSUM, _checksum
from tsprune.pruners import structured_prune

NAN = float("nan")


def parts(path):
    """The tensors of a checkpoint by name, but for their checksum, which whoever means harm leaves out or makes fit;
    and its metadata."""
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys() if key != CHECKSUM}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["tsprune"])


def refused(path, reader=load_checkpoint):
    """What is said of ``path``: one line, at once."""
    started = time.process_time()  # whatever else the machine does
    with pytest.raises(UserError) as error:
        reader(path)
    assert time.process_time() - started < 5  # a model of 256 layers takes one
    text = str(error.value)
    assert text.startswith(str(path)) and "\n" not in text and len(text) < 1000
    return text.removeprefix(str(path))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """An Informer with a mask, and all that it says."""
    torch.manual_seed(0)
    model = small_model("Informer")
    path = tmp_path_factory.mktemp("good") / "m.safetensors"
    save_checkpoint(path, model, {"projection.weight": torch.ones(3, 8, dtype=torch.bool)})
    return path


META = [
    ({"model": "Informr"}, ": unknown model 'Informr'; did you mean 'Informer'?"),
    ({"model": ["Informer"]}, ": model = ['Informer']: input should be a valid string"),
    ({"model": "DLinear"}, ": unknown parameter 'sample_seed'. Allowed: task_name, "),
    ({"config": None}, ": config = None: input should be a valid dictionary"),
    ({"widths": {"encoder.0.d_model": 1.5}}, ": widths.encoder.0.d_model = 1.5: input should be a valid integer"),
    ({"widths": {"encoder.0.d_model": 0}}, ": widths.encoder.0.d_model = 0: input should be greater than 0"),
    (
        {"widths": {"encoder.0.d_model": 9}},
        " does not fit its own config: no axis encoder.0.d_model of width 9 or more",
    ),
    ({"widths": []}, ": widths = []: input should be a valid dictionary"),
    ({"masks": {}}, " does not fit its own config: the mask of projection.weight has bits without a shape"),
    (
        {"masks": {"projection.weight": [8, 3]}},
        "mask of 'projection.weight': expected bool (3, 8), found torch.bool (8, 3)",
    ),
    ({"masks": {"projection.weight": [2**70]}}, "cannot lie in torch.uint8 (3,)"),
    ({"masks": {"projection.weight": [-3, -8]}}, ": masks.projection.weight.0 = -3: input should be greater than or"),
    ({"tied": {"projection.bias": "nothing"}}, "projection.bias cannot be tied to nothing"),
    ({"tied": {"nothing": "projection.bias"}}, " does not fit its own config: "),
    ({"tied": {"__class__": "projection.bias"}}, "__class__ cannot be tied to projection.bias"),
    ({"frozen": ["nothing"]}, "no parameter nothing to be frozen"),
    ({"frozen": "projection.bias"}, ": frozen = 'projection.bias': input should be a valid tuple"),
    ({"about": {"columns": ["a"]}}, ": about = {'columns': ['a']}: columns, mean and std must be given together"),
    ({"about": {"mean": "NaN"}}, ": about.mean = 'NaN': input should be a valid tuple"),
    ({"more": 1}, ": unknown parameter 'more'"),
]


@pytest.mark.parametrize(("change", "words"), META)
def test_metadata_that_cannot_be_so(change, words, good, tmp_path):
    tensors, meta = parts(good)
    save_file(tensors, tmp_path / "m", {"tsprune": json.dumps(meta | change)})
    assert words in refused(tmp_path / "m")


@pytest.mark.parametrize("key", ["model", "config", "format"])
def test_metadata_that_lacks_what_it_needs(key, good, tmp_path):
    tensors, meta = parts(good)
    del meta[key]
    save_file(tensors, tmp_path / "m", {"tsprune": json.dumps(meta)})
    said = refused(tmp_path / "m"), refused(tmp_path / "m", read_about)
    assert said[0] == said[1] and (f"'{key}' is missing" in said[0] or "not written by tsprune" in said[0])


CONFIG = [
    ({"e_layers": 10**6}, "e_layers = 1000000: input should be less than or equal to 256"),
    ({"d_model": 2**70}, f"d_model = {2**70}: input should be less than or equal to 16384"),
    ({"seq_len": 10**6}, "Informer: seq_len (1000000) squared: a table of 1.0e+12 numbers, at most 2.7e+08"),
    ({"n_heads": 3, "label_len": 99}, "Informer: label_len (99) must not exceed seq_len (24); Informer: d_model (8)"),
    ({"d_model": "8"}, "d_model = '8': input should be a valid integer"),
    ({"d_modl": 8}, "unknown parameter 'd_modl'; did you mean 'd_model'?"),
    ({"d_model": 16}, "has shape (8,), not (16,)"),
    ({"e_layers": 256}, "lacks encoder.distilling."),
]


@pytest.mark.parametrize(("change", "words"), CONFIG)
def test_a_config_that_is_out_of_range_or_of_another_model(change, words, good, tmp_path):
    tensors, meta = parts(good)
    save_file(tensors, tmp_path / "m", {"tsprune": json.dumps(meta | {"config": meta["config"] | change})})
    assert words in refused(tmp_path / "m")


BIAS, SAMPLE = "weight/projection.bias", "weight/encoder.layers.0.attention.sample"
TENSORS = [
    ({BIAS: None}, "lacks projection.bias"),
    ({BIAS: torch.zeros(5, 5)}, "projection.bias has shape (5, 5), not (3,)"),
    ({BIAS: torch.zeros(3, dtype=torch.int64)}, "projection.bias is torch.int64, not torch.float32"),
    (
        {BIAS: torch.tensor([0, NAN, NAN])},
        "projection.bias has 2 of 3 numbers NaN or infinite, and so would be every forecast",
    ),
    ({BIAS: torch.zeros(3).to(torch.float8_e5m2)}, "projection.bias is torch.float8_e5m2, not torch.float32"),
    ({SAMPLE: torch.zeros(24, 12)}, "encoder.layers.0.attention.sample is torch.float32, not torch.int64"),
    (
        {SAMPLE: torch.full((24, 12), 24)},
        "encoder.layers.0.attention.sample has key positions that are not from 0 to 23",
    ),
    ({SAMPLE: torch.full((24, 12), -1)}, "sample has key positions that are not from 0 to 23"),
    ({"weight/../../etc/passwd": torch.zeros(1)}, "has no place for ../../etc/passwd"),
    ({"table/__class__": torch.zeros(1)}, "has no place for __class__"),
    ({"table/enc_embedding.position.table": torch.zeros(24, 9)}, "has shape (24, 9), not (24, 8)"),
    ({"table/enc_embedding.position.table": torch.full((24, 8), NAN)}, "table enc_embedding.position.table holds NaN"),
    ({"table/encoder.layers.0.attention.rows": torch.zeros(24, 1)}, "has no place for encoder.layers.0.attention.rows"),
    ({"mask/projection.weight": torch.ones(3, 8)}, "a mask of shape (3, 8) cannot lie in torch.float32 (3, 8)"),
    (
        {"mask/projection.weight": None},
        "the mask of projection.weight has bits without a shape, or a shape without bits",
    ),
    ({"mask/nothing": torch.zeros(1)}, "the mask of nothing has bits without a shape"),
    ({"code/x": torch.zeros(1)}, "it has no place for tensors called code"),
]


@pytest.mark.parametrize(("change", "words"), TENSORS)
def test_tensors_that_are_not_the_models(change, words, good, tmp_path):
    tensors, meta = parts(good)
    tensors = {name: tensor for name, tensor in (tensors | change).items() if tensor is not None}
    save_file(tensors, tmp_path / "m", {"tsprune": json.dumps(meta)})
    assert words in refused(tmp_path / "m")


@pytest.mark.parametrize("mask", [torch.ones(3, 8), torch.ones(8, 3, dtype=torch.bool)])
def test_masks_of_the_first_format_are_looked_at_too(mask, good, tmp_path):
    tensors, meta = parts(good)
    meta = {"format": 1, "model": meta["model"], "config": meta["config"]}
    save_file(tensors | {"mask/projection.weight": mask}, tmp_path / "m", {"tsprune": json.dumps(meta)})
    assert "mask of 'projection.weight': expected bool (3, 8), found" in refused(tmp_path / "m")


def test_weights_of_another_precision_are_a_model_of_it(good, tmp_path):
    """So were those of the first format, before tables followed."""
    tensors, meta = parts(good)
    save_file(
        {n: t.bfloat16() if t.is_floating_point() else t for n, t in tensors.items()},
        tmp_path / "m",
        {"tsprune": json.dumps(meta)},
    )
    model, _ = load_checkpoint(tmp_path / "m")
    assert model(*example(model, dtype=torch.bfloat16)).dtype == torch.bfloat16


def headed(length, rest):
    return struct.pack("<Q", length) + rest


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04K\x01.",
        b"PK\x03\x04" + bytes(100),
        headed(2**63, b"{}"),
        headed(2**64 - 1, b"{}"),
        headed(99_000_000, b"{}"),
        headed(50, b"x" * 50),
        headed(200_000, b"[" * 200_000),
        headed(3, b"[1]"),
        headed(4, b"null"),
        headed(4, b"\xff\xfe{}"),
        headed(6000, b'{"a":' + b"9" * 5990 + b"   } "),
        headed(22, b'{"__metadata__": [1] } '),
    ],
)
def test_bytes_that_are_no_checkpoint(content, tmp_path):
    path = tmp_path / "m"
    path.write_bytes(content)
    for reader in (load_checkpoint, read_about):
        assert "not a readable checkpoint" in refused(path, reader) or "not written by tsprune" in refused(path, reader)


def test_weights_of_another_program_are_told_where_they_are_read(tmp_path):
    weights = {"weight": torch.ones(2)}
    torch.save(weights, tmp_path / "zip")
    torch.save(weights, tmp_path / "pickle", _use_new_zipfile_serialization=False)
    save_file(weights, tmp_path / "safe")
    for reader in (load_checkpoint, read_about):
        for name in ("zip", "pickle"):
            assert refused(tmp_path / name, reader) == (
                " is not a readable checkpoint but a file of torch.save; weights of another program are read by "
                "load_reference_state"
            )
        assert refused(tmp_path / "safe", reader).endswith("are read by load_reference_state")


@pytest.mark.parametrize("first", [b"\x80", b"PK"])
def test_a_checkpoint_whose_length_begins_as_a_pickle_or_a_zip_is_one(first, good, tmp_path):
    content = good.read_bytes()
    length = int.from_bytes(content[:8], "little")
    padded = length + (int.from_bytes(first, "little") - length) % 256 ** len(first)
    header = content[8 : 8 + length].ljust(padded)
    (tmp_path / "m").write_bytes(padded.to_bytes(8, "little") + header + content[8 + length :])
    assert load_checkpoint(tmp_path / "m")[1].keys() == load_checkpoint(good)[1].keys()
    assert read_about(tmp_path / "m") == read_about(good)


def test_a_file_without_permission_is_told_as_that(good, monkeypatch):
    def closed(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("builtins.open", closed)
    for reader in (load_checkpoint, read_about):
        with pytest.raises(UserError, match=r"is not a readable checkpoint: Permission denied$"):
            reader(good)


def test_metadata_too_deep_to_be_read(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "m", {"tsprune": "[" * 100_000})
    assert "not written by tsprune" in refused(tmp_path / "m") == refused(tmp_path / "m", read_about)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**80), 2**80) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(data=st.data())
def test_any_value_in_the_metadata_is_refused_or_harmless(tmp_path_factory, data):
    name = data.draw(st.sampled_from(list_models()))
    path = tmp_path_factory.getbasetemp() / "changed.safetensors"
    model = small_model(name)
    save_checkpoint(path, model, {name: torch.ones_like(p, dtype=torch.bool) for name, p in model.named_parameters()})
    tensors, meta = parts(path)
    place = meta if data.draw(st.booleans()) else meta["config"]
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(json_values)
    save_file(tensors, path, {"tsprune": json.dumps(meta)})
    for reader in (load_checkpoint, read_about):
        try:
            reader(path)
        except UserError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)


@settings(deadline=None)
@given(data=st.data())
def test_any_damage_to_the_numbers_is_refused(good, tmp_path_factory, data):
    content = bytearray(good.read_bytes())
    begin = 8 + struct.unpack("<Q", content[:8])[0]
    content[data.draw(st.integers(begin, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    path.write_bytes(content)
    assert refused(path) == " is damaged: its bytes are not those that were written"


def test_tensors_that_have_changed_places_are_refused(good, tmp_path):
    with safe_open(good, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    one, other = [name for name, tensor in tensors.items() if tensor.shape == (8, 8)][:2]
    assert not torch.equal(tensors[one], tensors[other])
    path = tmp_path / "swapped.safetensors"
    save_file(tensors | {one: tensors[other], other: tensors[one]}, path, metadata)
    assert refused(path) == " is damaged: its bytes are not those that were written"


def test_a_checksum_is_of_names_types_and_shapes_as_well_as_of_bytes():
    def of(text: str = "", **tensors) -> bytes:
        return bytes(_checksum(text, tensors).tolist())

    whole = torch.tensor([[1, 2], [3, 4]], dtype=torch.int32)
    others = [of("x", a=whole), of(b=whole), of(a=whole.view(torch.float32)), of(a=whole.flatten())]
    assert len({of(a=whole), *others}) == 5
    assert of(a=whole, b=whole + 1) == of(b=whole + 1, a=whole) != of(a=whole + 1, b=whole)


def test_a_file_of_before_has_no_checksum_and_is_read(good, tmp_path):
    tensors, meta = parts(good)
    save_file(tensors, tmp_path / "old.safetensors", {"tsprune": json.dumps(meta)})
    old, new = (load_checkpoint(path)[0].state_dict() for path in (tmp_path / "old.safetensors", good))
    assert all(torch.equal(tensor, new[name]) for name, tensor in old.items())


@settings(deadline=None)
@given(data=st.data())
def test_any_damage_to_the_header_is_refused_or_harmless(good, tmp_path_factory, data):
    content = bytearray(good.read_bytes())
    length = struct.unpack("<Q", content[:8])[0]
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, 7 + length))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    path.write_bytes(content)
    for reader in (load_checkpoint, read_about):
        try:
            reader(path)
        except UserError as error:
            assert str(path) in str(error) and len(str(error)) < 3000


def test_damage_to_a_narrowed_models_widths_is_refused(tmp_path):
    torch.manual_seed(0)
    whole = small_model("FEDformer", d_model=16, d_ff=24)
    model = structured_prune(whole, example(whole), 0.4).model
    save_checkpoint(tmp_path / "m", model)
    tensors, meta = parts(tmp_path / "m")
    for name, width in meta["widths"].items():
        changed = meta["widths"] | {name: width - 1} if width > 1 else meta["widths"] | {name: width + 1}
        save_file(tensors, tmp_path / "n", {"tsprune": json.dumps(meta | {"widths": changed})})
        assert "does not fit its own config" in refused(tmp_path / "n"), name
