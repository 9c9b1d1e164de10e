import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.data import make_splits
from tsprune.data.catalog import CATALOG
from tsprune.data.cleaning import Sentinel, SuddenLevels, _medians, clean, longest_interpolated, runs
from tsprune.data.entsoe import RULES
from tsprune.errors import UserError

HOUR = pd.Timedelta("1h")
LEVELS = RULES[1]


def frame_of(**columns) -> pd.DataFrame:
    return pd.DataFrame({name: np.asarray(values, dtype=float) for name, values in columns.items()})


def load_like(days: int = 60) -> np.ndarray:
    """A demand with a day, a week and a little noise: every hour within a few per cent of its usual value."""
    hours = np.arange(24 * days)
    rng = np.random.default_rng(1)
    weekend = np.where((hours // 24) % 7 >= 5, 0.85, 1.0)
    return 5000 * weekend * (1 + 0.25 * np.sin(2 * np.pi * hours / 24)) * (1 + 0.01 * rng.standard_normal(len(hours)))


@given(st.lists(st.booleans(), max_size=40))
def test_runs_are_the_maximal_stretches_of_true(mask):
    mask = np.array(mask, dtype=bool)
    rebuilt = np.zeros_like(mask)
    for begin, end in runs(mask):
        assert mask[begin:end].all() and end > begin
        assert (begin == 0 or not mask[begin - 1]) and (end == len(mask) or not mask[end])
        rebuilt[begin:end] = True
    assert np.array_equal(rebuilt, mask)


@pytest.mark.parametrize(
    "step, rows", [("10min", 36), ("15min", 24), ("30min", 12), ("1h", 6), ("3h", 6), ("1D", 6), ("7D", 6)]
)
def test_the_longest_gap_that_is_only_interpolated(step, rows):
    assert longest_interpolated(pd.Timedelta(step)) == rows


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 0.9, 1.0]))
def test_medians_are_those_of_pandas_to_the_last_bit(seed, gone):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((8, 30))
    values[rng.random(values.shape) < gone] = np.nan
    np.testing.assert_array_equal(_medians(values), pd.DataFrame(values).median().to_numpy())


def test_sentinels_are_interpolated_counted_and_named():
    cleaned = clean(frame_of(a=[1, -9999, -9999, 4], b=[0, 1, 2, -9999]), (Sentinel(-9999.0),), HOUR)
    assert cleaned.frame["a"].tolist() == [1, 2, 3, 4]
    assert cleaned.frame["b"].tolist() == [0, 1, 2, 2]
    assert cleaned.counts == {"readings of -9999": 3, "filled": 3, "blocked rows": 0}
    assert cleaned.notes[0] == "3 readings of -9999: 2 in 'a', 1 in 'b'"
    assert not cleaned.blocked.any()
    assert cleaned.filled.tolist() == [[False, False], [True, False], [True, False], [False, True]]


def test_gaps_of_six_hours_are_interpolated_longer_ones_blocked_too():
    values = np.arange(40, dtype=float)
    values[5:11] = np.nan
    values[20:27] = np.nan
    cleaned = clean(frame_of(a=values, b=np.ones(40)), (), HOUR)
    np.testing.assert_allclose(cleaned.frame["a"], np.arange(40))
    assert np.flatnonzero(cleaned.blocked).tolist() == list(range(20, 27))
    assert cleaned.counts == {"missing values": 13, "filled": 13, "blocked rows": 7}
    assert any(
        "7 rows lie in gaps of more than six hours, no window touches them: 7 in 'a'" in n for n in cleaned.notes
    )


def test_two_short_gaps_beside_each_other_in_two_columns_block_nothing():
    a, b = np.arange(20, dtype=float), np.arange(20, dtype=float)
    a[4:9], b[9:14] = np.nan, np.nan
    assert not clean(frame_of(a=a, b=b), (), HOUR).blocked.any()


def test_a_clean_table_is_left_as_it_is():
    frame = frame_of(a=load_like())
    cleaned = clean(frame, RULES, HOUR)
    assert cleaned.frame.equals(frame) and cleaned.counts == {} and cleaned.notes == ()


@pytest.mark.parametrize("begin, end, factor", [(700, 701, 0.55), (700, 724, 2.0), (700, 770, 1.9), (700, 703, 0.05)])
def test_a_level_that_comes_and_goes_suddenly_is_found_exactly(begin, end, factor):
    values = load_like()
    values[begin:end] *= factor
    found = LEVELS.bad(frame_of(a=load_like(), b=values), HOUR)
    assert not found[:, 0].any()
    assert np.flatnonzero(found[:, 1]).tolist() == list(range(begin, end))


def test_a_holiday_that_comes_and_goes_over_hours_is_kept():
    values = load_like()
    dip = np.interp(np.arange(24), [0, 6, 12, 18, 23], [1.0, 0.75, 0.47, 0.75, 1.0])
    values[30 * 24 : 31 * 24] *= dip
    assert not LEVELS.bad(frame_of(a=values), HOUR).any()


