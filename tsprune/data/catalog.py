"""The catalogue: what each known dataset is, where it comes from, how it is split and what is wrong with it."""

from dataclasses import dataclass, replace

from tsprune.data import entsoe, synthetic
from tsprune.data.cleaning import Rule, Sentinel
from tsprune.errors import UserError, meant, unknown
from tsprune.places import near_file

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitRule:
    """Where train, validation and test end: at fixed rows, or at shares of the rows.

    ``ends``: the row numbers where train, validation and test end (later rows are not used), or None for the shares
    0.7 / 0.1 / 0.2, where train has int(0.7 n) rows, test the last int(0.2 n), validation those between
    (Time-Series-Library, ``Dataset_Custom``).
    """

    text: str
    ends: tuple[int, int, int] | None = None

    def borders(self, rows: int) -> tuple[tuple[int, int], ...]:
        """(begin, end) row numbers of train, validation and test, without look-back; UserError if rows are too few."""
        if self.ends is None:
            train, test = int(rows * 0.7), int(rows * 0.2)
            return (0, train), (train, rows - test), (rows - test, rows)
        train, val, test = self.ends
        if rows < test:
            raise UserError(f"the split rule '{self.text}' needs {test} rows, the table has {rows}")
        return (0, train), (train, val), (val, test)


_DAY = 24
SHARES = SplitRule("0.7 / 0.1 / 0.2 of the rows")
ETT_HOURS = SplitRule("12 / 4 / 4 months of 30 days", (360 * _DAY, 480 * _DAY, 600 * _DAY))
ETT_QUARTERS = SplitRule("12 / 4 / 4 months of 30 days", (4 * 360 * _DAY, 4 * 480 * _DAY, 4 * 600 * _DAY))


@dataclass(frozen=True)
class Address:
    """One public address: of the CSV itself, or of a zip archive and the name of its ``member``."""

    url: str
    member: str = ""


@dataclass(frozen=True)
class Source:
    """One CSV file and where it can be had.

    ``file``: its name, unpacked; ``also``: other names it goes by below the folders that are searched. ``sha256`` is
    of the unpacked file with LF line ends: no other file is this one. ``published``: in its place, where only that is
    known, the sha256 of the file with whatever line ends it was published with: no other is downloaded, but one that
    was put in place by hand is taken if it has the shape. With neither sum a file is never downloaded. ``size``:
    bytes of a long download, for people.
    """

    file: str
    sha256: str = ""
    addresses: tuple[Address, ...] = ()
    also: tuple[str, ...] = ()
    published: str = ""
    size: int = 0


@dataclass(frozen=True)
class Entry:
    """One dataset of the catalogue.

    ``columns`` counts values, not the date. ``parts``: files that the dataset is built from where its own file is not
    at hand (see :mod:`tsprune.data.entsoe`). ``without``: columns of the file that the dataset leaves out. ``pooled``:
    each column is a series of its own (``Table.pooled``). ``page``: where people find out more. ``rules`` clean it, in
    this order. ``defects``: what is wrong with the data and what becomes of it, in words; every table carries them in
    its notes. ``tested``: what there is to say of the test rows. ``unit``: of all columns; None where they differ or it
    is not known. ``fingerprints``: of its whole table, cleaned and raw (``Table.fingerprint``); () where no checksum
    says which file is the right one.
    """

    name: str
    source: Source | None  # None: made up, not read
    rows: int
    columns: int
    time_step: str
    split: SplitRule
    licence: str
    page: str
    parts: tuple[Source, ...] = ()
    rules: tuple[Rule, ...] = ()
    defects: tuple[str, ...] = ()
    unit: str | None = None
    fingerprints: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    pooled: bool = False
    tested: str = ""


def _raw(repository: str, commit: str, path: str) -> Address:
    return Address(f"https://raw.githubusercontent.com/{repository}/{commit}/{path}")


_ETT = ("zhouhaoyi/ETDataset", "1d16c8f4f943005d613b5bc962e9eeb06058cf07")
_ZIPS = ("aspire-zero/long_term_forecast_data", "e9ac8b3e")
_SMALL = ("junwoopark92/Self-Supervised-Contrastive-Forecsating", "f394705a")
_LARGE = "https://huggingface.co/datasets/thuml/Time-Series-Library/resolve/2b66e59ee19dac8f6f19fb5d4997f289fdfea357"
_UNSEEN = "known by shape and checksum alone: nobody has looked for faults in it here"
_BY_HAND = "another file put there by hand is accepted by its shape: published numbers may not come from it"
_NOMINAL_DATES = "the dates are the nominal ones of the widely used file, not the true measuring dates"

