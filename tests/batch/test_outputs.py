"""Reports are put in place whole or not at all, in any weather; notebooks of two lines stand for studies."""

import json
import os
import re
import subprocess
import threading

import nbformat
import pytest

from tsprune.batch import notebooks, outputs
from tsprune.batch.notebooks import run_profile
from tsprune.batch.profiles import NotebookRun
from tsprune.report.info import ReportInfo

DIES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def run(tmp_path):
    """Run notebooks, each a name, its second cell and its parameters, in one folder; returns how many were bad."""

    def run(*given, **how):
        runs = []
        for name, source, parameters in given:
            cells = [nbformat.v4.new_markdown_cell(f"# About {name}"), nbformat.v4.new_code_cell("seeds = [1]")]
            cells[1].metadata["tags"] = ["parameters"]
            cells += [nbformat.v4.new_code_cell(source), nbformat.v4.new_code_cell("print('the last cell')")]
            metadata = {"kernelspec": {"name": "python3", "language": "python", "display_name": "x"}}
            path = tmp_path / f"{name}.ipynb"
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
            runs.append(NotebookRun(name, path, tmp_path / "out" / "mine", parameters, {}))
        return run_profile(runs, **how)

    return run


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out" / "mine"


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_kernel_that_dies_is_a_failed_notebook_with_its_page_and_the_rest_goes_on(run, folder, capfd):
    bad = run(("01_pruning_sweep", DIES, {"seeds": [1]}), ("02_fine_tuning", "print('all well')", {"seeds": [1]}))
    assert bad == 1
    page, index = (folder / "01_pruning_sweep.html").read_text(), (folder / "index.html").read_text()
    assert "This notebook failed" in page and "the process of its kernel died; out of memory?" in page
    assert "the last cell\n" not in page
    assert "all well" in (folder / "02_fine_tuning.html").read_text()
    assert 'href="01_pruning_sweep.html"' in index and 'href="02_fine_tuning.html"' in index
    out, err = capfd.readouterr()
    assert err == "01_pruning_sweep failed: the process of its kernel died; out of memory?\n" + (
        "01_pruning_sweep: 1 without a result; the report names them\n"
    )
    assert "Traceback" not in out and out.count("report: ") == 2


MEETS = """
import pathlib, time
pathlib.Path({own!r}).touch()
while not pathlib.Path({other!r}).exists():
    time.sleep(0.05)
print({said!r})
"""


def test_where_only_pages_are_made_notebooks_run_side_by_side_and_tell_of_it_in_turn(run, folder, tmp_path, capfd):
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    meets = MEETS.format(own=one, other=other, said="a first line"), MEETS.format(own=other, other=one, said="of both")
    given = {"seeds": [1], "jobs": 3}
    names = "01_pruning_sweep", "02_fine_tuning", "03_right_sizing"
    assert run(*((name, code, given) for name, code in zip(names, (*meets, DIES), strict=True)), only_pages=True) == 1
    out, err = capfd.readouterr()
    for name, said in (names[0], "a first line"), (names[1], "of both"):
        assert re.search(rf"== {name} ==\n{said}\nthe last cell\n{name}: .*\nreport: .*{name}.html\n", out)
        assert said in (folder / f"{name}.html").read_text()
    assert "03_right_sizing failed: the process of its kernel died" in err
    assert "This notebook failed" in (folder / "03_right_sizing.html").read_text()
    assert (folder / "index.html").read_text().count('.html"') >= 3


def test_a_kernel_that_is_slow_to_end_is_left_to_end_and_says_nothing_of_it(run, folder, capfd):
    """Once all cells have run it is asked what it is, and may still be at it when it is shut down."""
    slow = """
import time
handlers = get_ipython().kernel.shell_handlers
told = handlers["kernel_info_request"]
async def tell(*given):
    await told(*given)
    time.sleep(1)
handlers["kernel_info_request"] = tell
"""
    assert not run(("02_fine_tuning", slow, {"seeds": [1]}))
    assert not capfd.readouterr().err


