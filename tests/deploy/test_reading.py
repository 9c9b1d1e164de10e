"""What is said of a file that a forecaster reads."""

from dataclasses import replace
from types import SimpleNamespace

from tests.deploy.small import ABOUT, INTERVALS, frame
from tsprune.data import load_table
from tsprune.deploy import reading


def test_what_was_done_to_a_file_of_ones_own_is_said_and_known_defects_of_the_catalogue_are_not(tmp_path, monkeypatch):
    frame(60).rename_axis("date").to_csv(tmp_path / "mine.csv")
    table = replace(load_table(str(tmp_path / "mine.csv"), scaled=False), notes=("times are converted to UTC",))
    monkeypatch.setattr(reading, "load_table", lambda name, **options: table)
    card = SimpleNamespace(columns=table.columns, mean=ABOUT.mean, std=ABOUT.std, intervals=None)
    assert reading.read_frame("mine.csv", card, 24).notes == ("times are converted to UTC",)
    assert reading.read_frame("ETTh1", card, 24).notes == ()
    card.mean, card.std = (50.0, *card.mean[1:]), (9.0, *card.std[1:])  # as if it had been trained on GW
    (note,) = reading.read_frame("ETTh1", card, 24).notes
    assert note.startswith("the median of column 'load' is 5,") and note.endswith("trained on: is it in another unit?")
    card.mean, card.std = (50e6, *card.mean[1:]), (9e6, *card.std[1:])  # on kW: as far away as the mean is from zero
    (note,) = reading.read_frame("ETTh1", card, 24).notes
    assert note.startswith("the median of column 'load' is 5.5 standard")


def test_a_column_that_was_constant_in_training_and_no_longer_is_is_told(tmp_path):
    path, widths = str(tmp_path / "mine.csv"), INTERVALS.model_copy(update={"columns": ((1.0, 1.0, 0.0),) * 2})
    card = SimpleNamespace(columns=ABOUT.columns, mean=(5e4, 8.0, -1.5), std=(9e3, 2.5, 1.0), intervals=widths)

    def notes(rows):
        rows.rename_axis("date").to_csv(path)
        return reading.read_frame(path, card, 24).notes

    (note,) = notes(frame(60).assign(sun=[-1.5] * 59 + [-1.0]))
    assert note.startswith("column 'sun' was always -1.5 in the rows that the model was trained on, and is not now")
    assert len(notes(frame(60).assign(sun=1e9))) == 1  # and nothing of standard deviations, of which it had none
    assert notes(frame(60).assign(sun=-1.5)) == ()
    card.intervals = INTERVALS  # it had errors: a scale of 1 like another
    assert notes(frame(60).assign(sun=-1.0)) == ()