_ENTSOE_SHA256 = {
    "at": "c12efb789f27645f0b18464384511b4e6c84c39f54db81b2b751fcc5440056fc",
    "be": "3ff9a4c7fe41f0fb39b7c8a70bcbb9d4a222d079fa293c5b7f6b93d76c1692b2",
    "ch": "8b6fd7df2775c0ed7e40c1601e9e536c32550146f023aff264a29aa26093b73a",
    "de": "82a4eb939a2a276c69cd680696ae1837c3ea386469b9bcb7acbb7351c6f271a0",
    "dk": "f7bc49d2150bd40421b4348e28ccfd7de520de6132d9240b7aa34b94e0d8d374",
    "es": "8a625e60e16a23e671d31e0b2e68d937eded1c2f9ae01d0b1a18863b6679aa53",
    "fr": "33417be72662e70940ce432cea17c7f9c9d0ab947e7c2578fc6fac765d209478",
    "gb": "22a41a3300e124f1484edb0166f971428334c80e658528c63811dd0627ecf474",
    "ie": "e3884a734725cb434fcc1e1ce79e5b40034225b83ab79375557ab06144dca079",
    "it": "4e1b62c9a5448404d19e8632019e8c210927cbbac2720d794d7da4bdc172aca5",
    "lu": "b84996f97a1484072c018ee3022596b1d9be911b8b14debe0e55f9958ee9dc59",
    "nl": "6415d68442734657c5f76d019e4bb3ebd1c3f1e35313470ff5bfc4100de7f277",
    "no": "12db028058ef2cc78c72d5dda8f162eed8269bc9720810adb6f7cb76e212007f",
    "pt": "b4ca6d058bc73b4f05db2b919682a955177c19d480b7d8059ff090dca024ad3e",
    "se": "362921fd72cd548ecdb7278bad775f49cbda5ca6d24c9c6d0c50ba278be2b798",
}


def _country(code: str) -> Source:
    first = _raw("Julia-Leon/power_consumption_in_europe", "a93dc934", f"dataset/{code}.csv")
    second = _raw("merry-mouse/energy_consumption_prediction", "bb520570", f"energy_consumption_EU/{code}.csv")
    addresses = (first,) if code == "se" else (first, second)
    return Source(f"entsoe/{code}.csv", _ENTSOE_SHA256[code], addresses=addresses)


def _ett(name: str, sha256: str, fingerprint: str) -> Entry:
    quarters = name.startswith("ETTm")
    path = f"ETT-small/{name}.csv"
    archive = Address(_raw(*_ZIPS, "ETT-small.zip").url, member=path)
    return Entry(
        name=name,
        source=Source(f"{name}.csv", sha256, (_raw(*_ETT, path), archive), also=(path,)),
        rows=69_680 if quarters else 17_420,
        columns=7,
        time_step="15min" if quarters else "1h",
        split=ETT_QUARTERS if quarters else ETT_HOURS,
        licence="CC BY-ND 4.0 (Zhou et al., Informer, AAAI 2021)",
        page="https://github.com/zhouhaoyi/ETDataset",
        defects=("the last rows (about a sixth) belong to no split, as in every published result",),
        fingerprints=(fingerprint,),
    )


_LOAD = "total load in MW as published, UTC"
_LOCKDOWNS = "they include the lockdowns of spring 2020, unlike any training row"

_HOURLY = Entry(
    name="entsoe_hourly",
    source=Source(
        "entsoe_hourly.csv",
        sha256="0fc79c998930d245e4de8659e80969e4062b4caaddc5e7891d51439d9cfcafd5",
    ),
    rows=48_936,
    columns=15,
    time_step="1h",
    split=SHARES,
    licence="CC0 as stated for the Kaggle dataset (ENTSO-E Transparency Platform)",
    page="https://transparency.entsoe.eu",
    parts=tuple(map(_country, entsoe.COUNTRIES)),
    rules=entsoe.RULES,
    defects=(
        f"{_LOAD}, hourly means; 669 values missing (longest: no 96 h, ie the last 84 h, se 48 h)",
        "zeros (lu 663, se 51), drop-outs (gb, at, ch, lu) and doubled or otherwise too high hours (no, dk, ch, "
        "fr): found by rule and filled in unless raw; raw keeps missing values too: for looking, not for windows",
        "lu drops in and out from 2017-12 on: its gaps alone cost about a third of the validation windows; "
        "entsoe_14 is without it",
    ),
    tested=_LOCKDOWNS,
    unit="MW",
    fingerprints=(
        "6dd5eb704b166145e93e98d805688de02a2e6ac368267c9868fc953f34da6480",
        "e7a5660771de39f1c292725446c4d669f37df86f6e7108590e532cb0b2368a42",
    ),
)

