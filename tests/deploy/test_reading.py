"""What is said of a file that a forecaster reads."""

from dataclasses import replace
from types import SimpleNamespace

from tests.deploy.small import frame
from tsprune.data import load_table
from tsprune.deploy import reading


def test_what_was_done_to_a_file_of_ones_own_is_said_and_known_defects_of_the_catalogue_are_not(tmp_path, monkeypatch):
    frame(60).rename_axis("date").to_csv(tmp_path / "mine.csv")
    table = replace(load_table(str(tmp_path / "mine.csv"), scaled=False), notes=("times are turned into UTC",))
    monkeypatch.setattr(reading, "load_table", lambda name, **options: table)
    card = SimpleNamespace(columns=table.columns)
    assert reading.read_frame("mine.csv", card, 24).notes == ("times are turned into UTC",)
    assert reading.read_frame("ETTh1", card, 24).notes == ()
