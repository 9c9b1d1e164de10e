"""What a file holds: text, perhaps packed, or a table of a binary format; told by its first bytes, not by its name."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from tsprune.errors import UserError
from tsprune.shown import listed, plain

PACKINGS = (".gz", ".zip", ".xz", ".bz2")
FORMATS = (".csv", ".tsv", ".txt", ".parquet", ".feather")

MOST_UNPACKED = 1 << 31
"""Bytes of a file, unpacked: a few kilobytes can stand for as many gigabytes as they like."""

_PACKED = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open, b"BZh": bz2.open}
_TABLES = {b"PAR1": pd.read_parquet, b"ARROW1": pd.read_feather}
_OTHERS = {
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls); save its sheet as CSV",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it, or pack it by gzip",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"\x89HDF": "an HDF5 file; save the table as CSV or parquet",
    b"CDF": "a netCDF file; save the table as CSV or parquet",
    b"\x93NUMPY": "a NumPy array; save it with a column of dates as CSV or parquet",
    b"SQLite format 3": "an SQLite database; save the table as CSV or parquet",
    b"%PDF": "a PDF document; the table is needed as CSV",
    b"\x89PNG": "a picture; the table is needed as CSV",
    b"\xff\xd8\xff": "a picture; the table is needed as CSV",
    **dict.fromkeys(
        (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
        "a Python pickle, which is never opened as it may run code; save the table as CSV or parquet",
    ),
    b"RDX": "a file of R; save the table as CSV or parquet",
    b"MATLAB": "a MATLAB file; save the table as CSV or parquet",
    b"ORC": "an ORC file; save the table as CSV or parquet",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself; fetch that with `git lfs pull`",
    b"<!doctype": "a web page; was a download refused?",
    b"<html": "a web page; was a download refused?",
    b"<?xml": "an XML document; the table is needed as CSV",
    b"[{": "JSON; save the table as CSV or parquet",
    b'{"': "JSON; save the table as CSV or parquet",
}


def has_known_ending(name: str) -> bool:
    """Whether a name ends as files do that can be read: .csv, .CSV.gz, .parquet."""
    lowered = name.lower()
    for packing in PACKINGS:
        lowered = lowered.removesuffix(packing)
    return lowered.endswith(FORMATS) or name.lower().endswith(PACKINGS)


def stem(name: str) -> str:
    """The name of a file without the endings of its format and packing."""
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
    content = _unpacked(content)
    for magic, reader in _TABLES.items():
        if content.startswith(magic):
            try:
                return reader(io.BytesIO(content))
            except (OSError, ValueError) as error:  # what pyarrow raises of damaged files
                raise UserError(
                    f"is a damaged {reader.__name__.removeprefix('read_')} file: {plain(error, 200)}"
                ) from None
    head = content[:512].lstrip().lower() if content[:1] in b"<[{ \n\r\t" else content[:512]
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise UserError(f"is {what}")
    if content[257:262] == b"ustar":
        raise UserError("is a tar archive; unpack it")
    return content


def _unpacked(content: bytes) -> bytes:
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):  # the second begins an archive of nothing
        return _member(content)
    for magic, unpack in _PACKED.items():
        if content.startswith(magic):
            try:
                with unpack(io.BytesIO(content)) as file:
                    return _bounded(file)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise UserError(f"cannot be read: {error}") from error
    return content


def _bounded(file: BinaryIO) -> bytes:
    """All bytes; UserError, once it is known, if they are more than :data:`MOST_UNPACKED`."""
    content = file.read(MOST_UNPACKED + 1)
    if len(content) > MOST_UNPACKED:
        raise UserError(f"unpacks to more than {MOST_UNPACKED >> 20:,} MiB, the most that is read")
    return content


def _member(content: bytes) -> bytes:
    """The one file of a zip archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
            if "content.xml" in names:
                raise UserError("is an OpenDocument spreadsheet (.ods); save its sheet as CSV")
            if "[Content_Types].xml" in names:
                raise UserError("is an Excel workbook (.xlsx); save its sheet as CSV")
            if len(names) != 1:
                held = f"{len(names)} files ({listed(names, 5)})" if names else "no file"
                raise UserError(f"is an archive of {held}; needed: one with a single CSV")
            with archive.open(names[0]) as file:
                return _bounded(file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"cannot be read as a zip archive: {error}") from error