_LOADS = (
    _HOURLY,
    replace(
        _HOURLY,
        name="entsoe_14",
        columns=14,
        without=("lu",),
        defects=(
            f"{_LOAD}, hourly means; entsoe_hourly without lu, whose gaps cost windows of all; 637 values missing",
            "zeros (se 51), drop-outs (gb, at, ch) and doubled or otherwise too high hours (no, dk, ch, fr): found by "
            "rule and filled in unless raw; raw keeps missing values too: for looking, not for windows",
        ),
        fingerprints=(
            "ca3dbaba9ded6a960af583f5ff2af69610df86ddcda433c24de60abd12949bc8",
            "6bc1442836563f66f688e14d9581efeab677ab547ce3a8e0fc9350f11bf6a1f8",
        ),
    ),
    replace(
        _HOURLY,
        name="entsoe_quarter_hour",
        source=Source(
            "entsoe_quarter_hour.csv",
            sha256="d67a4ebe7fc891b2b40687fee8664c0d4ed7d449dd8e0beade599c5f1e910251",
        ),
        rows=4 * _HOURLY.rows,
        columns=len(entsoe.QUARTERS),
        time_step="15min",
        parts=tuple(map(_country, entsoe.QUARTERS)),
        defects=(
            f"{_LOAD}, of the countries with a reading each quarter of an hour; lu, which has them too, is left out "
            "as it drops in and out; 7 values missing",
            "days on another scale (at, three in 2015) and single quarters before the clocks go forward (de, four): "
            "found by rule and filled in unless raw",
        ),
        fingerprints=(
            "f8aca65f39e804e2799bdbd6b7b4cf889821ce8fde15c7722fd6aec256694684",
            "0fee919d911a8701f0a8e0d7b5ab7b24e2d366900f21ff2892a4edd5b7c145b9",
        ),
    ),
    replace(
        _HOURLY,
        name="entsoe_pooled",
        pooled=True,
        defects=(
            "entsoe_hourly with each country as a series of its own: a window holds one country, 734,040 rows in all, "
            "each scaled by its own train rows; a gap costs only windows of its country",
            *_HOURLY.defects[:2],
        ),
        fingerprints=(
            "bdf507b37bef81793e52a634286f24250649422a3a918f4da8ec3d19a9635642",
            "1041df2a00a3d674a3df17be475855d6f5aa2bcb864b940cf02d22ac737e8c2e",
        ),
    ),
)

