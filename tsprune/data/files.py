"""Finds out what a file holds (text, perhaps packed, or a table in a binary format) from its first bytes, not from its
name."""

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from tsprune.errors import UserError
from tsprune.shown import listed, plain

PACKINGS = (".gz", ".zip", ".xz", ".bz2")
FORMATS = (".csv", ".tsv", ".txt", ".parquet", ".feather")

MOST_UNPACKED = 1 << 31
"""Bytes of a file, unpacked: a few kilobytes can stand for as many gigabytes as they like."""

# By patterns of the first bytes. What begins with letters alone may be a CSV whose first column is called so (PAR1 is a
# sensor of light): of such formats more must follow that no header has.
_NO_TEXT = rb".*[\x00-\x08\x0e-\x1f]"
_PACKED = {rb"\x1f\x8b": gzip.open, rb"\xfd7zXZ\x00": lzma.open, rb"BZh[1-9](1AY&SY|\x17rE8P\x90)": bz2.open}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second begins an archive of nothing
_TABLES = {rb"PAR1" + _NO_TEXT: pd.read_parquet, rb"ARROW1\x00\x00": pd.read_feather}
_OTHERS = {
    rb"\xd0\xcf\x11\xe0": "an Excel workbook (.xls); save its sheet as CSV",
    rb"\x28\xb5\x2f\xfd": "packed with zstd; unpack it, or pack it with gzip",
    rb"\x04\x22\x4d\x18": "packed with lz4; unpack it, or pack it with gzip",
    rb"\x1f[\x9d\xa0]": "packed with compress (.Z); unpack it, or pack it with gzip",
    rb"\x5d\x00\x00.{10}": "packed in the old lzma format; unpack it, or pack it with xz",
    rb"\xff\xff\xff\xff..\x00\x00|FEA1" + _NO_TEXT: "Arrow data in a form other than feather; save the table as "
    "feather or parquet",
    rb"Obj\x01": "an Avro file; save the table as CSV or parquet",
    rb"(.{8}DUCK\x00|\x40\x00\x00.DUCK)": "a DuckDB database; save the table as CSV or parquet",
    rb"(<stata_dta>|[\x71-\x73][\x01\x02]\x01\x00)": "a Stata file; save the table as CSV or parquet",
    rb"\x00{12}\xc2\xea\x81\x60": "a SAS file; save the table as CSV or parquet",
    rb"\$FL[23]@\(#\)": "an SPSS file; save the table as CSV or parquet",
    rb"GRIB" + _NO_TEXT: "a GRIB file; save the table as CSV or parquet",
    rb"7z\xbc\xaf": "a 7z archive; unpack it",
    rb"Rar!\x1a\x07": "a RAR archive; unpack it",
    rb"\x89HDF": "an HDF5 file; save the table as CSV or parquet",
    rb"CDF[\x01\x02\x05]": "a netCDF file; save the table as CSV or parquet",
    rb"\x93NUMPY": "a NumPy array; save it with a column of dates as CSV or parquet",
    rb"SQLite format 3\x00": "an SQLite database; save the table as CSV or parquet",
    rb"%PDF-": "a PDF document; the table is needed as CSV",
    rb"\x89PNG": "a picture; the table is needed as CSV",
    rb"\xff\xd8\xff": "a picture; the table is needed as CSV",
    rb"\x80[\x02-\x05]": "a Python pickle, which is never opened as it may run code; save the table as CSV or parquet",
    rb".{5}\x00\x00\x00\{[\"}]": "a checkpoint of a model (safetensors); a table of dates and numbers is needed",
    rb"RD[AX][23]\n": "an R data file; save the table as CSV or parquet",
    rb"MATLAB \d\.\d MAT-file": "a MATLAB file; save the table as CSV or parquet",
    rb"ORC" + _NO_TEXT: "an ORC file; save the table as CSV or parquet",
    rb"version https://git-lfs": "a pointer of Git LFS, not the file itself; fetch that with `git lfs pull`",
    rb"<(!doctype|html)\b": "a web page; was a download refused?",
    rb"<table\b": "HTML; the table is needed as CSV",
    rb"<\?xml\b": "an XML document; the table is needed as CSV",
    rb"(\[\s*[\[{]|\{\s*[\"}])": "JSON; save the table as CSV or parquet",
    rb"@(relation|attribute|problemname)\b": "a file of @-lines (ARFF, .ts, .tsf); save the table as CSV or parquet",
}


