"""The catalogue: what each known dataset is, where it comes from, how it is split and what is wrong with it."""

from dataclasses import dataclass

from tsprune.data import synthetic
from tsprune.data.cleaning import Rule, Sentinel
from tsprune.errors import UserError, unknown


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
class Entry:
    """One dataset of the catalogue.

    ``file``: name of the unpacked CSV; ``also``: other names it goes by in common folders. ``sha256`` is of the
    unpacked CSV with LF line ends ("" where none is known, and then it is never downloaded); ``packed`` of the
    .csv.gz copy it was checked against, for people. ``columns`` counts values, not the date. ``page`` is for people.
    ``rules`` clean it, in this order; ``defects`` says in words what is wrong with the data and what became of it.
    """

    name: str
    file: str
    rows: int
    columns: int
    time_step: str
    split: SplitRule
    licence: str
    page: str
    sha256: str = ""
    packed: str = ""
    addresses: tuple[Address, ...] = ()
    also: tuple[str, ...] = ()
    date_column: str = "date"
    rules: tuple[Rule, ...] = ()
    defects: tuple[str, ...] = ()
    regular: bool = True  # whether every time step is there, once


def _raw(repository: str, commit: str, path: str) -> Address:
    return Address(f"https://raw.githubusercontent.com/{repository}/{commit}/{path}")


_ETT = ("zhouhaoyi/ETDataset", "1d16c8f4f943005d613b5bc962e9eeb06058cf07")
_ZIPS = ("aspire-zero/long_term_forecast_data", "e9ac8b3e")
_SMALL = ("junwoopark92/Self-Supervised-Contrastive-Forecsating", "f394705a")
_NOMINAL_DATES = "the dates are the nominal ones of the widely used file, not the true measuring dates"


def _ett(name: str, sha256: str, packed: str) -> Entry:
    quarters = name.startswith("ETTm")
    return Entry(
        name=name,
        file=f"{name}.csv",
        also=(f"ETT-small/{name}.csv",),
        rows=69_680 if quarters else 17_420,
        columns=7,
        time_step="15min" if quarters else "1h",
        split=ETT_QUARTERS if quarters else ETT_HOURS,
        licence="CC BY-ND 4.0 (Zhou et al., Informer, AAAI 2021)",
        page="https://github.com/zhouhaoyi/ETDataset",
        sha256=sha256,
        packed=packed,
        addresses=(
            _raw(*_ETT, f"ETT-small/{name}.csv"),
            Address(_raw(*_ZIPS, "ETT-small.zip").url, member=f"ETT-small/{name}.csv"),
        ),
        defects=("the last rows (about a sixth) belong to no split, as in every published result",),
    )


