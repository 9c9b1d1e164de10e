"""What is said of a file that a forecaster reads."""

from dataclasses import replace
from types import SimpleNamespace

from tests.deploy.small import ABOUT, frame
from tsprune.data import load_table
from tsprune.deploy import reading


def test_what_was_done_to_a_file_of_ones_own_is_said_and_known_defects_of_the_catalogue_are_not(tmp_path, monkeypatch):
    frame(60).rename_axis("date").to_csv(tmp_path / "mine.csv")
    table = replace(load_table(str(tmp_path / "mine.csv"), scaled=False), notes=("times are converted to UTC",))
    monkeypatch.setattr(reading, "load_table", lambda name, **options: table)
    card = SimpleNamespace(columns=table.columns, mean=ABOUT.mean, std=ABOUT.std)
    assert reading.read_frame("mine.csv", card, 24).notes == ("times are converted to UTC",)
    assert reading.read_frame("ETTh1", card, 24).notes == ()
    card.mean, card.std = (50.0, *card.mean[1:]), (9.0, *card.std[1:])  # as if it had been trained on GW
    (note,) = reading.read_frame("ETTh1", card, 24).notes
    assert note.startswith("the median of column 'load' is 5,") and note.endswith("trained on: is it in another unit?")
    card.mean, card.std = (50e6, *card.mean[1:]), (9e6, *card.std[1:])  # on kW: as far away as the mean is from zero
    (note,) = reading.read_frame("ETTh1", card, 24).notes
    assert note.startswith("the median of column 'load' is 5.5 standard")
