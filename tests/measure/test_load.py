"""What else ran: told from the kernel's counts, and never guessed."""

import os

import pytest

from tsprune.measure import Load, Watch, load


@pytest.fixture
def counts(monkeypatch, tmp_path):
    """The kernel's counts as a test writes them, in hundredths of a second, on four cores."""
    stat = tmp_path / "stat"
    clock = {"now": 0.0, "own": 0.0}

    def write(now, own, user=0, idle=0, stolen=0):
        clock.update(now=now, own=own)
        stat.write_text(f"cpu  {user} 0 0 {idle} 0 0 0 {stolen} 0 0\ncpu0 1 2 3\n")

    monkeypatch.setattr(load, "_STAT", stat)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "sysconf", lambda name: 100)
    for name, value in (("monotonic", "now"), ("process_time", "own")):
        monkeypatch.setattr(load.time, name, lambda value=value: clock[value])
    monkeypatch.setattr(load.time, "sleep", lambda seconds: None)
    write(0.0, 0.0)
    return write


def test_others_are_all_work_but_our_own(counts):
    watch = Watch()
    counts(10.0, own=15.0, user=2500, idle=1000, stolen=500)  # 30 s of work in 10, 15 of them ours
    found = watch.load()
    assert found == Load(4, 1.5)
    assert not found.quiet and not found.crowded(2) and found.crowded(3)
    assert found.words() == "4 cores, 1.5 of them busy with other processes"


def test_quiet_is_said_only_where_it_was_so(counts):
    watch = Watch()
    counts(10.0, own=20.0, user=2090)
    assert watch.load().quiet and watch.load().words() == "4 cores, nothing else running"
    counts(20.0, own=40.0, user=4210)
    assert not watch.load().quiet and "nothing else" not in watch.load().words()


def test_clocks_that_differ_by_a_tick_make_no_negative_work(counts):
    watch = Watch()
    counts(1.0, own=1.01, user=100)
    assert watch.load().others == 0


def test_what_the_system_does_not_tell_is_not_known(counts, monkeypatch, tmp_path):
    monkeypatch.setattr(load, "_STAT", tmp_path / "nothing")
    found = Watch().load()
    assert found == Load(4, None) and not found.quiet and not found.crowded(64)
    assert found.words() == "4 cores, what else ran is not known"
