import dataclasses
import errno
import gzip
import hashlib
import http.server
import io
import os
import threading
import time
import zipfile
from urllib.parse import urlsplit

import pytest

from tsprune.data import CATALOG, DataUnavailable, check_dataset, fetch_dataset, list_datasets, load_table
from tsprune.data.catalog import Address, Source
from tsprune.data.sources import find_local, places, sums
from tsprune.errors import UserError


def csv_text(rows: int = 40, value: float = 1.0) -> bytes:
    lines = [f"2020-01-{1 + i // 24:02d} {i % 24:02d}:00:00,{i * value},{100 - i}" for i in range(rows)]
    return ("date,a,OT\n" + "\n".join(lines) + "\n").encode()


TEXT = csv_text()
SUM = hashlib.sha256(TEXT).hexdigest()


@pytest.fixture
def tiny(nowhere, monkeypatch):
    """A catalogue entry of its own, 'Tiny', whose addresses a test may set; gives a function that does so."""

    def declare(addresses=(), sha256=SUM):
        source = Source("tiny.csv", sha256, addresses=tuple(addresses), also=("small/tiny.csv",))
        entry = dataclasses.replace(CATALOG["Exchange"], name="Tiny", source=source, rows=40, columns=2, time_step="1h")
        monkeypatch.setitem(CATALOG, "Tiny", entry)
        return entry

    declare()
    return declare


@pytest.fixture
def server(monkeypatch):
    """A local web server; ``answers[path]``: a list of (status, body, bytes really sent), the last one for ever."""
    answers, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            left = answers[self.path]
            status, body, sent = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:sent])

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.delenv("TSPRUNE_OFFLINE", raising=False)
    monkeypatch.setattr("tsprune.data.sources.WAIT_SECONDS", 0)
    yield f"http://127.0.0.1:{running.server_port}", answers, asked
    running.shutdown()
    running.server_close()


# Looking


def test_places_are_searched_in_the_stated_order(tiny, nowhere, tmp_path, monkeypatch):
    chosen = tmp_path / "chosen"
    monkeypatch.setenv("TSPRUNE_DATA", str(chosen))
    folders = [chosen, nowhere / "data", nowhere.parent / "shared" / "data", tmp_path / "cache"]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "tiny.csv").write_bytes(TEXT)
    for folder, place in zip(folders, ("TSPRUNE_DATA", "data/", "../shared/data", "cache"), strict=True):
        found = find_local(CATALOG["Tiny"].source)
        assert (found.path, found.place) == (folder / "tiny.csv", place)
        assert load_table("Tiny").source == f"tiny.csv ({place})"
        found.path.unlink()
    assert find_local(CATALOG["Tiny"].source) is None


def test_the_project_is_found_from_a_folder_inside_it(tiny, nowhere, monkeypatch):
    (nowhere / "data").mkdir()
    (nowhere / "data" / "tiny.csv").write_bytes(TEXT)
    inside = nowhere / "notebooks" / "deep"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert find_local(CATALOG["Tiny"].source).path == nowhere / "data" / "tiny.csv"
    assert ("../shared/data", nowhere.parent / "shared" / "data") in places()


@pytest.mark.parametrize("name", ["tiny.csv", "tiny.csv.gz", "small/tiny.csv", "small/tiny.csv.gz"])
def test_packed_files_and_customary_folders_are_found(tiny, nowhere, name):
    path = nowhere / "data" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(TEXT) if name.endswith(".gz") else TEXT.replace(b"\n", b"\r\n"))
    assert load_table("Tiny").source == f"{path.name} (data/)"