def test_a_notebook_runs_where_the_command_is_typed(run, folder, tmp_path, monkeypatch):
    """So that data which `tsprune data check` finds from there are found by the study."""
    monkeypatch.chdir(tmp_path)
    run(("02_fine_tuning", "import os; print('in', os.getcwd())", {"seeds": [1]}))
    assert f"in {tmp_path}" in (folder / "02_fine_tuning.html").read_text()


def test_while_a_notebook_runs_the_earlier_report_stands(run, folder):
    run(("02_fine_tuning", "print('first')", {"seeds": [1]}))
    first = files(folder)
    look = f"import pathlib; print(sorted(p.name for p in pathlib.Path({str(folder)!r}).glob('[!.]*')))\n"
    look += f"print(pathlib.Path({str(folder / '02_fine_tuning.html')!r}).read_text())"
    run(("02_fine_tuning", look, {"seeds": [1]}))
    cells = json.loads((folder / "02_fine_tuning.ipynb").read_text())["cells"]
    seen = "".join(text for output in cells[-2]["outputs"] for text in output["text"])
    assert seen == f"{sorted(first)}\n{first['02_fine_tuning.html'].decode()}\n"
    assert set(files(folder)) == set(first)


def test_the_index_names_its_folder_and_links_to_the_reports_beside_it(run, folder):
    run(("02_fine_tuning", "print('first')", {"seeds": [1]}))
    index = (folder / "index.html").read_text()
    assert "mine" in index and 'href="02_fine_tuning.html"' in index and "../" not in index


def test_a_full_disk_leaves_the_old_page_and_is_told(run, folder, capfd, monkeypatch):
    run(("02_fine_tuning", "print('first')", {"seeds": [1]}))
    first = files(folder)

    def full(*given):
        raise OSError(28, "No space left on device")

    for where in ("render_notebook", "write_parameters", "write_index"):
        with monkeypatch.context() as patch:
            patch.setattr(notebooks, where, full)
            assert run(("02_fine_tuning", "print('second')", {"seeds": [1]})) == 1
        now, err = files(folder), capfd.readouterr().err
        if where == "write_index":
            assert now["index.html"] == first["index.html"] and b"second" in now["02_fine_tuning.html"]
            assert f"index: not written: {folder} cannot be written to: No space left on device" in err
        else:
            del now["index.html"]
            assert now == {name: content for name, content in first.items() if name != "index.html"}
            assert f"no report is written: {folder} cannot be written to: No space left on device\n" in err


def test_a_report_of_other_parameters_is_kept_and_told_and_one_of_the_same_is_replaced(run, folder, capfd):
    run(("02_fine_tuning", "print('first')", {"seeds": [1], "jobs": 1, "store": "a"}))
    run(("02_fine_tuning", "print('second')", {"seeds": [1], "jobs": 2, "store": "b"}))
    assert not list(folder.glob("*previous*")) and "previous" not in capfd.readouterr().out
    run(("02_fine_tuning", "print('third')", {"seeds": [1, 2], "epochs": 3, "jobs": 2}))
    assert (
        "02_fine_tuning: the report that was there has other parameters (seeds, epochs); it is kept as "
        "02_fine_tuning.previous.html\n" in capfd.readouterr().out
    )
    kept = files(folder)
    assert {name for name in kept if "previous" in name} == {
        f"02_fine_tuning.previous{end}" for end in (".html", ".ipynb", ".params.yaml")
    }
    assert b"second" in kept["02_fine_tuning.previous.html"] and b"third" in kept["02_fine_tuning.html"]
    (folder / "02_fine_tuning.params.yaml").write_text("[")
    run(("02_fine_tuning", "print('fourth')", {"seeds": [1, 2], "epochs": 3, "jobs": 2}))
    assert "other parameters (its .params.yaml cannot be read)" in capfd.readouterr().out
    assert b"third" in files(folder)["02_fine_tuning.previous.html"]


