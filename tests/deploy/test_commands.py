"""What is typed: a model of the store or a checkpoint to ONNX, a file to its forecast."""

import os
import sys
import warnings

import pandas as pd
import pytest

from tests.deploy.small import ABOUT, INTERVALS, frame, tiny
from tsprune import cli
from tsprune.deploy import Forecaster
from tsprune.deploy.plot import draw, write_plot
from tsprune.deploy.reading import write_frame
from tsprune.errors import UserError
from tsprune.models import save_checkpoint


@pytest.fixture
def tsprune(monkeypatch, capsys, tmp_path):
    """Call the command line in this process, in a folder with data.csv; returns (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    frame(60).rename_axis("date").to_csv("data.csv")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tsprune", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return call


def test_a_checkpoint_is_exported_and_its_forecast_printed_and_written(tsprune, exported, tmp_path):
    code, out, err = tsprune("export", exported / "linear.safetensors", "mine.onnx")
    assert (code, err) == (0, "") and out.startswith("mine.onnx: DLinear, 400 parameters, density 0.41\n")
    assert (tmp_path / "mine.md").exists()
    code, out, err = tsprune("forecast", "mine.onnx", "data.csv")
    assert (
        (code, err) == (0, "") and out.startswith("date,load,wind,sun\n2024-02-29 12:00:00,") and out.count("\n") == 9
    )
    wanted = Forecaster.load("mine.onnx").predict(frame(60))
    for file, read in (("out.csv", pd.read_csv), ("out.parquet", pd.read_parquet)):
        code, out, _ = tsprune("forecast", "mine.onnx", "data.csv", "--output", file)
        assert out == f"{file}: 8 time steps, 2024-02-29 12:00:00 to 2024-02-29 19:00:00\n"
        found = read(file)
        assert list(pd.to_datetime(found.pop("date"))) == list(wanted.index)
        pd.testing.assert_frame_equal(found, wanted.reset_index(drop=True))


@pytest.mark.parametrize(
    "more", [("--output", "data.csv"), ("--output", "./data.csv"), ("--output", "link.csv"), ("--plot", "picture.png")]
)
def test_what_is_read_is_not_written_over(tsprune, exported, tmp_path, more):
    (tmp_path / "link.csv").symlink_to("data.csv")
    model = exported / "linear.onnx"
    if more[0] == "--plot":
        model = tmp_path / "picture.png"
        model.write_bytes((exported / "linear.onnx").read_bytes())
    before = (tmp_path / "data.csv").read_bytes(), model.read_bytes()
    code, out, err = tsprune("forecast", model, "data.csv", *more)
    assert code == 2 and out == "" and err.count("\n") == 1
    if more[0] == "--output":
        assert err == f"tsprune: {more[1]} is the file that is read; choose another file to write\n"
    assert ((tmp_path / "data.csv").read_bytes(), model.read_bytes()) == before


def test_what_was_done_to_a_file_to_read_it_is_told(tsprune, exported):
    given = frame(60)
    given.iloc[-2:, 0] = float("nan")
    given.tz_localize("+01:00").rename_axis("date").to_csv("odd.csv")
    code, out, err = tsprune("forecast", exported / "linear.onnx", "odd.csv", "--missing", "interpolate")
    assert code == 0 and out.startswith("date,load,wind,sun\n2024-02-29 11:00:00,")
    assert "odd.csv: times are converted to UTC\n" in err and "2 of 180 values are filled in" in err


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_forecast_with_two_columns_of_one_name_is_not_written(tmp_path, ending):
    values = frame(8)[["load"]].rename(columns={"load": "date"}).rename_axis("date")
    with pytest.raises(UserError, match="a column of values is called 'date', like the column of dates"):
        write_frame(values, tmp_path / f"out{ending}")
    assert list(tmp_path.iterdir()) == []


def test_a_forecast_with_two_columns_of_one_name_is_not_printed(tsprune):
    about = ABOUT.model_copy(update={"columns": ("date", "wind", "sun")})
    save_checkpoint("x.safetensors", tiny("RepeatLast"), about=about)
    frame(60).rename(columns={"load": "date"}).rename_axis("when").to_csv("when.csv")
    code, out, err = tsprune("forecast", "x.safetensors", "when.csv", "--date-column", "when")
    assert (code, out) == (2, "") and "a column of values is called 'date', like the column of dates" in err
    assert tsprune("forecast", "x.safetensors", "when.csv", "--date-column", "when", "--backtest", 1)[0] == 0


def test_parquet_without_what_reads_and_writes_it_is_one_line_each(tsprune, exported, monkeypatch, tmp_path):
    frame(60).rename_axis("date").to_parquet("data.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, out, err = tsprune("forecast", exported / "linear.onnx", "data.parquet")
    assert (code, out) == (2, "")
    assert err == "tsprune: data.parquet: is a parquet file, which needs pyarrow: pip install pyarrow\n"
    code, out, err = tsprune("forecast", exported / "linear.onnx", "data.csv", "--output", "next.parquet")
    assert (code, out) == (2, "") and err.startswith("tsprune: pyarrow is not installed") and err.count("\n") == 1
    assert not (tmp_path / "next.parquet").exists()


def test_columns_of_a_file_are_found_by_their_names(tsprune, exported):
    frame(60)[["sun", "load", "wind"]].assign(more=1.5).rename_axis("date").to_csv("other.csv")
    first, second = (tsprune("forecast", exported / "linear.onnx", file) for file in ("data.csv", "other.csv"))
    assert first[:2] == second[:2] and first[0] == 0
    assert second[2] == "other.csv: 3 of 4 columns are used\n"


def test_a_back_test_is_printed(tsprune, exported):
    code, out, err = tsprune("forecast", exported / "linear.onnx", "data.csv", "--backtest", 3)
    assert (code, err) == (0, "") and out.startswith("forecasts: 3 of 8 time steps") and "last_mse" in out


def test_intervals_are_printed_with_what_they_came_to(tsprune):
    about = ABOUT.model_copy(update={"intervals": INTERVALS})
    save_checkpoint("x.safetensors", tiny("RepeatLast"), about=about)
    code, out, err = tsprune("forecast", "x.safetensors", "data.csv", "--level", 0.9)
    assert code == 0 and out.startswith("date,load,load_low,load_high,wind,")
    assert err == "87.0% of the test split's values lay within the 90% intervals\n"


def test_a_forecast_is_drawn_with_what_was_known_and_its_interval(tsprune, tmp_path):
    about = ABOUT.model_copy(update={"intervals": INTERVALS})
    save_checkpoint("x.safetensors", tiny("RepeatLast"), about=about)
    code, out, err = tsprune("forecast", "x.safetensors", "data.csv", "--level", 0.9, "--plot", "next.png")
    assert code == 0 and out.startswith("date,load,") and "next.png: the last 24 time steps" in err
    assert (tmp_path / "next.png").read_bytes().startswith(b"\x89PNG")
    forecaster = Forecaster.load("x.safetensors")
    panels = draw(frame(24), forecaster.predict(frame(24), 0.9), forecaster.card, 0.9).axes
    assert [axes.get_title("left") for axes in panels] == ["load", "wind", "sun"] and panels[0].get_ylabel() == "MW"
    known, forecast = (line.get_xydata() for line in panels[1].lines)
    assert len(known) == 24 and len(forecast) == 1 + 8 and (forecast[0] == known[-1]).all()


def test_rows_to_forecast_from_need_tell_no_scale(tsprune, exported):
    """The model brings its own: a sun that does not rise in most of the rows is as good as another."""
    rows = frame(40).rename_axis("date")
    rows.loc[rows.index[:35], "sun"] = -1.5
    rows.loc[rows.index[35:], "sun"] = 90.0
    rows.to_csv("night.csv")
    code, out, err = tsprune("forecast", exported / "linear.onnx", "night.csv")
    assert (code, err) == (0, "") and len(out.splitlines()) == 1 + 8
    assert "is constant (-1.5) in the train rows" in tsprune("data", "check", "night.csv")[1]


def test_a_gap_is_refused_or_filled_as_in_a_study(tsprune, exported):
    rows = frame(60).rename_axis("date")
    rows.drop(rows.index[-3]).to_csv("gap.csv")
    code, out, err = tsprune("forecast", exported / "linear.onnx", "gap.csv")
    assert (code, out) == (2, "") and "2024-02-29 09:00:00" in err and len(err.splitlines()) == 1
    code, _, err = tsprune("forecast", exported / "linear.onnx", "gap.csv", "--missing", "interpolate")
    told = (
        "gap.csv: in the last 24 rows, which the model reads, 3 values are filled in, the last at 2024-02-29 09:00:00"
    )
    assert code == 0 and told in err.splitlines()
    _, out, _ = tsprune("forecast", exported / "linear.onnx", "gap.csv", "--missing", "interpolate", "--backtest", 1)
    assert "not counted: 3 values that were filled in" in out
    rows = frame(200).rename_axis("date")
    rows.drop(rows.index[-12:-3]).to_csv("long.csv")
    code, out, err = tsprune("forecast", exported / "linear.onnx", "long.csv", "--missing", "interpolate")
    assert (
        (code, out) == (2, "")
        and "from 2024-03-05 20:00:00 to 2024-03-06 04:00:00" in err
        and "too long to fill" in err
    )


def test_messages_on_data_name_what_a_command_takes(tsprune, exported):
    rows = frame(60).rename_axis("date")
    rows.drop(rows.index[-3]).to_csv("gap.csv")
    wanted = [("gap.csv", (), "(--missing interpolate)"), ("gap.csv", ("--date-order", "dym"), "unknown --date-order")]
    wanted += [("gap.csv", ("--time-step", "soon"), "--time-step 'soon': not a time step")]
    frame(8, "MS").rename_axis("date").to_csv("twice.csv", date_format="%d/%m/%Y")
    wanted += [("twice.csv", (), "choose with --date-order 'dmy' or --date-order 'mdy'")]
    for file, options, said in wanted:
        assert said in tsprune("data", "check", file, *options)[1]
        assert said in tsprune("forecast", exported / "linear.onnx", file, *options)[2]
        assert options or said in tsprune("compress", file, "--max-loss", "2%")[2]


def test_a_folder_that_may_not_be_entered_is_not_an_empty_one(tsprune, exported, monkeypatch):
    def barred(path, *, stat=os.stat, **named):
        if "closed" in os.fspath(path):
            raise PermissionError(13, "Permission denied", path)
        return stat(path, **named)

    monkeypatch.setattr(os, "stat", barred)  # root may enter every folder
    said = "closed/own.csv: cannot be read: no permission to enter its folder\n"
    assert tsprune("data", "check", "closed/own.csv")[1] == said
    assert tsprune("forecast", exported / "linear.onnx", "closed/own.csv")[2] == f"tsprune: {said}"
    _, _, err = tsprune("forecast", "closed/linear.onnx", "own.csv")
    assert err == "tsprune: closed/linear.onnx cannot be read: no permission to enter its folder\n"


def test_a_column_that_the_model_reads_cannot_be_the_dates(tsprune, exported):
    frame(60).rename_axis("date").to_csv("own.csv")
    code, _, err = tsprune("forecast", exported / "linear.onnx", "own.csv", "--date-column", "load")
    said = "column 'load' holds the dates: it cannot be one of the columns of values, too"
    assert (code, err) == (2, f"tsprune: own.csv: {said}\n")


def test_what_keeps_a_value_that_looks_like_no_reading_is_named_as_a_command_takes_it(tsprune, exported):
    rows = frame(200).rename_axis("date")
    rows.iloc[-3, 0] = -9999
    rows.to_csv("code.csv")
    looks = "line 199, column 'load': -9999 looks like 'no reading'; --missing interpolate takes it as missing"
    looks += " and fills it in"
    code, out, _ = tsprune("data", "check", "code.csv")
    assert (code, out) == (1, f"code.csv: {looks}; a study keeps it with -p raw=true\n")
    _, _, err = tsprune("compress", "code.csv", "--max-loss", "2%")
    assert err == f"tsprune: code.csv: {looks}; -p raw=true keeps it\n"
    _, _, err = tsprune("forecast", exported / "linear.onnx", "code.csv")
    assert err == f"tsprune: code.csv: {looks}\n"


@pytest.mark.parametrize(("step", "rows"), [("h", 64), ("15min", 16), ("MS", 32), ("QS", 16), ("YS", 100), ("D", 90)])
def test_dates_of_a_picture_have_a_step_however_far_they_go(tmp_path, exported, step, rows):
    known = frame(rows, step)
    forecast = frame(9, step, start=str(known.index[-1]))[1:]
    card = Forecaster.load(exported / "linear.onnx").card
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert write_plot(known, forecast, card, None, tmp_path / "x.png") == ""


def test_signs_that_a_picture_has_no_letters_for_are_told(tsprune):
    save_checkpoint(
        "x.safetensors", tiny("RepeatLast"), about=ABOUT.model_copy(update={"columns": ("a", "\u65e5", "b")})
    )
    frame(60).set_axis(["a", "\u65e5", "b"], axis=1).rename_axis("date").to_csv("far.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code, _, err = tsprune("forecast", "x.safetensors", "far.csv", "--plot", "x.png")
    assert (code, err) == (0, "x.png: the last 24 time steps and the forecast; its font has no sign for \u65e5\n")


@pytest.mark.parametrize(
    ("arguments", "say"),
    [
        (("forecast", "none.onnx", "data.csv"), "there is no file none.onnx"),
        (("forecast", "data.csv", "data.csv"), "data.csv is not an ONNX file of tsprune, is damaged"),
        (("forecast", "MODEL", "none.csv"), "none.csv: there is no such file"),
        (("forecast", "MODEL", "dta.csv"), "dta.csv: there is no such file; did you mean 'data.csv'?"),
        (("forecast", "MODEL", "ETTh1"), "ETTh1: there is no column '"),
        (("export", "bar.safetensors", "x.onnx"), "bar.safetensors; did you mean 'bare.safetensors'?"),
        (("forecast", "MODEL", "data.csv", "--output", "x.txt"), "unknown ending of a forecast '.txt'"),
        (("forecast", "MODEL", "data.csv", "--output", "no/x.csv"), "there is no folder no"),
        (("forecast", "MODEL", "data.csv", "--output", ""), "a forecast: the name of the file is empty"),
        (("forecast", "MODEL", "data.csv", "--plot", ""), "a picture: the name of the file is empty"),
        (("forecast", "MODEL", "data.csv", "--output", f"{300 * 'x'}.csv"), "cannot be written: File name too long"),
        (("forecast", "MODEL", "data.csv", "--plot", f"{300 * 'x'}.png"), "cannot be written: File name too long"),
        (("forecast", "MODEL", "data.csv", "--time-step", "99999999999h"), "a time step has a hundred years at most"),
        (("forecast", "MODEL", "data.csv", "--output", "x.csv", "--backtest", "2"), "give only one"),
        (("forecast", "MODEL", "data.csv", "--plot", "x.gif"), "unknown ending of a picture '.gif'"),
        (("forecast", "MODEL", "data.csv", "--backtest", "9"), "60 rows; a back-test of 9 forecasts"),
        (("forecast", "MODEL", "data.csv", "--level", "0.9"), "has no prediction intervals"),
        (("export", "none", "x.onnx", "--store", "nowhere"), "there is no store at"),
        (("export", "none.safetensors", "x.onnx"), "no checkpoint at none.safetensors"),
        (("export", "data.csv", "x.onnx"), "data.csv is not a readable checkpoint"),
        (
            ("export", "bare.safetensor", "x.onnx", "--store", "."),
            "no such checkpoint; did you mean 'bare.safetensors'?",
        ),
        (("forecast", "a6c5", "data.csv"), "of a model in the store `tsprune export a6c5 FILE.onnx` makes one"),
        (("forecast", "void.safetensors", "data.csv"), "void.safetensors is not a readable checkpoint"),
        (("export", "bare.safetensors", f"{300 * 'x'}.onnx"), "cannot be written: File name too long"),
        (("export", "MODEL", "x.onnx"), "not a readable checkpoint but an ONNX file; give the .safetensors"),
        (("export", "bare.safetensors", "x.onnx"), "does not say columns, mean and std"),
        (("export", "bare.safetensors", "x.onnx", "--units", "rael"), "did you mean 'real'?"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tsprune, exported, tmp_path, arguments, say):
    save_checkpoint("bare.safetensors", tiny("RepeatLast"))
    (tmp_path / "void.safetensors").touch()
    code, out, err = tsprune(*(exported / "linear.onnx" if word == "MODEL" else word for word in arguments))
    assert (code, out) == (2, "") and say in err and len(err.splitlines()) == 1


def test_a_tilde_that_the_shell_has_left_is_the_users_home_in_all_that_is_read_and_written(
    tsprune, exported, tmp_path, monkeypatch
):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "linear.onnx").write_bytes((exported / "linear.onnx").read_bytes())
    (tmp_path / "data.csv").rename(home / "data.csv")
    before = (home / "data.csv").read_bytes()
    written = "--output=~/out.csv", "--plot=~/out.png"
    assert tsprune("forecast", "~/linear.onnx", "~/data.csv", *written)[0] == 0
    assert {"out.csv", "out.png"} <= {path.name for path in home.iterdir()}
    assert tsprune("forecast", "~/linear.onnx", "~/data.csv", "--output", home / "data.csv")[0] == 2
    assert (home / "data.csv").read_bytes() == before, "what is read, whatever it is called"
    assert tsprune("export", exported / "linear.safetensors", "~/mine.onnx")[0] == 0 and (home / "mine.md").exists()
    assert not (tmp_path / "~").exists()
