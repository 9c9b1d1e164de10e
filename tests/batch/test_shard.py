"""Jobs of one store share a study out among them, and none trains what another does."""

import re
import subprocess
from collections import Counter
from dataclasses import replace

import pytest
import yaml
from helpers import FakeStep
from hypothesis import given
from hypothesis import strategies as st

from tsprune.batch.plan import plan_text
from tsprune.batch.profiles import plan_profile
from tsprune.batch.shard import Shard, run_shard
from tsprune.engine.progress import Progress
from tsprune.errors import UserError
from tsprune.places import project_root
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep


@given(st.integers(1, 9), st.lists(st.text("abc", min_size=1), unique=True, max_size=9))
def test_every_step_is_of_one_part_and_of_that_of_its_training(of, names):
    shards = [Shard(number, of) for number in range(1, of + 1)]
    for name in names:
        trained = FakeStep(name=name, log="")
        pruned = FakeStep(name=name + "pruned", log="", after=(trained,))
        tuned = FakeStep(name=name + "tuned", log="", after=(pruned, FakeStep(name="teacher", log="")))
        (mine,) = (shard for shard in shards if shard.holds(trained))
        assert [shard for shard in shards if shard.holds(tuned)] == [mine] == [s for s in shards if s.holds(pruned)]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3", "1/99999999"])
def test_a_part_is_told_as_one_of_several(text):
    with pytest.raises(UserError, match=f"--shard {text}: expected I/N, the I-th of N parts, such as 1/8 to 8/8"):
        Shard.parse(text)
    assert Shard.parse("2/3") == Shard(2, 3)


def planned_steps(text: str) -> dict[str, int]:
    """How many steps a plan of one notebook has, by kind."""
    return {kind: int(steps) for kind, steps in re.findall(r"^(\w+) +(\d+) +\d", text, re.M)}


def test_parts_on_one_store_come_to_the_whole_study_and_train_each_model_once(tmp_path, smoke, few, threads):
    folder = tmp_path / "mine"
    folder.mkdir()
    small = {"models": ["DLinear"], "seeds": [1, 2, 3], "densities": [1.0, 0.5], "scopes": ["layer"], "jobs": 1}
    (folder / "01_pruning_sweep.yaml").write_text(yaml.safe_dump(smoke | few | small))
    runs = plan_profile(str(folder), output=str(tmp_path / "out"))
    runs = [replace(run, parameters=run.parameters | {"store": str(tmp_path / "store")}) for run in runs]
    ran = Counter()

    class Counts(Progress):
        def begin(self, step):
            ran[step.label] += 1
            super().begin(step)

    planned = [Counter(planned_steps(plan_text(runs, part=part))) for part in (None, Shard(1, 2), Shard(2, 2))]
    assert planned[0] == planned[1] + planned[2] and planned[0]["train"] == 3
    for number in (1, 2):
        assert run_shard(runs, Shard(number, 2), make_executor=threads, progress=Counts()) == 0
    assert set(ran.values()) == {1} and sum("training" in label for label in ran) == 3
    assert "part 2 of 2: " in (told := plan_text(runs, part=Shard(2, 2))) and ", 0 to run" in told
    cells = PruningSweepCells(PruningSweep.parse(runs[0].parameters))
    idle = next(part for part in (Shard(number, 99) for number in range(1, 100)) if not part.steps(cells))
    assert "\nno steps of its own\n" in plan_text(runs, part=idle)
    steps = len(ran)
    cells.run(make_executor=threads, progress=Counts())
    assert len(ran) == steps and set(ran.values()) == {1}


def test_the_script_for_a_cluster_asks_for_every_part(tmp_path):
    """As far as that goes without SLURM: the script of docs/cluster.md, with a command that prints what it is given."""
    (script,) = re.findall(r"```bash\n(.*?)```", (project_root() / "docs" / "cluster.md").read_text(), re.S)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    command = tmp_path / ".venv" / "bin" / "tsprune"
    command.write_text('#!/bin/sh\necho "$@"\n')
    command.chmod(0o755)
    first, last = map(int, re.search(r"--array=(\d+)-(\d+)", script).groups())
    asked = []
    for task in range(first, last + 1):
        names = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": last - first + 1, "SLURM_CPUS_PER_TASK": 8}
        environment = {name: str(value) for name, value in names.items()} | {"SLURM_SUBMIT_DIR": str(tmp_path)}
        done = subprocess.run(
            ["bash", "-eu", "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        words = done.stdout.split()
        asked.append(Shard.parse(words[words.index("--shard") + 1]))
        assert words[:2] == ["study", "paper"] and words[words.index("--jobs") + 1] == "8"
    assert asked == [Shard(number, last) for number in range(1, last + 1)]