def test_a_doubled_hour_before_an_absent_one_is_found():
    values = load_like()
    values[700] *= 2
    values[701] = np.nan
    assert np.flatnonzero(LEVELS.bad(frame_of(a=values), HOUR)[:, 0]).tolist() == [700]


@given(st.integers(400, 1000), st.integers(1, 24), st.sampled_from([0.1, 0.5, 1.6, 3.0]))
def test_cleaning_leaves_no_missing_value_and_touches_no_good_one(begin, length, factor):
    values = load_like()
    values[begin : begin + length] *= factor
    cleaned = clean(frame_of(a=values), RULES, HOUR)
    touched = cleaned.frame["a"].to_numpy() != values
    assert not cleaned.frame.isna().to_numpy().any()
    assert set(np.flatnonzero(touched)) <= set(range(begin, begin + length))
    assert cleaned.blocked.sum() == (length if length > 6 else 0)


def test_weather_is_interpolated_unless_raw(real_table):
    cleaned, raw = real_table("Weather"), real_table("Weather", raw=True)
    sentinels = raw.values == -9999  # noqa: PD011
    assert dict(zip(raw.columns, sentinels.sum(0), strict=True)) == {
        name: {"wv (m/s)": 1, "OT": 50}.get(name, 30 if name.startswith("max. PAR") else 0) for name in raw.columns
    }
    assert np.array_equal(cleaned.values[~sentinels], raw.values[~sentinels])  # noqa: PD011
    assert cleaned.values.min() > -100 and not cleaned.blocked.any()  # noqa: PD011
    assert cleaned.counts["readings of -9999"] == 81
    assert raw.fingerprint != cleaned.fingerprint and any(note.startswith("raw") for note in raw.notes)


def test_what_the_rules_find_in_the_real_load_of_15_countries(real_table):
    """The numbers stand in the comment beside entsoe.RULES and in the catalogue."""
    table = real_table("entsoe_hourly")
    assert table.counts == {
        "missing values": 669,
        "readings of 0": 714,
        "readings on a wrong level": 1055,
        "filled": 2438,
        "blocked rows": 1320,
    }
    levels = next(note for note in table.notes if "wrong level" in note)
    for part in ("72 in 'at'", "191 in 'ch'", "11 in 'dk'", "3 in 'es'", "1 in 'fr'", "130 in 'gb'", "29 in 'no'"):
        assert part in levels
    assert not any(f"'{country}'" in levels for country in ("be", "de", "ie", "it", "nl", "pt"))
    at = {country: table.values[:, i] for i, country in enumerate(table.columns)}  # noqa: PD011
    hour = {str(date): row for row, date in enumerate(table.dates)}
    assert at["fr"].max() < 100_000 and at["gb"].min() > 12_000 and at["se"].min() > 6_000 and at["lu"].min() > 0
    assert abs(at["fr"][hour["2020-07-07 17:00:00"]] - 48_046) < 1
    # Italy's Easter Monday of 2018 is true.
    assert at["it"][hour["2018-04-02 12:00:00"]] < 0.6 * at["it"][hour["2018-04-10 12:00:00"]]
    # Norway's 96 hours without a reading are blocked, gaps of up to six hours are not.
    begin = hour["2019-02-07 23:00:00"]
    assert table.blocked[begin : begin + 96].all() and not table.blocked[begin - 1] and not table.blocked[begin + 96]


def test_the_catalogue_says_which_rules_clean_what():
    assert CATALOG["Weather"].rules == (Sentinel(-9999.0),)
    assert isinstance(CATALOG["entsoe_hourly"].rules[1], SuddenLevels)
    assert all(bool(entry.rules) == (name.startswith(("Weather", "entsoe"))) for name, entry in CATALOG.items())


def test_windows_lost_to_gaps_are_those_told_on_the_page_on_data(real_table):
    lengths = {"seq_len": 96, "label_len": 48, "pred_len": 96}
    table = real_table("entsoe_hourly")
    whole = make_splits(table, **lengths)
    assert whole.left_out == {"train": 5_325, "val": 2_251, "test": 84}
    assert (len(whole.train), len(whole.val), len(whole.test)) == (34_064 - 5_325, 4_799 - 2_251, 9_692 - 84)
    others = [country for country in table.columns if country != "lu"]
    assert make_splits(real_table("entsoe_hourly", columns=others), **lengths).left_out["val"] == 646


def test_raw_load_keeps_its_missing_values_and_windows_refuse_them(real_table):
    raw = real_table("entsoe_hourly", raw=True)
    assert np.isnan(raw.values).sum() == 669 and not raw.blocked.any()
    with pytest.raises(UserError, match=r"669 values are missing, the first at .*, so leave out raw"):
        make_splits(raw, seq_len=96, label_len=48, pred_len=96)
