"""Checkpoints of Time-Series-Library come in, and what does not fit is listed."""

import pathlib
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.models import golden
from tsprune.errors import UserError
from tsprune.models import create_model, load_reference_state, save_checkpoint


@pytest.fixture
def case():
    tensors, meta = golden.load("Transformer_a.safetensors")
    return create_model("Transformer", **meta["config"]), golden.part(tensors, "weight")


def test_position_tables_are_accepted_and_ignored(case):
    model, state = case
    tables = {f"{side}_embedding.position_embedding.pe": torch.zeros(1, 5000, 16) for side in ("enc", "dec")}
    load_reference_state(model, state | tables)
    assert model.enc_embedding.position.table[0, 1] == 1


def test_unknown_and_missing_names_and_shapes_are_all_listed(case):
    model, state = case
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state["decoder.extra.weight"] = torch.zeros(1)
    state["encoder.attn_layers.7.norm1.bias"] = torch.zeros(16)
    del state["decoder.norm.bias"]
    state["decoder.projection.weight"] = torch.zeros(9, 16)
    with pytest.raises(UserError) as error:
        load_reference_state(model, state)
    text = str(error.value)
    assert "no place for: decoder.extra.weight, encoder.layers.7.norm1.bias" in text
    assert "the checkpoint lacks what Transformer needs: decoder.norm.bias" in text
    assert "projection.weight has shape (9, 16), the model's is (7, 16)" in text
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_individual_maps_of_dlinear_must_be_complete():
    tensors, meta = golden.load("DLinear_b.safetensors")
    model = create_model("DLinear", **meta["config"], **meta["constructor_kwargs"])
    state = golden.part(tensors, "weight")
    del state["Linear_Trend.1.bias"]
    with pytest.raises(UserError, match=r"trend\.bias has shape"):
        load_reference_state(model, state)


def fresh(case):
    """A model with other weights than ``case`` has, and a check that it now has those."""
    torch.manual_seed(5)
    model = create_model("Transformer", **golden.load("Transformer_a.safetensors")[1]["config"])
    expected = case[0]
    load_reference_state(expected, case[1])

    def loaded():
        return all(torch.equal(t, expected.state_dict()[name]) for name, t in model.state_dict().items())

    assert not loaded()
    return model, loaded


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_names_of_a_wrapped_model_are_understood(prefix, case):
    model, loaded = fresh(case)
    load_reference_state(model, {prefix + name: tensor for name, tensor in case[1].items()})
    assert loaded()


def test_a_prefix_that_no_wrapper_has_is_told_to_be_taken_off(case):
    model, state = case
    with pytest.raises(UserError, match=r"; remove 'model\.' from each name\n"):
        load_reference_state(model, {f"model.{name}": tensor for name, tensor in state.items()})


def test_names_of_its_own_are_told_where_they_go(case):
    with pytest.raises(UserError, match="these are its own names: use load_state_dict"):
        load_reference_state(case[0], case[0].state_dict())


@pytest.mark.parametrize("begin", ["model.module.", "student.net.core."])
def test_so_is_a_prefix_of_a_wrapper_within_a_wrapper(begin, case):
    model, state = case
    with pytest.raises(UserError, match=rf"; remove '{begin}' from each name\n"):
        load_reference_state(model, {begin + name: tensor for name, tensor in state.items()})


def test_weights_of_more_than_the_model_are_told_apart(case):
    model, state = case
    more = {f"model.{name}": tensor for name, tensor in state.items()} | {"criterion.weight": torch.ones(3)}
    with pytest.raises(UserError, match=r"; remove 'model\.' from the names that begin so, and leave out the others\n"):
        load_reference_state(model, more)


@pytest.mark.parametrize("begin", ["module.", "model."])
def test_names_of_its_own_behind_a_prefix_are_told_where_they_go(begin, case):
    words = f"these are its own names: remove '{begin}' from each name, then use load_state_dict"
    with pytest.raises(UserError, match=words):
        load_reference_state(case[0], {begin + name: tensor for name, tensor in case[0].state_dict().items()})


def test_weights_that_torch_has_split_are_told_how_to_put_together(case):
    model, state = case
    weight = state.pop("decoder.projection.weight")
    state |= {"decoder.projection.weight_orig": weight, "decoder.projection.weight_mask": torch.ones_like(weight)}
    with pytest.raises(UserError, match=r"multiply each \*_orig by its \*_mask, or save after prune.remove\n"):
        load_reference_state(model, state)


def test_a_checkpoint_of_our_own_is_told_who_reads_it(case, tmp_path):
    save_checkpoint(tmp_path / "own.safetensors", case[0])
    with pytest.raises(UserError, match=r"own\.safetensors is a checkpoint of tsprune: load_checkpoint reads it"):
        load_reference_state(case[0], tmp_path / "own.safetensors")


def test_a_prefix_on_some_names_only_is_not_taken_off(case):
    model, state = case
    state["module.decoder.norm.bias"] = state.pop("decoder.norm.bias")
    with pytest.raises(UserError, match=r"no place for: module.decoder.norm.bias"):
        load_reference_state(model, state)


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel])
def test_a_wrapped_model_takes_them(wrap, case):
    model, loaded = fresh(case)
    load_reference_state(wrap(model), case[1])
    assert loaded()


