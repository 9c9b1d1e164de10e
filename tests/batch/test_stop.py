"""Ctrl-C or SIGTERM: one line of ours, status 130 or 143, at once, and nothing left running or half-done."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from helpers import Recorder

from tsprune.batch.profiles import plan_profile
from tsprune.batch.shard import Shard, run_shard
from tsprune.batch.stop import stoppable
from tsprune.places import project_root

SMALLER = (
    "models=[DLinear]",
    "densities=[0.5]",
    "compared_densities=[]",
    "structured_densities=[]",
    "two_of_four=false",
)
SMALLER_OPTIONS = [part for change in SMALLER for part in ("-p", change)]
WAITS = "import time; print('begun', flush=True); time.sleep(60)"


@pytest.fixture(autouse=True)
def heard():
    """A shell starts what it runs in the background with Ctrl-C ignored, and what that starts inherits it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(code: str, **more) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=project_root(),
        **more,
    )


def interrupted(process: subprocess.Popen, times: int = 1, by: int = signal.SIGINT) -> tuple[int, str, float]:
    """Ctrl-C as a terminal sends it, to the group, or another signal; exit status, stderr, and seconds until the
    process was gone."""
    began = time.monotonic()
    for _ in range(times):
        os.killpg(process.pid, by)
    _, err = process.communicate(timeout=60)
    return process.returncode, err, time.monotonic() - began


@pytest.mark.parametrize(("by", "told"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_any_command_ends_with_a_line_and_the_signals_status(by, told):
    code = f"from tsprune import cli; cli.app = lambda **_: exec({WAITS!r}); cli.main()"
    process = start(code)
    assert process.stdout.readline() == "begun\n"
    status, err, seconds = interrupted(process, by=by)
    assert (status, err) == (told, "\ntsprune: stopped\n") and seconds < 3


def test_before_the_command_is_loaded_it_ends_without_a_word():
    code = (
        "import builtins, os, runpy, signal\nload = builtins.__import__\n"
        "def stopped(name, *how, **more):\n"
        "    if name == 'tsprune.cli':\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return load(name, *how, **more)\n"
        "builtins.__import__ = stopped; runpy.run_module('tsprune', run_name='__main__')"
    )
    process = start(code)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("swallow", ["raise cli.UserError('cannot be exported')", "pass"])
def test_a_library_that_swallows_the_end_does_not_change_it(swallow):
    code = (
        "from tsprune import cli\n"
        "def work(**_):\n"
        f"    try:\n        exec({WAITS!r})\n"
        f"    except BaseException:\n        {swallow}\n"
        "cli.app = work; cli.main()"
    )
    process = start(code)
    assert process.stdout.readline() == "begun\n"
    status, err, seconds = interrupted(process)
    assert (status, err) == (130, "\ntsprune: stopped\n") and seconds < 3


@pytest.mark.parametrize(("by", "told"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_half_done_is_undone_and_a_second_signal_changes_nothing(tmp_path, by, told):
    code = (
        "from pathlib import Path; from tsprune import cli; from tsprune.batch.outputs import hidden_folder\n"
        f"def work(**_):\n    with hidden_folder(Path({str(tmp_path)!r})):\n        exec({WAITS!r})\n"
        "cli.app = work; cli.main()"
    )
    process = start(code)
    assert process.stdout.readline() == "begun\n" and len(list(tmp_path.iterdir())) == 1
    status, err, seconds = interrupted(process, times=2, by=by)
    words = "tsprune: stopped; what was finished is in the store, and the same command goes on from there"
    assert (status, err) == (told, f"\n{words}\n") and seconds < 3
    assert list(tmp_path.iterdir()) == []


def test_where_the_signal_is_ignored_it_stays_ignored_and_afterwards_all_is_as_before():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(SystemExit) as end, stoppable():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        assert end.value.code == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def relatives(mark: str) -> list[int]:
    """Processes of this user's whose environment holds ``mark``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # gone, or somebody else's
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes as Linux lists them")
def test_a_study_is_stopped_with_its_kernel_and_workers_and_goes_on_when_started_again(tmp_path, threads):
    study = ["study", "smoke", "--only", "02_fine_tuning", "--output", str(tmp_path / "out"), "--jobs", "2"]
    study += SMALLER_OPTIONS
    code = f"import sys; sys.argv[1:] = {study!r}; from tsprune.cli import main; main()"
    (tmp_path / "tmp").mkdir()
    process = start(code, env=os.environ | {"TSPRUNE_TEST_MARK": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")})
    for line in process.stdout:
        if "MSE" in line:
            break
    assert len(relatives(str(tmp_path))) >= 4  # the command, the kernel, two workers
    status, err, seconds = interrupted(process)
    words = "tsprune: stopped; what was finished is in the store, and the same command goes on from there"
    assert (status, err) == (130, f"\n{words}\n") and seconds < 3
    deadline = time.monotonic() + 10
    while relatives(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert relatives(str(tmp_path)) == []
    assert list((tmp_path / "out" / "smoke").iterdir()) == [] == list((tmp_path / "tmp").iterdir())
    out, news = tmp_path / "out", Recorder()
    runs = plan_profile("smoke", only=["02_fine_tuning"], output=str(out), replaced=list(SMALLER))
    assert run_shard(runs, Shard(1, 1), make_executor=threads, progress=news) == 0  # the same steps, without the pages
    assert any(re.search(r" steps, [1-9]\d* of them in the store", line) for line in news.news)
    assert list((out / "store" / "tmp").iterdir()) == []


def test_a_part_that_is_stopped_says_that_it_goes_on(tmp_path):
    part = ["study", "smoke", "--only", "02_fine_tuning", "--shard", "1/1", "--output", str(tmp_path), "--jobs", "1"]
    part += SMALLER_OPTIONS
    process = start(f"import sys; sys.argv[1:] = {part!r}; from tsprune.cli import main; main()")
    for line in process.stdout:
        if "MSE" in line:
            break
    status, err, seconds = interrupted(process)
    words = "tsprune: stopped; what was finished is in the store, and the same command goes on from there"
    assert (status, err) == (130, f"\n{words}\n") and seconds < 3


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes as Linux lists them")
def test_pages_made_side_by_side_are_stopped_together(tmp_path):
    names = ("01_pruning_sweep", "02_fine_tuning")
    for name in names:
        cell = nbformat.v4.new_code_cell(WAITS.replace("'begun'", f"'begun', file=open({str(tmp_path / name)!r}, 'w')"))
        metadata = {"kernelspec": {"name": "python3", "language": "python", "display_name": "x"}}
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), tmp_path / f"{name}.ipynb")
    code = (
        "from pathlib import Path; from tsprune import cli; from tsprune.batch.notebooks import run_profile\n"
        "from tsprune.batch.profiles import NotebookRun as Run\n"
        f"folder = Path({str(tmp_path)!r})\n"
        f"runs = [Run(name, folder / f'{{name}}.ipynb', folder / 'out', {{'jobs': 2}}, {{}}) for name in {names}]\n"
        "cli.app = lambda **_: run_profile(runs, only_pages=True); cli.main()"
    )
    process = start(code, env=os.environ | {"TSPRUNE_TEST_MARK": str(tmp_path)})
    while not all((tmp_path / name).exists() for name in names):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    status, err, seconds = interrupted(process)
    assert status == 130 and "tsprune: stopped" in err and "Traceback" not in err and seconds < 3
    deadline = time.monotonic() + 10
    while relatives(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert relatives(str(tmp_path)) == [] and list((tmp_path / "out").iterdir()) == []
