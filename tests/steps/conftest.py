"""What the tests of steps run on: a store of their own, without new processes."""

import pytest
from helpers import Recorder

from tsprune.engine import partial
from tsprune.engine.grid import run_grid
from tsprune.engine.store import Store
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep


@pytest.fixture
def linear(smoke):
    """The quickest to train."""
    return base_steps(PruningSweep.parse(smoke | {"models": ["DLinear"], "store": "unused"})).dense[0]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def run(store, threads):
    """Runs steps and those that they need; their rows by key."""
    return lambda *steps: run_grid(steps, store, make_executor=threads, jobs=2, progress=Recorder(2))


@pytest.fixture
def killed(store, monkeypatch, tmp_path):
    """Runs a step that is killed as it writes its state for the ``stop``-th time, then on from there, and holds that
    against a run which nothing stops; the stage of each state that was written."""

    def killed(step, stop, files) -> list[int]:
        calm = step.run(store)
        monkeypatch.setattr(partial, "EVERY_SECONDS", 0.0)
        write, stages = partial.write_state, []

        def kill(store, key, state):
            write(store, key, state)
            stages.append(state["stage"])
            if len(stages) == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(partial, "write_state", kill)
        with pytest.raises(KeyboardInterrupt):
            step.run(store)
        monkeypatch.setattr(partial, "write_state", lambda store, key, state: stages.append(state["stage"]))
        rough = step.run(store)
        assert (rough.result, rough.detail) == (calm.result, calm.detail)
        for name in files:
            paths = [tmp_path / f"{kind}-{name}" for kind in ("calm", "rough")]
            for outcome, path in zip((calm, rough), paths, strict=True):
                outcome.files[name](path)
            assert paths[0].read_bytes() == paths[1].read_bytes(), name
        return stages

    return killed
