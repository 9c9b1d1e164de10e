"""Ended half-way and run again: a training goes on from its last state, with the numbers of an undisturbed one."""

import pytest
import torch

from tsprune.engine import partial
from tsprune.engine.partial import Interruptible, read_state, write_state
from tsprune.engine.store import Store
from tsprune.steps.sparse import SparseTrainStep
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep


@pytest.mark.parametrize("sparse", [False, True])
def test_an_interrupted_step_goes_on(smoke, few, tmp_path, monkeypatch, sparse):
    config = PruningSweep.parse(smoke | few | {"models": ["DLinear"], "epochs": 4, "patience": 4, "store": "unused"})
    step = base_steps(config).dense[0]
    if sparse:
        step = SparseTrainStep(dense=step, method="pals", fields={"every": 5}, signal="whole")
    calm = step.run(Store(tmp_path / "calm"))
    monkeypatch.setattr(partial, "EVERY_SECONDS", 0.0)
    store, write = Store(tmp_path / "rough"), write_state

    def killed_after_the_second(path, state):
        write(path, state)
        if len(state["result"]["history"]) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(partial, "write_state", killed_after_the_second)
    with pytest.raises(KeyboardInterrupt):
        step.run(store)
    kept = [path.name for path in (store.root / "partial").iterdir()]
    assert kept == [f"{step.key}.safetensors"]
    epochs = []
    monkeypatch.setattr(partial, "write_state", lambda _, state: epochs.append(len(state["result"]["history"])))
    rough = step.run(store)
    assert epochs == [3, 4] and list((store.root / "partial").iterdir()) == []
    assert rough.result == calm.result and rough.detail == calm.detail
    for name in calm.files.keys() | rough.files.keys():
        pairs = [(tmp_path / f"{side}-{name}") for side in ("calm", "rough")]
        calm.files[name](pairs[0])
        rough.files[name](pairs[1])
        assert pairs[0].read_bytes() == pairs[1].read_bytes(), name


def test_a_state_is_read_as_it_was_written(tmp_path):
    shared = torch.arange(4.0)
    state = {"a": {0: shared, 1: [shared[:2], 3, float("inf")]}, "words": "x", "mask": torch.tensor([True, False])}
    write_state(tmp_path / "new" / "s.safetensors", state)
    read = read_state(tmp_path / "new" / "s.safetensors")
    assert read.pop("words") == state.pop("words")
    torch.testing.assert_close(read, state, rtol=0, atol=0)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["s.safetensors"]


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:100], lambda raw: b"", lambda raw: raw.replace(b"pairs", b"pears")]
)
def test_a_damaged_state_is_told_and_the_training_starts_again(tmp_path, damage):
    store = Store(tmp_path)
    path = store.root / "partial" / "key.safetensors"
    write_state(path, {"epoch": 3, "weights": torch.ones(2)})
    assert Interruptible(store, "key").resume["epoch"] == 3
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match="is damaged"):
        assert Interruptible(store, "key").resume is None


def test_short_trainings_write_nothing(smoke, few, tmp_path):
    config = PruningSweep.parse(smoke | few | {"models": ["DLinear"], "store": "unused"})
    store = Store(tmp_path / "store")
    assert base_steps(config).dense[0].run(store).status == "ok"
    assert not (store.root / "partial").exists()
