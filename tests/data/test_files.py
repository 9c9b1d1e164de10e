"""Files by their content: packed, binary, or something else altogether."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tsprune.data import check_dataset, load_table
from tsprune.data.files import has_known_ending, read_file, stem
from tsprune.errors import UserError

FRAME = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=50, freq="h"), "x": [i % 7 + 0.5 for i in range(50)]})
CSV = FRAME.to_csv(index=False).encode()


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


PACKED = {".gz": gzip.compress(CSV), ".bz2": bz2.compress(CSV), ".xz": lzma.compress(CSV), ".zip": zipped({"a": CSV})}


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("name", ["mine.csv{}", "MINE.CSV{}", "mine{}"])
def test_packed_files_are_read_whatever_the_case_of_their_name(tmp_path, monkeypatch, ending, name):
    monkeypatch.chdir(tmp_path)
    name = name.format(ending).upper() if name.isupper() else name.format(ending)
    (tmp_path / name).write_bytes(PACKED[ending])
    table = load_table(name)
    assert table.name.lower() == "mine" and table.dates.equals(pd.DatetimeIndex(FRAME["date"].array))


@pytest.mark.parametrize("option", ["encoding", "time_step", "date_column", "date_order"])
@pytest.mark.parametrize("name", ["mine.csv", "ETTh1"])
def test_an_option_of_reading_that_is_empty_is_refused(tmp_path, monkeypatch, option, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_bytes(CSV)
    assert check_dataset(name, **{option: ""}).problems == (f"{option}: the value is empty; give one, or leave it out",)


@pytest.mark.parametrize("ending", PACKED)
def test_the_content_counts_and_not_the_name(tmp_path, ending):
    (tmp_path / "mine.csv").write_bytes(PACKED[ending])
    assert len(load_table(str(tmp_path / "mine.csv")).dates) == 50
    (tmp_path / f"mine.csv{ending}").write_bytes(CSV)
    assert len(load_table(str(tmp_path / f"mine.csv{ending}")).dates) == 50


@pytest.mark.parametrize("ending", PACKED)
def test_packed_files_that_are_cut_off_are_refused(tmp_path, ending):
    path = tmp_path / f"mine.csv{ending}"
    path.write_bytes(PACKED[ending][:100])
    with pytest.raises(UserError, match="cannot be read"):
        read_file(path)


def test_parquet_and_feather_are_read(tmp_path):
    whole = load_table(_write(tmp_path / "mine.csv", CSV))
    FRAME.to_parquet(tmp_path / "mine.PARQUET")
    FRAME.set_index("date").to_parquet(tmp_path / "index.parquet")
    FRAME.to_feather(tmp_path / "mine.feather")
    for name in ("mine.PARQUET", "index.parquet", "mine.feather"):
        table = load_table(str(tmp_path / name))
        assert table.fingerprint == whole.fingerprint and table.source == f"{name} (own file)"


def test_columns_of_one_name_in_a_parquet_file_are_named_as_such(tmp_path):
    table = pa.Table.from_arrays([pa.array([1, 2])] * 2, names=["x", "x"])
    pq.write_table(table, tmp_path / "x.parquet")
    assert list(check_dataset(tmp_path / "x.parquet")) == ["x.parquet: has columns of one name; names must differ"]


def test_times_with_a_zone_are_days_there_or_else_utc(tmp_path):
    for freq, first in (("h", "2019-12-31 23:00"), ("D", "2020-01-01 00:00")):
        dates = pd.date_range("2020-01-01", periods=50, freq=freq, tz="Europe/Berlin")
        FRAME.assign(date=dates).to_parquet(tmp_path / "zone.parquet")
        assert load_table(str(tmp_path / "zone.parquet")).dates[0] == pd.Timestamp(first)


def test_what_is_wrong_with_a_parquet_file_is_named_by_row(tmp_path):
    frame = FRAME.assign(y=["a"] * 50, z=FRAME["date"], date=FRAME["date"].where(FRAME.index != 5))
    frame.to_parquet(tmp_path / "mine.parquet")
    problems = list(check_dataset(str(tmp_path / "mine.parquet")))
    assert problems == [
        "mine.parquet: row 6, column 'date': no date; write dates like 2020-12-31 23:00, all in the same way",
        "mine.parquet: row 1, column 'y': 'a' is not a number, nor is any other value of this column; remove or "
        "encode the column, or name the columns to take, such as columns=['x']",
        "mine.parquet: column 'z' holds times, not numbers; remove or encode it, or name the columns to take, such as "
        "columns=['x']",
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            zipped({"[Content_Types].xml": b"", "xl/workbook.xml": b""}),
            r"an Excel workbook \(\.xlsx\); save its sheet",
        ),
        (zipped({"mimetype": b"", "content.xml": b""}), r"an OpenDocument spreadsheet \(\.ods\)"),
        (
            zipped({"m/data.pkl": b"", "m/data/0": b""}),
            "is a file of torch.save; a table of dates and numbers is needed",
        ),
        (zipped({"a": CSV, "b": CSV}), r"an archive of 2 files \(a, b\); expected one with a single CSV"),
        (b"PK\x03\x04 and no more", "cannot be read as a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", r"an Excel workbook \(\.xls\)"),
        (b"PAR1\x15\x04 and no more", "a damaged parquet file"),
        (b"ARROW1\0\0 and no more", "a damaged feather file"),
        (b"BZh91AY&SY and no more", "cannot be read"),
        (b"\x28\xb5\x2f\xfd" + CSV, "packed with zstd"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"CDF\x01", "a netCDF file"),
        (b"\x40" + bytes(7) + b'{"__metadata__":{}}', "a checkpoint of a model"),
        (b"\x89PNG\r\n", "a picture"),
        (b"\x80\x04\x95", "a Python pickle, which is never opened"),
        (gzip.compress(b"RDX3\nX\n", mtime=0), "an R data file"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "a MATLAB file"),
        (b"ORC\x11\0\0\n\x06\x12", "an ORC file"),
        (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
        (b"SQLite format 3\0\x10", "an SQLite database"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\n <!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "a pointer of Git LFS"),
        (b'[{"date": "2020-01-01"}]', "JSON"),
        (b'{"date": ["2020-01-01"]}', "JSON"),
        (b'[\n  {\n    "date": "2020-01-01"\n  }\n]', "JSON"),
        (b'{\r\n\t"date": ["2020-01-01"]}', "JSON"),
        (b'[["2020-01-01", 1], ["2020-01-02", 2]]', "JSON"),
        (b"<TABLE><TR>", "HTML"),
        (b"@RELATION load\n@data\n", "a file of @-lines"),
        (gzip.compress(gzip.compress(CSV)), "packed twice; unpack it once"),
        (zipped({"a.csv.gz": gzip.compress(CSV)}), "packed twice; unpack it once"),
        (b"\x04\x22\x4d\x18" + CSV, "packed with lz4"),
        (b"\x1f\x9d\x90" + CSV, r"packed with compress \(\.Z\)"),
        (b"\xff\xff\xff\xff\x78\x02\0\0\x10\0\0\0", "Arrow data in a form other than feather"),
        (b"FEA1\0\0\0\0", "Arrow data in a form other than feather"),
        (b"Obj\x01\x04", "an Avro file"),
        (b"<stata_dta><header>", "a Stata file"),
    ],
)
def test_other_formats_are_refused_in_their_own_words(tmp_path, content, text):
    with pytest.raises(UserError, match=rf"mine\.csv: (is )?{text}"):
        load_table(_write(tmp_path / "mine.csv", content))


LETTERS = (
    "GRIB",
    "FEA1",
    "Obj",
    "@load",
    "PAR1",
    "ARROW1",
    "BZh",
    "ORC_power",
    "CDF_load",
    "RDX2",
    "MATLAB_v",
    "Rar!",
    "SQLite format 3",
    "%PDF",
)


@pytest.mark.parametrize("name", [*LETTERS, "<htmlx>", "x" * 257 + "ustar"])
def test_a_column_may_be_called_as_a_format_begins(tmp_path, name):
    path = tmp_path / "mine.csv"
    FRAME.assign(**{name: range(3, 53)})[[name, "date", "x"]].to_csv(path, index=False)
    assert load_table(str(path)).columns == (name, "x")


def test_folders_beside_the_one_file_of_an_archive_do_not_count(tmp_path):
    path = _write(
        tmp_path / "mac.zip", zipped({"data/": b"", "data/mine": CSV, "__MACOSX/mine": b"x", ".DS_Store": b"x"})
    )
    assert len(load_table(path).dates) == 50


def test_what_unpacks_without_end_is_refused_as_soon_as_that_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr("tsprune.data.files.MOST_UNPACKED", 1 << 20)
    lots = bytes(3 << 20)
    for content in (gzip.compress(lots), bz2.compress(lots), lzma.compress(lots), zipped({"a.csv": lots})):
        (tmp_path / "x.csv").write_bytes(content)
        with pytest.raises(UserError, match="unpacks to more than 1 MiB, the most that is read"):
            read_file(tmp_path / "x.csv")


def test_archives_of_nothing_and_of_another_kind_are_named(tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    for content, words in ((zipped({}), "is an archive of no file; expected"), (packed.getvalue(), "is a tar archive")):
        (tmp_path / "x.csv").write_bytes(content)
        with pytest.raises(UserError, match=words):
            read_file(tmp_path / "x.csv")


def test_endings():
    assert all(map(has_known_ending, ["a.csv", "A.CSV.GZ", "a.tsv", "a.parquet", "a.zip", "a.csv.xz", "a.Feather"]))
    assert not any(map(has_known_ending, ["ETTh1", "a.csv.md", "csv", "a.xlsx"]))
    assert [stem(name) for name in ("a.csv", "A.CSV.GZ", "a.b.csv.xz", "a.txt", "a.zip")] == [
        "a",
        "A",
        "a.b",
        "a.txt",
        "a",
    ]


def _write(path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)