def test_a_neighbour_that_cannot_be_read_is_told_and_left_out_of_the_index(run, folder, capfd):
    folder.mkdir(parents=True)
    bad = {"01_pruning_sweep": "{", "04_entsoe_scale": "[]", "05_pals": '{"cells": 3}', "06_inference": "\xff"}
    for name, text in bad.items():
        (folder / f"{name}.ipynb").write_text(text, "latin-1")
        (folder / f"{name}.html").write_text("a page")
    (folder / "03_right_sizing.ipynb").write_text("{")  # no page of it is there: it is somebody's running notebook
    assert run(("02_fine_tuning", "print('first')", {"seeds": [1]})) == 0
    told = [line for line in capfd.readouterr().err.splitlines() if "ipynb" in line]  # a kernel may warn as well
    index = (folder / "index.html").read_text()
    assert len(told) == len(bad)
    for name in bad:
        assert sum(f"{name}.ipynb cannot be read and is not in the index: " in line for line in told) == 1
        assert name not in index


def test_what_killed_runs_left_aside_is_swept_and_nothing_else(folder):
    folder.mkdir(parents=True)
    child = subprocess.Popen(["true"])
    child.wait()
    host = os.uname().nodename
    names = (f".{host}-{child.pid}-0123abcd", f".{host}-{os.getpid()}-0123abcd", ".my-9-notes", ".DS_Store")
    for name in names:
        (folder / name / "mine").mkdir(parents=True)
        os.utime(folder / name, (1, 1))
        os.utime(folder / name / "mine", (1, 1) if name != names[1] else None)
    outputs.sweep(folder)
    assert {path.name for path in folder.iterdir()} == set(names[1:])


def test_a_page_leads_to_the_index_and_to_its_neighbours_also_when_they_come_later(run, folder):
    def links(name):
        return re.findall(r'<a href="([^"#]+)"', (folder / f"{name}.html").read_text())

    run(("03_right_sizing", "print('first')", {"seeds": [1]}))
    assert links("03_right_sizing") == ["index.html"]
    run(("02_fine_tuning", "print('second')", {"seeds": [1]}))
    assert links("02_fine_tuning") == ["index.html", "03_right_sizing.html"]
    assert links("03_right_sizing") == ["index.html", "02_fine_tuning.html"]
    run(("02_fine_tuning", "print('third')", {"seeds": [2]}))
    assert "02_fine_tuning.previous.html" in links("index")


def test_the_index_says_what_a_page_says_that_another_study_has_put_there_meanwhile(run, folder, monkeypatch):
    def other_study(*_):
        path = folder / "02_fine_tuning.ipynb"
        path.write_text(path.read_text().replace("About 02_fine_tuning", "Of the other study"))

    monkeypatch.setattr(notebooks, "_tell", other_study)
    run(("02_fine_tuning", "print('x')", {"seeds": [1]}))
    assert "Of the other study" in (folder / "index.html").read_text()


def test_a_page_that_another_study_puts_in_place_while_pages_are_linked_stays(tmp_path, folder, monkeypatch):
    """The other study comes between the reading of a page and its writing."""
    fresh = tmp_path / "fresh"
    for place, said in ((folder, "an old page"), (fresh, "a new page")):
        place.mkdir(parents=True)
        for end in outputs.ENDINGS:
            (place / f"01_pruning_sweep{end}").write_text(said)
    other = NotebookRun("01_pruning_sweep", tmp_path, folder, {}, {})
    putting = threading.Thread(target=outputs.put_in_place, args=(other, fresh))

    def link(page, *rest):
        putting.start()
        putting.join(0.2)
        return f"{page}, linked"

    monkeypatch.setattr(notebooks, "cells_linked", link)
    html = folder / "01_pruning_sweep.html"
    notebooks.link_pages(folder, [ReportInfo(html=html, title="A", headline="", thumbnail=None, status="ok")])
    putting.join()
    assert html.read_text() == "a new page"