def write_old_pickle(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("write", [torch.save, write_old_pickle, save_file])
@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_a_file_is_read_by_its_path(write, kind, case, tmp_path):
    model, loaded = fresh(case)
    write({name: tensor.clone() for name, tensor in case[1].items()}, tmp_path / "checkpoint.pth")
    load_reference_state(model, kind(tmp_path / "checkpoint.pth"))
    assert loaded()


class Touches:
    """Its pickle makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def write_bare_pickle(value, path):
    path.write_bytes(pickle.dumps(value, protocol=2))


@pytest.mark.parametrize("write", [torch.save, write_old_pickle, write_bare_pickle])
def test_no_code_of_a_file_is_run(write, case, tmp_path):
    path = tmp_path / "checkpoint.pth"
    write({"a": Touches(tmp_path / "touched")}, path)
    with pytest.raises(UserError) as error:
        load_reference_state(case[0], path)
    assert str(error.value) == f"{path} holds more than tensors, numbers and text, or is damaged; it is not unpickled"
    assert not (tmp_path / "touched").exists()


def test_files_that_are_no_weights_are_refused_in_a_line(case, tmp_path):
    torch.save(case[1], tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    damaged = bytes(byte ^ (0x55 if 200 < i < 230 else 0) for i, byte in enumerate(whole))
    for content in (b"", b"PK", b"\x80", b"\x80\x02}.", b"text", whole[:100], whole[: len(whole) // 2], damaged):
        (tmp_path / "bad.pth").write_bytes(content)
        with pytest.raises(UserError) as error:
            load_reference_state(case[0], tmp_path / "bad.pth")
        assert "\n" not in str(error.value) or "no place" in str(error.value)
    (tmp_path / "bad.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="it is damaged, or no state_dict"):
        load_reference_state(case[0], tmp_path / "bad.pth")
    torch.save(str(tmp_path / "whole.pth"), tmp_path / "path.pth")
    with pytest.raises(UserError, match="this is a str"):  # the path in it is not followed
        load_reference_state(case[0], tmp_path / "path.pth")
    for path, words in [(tmp_path, "not a file"), (tmp_path / "absent", "no checkpoint at")]:
        with pytest.raises(UserError, match=words):
            load_reference_state(case[0], path)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (None, "this is a NoneType"),
        ([1], "this is a list"),
        (nn.Linear(1, 1), "this is a Linear"),
        ({1: torch.zeros(1)}, "1 in it is a Tensor"),
        ({"state_dict": {}}, "'state_dict' in it is a dict; is 'state_dict' the state_dict\\? Pass only that"),
        ({"epoch": 3, "model": {}}, "'epoch' in it is a int; is 'model' the state_dict\\? Pass only that"),
        ({"projection.weight": [1.0]}, "'projection.weight' in it is a list"),
        ({}, "the checkpoint lacks what Transformer needs: "),
    ],
)
def test_what_is_no_state_dict_is_refused(state, words, case):
    with pytest.raises(UserError, match=words):
        load_reference_state(case[0], state)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("decoder.norm.bias", lambda t: t * float("nan"), "decoder.norm.bias has 16 of 16 numbers NaN or infinite"),
        ("decoder.norm.bias", lambda t: t.long(), "decoder.norm.bias is torch.int64; weights are torch.float16"),
        (
            "decoder.norm.bias",
            lambda t: t.cfloat(),
            "decoder.norm.bias is torch.complex64, not torch.float16",
        ),
        ("decoder.norm.bias", lambda t: t.bool(), "decoder.norm.bias is torch.bool; weights are torch.float16"),
        ("decoder.norm.bias", lambda t: t.to("meta"), "decoder.norm.bias has no numbers"),
        ("decoder.norm.bias", lambda t: t.to_sparse(), r"decoder.norm.bias is not dense \(torch.sparse_coo\)"),
        ("decoder.norm.bias", lambda t: t.double() + 1e39, "decoder.norm.bias has 16 of 16 numbers NaN or infinite"),
        (
            "enc_embedding.value_embedding.tokenConv.weight",
            lambda t: t[0],
            r"Transformer: enc_embedding.value_embedding.tokenConv.weight has shape \(7, 3\), which no reference model",
        ),
    ],
)
def test_tensors_of_another_kind_are_refused_and_the_model_stays(name, change, words, case):
    model, state = case
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(UserError, match=words):
        load_reference_state(model, state | {name: change(state[name])})
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("shape", [(), (12,), (12, 7), (2, 3, 4)])
def test_a_head_of_another_shape_is_refused(shape):
    tensors, meta = golden.load("PatchTST_a.safetensors")
    model, state = create_model("PatchTST", **meta["config"]), golden.part(tensors, "weight")
    with pytest.raises(
        UserError, match=r"PatchTST: head.linear.weight has shape \(.*\), which no|head.weight has shape"
    ):
        load_reference_state(model, state | {"head.linear.weight": torch.zeros(shape)})


def test_a_count_of_batches_that_is_no_count_is_refused():
    tensors, meta = golden.load("Informer_a.safetensors")
    model, state = create_model("Informer", **meta["config"]), golden.part(tensors, "weight")
    counted = next(name for name in state if name.endswith("num_batches_tracked"))
    with pytest.raises(UserError, match=r"num_batches_tracked is torch.float32, the model's is torch.int64"):
        load_reference_state(model, state | {counted: state[counted].float()})


def test_individual_maps_of_unequal_shapes_are_refused():
    tensors, meta = golden.load("DLinear_b.safetensors")
    model = create_model("DLinear", **meta["config"], **meta["constructor_kwargs"])
    state = golden.part(tensors, "weight")
    state["Linear_Trend.1.bias"] = torch.zeros(5)
    with pytest.raises(UserError, match=r"DLinear: .* cannot be joined"):
        load_reference_state(model, state)


def test_weights_are_rounded_to_the_models_precision(case):
    model, state = case
    load_reference_state(model.bfloat16(), state)
    assert torch.equal(model.projection.weight, state["decoder.projection.weight"].bfloat16())
