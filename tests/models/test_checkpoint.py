import os

import pytest
import torch
from safetensors.torch import save_file

from tests.models.small import small_model
from tsprune.errors import UserError
from tsprune.models import checkpoint, load_checkpoint, save_checkpoint


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, small_model("Transformer"))
    return path


def test_missing(tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint at .*absent"):
        load_checkpoint(tmp_path / "absent")


@pytest.mark.parametrize("keep", [0, 5, 100, 3000])
def test_truncated(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(UserError, match=str(saved)):
        load_checkpoint(saved)


def test_foreign(tmp_path):
    path = tmp_path / "foreign.safetensors"
    for metadata in (None, {"format": "pt"}, {"tsprune": "[]"}, {"tsprune": '{"format": 99}'}, {"tsprune": "not json"}):
        save_file({"weight": torch.zeros(3)}, path, metadata)
        with pytest.raises(UserError, match=str(path)):
            load_checkpoint(path)


def test_weights_that_do_not_fit_their_config(tmp_path, monkeypatch):
    model = small_model("Transformer")
    model.projection = torch.nn.Linear(8, 9)
    save_checkpoint(tmp_path / "odd", model)
    with pytest.raises(UserError, match="does not fit its own config"):
        load_checkpoint(tmp_path / "odd")


def test_failed_write_leaves_the_old_file_and_no_other(saved, monkeypatch):
    before = saved.read_bytes()

    def broken(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint.os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(saved, small_model("DLinear"))
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_file_holds_no_position_table(saved):
    model, masks = load_checkpoint(saved)
    assert masks == {}
    assert saved.stat().st_size < 1.2 * sum(p.numel() * 4 for p in model.parameters()) + 10_000
