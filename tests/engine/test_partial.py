"""Ended half-way and run again: a training goes on from its last state, with the numbers of an undisturbed one; a state
that cannot be gone on from costs its training the start, and nothing else."""

import os
import subprocess

import pytest
import torch
from safetensors.torch import save_file

from tsprune.engine import partial
from tsprune.engine.execute import execute
from tsprune.engine.grid import run_grid
from tsprune.engine.partial import DoesNotFit, Interruptible, forget_state, read_state, sweep_states, write_state
from tsprune.engine.progress import Progress
from tsprune.engine.store import Corrupt, Store
from tsprune.steps import train as train_module
from tsprune.steps.sparse import SparseTrainStep
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep


@pytest.fixture
def step(smoke, few):
    config = PruningSweep.parse(smoke | few | {"models": ["DLinear"], "epochs": 4, "patience": 4, "store": "unused"})
    return base_steps(config).dense[0]


@pytest.fixture
def interrupted(monkeypatch):
    """Run a step until it has kept its second state; returns the path of that."""
    monkeypatch.setattr(partial, "EVERY_SECONDS", 0.0)
    write = write_state

    def interrupted(step, store):
        def killed_after_the_second(store, key, state):
            write(store, key, state)
            if len(state["result"]["history"]) == 2:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(partial, "write_state", killed_after_the_second)
            with pytest.raises(KeyboardInterrupt):
                execute(step, str(store.root))
        return states(store)[0]

    return interrupted


def states(store):
    return sorted((store.root / "partial").glob("*"))


def model(store, step) -> bytes:
    return store.artifact(step.key, step.keepsake).read_bytes()


@pytest.mark.parametrize("sparse", [False, True])
def test_an_interrupted_step_goes_on(step, interrupted, tmp_path, monkeypatch, sparse):
    if sparse:
        step = SparseTrainStep(dense=step, method="pals", fields={"every": 5}, signal="whole")
    calm, rough = Store(tmp_path / "calm"), Store(tmp_path / "rough")
    row = execute(step, str(calm.root))
    assert interrupted(step, rough).name == f"{step.key}.safetensors"
    epochs = []
    monkeypatch.setattr(partial, "write_state", lambda *given: epochs.append(len(given[2]["result"]["history"])))
    again = execute(step, str(rough.root))
    assert epochs == [3, 4] and states(rough) == []
    assert (again["result"], again["detail"]) == (row["result"], row["detail"])
    for name in ("scores.safetensors", step.keepsake):
        assert calm.artifact(step.key, name).read_bytes() == rough.artifact(step.key, name).read_bytes(), name


def test_a_state_is_read_as_it_was_written(tmp_path):
    shared = torch.arange(4.0)
    state = {
        "a": {0: shared, 1: [shared[:2], 3, float("inf")]},
        "words": "x",
        "mask": torch.tensor([True, False]),
        "none": torch.empty(0, 3),
        "one": torch.tensor(2, dtype=torch.int64),
        "half": torch.ones(3, dtype=torch.bfloat16),
    }
    store = Store(tmp_path)
    write_state(store, "key", state)
    read = read_state(*states(store), "key")
    assert read.pop("words") == state.pop("words")
    torch.testing.assert_close(read, state, rtol=0, atol=0)
    assert list((store.root / "tmp").iterdir()) == []


@pytest.fixture
def small(tmp_path):
    """A store with a state of a few hundred bytes, and its path."""
    store = Store(tmp_path)
    write_state(store, "key", {"epoch": 3, "weights": torch.ones(2), "order": torch.arange(3)})
    return store, states(store)[0]


def test_no_flipped_bit_is_believed(small):
    _, path = small
    good, told = path.read_bytes(), read_state(path, "key")
    for place in range(len(good)):
        raw = bytearray(good)
        raw[place] ^= 1 << place % 8
        path.write_bytes(raw)
        try:
            read = read_state(path, "key")
        except Corrupt as damage:
            assert str(path) in str(damage)
        else:  # white space between the header and the tensors
            assert good[place] == ord(" ")
            torch.testing.assert_close(read, told, rtol=0, atol=0)


def directory(path):
    path.unlink()
    path.mkdir()
    (path / "x").write_text("x")


def link_to_nothing(path):
    path.unlink()
    path.symlink_to(path.parent / "gone")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"x" * 1000),
        lambda path: save_file({"0": torch.zeros(1)}, path),
        lambda path: save_file({"0": torch.zeros(1)}, path, {"state": "[1]"}),
        directory,
        link_to_nothing,
    ],
    ids=["cut", "empty", "junk", "no words", "earlier version", "directory", "link to nothing"],
)
def test_a_damaged_state_is_told_and_removed(small, damage):
    store, path = small
    assert Interruptible(store, "key").resume["epoch"] == 3
    damage(path)
    with pytest.warns(UserWarning, match=f"{path} is damaged .*: its training starts again"):
        assert Interruptible(store, "key").resume is None
    assert states(store) == []


