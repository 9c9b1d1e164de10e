"""A notebook's cell of parameters is read one way, and what is wrong with it is one line."""

import ast
import json

import pytest

from tsprune.errors import UserError
from tsprune.parameters import default_parameters, parameters_of_run, read_cell, without_plumbing

CELL = 'name = "a # b"  # what it is\nrates: list = [1e-3,\n  2]  # per epoch\nlow = high = -1\nfree: int\nname.x = 1\n'


def code(source, *tags):
    return {"cell_type": "code", "metadata": {"tags": list(tags)} if tags else {}, "source": source}


@pytest.fixture
def notebook(tmp_path):
    def write(*cells):
        path = tmp_path / "x.ipynb"
        path.write_text(json.dumps({"cells": list(cells)}))
        return path

    return write


def test_values_of_a_cell():
    cell = {name: ast.literal_eval(node) for name, node in read_cell(CELL).items()}
    assert cell == {"name": "a # b", "rates": [0.001, 2], "low": -1, "high": -1}


def test_the_source_may_be_lines_as_in_a_file_or_text_as_nbformat_has_it(notebook):
    lines = notebook(code("x = 1"), code(CELL.splitlines(keepends=True), "parameters"))
    expected = default_parameters(lines)
    assert expected == default_parameters(notebook(code(CELL, "parameters")))
    run = [code(CELL, "parameters"), code("store = 'x'\nlow = 3\nhigh = f()\n", "injected-parameters"), code("low = 9")]
    assert parameters_of_run({"cells": run}) == expected | {"store": "x", "low": 3, "high": "f()"}
    assert without_plumbing(parameters_of_run({"cells": run})) == expected | {"low": 3, "high": "f()"}


def test_a_run_whose_cell_is_not_python_says_nothing_and_does_not_stop_the_report():
    assert parameters_of_run({"cells": [code("a = ", "parameters"), code("b = 1", "injected-parameters")]}) == {"b": 1}


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([code("x = 1")], "expected one cell tagged 'parameters', found 0"),
        ([code("x = 1", "parameters")] * 2, "expected one cell tagged 'parameters', found 2"),
        ([code("x = 1\ny = ", "parameters")], "line 2 of the cell 'parameters' is not Python: invalid syntax"),
        ([code("x = 1 + len('a')", "parameters")], "x = 1 + len('a'): a parameter must be a literal"),
        ([code("x = {[]: 1}", "parameters")], "x = {[]: 1}: a parameter must be a literal"),
        (["cell"], "is not a Jupyter notebook"),
        ([{}], "is not a Jupyter notebook"),
    ],
)
def test_a_notebook_without_readable_parameters_is_told_in_a_line(notebook, cells, words):
    path = notebook(*cells)
    with pytest.raises(UserError) as error:
        default_parameters(path)
    assert str(error.value) in (f"{path}: {words}", f"{path} {words}")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"cells": 1}'])
def test_what_is_no_notebook_is_told_in_a_line(tmp_path, content):
    path = tmp_path / "x.ipynb"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        default_parameters(path)
    assert str(error.value) == f"{path} is not a Jupyter notebook"
    with pytest.raises(UserError, match="does not exist"):
        default_parameters(tmp_path / "y.ipynb")