_ENTRIES = (
    _ett(
        "ETTh1",
        "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
        "f1141f82f9d46968f05afa77ba16abfc4f790fe07583f9de06bb685b29a5411f",
    ),
    _ett(
        "ETTh2",
        "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
        "41040ff6a385d9208bd0b6ca58c062859e92c380d1778d93e11dd093768b579a",
    ),
    _ett(
        "ETTm1",
        "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e",
        "a3d8dc1454f3762c72f6a3b5c56cf852077724ec52f5316896f17c937474cde7",
    ),
    _ett(
        "ETTm2",
        "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd",
        "975442df38506a4d905bb5b7e0aa8fb0ab22b5d2af9b9a933b0738902d99dbac",
    ),
    Entry(
        name="Exchange",
        file="exchange_rate.csv",
        also=("exchange_rate/exchange_rate.csv",),
        rows=7_588,
        columns=8,
        time_step="1D",
        split=SHARES,
        licence="not stated (Lai et al., LSTNet, SIGIR 2018)",
        page="https://github.com/laiguokun/multivariate-time-series-data",
        sha256="d55e7aa2641009814a18ba3279431b13f6d413b0eab195b9ff21988d8cf94e97",
        packed="856dbb4eb6d43f0594b130671be656598e10a622ed415b02b86f2f7699fb53c3",
        addresses=(_raw(*_SMALL, "dataset/exchange_rate/exchange_rate.csv"),),
        defects=(
            f"{_NOMINAL_DATES}: trading days are numbered through",
            "the original table has the columns '6' and 'OT' the other way round",
        ),
    ),
    Entry(
        name="Weather",
        file="weather.csv",
        also=("weather/weather.csv",),
        rows=52_696,
        columns=21,
        time_step="10min",
        split=SHARES,
        licence="not stated (measured by MPI for Biogeochemistry, Jena)",
        page="https://www.bgc-jena.mpg.de/wetter/",
        sha256="9b2b19b13e342d9c9b9c51620d42b4be232df7fba30e7f5c4968b7c79ab138ad",
        packed="1082feb90cf65254cb4aa6b3cc48cc17188830f8f12687e723ebc4647e4a4f67",
        addresses=(Address(_raw(*_ZIPS, "weather.zip").url, member="weather/weather.csv"),),
        regular=False,
        rules=(Sentinel(-9999.0),),
        defects=(
            "81 sentinels -9999 (1 in 'wv (m/s)', 30 in 'max. PAR', 50 in 'OT'), interpolated unless raw",
            "2020-05-12 06:00 occurs twice, and 100 minutes are absent before 2020-05-29 11:10: left as they are, "
            "because the published protocol counts rows",
            "three column names hold U+FFFD where special signs were",
        ),
    ),
    Entry(
        name="ILI",
        file="national_illness.csv",
        also=("illness/national_illness.csv",),
        rows=966,
        columns=7,
        time_step="7D",
        split=SHARES,
        licence="not stated (US CDC FluView)",
        page="https://gis.cdc.gov/grasp/fluview/fluviewdashboard.html",
        sha256="8594cecb98c6f2f9dc014eca11c4d5d1e38ad5ce6ed0592d4abe65b146fce395",
        packed="b70cdf84f864a1ad06f38d923630f2fbb19cd327acae6f7c13660ccb2c511111",
        addresses=(_raw(*_SMALL, "dataset/illness/national_illness.csv"),),
        defects=("short: look-back 36 and horizons 24 to 60 are customary",),
    ),
    Entry(
        name="ECL",
        file="electricity.csv",
        also=("electricity/electricity.csv",),
        rows=26_304,
        columns=321,
        time_step="1h",
        split=SHARES,
        licence="CC BY 4.0 (UCI ElectricityLoadDiagrams20112014), of which it is derived",
        page="https://archive.ics.uci.edu/dataset/321/electricityloaddiagrams20112014",
        defects=(_NOMINAL_DATES, "no checksum is known here: put the file in place by hand, its shape is checked"),
    ),
    Entry(
        name="Traffic",
        file="traffic.csv",
        also=("traffic/traffic.csv",),
        rows=17_544,
        columns=862,
        time_step="1h",
        split=SHARES,
        licence="not stated (California Department of Transportation, PeMS)",
        page="https://pems.dot.ca.gov",
        defects=("no checksum is known here: put the file in place by hand, its shape is checked",),
    ),
    Entry(
        name="entsoe_hourly",
        file="entsoe_hourly.csv",
        rows=48_936,
        columns=15,
        time_step="1h",
        split=SHARES,
        licence="CC0 as stated for the Kaggle dataset (ENTSO-E Transparency Platform)",
        page="https://transparency.entsoe.eu",
        sha256="0fc79c998930d245e4de8659e80969e4062b4caaddc5e7891d51439d9cfcafd5",
        packed="750b42cc330a245db9f805de5ad4548c8d425c1ba6958cc54df81726696d0764",
    ),
    Entry(
        name="synthetic",
        file="",
        rows=synthetic.ROWS,
        columns=len(synthetic.COLUMNS),
        time_step=synthetic.STEP,
        split=SHARES,
        licence="MIT (part of tsprune)",
        page="tsprune/data/synthetic.py",
        defects=("made up: numbers from it say nothing about real data",),
    ),
)

CATALOG: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def find_entry(name: str) -> Entry:
    """The catalogue's entry; UserError that names the closest one (another case is an error too)."""
    if name not in CATALOG:
        raise UserError(unknown("dataset", name, CATALOG) + "; or give the path of a CSV file")
    return CATALOG[name]