def test_the_state_of_another_step_is_not_taken_up(small):
    store, path = small
    path.rename(path.with_stem("other"))
    with pytest.warns(UserWarning, match="it belongs to key"):
        assert Interruptible(store, "other").resume is None


def without_seconds(state):
    del state["seconds"]


def other_name(state):
    name = next(iter(state["model"]))
    state["model"][name + "_old"] = state["model"].pop(name)


def other_shape(state):
    name = next(iter(state["model"]))
    state["model"][name] = torch.zeros(3, 3)


def more_generators(state):
    state["generators"].append(state["generators"][0])


@pytest.mark.parametrize("change", [without_seconds, other_name, other_shape, more_generators])
def test_a_state_that_does_not_fit_is_told_and_removed_and_the_training_begins_again(
    step, interrupted, tmp_path, change
):
    """As another version of the code may have left it: whole, and of another form."""
    calm, rough = Store(tmp_path / "calm"), Store(tmp_path / "rough")
    row = execute(step, str(calm.root))
    state = read_state(interrupted(step, rough), step.key)
    change(state)
    write_state(rough, step.key, state)
    with pytest.warns(UserWarning, match="does not fit its step .*: its training starts again"):
        again = execute(step, str(rough.root))
    assert (again["status"], again["result"]) == ("ok", row["result"])
    assert model(calm, step) == model(rough, step)
    assert states(rough) == []


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError(), OSError(28, "full"), KeyboardInterrupt()])
def test_a_state_is_not_to_blame_for_what_goes_wrong_around_it(small, error):
    store, path = small
    with pytest.raises(type(error)), Interruptible(store, "key"):
        raise error
    assert path.exists()


def test_a_failure_after_an_epoch_has_followed_is_the_trainings_own(small):
    store, path = small
    with pytest.raises(ValueError, match="own"), Interruptible(store, "key") as keep:
        keep({"epoch": 4})
        raise ValueError("own")
    assert path.exists()
    with pytest.warns(UserWarning, match="does not fit"), pytest.raises(DoesNotFit), Interruptible(store, "key"):
        raise ValueError("the state's")
    assert not path.exists()


def test_a_finished_training_keeps_its_state_until_its_entry_is_stored(step, interrupted, tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    path = interrupted(step, store)
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "evaluate", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):  # killed while the test error is computed
            execute(step, str(store.root))
    assert len(read_state(path, step.key)["result"]["history"]) == 4
    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", lambda *given: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            execute(step, str(store.root))
    assert path.exists()
    epochs = []
    monkeypatch.setattr(partial, "write_state", lambda *given: epochs.append(1))
    assert execute(step, str(store.root))["status"] == "ok"
    assert epochs == [] and states(store) == []


def test_a_state_that_cannot_be_written_is_told_and_the_training_goes_on(step, tmp_path, monkeypatch):
    monkeypatch.setattr(partial, "EVERY_SECONDS", 0.0)
    store = Store(tmp_path / "store")
    store.root.mkdir()
    (store.root / "partial").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="cannot be written .*; the training goes on"):
        assert execute(step, str(store.root))["status"] == "ok"
    assert list((store.root / "tmp").iterdir()) == []


def test_states_of_finished_steps_and_of_killed_writers_are_swept(step, tmp_path):
    store = Store(tmp_path / "store")
    write_state(store, step.key, {"epoch": 1})
    write_state(store, "unfinished", {"epoch": 1})
    old = (store.root / "partial" / f"{step.key}.safetensors").read_bytes()
    forget_state(store, step.key)
    assert execute(step, str(store.root))["status"] == "ok"
    late = store.root / "partial" / f"{step.key}.safetensors"
    late.write_bytes(old)
    os.utime(late, (1, 1))  # left by a process killed between the entry and the end of its state
    child = subprocess.Popen(["true"])
    child.wait()
    for name in (f"{step.key}.{child.pid}", f"{step.key}.{os.getpid()}", ".DS_Store"):
        (store.root / "partial" / name).write_bytes(b"x" * 1000)
    run_grid([step], store, make_executor=lambda: None, jobs=1, progress=Progress())
    left = {".DS_Store", f"{step.key}.{os.getpid()}", "unfinished.safetensors"}
    assert {path.name for path in states(store)} == left
    write_state(store, step.key, {"epoch": 1})  # of a model that is being made again
    sweep_states(store)
    assert late.exists()
    forget_state(store, step.key)
    assert not late.exists()


def test_short_trainings_write_nothing(step, tmp_path):
    store = Store(tmp_path / "store")
    assert step.run(store).status == "ok"
    assert not (store.root / "partial").exists()