def has_known_ending(name: str) -> bool:
    """Whether a name ends as files do that can be read: .csv, .CSV.gz, .parquet."""
    lowered = name.lower()
    for packing in PACKINGS:
        lowered = lowered.removesuffix(packing)
    return lowered.endswith(FORMATS) or name.lower().endswith(PACKINGS)


def stem(name: str) -> str:
    """What a dataset read from a file is called: the file's name without the ending of its packing, nor .csv, .parquet
    or .feather. Others stay (.tsv, .txt): stored rows know datasets by these names."""
    for endings in (PACKINGS, (".csv", ".parquet", ".feather")):
        for ending in endings:
            if name.lower().endswith(ending):
                name = name[: -len(ending)]
                break
    return name


def read_file(path: Path) -> bytes | pd.DataFrame:
    """The unpacked bytes of a file, or the table of a parquet or feather file; UserError if it holds something else."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror or error}") from error
    packed, content = content, _unpacked(content)
    if packed is not content and _is_packed(content):
        raise UserError("is packed twice; unpack it once")
    for magic, reader in _TABLES.items():
        if _begins(content, magic):
            return _table(content, reader)
    head = content[:512].lstrip().lower() if content[:1] in b"<[{@ \n\r\t" else content[:512]
    for magic, what in _OTHERS.items():
        if _begins(head, magic):
            raise UserError(f"is {what}")
    if _begins(content[257:265], rb"ustar(\x00|  \x00)"):
        raise UserError("is a tar archive; unpack it")
    return content


def _table(content: bytes, reader: Callable[[BinaryIO], pd.DataFrame]) -> pd.DataFrame:
    """What pandas' ``reader`` of a binary format makes of a file."""
    try:
        return reader(io.BytesIO(content))
    except ImportError:  # where forecasts are made of CSV files pyarrow need not be
        raise UserError(f"is a {_kind(reader)} file, which needs pyarrow: pip install pyarrow") from None
    except (OSError, ValueError) as error:  # what pyarrow raises of damaged files
        if "Multiple matches for FieldRef" in str(error):
            raise UserError("has columns of one name; names must differ") from None
        raise UserError(f"is a damaged {_kind(reader)} file: {plain(error, 200)}") from None


def _kind(reader: Callable) -> str:
    """The format that a ``reader`` of pandas reads."""
    return reader.__name__.removeprefix("read_")


def _is_packed(content: bytes) -> bool:
    return content.startswith(_ZIP) or any(_begins(content, magic) for magic in _PACKED)


def _unpacked(content: bytes) -> bytes:
    if content.startswith(_ZIP):
        return _member(content)
    for magic, unpack in _PACKED.items():
        if _begins(content, magic):
            try:
                with unpack(io.BytesIO(content)) as file:
                    return _bounded(file)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise UserError(f"cannot be read: {error}") from error
    return content


def _begins(content: bytes, magic: bytes) -> bool:
    return re.match(magic, content[:512], re.DOTALL) is not None


def _bounded(file: BinaryIO) -> bytes:
    """All bytes; UserError, once it is known, if they are more than :data:`MOST_UNPACKED`."""
    content = file.read(MOST_UNPACKED + 1)
    if len(content) > MOST_UNPACKED:
        raise UserError(f"unpacks to more than {MOST_UNPACKED >> 20:,} MiB, the most that is read")
    return content


def _is_hidden(name: str) -> bool:
    """Whether a file of an archive is there for a Mac alone (.DS_Store, __MACOSX/._a.csv)."""
    return name.startswith("__MACOSX") or name.rsplit("/", 1)[-1].startswith(".")


def _member(content: bytes) -> bytes:
    """The one file of a zip archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not _is_hidden(name)]
            if "content.xml" in names:
                raise UserError("is an OpenDocument spreadsheet (.ods); save its sheet as CSV")
            if "[Content_Types].xml" in names:
                raise UserError("is an Excel workbook (.xlsx); save its sheet as CSV")
            if any(name.endswith(("/data.pkl", "/constants.pkl")) for name in names):
                raise UserError("is a file of torch.save; a table of dates and numbers is needed")
            if len(names) != 1:
                held = f"{len(names)} files ({listed(names, 5)})" if names else "no file"
                raise UserError(f"is an archive of {held}; expected one with a single CSV")
            with archive.open(names[0]) as file:
                return _bounded(file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"cannot be read as a zip archive: {error}") from error
