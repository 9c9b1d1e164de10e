import json
import os
import resource

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.models import checkpoint, load_checkpoint, mask_bits, read_about, save_checkpoint


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, small_model("Transformer"))
    return path


def parts(path):
    """The tensors of a checkpoint by name, and its metadata."""
    with safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["tsprune"])  # noqa: SIM118


def refused(path, *readers):
    """What the readers say about ``path``, each in one line that names it."""
    said = []
    for reader in readers or (load_checkpoint, read_about):
        with pytest.raises(UserError) as error:
            reader(path)
        said.append(str(error.value))
        assert str(path) in said[-1] and len(said[-1].splitlines()) == 1 and len(said[-1]) < 1000
    return " / ".join(said)


def test_missing(tmp_path):
    assert "no checkpoint at" in refused(tmp_path / "absent")


def test_neither_a_folder_nor_a_pipe_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refused(tmp_path) and "not a file" in refused(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["n" * 300, "zero\0", "file/below"])
def test_names_that_no_file_has(name, saved):
    (saved.parent / "file").write_text("")
    for reader in (load_checkpoint, read_about):
        with pytest.raises(UserError, match=r"no checkpoint at|is not a readable checkpoint"):
            reader(saved.parent / name)


@pytest.mark.parametrize("keep", [0, 5, 100, 3000])
def test_truncated(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    refused(saved)


def test_foreign(tmp_path):
    path = tmp_path / "foreign.safetensors"
    for metadata in (None, {"format": "pt"}, {"tsprune": "[]"}, {"tsprune": '{"format": 99}'}, {"tsprune": "not json"}):
        save_file({"weight": torch.zeros(3)}, path, metadata)
        refused(path)


@pytest.mark.parametrize("number", [0, 3, True, "2", [2], None])
def test_formats_that_are_not_known_are_named(number, saved):
    tensors, meta = parts(saved)
    save_file(tensors, saved, {"tsprune": json.dumps(meta | {"format": number})})
    assert f"format = {number!r}: this version of tsprune reads formats 1 and 2" in refused(saved)


def test_a_model_that_its_config_does_not_describe_is_not_saved(tmp_path):
    model = small_model("Transformer")
    model.projection = torch.nn.Linear(8, 9)
    for words in (
        "projection.bias has shape (9,), not (3,); projection.weight has shape (9, 8), not (3, 8)",
        "has no place for extra.weight",
        "lacks encoder.norm.bias, encoder.norm.weight; has no place for extra.weight",
    ):
        with pytest.raises(UserError) as error:
            save_checkpoint(tmp_path / "odd", model)
        assert str(error.value) == f"Transformer cannot be saved: it is not what its config says: {words}"
        model.extra = torch.nn.Linear(1, 1, bias=False)
        if words.startswith("has no place"):
            del model.encoder.norm
    assert list(tmp_path.iterdir()) == []


def test_there_must_be_a_folder_to_save_in(tmp_path):
    with pytest.raises(UserError, match=r"no folder .*nowhere to save m.safetensors in"):
        save_checkpoint(tmp_path / "nowhere" / "m.safetensors", small_model("DLinear"))
    with pytest.raises(UserError, match=r"is a folder: name the file"):
        save_checkpoint(tmp_path, small_model("DLinear"))


def test_failed_write_leaves_the_old_file_and_no_other(saved, monkeypatch):
    before = saved.read_bytes()

    def broken(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint.os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(saved, small_model("DLinear"))
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_a_disk_that_takes_no_more_is_an_error_of_the_disk(saved):
    before, limits = saved.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="os error"):
            save_checkpoint(saved, small_model("DLinear"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]


def test_the_file_is_readable_by_whom_files_of_this_process_are(saved):
    beside = saved.with_name("beside")
    beside.touch()
    assert saved.stat().st_mode == beside.stat().st_mode


def test_file_holds_no_position_table(saved):
    model, masks = load_checkpoint(saved)
    assert masks == {}
    assert saved.stat().st_size < 1.2 * sum(p.numel() * 4 for p in model.parameters()) + 10_000


@given(st.lists(st.integers(0, 9), max_size=4), st.integers(0, 2**32))
def test_a_mask_of_any_shape_comes_back_from_a_bit_for_each_weight(shape, seed):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) > 0.5
    bits = mask_bits.pack(mask)
    assert bits.dtype == torch.uint8 and bits.shape == (-(-mask.numel() // 8),)
    back = mask_bits.unpack(bits, tuple(shape))
    assert back.dtype == torch.bool and torch.equal(back, mask)


def test_bits_that_are_not_of_the_shape_are_refused():
    for bits, shape in [((2,), (3, 3, 3)), ((4,), (3, 3)), ((2, 1), (3, 3)), ((2,), (2**70,))]:
        with pytest.raises(ValueError, match="cannot lie in"):
            mask_bits.unpack(torch.zeros(bits, dtype=torch.uint8), shape)
    with pytest.raises(ValueError, match="cannot lie in"):
        mask_bits.unpack(torch.zeros(2), (3, 3))


def test_masks_take_a_bit_per_weight(tmp_path):
    model = small_model("Transformer", d_model=64, d_ff=256)
    masks = {name: torch.rand_like(p) > 0.5 for name, p in model.named_parameters() if p.dim() > 1}
    save_checkpoint(tmp_path / "dense", model)
    save_checkpoint(tmp_path / "masked", model, masks)
    weights = sum(mask.numel() for mask in masks.values())
    added = (tmp_path / "masked").stat().st_size - (tmp_path / "dense").stat().st_size
    assert weights / 8 <= added < weights / 8 + 200 * len(masks)  # and names and shapes


def test_masks_that_do_not_fit_the_model_are_not_saved(tmp_path):
    model = small_model("DLinear")
    for masks, words in [
        ({"seasonal.wait": torch.ones(18, 24, dtype=torch.bool)}, "did you mean 'seasonal.weight'"),
        (
            {"trend.weight": torch.ones(24, 18, dtype=torch.bool)},
            r"expected bool \(18, 24\), found torch.bool \(24, 18\)",
        ),
        ({"trend.weight": torch.ones(18, 24)}, r"expected bool \(18, 24\), found torch.float32"),
    ]:
        with pytest.raises(UserError, match=words):
            save_checkpoint(tmp_path / "m", model, masks)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_first_format_is_read(tmp_path):
    """As the first version wrote it: masks a byte per weight, nothing said about the data."""
    torch.manual_seed(0)
    model = small_model("Transformer").eval()
    masks = {name: torch.rand_like(p) > 0.5 for name, p in model.named_parameters() if p.dim() > 1}
    tensors = {f"weight/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"mask/{name}": mask for name, mask in masks.items()}
    meta = {"format": 1, "model": "Transformer", "config": model.config.model_dump(mode="json")}
    save_file(tensors, tmp_path / "old", {"tsprune": json.dumps(meta)})
    loaded, loaded_masks = load_checkpoint(tmp_path / "old")
    assert torch.equal(loaded(*example(model)), model(*example(model)))
    assert masks.keys() == loaded_masks.keys()
    assert all(torch.equal(loaded_masks[name], mask) for name, mask in masks.items())
    assert read_about(tmp_path / "old") is None


def test_loaded_weights_lie_in_memory_as_any_others(saved):
    """Kernels that take vectors from elsewhere give other last digits."""
    own = torch.empty(1000).data_ptr() % 64
    assert {p.data_ptr() % 64 for p in load_checkpoint(saved)[0].parameters()} == {own}