def test_tsprune_data_must_be_a_folder(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("TSPRUNE_DATA", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match=r"TSPRUNE_DATA = '.*nothing' is not a folder"):
        load_table("Tiny")


def test_relative_paths_and_the_home_folder_mean_the_same_everywhere(tiny, nowhere, tmp_path, monkeypatch):
    """From the project, and from a folder inside it, where a notebook runs."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    inside = nowhere / "notebooks"
    for folder in (nowhere / "mine", tmp_path / "home" / "mine"):
        folder.mkdir(parents=True)
    for folder, value in ((nowhere / "mine", 1.0), (tmp_path / "home" / "mine", 2.0)):
        (folder / "own.csv").write_bytes(csv_text(value=value))
        (folder / "tiny.csv").write_bytes(TEXT)
    for here in (nowhere, inside):
        monkeypatch.chdir(here)
        assert load_table("mine/own.csv").values[1, 0] == 1.0
        assert load_table("~/mine/own.csv").values[1, 0] == 2.0
        for chosen, folder in (("mine", nowhere / "mine"), ("~/mine", tmp_path / "home" / "mine")):
            monkeypatch.setenv("TSPRUNE_DATA", chosen)
            assert find_local(CATALOG["Tiny"].source).path == folder / "tiny.csv"
            assert load_table("Tiny").source == "tiny.csv (TSPRUNE_DATA)"
        monkeypatch.delenv("TSPRUNE_DATA")
    (inside / "mine").mkdir()
    (inside / "mine" / "own.csv").write_bytes(csv_text(value=3.0))
    assert load_table("mine/own.csv").values[1, 0] == 3.0, "the working directory comes first"


def test_a_wrong_file_is_named_with_both_sums_and_never_replaced_by_made_up_numbers(tiny, nowhere):
    (nowhere / "data").mkdir()
    wrong = csv_text(value=2.0)
    (nowhere / "data" / "tiny.csv").write_bytes(wrong)
    with pytest.raises(UserError) as error:
        load_table("Tiny", fallback_to_synthetic=True)
    text = str(error.value)
    assert not isinstance(error.value, DataUnavailable)
    for part in ("tiny.csv", hashlib.sha256(wrong).hexdigest(), SUM, "give its path"):
        assert part in text


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(TEXT)[:50]], ids=["no gzip", "cut off"])
def test_a_broken_packed_file_is_named(tiny, nowhere, content):
    (nowhere / "data").mkdir()
    (nowhere / "data" / "tiny.csv.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"tiny\.csv\.gz cannot be read"):
        load_table("Tiny")


def test_offline_says_where_it_looked(tiny, nowhere, tmp_path):
    with pytest.raises(DataUnavailable) as error:
        load_table("Tiny")
    text = str(error.value)
    assert "\n" not in text and "TSPRUNE_OFFLINE=1" in text
    for folder in (nowhere / "data", nowhere.parent / "shared" / "data", tmp_path / "cache"):
        assert str(folder) in text


def test_what_has_no_checksum_is_never_downloaded(tiny, nowhere, monkeypatch):
    monkeypatch.delenv("TSPRUNE_OFFLINE")
    entry = tiny(sha256="")
    with pytest.raises(DataUnavailable, match=r"not downloaded, as no checksum is known") as error:
        load_table("Tiny")
    assert "tiny.csv" in str(error.value) and entry.page in str(error.value)
    assert "40 rows x 2 columns" in str(error.value)


def test_what_has_no_checksum_is_checked_by_its_shape(tiny, nowhere):
    tiny(sha256="")
    (nowhere / "data").mkdir()
    (nowhere / "data" / "tiny.csv").write_bytes(csv_text(value=3.0))
    assert load_table("Tiny").source == "tiny.csv (data/)"
    (nowhere / "data" / "tiny.csv").write_bytes(csv_text(rows=39))
    with pytest.raises(UserError, match=r"it has 39 rows x 2 columns, expected 40 x 2"):
        load_table("Tiny")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_what_has_a_checksum_of_its_published_form_is_known_by_it(tiny, nowhere, monkeypatch, end):
    published = csv_text(value=4.0).replace(b"\n", end)
    source = Source("tiny.csv", published=hashlib.sha256(published).hexdigest())
    monkeypatch.setitem(CATALOG, "Tiny", dataclasses.replace(CATALOG["Tiny"], source=source))
    monkeypatch.setattr("tsprune.data.table._KNOWN", {})
    (nowhere / "data").mkdir()
    (nowhere / "data" / "tiny.csv").write_bytes(csv_text(value=5.0))
    other = load_table("Tiny")
    assert other.catalog_name is None
    assert other.notes[0] == "no checksum is known for this file: published numbers may come from another one"
    for content in (published, csv_text(value=4.0)):
        (nowhere / "data" / "tiny.csv").write_bytes(content)
        assert load_table("Tiny").catalog_name == "Tiny"
    (nowhere / "mine.csv").write_bytes(published)
    assert load_table("mine.csv").catalog_name == "Tiny"
    assert load_table("Tiny", columns=["a"]).catalog_name is None and other.catalog_name is None


def test_a_sum_is_of_the_bytes_with_either_line_end():
    mixed = b"a\r\nb\n"
    assert list(sums(mixed)) == [hashlib.sha256(form).hexdigest() for form in (mixed, b"a\nb\n", b"a\r\nb\r\n")]


def test_the_synthetic_series_stands_in_and_says_so(tiny):
    table = load_table("Tiny", fallback_to_synthetic=True)
    assert table.name == "synthetic" and table.stands_in_for == "Tiny"
    assert table.fingerprint == load_table("synthetic").fingerprint
    assert load_table("synthetic").stands_in_for is None


# Downloading


def test_a_download_is_verified_kept_and_not_repeated(tiny, server, tmp_path):
    base, answers, asked = server
    tiny([Address(f"{base}/tiny.csv")])
    answers["/tiny.csv"] = [(200, TEXT, None)]
    assert fetch_dataset("Tiny") == tmp_path / "cache" / "tiny.csv"
    assert load_table("Tiny").source == "tiny.csv (cache)"
    assert asked == ["/tiny.csv"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["tiny.csv"]


def test_a_transfer_that_breaks_is_begun_again(tiny, server):
    base, answers, asked = server
    tiny([Address(f"{base}/tiny.csv")])
    answers["/tiny.csv"] = [(200, TEXT, 100), (200, TEXT, None)]
    assert load_table("Tiny").source == "tiny.csv (cache)"
    assert len(asked) == 2


def test_wrong_bytes_are_never_used_and_the_next_address_is(tiny, server, tmp_path):
    base, answers, asked = server
    tiny([Address(f"{base}/wrong.csv"), Address(f"{base}/gone.csv"), Address(f"{base}/tiny.csv")])
    answers["/wrong.csv"] = [(200, csv_text(value=2.0), None)]
    answers["/gone.csv"] = [(404, b"", None)]
    answers["/tiny.csv"] = [(200, TEXT, None)]
    load_table("Tiny")
    assert asked == ["/wrong.csv"] * 3 + ["/gone.csv", "/tiny.csv"]
    assert hashlib.sha256((tmp_path / "cache" / "tiny.csv").read_bytes()).hexdigest() == SUM


@pytest.mark.parametrize("name", ["ECL", "Traffic"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_what_is_known_by_its_published_sum_is_downloaded_with_either_line_end(
    nowhere, server, monkeypatch, capsys, name, end
):
    """The two large entries themselves, with a small file behind their address and its own sum and shape."""
    base, answers, asked = server
    published = TEXT.replace(b"\n", end)
    entry = CATALOG[name]
    assert [urlsplit(address.url).path.rsplit("/")[-1] for address in entry.source.addresses] == [entry.source.file]
    assert entry.source.size > 90e6
    source = dataclasses.replace(
        entry.source,
        published=hashlib.sha256(published).hexdigest(),
        addresses=(Address(f"{base}/{entry.source.file}"),),
    )
    monkeypatch.setitem(CATALOG, name, dataclasses.replace(entry, source=source, rows=40, columns=2))
    monkeypatch.setattr("tsprune.data.table._KNOWN", {})
    path = f"/{entry.source.file}"
    answers[path] = [(200, TEXT.replace(b"1", b"2"), None), (200, published[:99], 50), (200, published, None)]
    assert fetch_dataset(name).read_bytes() == published, "kept as it came"
    assert asked == [path] * 3, "wrong bytes and a broken transfer are begun again"
    assert f"{name}: downloading {entry.source.file} ({entry.source.size / 2**20:,.0f} MiB)" in capsys.readouterr().err
    table = load_table(name)
    assert table.catalog_name == name and table.values.shape == (40, 2) and len(asked) == 3
    assert "sha256 as in the catalogue" in check_dataset(name).facts[1]

    monkeypatch.setitem(CATALOG, name, dataclasses.replace(entry, source=source))
    rows, columns = entry.rows, entry.columns
    with pytest.raises(UserError, match=rf"it has 40 rows x 2 columns, expected {rows} x {columns}"):
        load_table(name)


def test_nothing_is_left_when_every_address_fails(tiny, server, tmp_path):
    base, answers, _ = server
    tiny([Address(f"{base}/wrong.csv"), Address(f"{base}/gone.csv")])
    answers["/wrong.csv"] = [(200, TEXT, 10)]
    answers["/gone.csv"] = [(404, b"", None)]
    with pytest.raises(DataUnavailable, match=r"The download failed: .*wrong\.csv: broken or wrong 3 times.*404"):
        load_table("Tiny")
    assert not list(tmp_path.glob("cache/*"))


def test_what_keeps_the_file_from_being_kept_is_told_at_once_and_counts_as_no_broken_transfer(tiny, server, tmp_path):
    base, answers, asked = server
    tiny([Address(f"{base}/tiny.csv"), Address(f"{base}/other.csv")])
    answers["/tiny.csv"] = answers["/other.csv"] = [(200, TEXT, None)]
    (tmp_path / "cache").write_text("a file in the place of the folder")
    with pytest.raises(UserError, match=r"cache/tiny\.csv cannot be written: Not a directory$") as error:
        load_table("Tiny", fallback_to_synthetic=True)
    assert not isinstance(error.value, DataUnavailable) and asked == ["/tiny.csv"]


def test_no_room_for_what_is_being_fetched_is_told_in_a_line(tiny, server, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    base, _, _ = server
    tiny([Address(f"{base}/tiny.csv")])
    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    with pytest.raises(UserError, match=r"^tiny\.csv cannot be kept while it is fetched: .*No space left on device$"):
        load_table("Tiny", fallback_to_synthetic=True)


def test_certificates_that_are_not_there_are_no_matter_of_the_disk(tiny, server, monkeypatch):
    base, _, _ = server
    tiny([Address(f"{base.replace('http', 'https')}/tiny.csv")])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/certificates.pem")
    with pytest.raises(UserError, match=r"^tiny\.csv cannot be fetched: .*/nowhere/certificates\.pem"):
        load_table("Tiny", fallback_to_synthetic=True)


def test_a_damaged_archive_is_fetched_again_and_told_in_a_line(tiny, server):
    """Its flow of packed bytes, its method of packing, its flag of a password, its list of members."""
    base, answers, asked = server
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny.csv", TEXT)
    whole = packed.getvalue()
    middle, listing = 38, whole.index(b"PK\x01\x02")
    damaged = {
        "zlib": whole[:middle] + b"\xff" * 20 + whole[middle + 20 :],
        "method": whole[: listing + 10] + b"\x63" + whole[listing + 11 :],
        "password": whole[: listing + 8] + b"\x01" + whole[listing + 9 :],
        "cut off": whole[:100],
        "other name": whole.replace(b"tiny", b"tint"),
    }
    for name, content in damaged.items():
        asked.clear()
        tiny([Address(f"{base}/all.zip", member="tiny.csv")])
        answers["/all.zip"] = [(200, content, None)]
        with pytest.raises(DataUnavailable) as error:
            load_table("Tiny")
        told = str(error.value)
        assert "broken or wrong 3 times, at last: cannot be read as a zip archive: " in told, name
        assert "\n" not in told and len(asked) == 3


def test_a_member_of_an_archive_is_unpacked_with_lf_line_ends(tiny, server):
    base, answers, _ = server
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("folder/tiny.csv", TEXT.replace(b"\n", b"\r\n"))
    tiny([Address(f"{base}/all.zip", member="folder/tiny.csv")])
    answers["/all.zip"] = [(200, packed.getvalue(), 30), (200, packed.getvalue(), None)]
    assert fetch_dataset("Tiny").read_bytes() == TEXT


def test_a_host_out_of_reach_fails_fast_and_is_asked_once(tiny, server, monkeypatch):
    tried = []
    monkeypatch.setattr("tsprune.data.sources._resolves", lambda host: tried.append(host) is not None)
    tiny([Address("http://no-such-host.invalid/tiny.csv"), Address("http://no-such-host.invalid/other.csv")])
    begin = time.monotonic()
    with pytest.raises(DataUnavailable, match=r"The download failed: no connection to no-such-host\.invalid$"):
        load_table("Tiny")
    assert time.monotonic() - begin < 2 and tried == ["no-such-host.invalid"]


def test_a_refused_connection_fails_fast(tiny, server):
    tiny([Address("http://127.0.0.1:9/tiny.csv"), Address("http://127.0.0.1:9/other.csv")])
    begin = time.monotonic()
    with pytest.raises(DataUnavailable, match=r"failed: no connection to 127\.0\.0\.1:9$"):
        load_table("Tiny")
    assert time.monotonic() - begin < 2


def test_a_resolver_that_does_not_answer_counts_as_out_of_reach(tiny, server, monkeypatch):
    monkeypatch.setattr("tsprune.data.sources.CONNECT_SECONDS", 0.1)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: time.sleep(1))
    tiny([Address("http://slow.invalid/tiny.csv")])
    begin = time.monotonic()
    with pytest.raises(DataUnavailable, match=r"no connection to slow\.invalid"):
        load_table("Tiny")
    assert time.monotonic() - begin < 0.9


def test_fetching_what_is_made_up_is_an_error():
    with pytest.raises(UserError, match=r"made up by tsprune.* Allowed: ETTh1, ETTh2"):
        fetch_dataset("synthetic")


def test_the_list_says_what_lies_where(tiny, nowhere):
    (nowhere / "data").mkdir()
    (nowhere / "data" / "tiny.csv").write_bytes(b"not read")
    listed = list_datasets().set_index("name")
    assert list(listed.columns) == ["rows", "columns", "frequency", "split", "licence", "found", "defects"]
    assert listed.loc["Tiny", "found"] == "data/"
    assert listed.loc["ETTh1", "found"] == "-" and listed.loc["synthetic", "found"] == "built in"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"columns": "day,a,OT"}, "tiny.csv.*: no column 'date'; .* Found: day, a, OT"),
        ({"step": "2h"}, "tiny.csv.*: most steps are 0 days 01:00:00, the catalogue has time_step 2h for Tiny"),
        ({"step": "MS"}, r"tiny.csv.*, Tiny of the catalogue \(time_step MS\): "),
        ({"word": "none yet"}, "tiny.csv.*: columns that are not numbers: a$"),
    ],
)
def test_an_entry_that_does_not_fit_its_file_is_one_line(tiny, nowhere, monkeypatch, changed, said):
    text = TEXT.replace(b"date,a,OT", changed.get("columns", "date,a,OT").encode())
    text = text.replace(b",5.0,", f",{changed.get('word', '5.0')},".encode())
    entry = tiny(sha256=hashlib.sha256(text).hexdigest())
    monkeypatch.setitem(CATALOG, "Tiny", dataclasses.replace(entry, time_step=changed.get("step", "1h")))
    (nowhere / "data").mkdir()
    (nowhere / "data" / "tiny.csv").write_bytes(text)
    with pytest.raises(UserError, match=said) as error:
        load_table("Tiny")
    assert "\n" not in str(error.value)
