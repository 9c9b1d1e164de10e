"""The catalogue, and files that are checked."""

from tsprune.data import CATALOG


def test_data_list_names_every_dataset(tsprune):
    code, out, _ = tsprune("data", "list")
    assert code == 0
    for name in ("ETTh1", "Weather", "entsoe_hourly", "Traffic", "synthetic"):
        assert name in out
    assert max(map(len, out.splitlines())) <= 80, "a terminal's width"
    begun = {line.split()[0] for line in out.splitlines()[1:] if not line.startswith(" ")}
    assert begun == {*CATALOG}, "a name begins its line; what is told of it is indented"


def test_an_unknown_dataset_is_told_with_the_closest_name(tsprune):
    code, out, _ = tsprune("data", "check", "ETTh11")
    assert code == 1
    assert "did you mean 'ETTh1'" in out
    assert "did you mean 'ETTh1'" in tsprune("data", "fetch", "ETTh11")[2]


def test_a_file_that_is_not_there_is_told_with_the_closest_name(tsprune, tmp_path):
    (tmp_path / "load.csv").write_text("date,a\n")
    code, out, _ = tsprune("data", "check", str(tmp_path / "lod.csv"))
    assert code == 1 and "there is no such file; did you mean 'load.csv'?" in out
    code, _, err = tsprune("study", "smoke", "-p", f"dataset={tmp_path / 'lod.csv'}")
    assert code == 2 and "there is no such file; did you mean 'load.csv'?" in err


def test_data_check_says_what_is_wrong_with_a_csv(tsprune, tmp_path):
    path = tmp_path / "mine.csv"
    hours = [f"2024-01-01 {h:02d}:00" for h in (0, 1, 2, 4, 5, 5, 6)]
    path.write_text("date,load,word\n" + "".join(f"{h},{i}.5,a{i}\n" for i, h in enumerate(hours)))
    code, out, _ = tsprune("data", "check", str(path))
    assert code == 1
    assert "such as --columns load" in out
    words = ("'a0' is not a number", "05:00:00 is already on line 6", "03:00:00 is missing")
    assert len(out.splitlines()) == 3
    for word in words:
        assert sum(word in line for line in out.splitlines()) == 1


def test_data_check_takes_the_columns_that_are_named(tsprune, tmp_path):
    path = tmp_path / "mine.csv"
    rows = [f"2024-01-{day:02d},{day * day % 7}.5,a{day},{day % 5}" for day in range(1, 31)]
    path.write_text("\n".join(['date,load,word,"temp, outside"', *rows]))
    code, out, _ = tsprune("data", "check", str(path), "--columns", '"temp, outside", load')
    assert code == 0 and "columns: temp, outside, load\n" in out and "2 of 3 columns are used" in out
    code, out, _ = tsprune("data", "check", str(path), "--columns", "load,laod")
    assert code == 1 and "there is no column 'laod'; did you mean 'load'?" in out
    assert (
        "--columns load,load: name at least one column" in tsprune("data", "check", str(path), "--columns=load,load")[1]
    )
    assert "--columns: names no column; give names" in tsprune("data", "check", str(path), "--columns", "")[2]