_ENTRIES = (
    _ett(
        "ETTh1",
        "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
        fingerprint="6ac231db88fe25d2dd57f09d7faf3d47065a2d7d3b9ec0bdea72d540a782b246",
    ),
    _ett(
        "ETTh2",
        "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
        fingerprint="7fd14c6dbef3dfaf236b61fdd6dff16cea1b26bda6a6cac8b4f041b8f9f159b1",
    ),
    _ett(
        "ETTm1",
        "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e",
        fingerprint="8b6b0fa35e1c19c43df50b464fedcc7634765d8a040140d85bb8ba6b87dd11f3",
    ),
    _ett(
        "ETTm2",
        "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd",
        fingerprint="d279038aade326c69fccb300fb8909db65f6f60a0c5330284bb685d3a94820aa",
    ),
    Entry(
        name="Exchange",
        source=Source(
            "exchange_rate.csv",
            sha256="d55e7aa2641009814a18ba3279431b13f6d413b0eab195b9ff21988d8cf94e97",
            addresses=(_raw(*_SMALL, "dataset/exchange_rate/exchange_rate.csv"),),
            also=("exchange_rate/exchange_rate.csv",),
        ),
        rows=7_588,
        columns=8,
        time_step="1D",
        split=SHARES,
        licence="not stated (Lai et al., LSTNet, SIGIR 2018)",
        page="https://github.com/laiguokun/multivariate-time-series-data",
        defects=(
            f"{_NOMINAL_DATES}: trading days are numbered consecutively",
            "the original table has the columns '6' and 'OT' the other way round",
        ),
        fingerprints=("bb75f93872cdb1891f8d4bd695847f07d938caba1f72ae1a0486af2b0a9247b9",),
    ),
    Entry(
        name="Weather",
        source=Source(
            "weather.csv",
            sha256="9b2b19b13e342d9c9b9c51620d42b4be232df7fba30e7f5c4968b7c79ab138ad",
            addresses=(Address(_raw(*_ZIPS, "weather.zip").url, member="weather/weather.csv"),),
            also=("weather/weather.csv",),
        ),
        rows=52_696,
        columns=21,
        time_step="10min",
        split=SHARES,
        licence="not stated (measured by MPI for Biogeochemistry, Jena)",
        page="https://www.bgc-jena.mpg.de/wetter/",
        rules=(Sentinel(-9999.0),),
        defects=(
            "81 sentinels -9999 (1 in 'wv (m/s)', 30 in 'max. PAR', 50 in 'OT'), interpolated unless raw",
            "2020-05-12 06:00 occurs twice, and 100 minutes are absent before 2020-05-29 11:10: left as they are, "
            "because the published protocol counts rows",
            "three column names hold U+FFFD where special characters were",
        ),
        fingerprints=(
            "3532e75528f16f3e4ebd836612e59bc1b4778a758552e728d6c2ebbf65864c40",
            "85c5860d46b00632a46ebb2edc9bedd90e05d4a85d5969202c2531bc9ac6793f",
        ),
    ),
    Entry(
        name="ILI",
        source=Source(
            "national_illness.csv",
            sha256="8594cecb98c6f2f9dc014eca11c4d5d1e38ad5ce6ed0592d4abe65b146fce395",
            addresses=(_raw(*_SMALL, "dataset/illness/national_illness.csv"),),
            also=("illness/national_illness.csv",),
        ),
        rows=966,
        columns=7,
        time_step="7D",
        split=SHARES,
        licence="not stated (US CDC FluView)",
        page="https://gis.cdc.gov/grasp/fluview/fluviewdashboard.html",
        defects=("short: look-back 36 and horizons 24 to 60 are customary",),
        fingerprints=("7c967c6e89418bc4e586f05ad0629d8b4c46e19389b9dc0a6e66c3a4201b4590",),
    ),
    Entry(
        name="ECL",
        source=Source(
            "electricity.csv",
            published="7e45845d54c5219bad0ae6bc1b5316cf8ff9cead5d33fa998a5a51c2e4a497ad",
            size=95_581_762,
            addresses=(Address(f"{_LARGE}/electricity/electricity.csv"),),
            also=("electricity/electricity.csv",),
        ),
        rows=26_304,
        columns=321,
        time_step="1h",
        split=SHARES,
        licence="CC BY 4.0 (UCI ElectricityLoadDiagrams20112014), of which it is derived",
        page="https://archive.ics.uci.edu/dataset/321/electricityloaddiagrams20112014",
        defects=(
            f"{_NOMINAL_DATES} (2012 to 2014)",
            _UNSEEN,
            _BY_HAND,
        ),
    ),
    Entry(
        name="Traffic",
        source=Source(
            "traffic.csv",
            published="cb06463d56fa17d87f47027cd9389ceae82a69eddee51cdb61480e120dab0b16",
            size=136_478_119,
            addresses=(Address(f"{_LARGE}/traffic/traffic.csv"),),
            also=("traffic/traffic.csv",),
        ),
        rows=17_544,
        columns=862,
        time_step="1h",
        split=SHARES,
        licence="not stated (California Department of Transportation, PeMS)",
        page="https://pems.dot.ca.gov",
        defects=(_UNSEEN, _BY_HAND),
    ),
    *_LOADS,
    *(
        Entry(
            name=name,
            source=None,
            rows=rows,
            columns=len(synthetic.COLUMNS),
            time_step=synthetic.STEP,
            split=SHARES,
            licence="MIT (part of tsprune)",
            page="tsprune/data/synthetic.py",
            defects=(defect,),
            fingerprints=(fingerprint,),
        )
        for name, rows, defect, fingerprint in (
            (
                "synthetic",
                synthetic.ROWS,
                "made up: numbers from it say nothing about real data",
                "7121faf68d9471add39a1edca5d587c5dc0e6d0f544fd552b5838709143028a1",
            ),
            (
                "synthetic_short",
                synthetic.SHORT,
                "the beginning of synthetic, for tests: made up too",
                "80c52e672f39429ff880f8474d7683b7416d594fc40f431e130ed10b4cb1709e",
            ),
        )
    ),
)

CATALOG: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def find_entry(name: str) -> Entry:
    """The catalogue's entry; UserError that names the closest one (another case is an error too)."""
    if name not in CATALOG:
        raise UserError(no_entry(name))
    return CATALOG[name]


def no_entry(name: str) -> str:
    """What is wrong with a name that is neither in the catalogue nor of a file, and the closest one."""
    file = "" if meant(name, CATALOG) else near_file(name)
    return f"{unknown('dataset', name, CATALOG)}; or give the path of a CSV file{file}"
