"""The README's snippet runs, and what it names exists."""

import re

from tsprune.places import project_root
from tsprune.study.claims.cells import shipped
from tsprune.study.claims.words import summary

ROOT = project_root()
README = (ROOT / "README.md").read_text()


def test_the_python_snippet_runs(capsys):
    (snippet,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(snippet, "README.md", "exec"), {})
    assert re.match(r"0\.41\d Scores\(mse=0\.\d+, mae=0\.\d+, windows=\d+\)", capsys.readouterr().out)


def test_every_path_and_make_target_it_names_exists():
    for path in re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(
        r"`((?:tsprune|params|tests|notebooks)/[\w./]*)`", README
    ):
        assert (ROOT / path).exists(), path
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert (
        {"study", "test", "lab", "help"}
        <= set(re.findall(r"make (study|test|lab|help|[a-z-]+-[a-z]+)", README))
        <= set(targets)
    )


def test_its_verdicts_are_those_of_the_rows_that_ship():
    (shown,) = re.findall(r"<!-- verdicts -->\n(.*?)\n<!-- end -->", README, flags=re.DOTALL)
    assert shown == summary(shipped()), "run `tsprune results verdicts` and put what it prints between the marks"
