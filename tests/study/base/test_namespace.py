"""Whatever else is in a kernel, a study takes what the cells of parameters say."""

from pathlib import Path

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from tsprune.errors import UserError
from tsprune.study.pruning_sweep.config import PruningSweep


@pytest.fixture
def kernel():
    """A live namespace: ``kernel(cell, ...)`` runs cells in their order and gives the study's config."""
    shell = InteractiveShell()

    def run(*cells: str) -> PruningSweep:
        for cell in cells:
            shell.run_cell(cell, store_history=True)
        return PruningSweep.from_namespace(shell.user_ns)

    return run


@pytest.fixture
def smoke(smoke) -> dict:
    """What has no default, as a notebook's own cell has it."""
    return {name: value for name, value in smoke.items() if PruningSweep.model_fields[name].is_required()}


@pytest.fixture
def cell(smoke) -> str:
    return "\n".join(f"{name} = {value!r}" for name, value in smoke.items())


def test_variables_of_the_users_own_are_no_parameters(kernel, cell, smoke):
    own = "threshold = 0.5; raw = 3; result = [1, 2]; i = 0\nfor name in 'ab': pass"
    assert kernel(own, cell, own) == PruningSweep.parse(smoke)
    assert kernel("factor = 'of mine'", cell) == PruningSweep.parse(smoke)


def test_a_misspelt_parameter_is_refused_until_it_is_corrected(kernel, cell, smoke):
    with pytest.raises(UserError, match="unknown parameter 'sed'; did you mean 'seeds'"):
        kernel(cell + "\nsed = [1]")
    assert kernel(cell) == PruningSweep.parse(smoke)


def test_what_papermill_injects_counts_and_a_rerun_of_the_notebooks_cell_undoes_it(kernel, cell, smoke):
    assert kernel(cell, "# Parameters\nepochs = 7\nraw = True\n").raw
    assert kernel("pass").epochs == 7
    assert kernel(cell) == PruningSweep.parse(smoke)
    with pytest.raises(UserError, match="unknown parameter 'densitys'"):
        kernel("# Parameters\ndensitys = [0.5]\n")


def test_what_papermill_injects_is_no_cell_of_the_notebooks_own_however_much_it_assigns(kernel, cell, smoke):
    most = "\n".join(line for line in cell.splitlines() if not line.startswith(("epochs", "seeds")))
    assert kernel(cell, f"# Parameters\n{most}\n") == PruningSweep.parse(smoke)


def test_a_value_changed_in_a_cell_of_ones_own_is_the_one_that_counts(kernel, cell):
    assert kernel(cell, "epochs = 9").epochs == 9


def test_a_cell_that_is_not_python_changes_nothing(kernel, cell, smoke):
    assert kernel(cell, "epochs = = 3", "%matplotlib inline") == PruningSweep.parse(smoke)


def test_ranges_arrays_and_paths_are_what_they_stand_for(kernel, cell):
    more = (
        "import numpy as np\nfrom pathlib import Path\nseeds = range(1, 4)\npred_lens = (12, 24)\n"
        "densities = np.array([1.0, 0.5])\nd_ff = np.int64(32)\nstore = Path('outputs') / 'mine'"
    )
    config = kernel(cell + "\n" + more)
    assert config.seeds == [1, 2, 3] and config.pred_lens == [12, 24] and config.densities == [1.0, 0.5]
    assert config.d_ff == 32 and config.store == "outputs/mine"


def test_a_wrong_type_is_named(kernel, cell):
    with pytest.raises(UserError, match=r"seeds = 7: expected a list, such as \[7\]"):
        kernel(cell + "\nseeds = 7")
    with pytest.raises(UserError, match="epochs = <function"):
        kernel(cell + "\nepochs = lambda: 3")


def test_before_the_cell_of_parameters_has_run_that_is_said(kernel):
    with pytest.raises(UserError, match="the notebook's parameters cell has not been run in this kernel; run it first"):
        kernel("epochs = 3")


def test_outside_a_kernel_paths_of_other_names_are_left_alone(smoke):
    given = smoke | {"ROOT": Path("x"), "np": np, "seeds": range(2)}
    assert PruningSweep.from_namespace(given).seeds == [0, 1]
