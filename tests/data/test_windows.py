# ruff: noqa: PD011  (Table.values and Windows.values are arrays of our own)
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from tsprune.data import SplitRule, Table, make_splits
from tsprune.data.calendar import time_features
from tsprune.data.catalog import SHARES
from tsprune.errors import UserError

NAMES = ("train", "val", "test")


def table_of(values: np.ndarray, blocked: np.ndarray | None = None, split: SplitRule = SHARES) -> Table:
    rows, columns = values.shape
    return Table(
        name="made_up",
        values=values,
        columns=tuple(f"c{i}" for i in range(columns)),
        dates=pd.date_range("2021-03-04 05:00", periods=rows, freq="1h"),
        time_step="1h",
        split=split,
        blocked=np.zeros(rows, dtype=bool) if blocked is None else blocked,
        source="made up",
    )


def random_table(rows: int, columns: int = 3, seed: int = 0, **options) -> Table:
    rng = np.random.default_rng(seed)
    return table_of(rng.normal(5, 3, (rows, columns)), **options)


def naive_split(table: Table, split: int, seq_len: int, label_len: int, pred_len: int):
    """The windows of one split, sliced one by one as the protocol's text says."""
    begin, end = table.split.borders(len(table.dates))[split]
    first_train, last_train = table.split.borders(len(table.dates))[0]
    train = table.values[first_train:last_train]
    scaled = (table.values - train.mean(0)) / train.std(0)
    marks = time_features(table.dates, "h")
    begin = begin - seq_len if split else begin
    for r in range(begin, end - seq_len - pred_len + 1):
        if table.blocked[r : r + seq_len + pred_len].any():
            continue
        middle, stop = r + seq_len, r + seq_len + pred_len
        known = scaled[middle - label_len : middle]
        yield (
            scaled[r:middle],
            marks[r:middle],
            np.concatenate([known, np.zeros((pred_len, scaled.shape[1]))]),
            marks[middle - label_len : stop],
            scaled[middle:stop],
        )


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_every_window_equals_slicing_one_by_one(data):
    seq_len = data.draw(st.integers(1, 12), "seq_len")
    label_len = data.draw(st.integers(0, seq_len), "label_len")
    pred_len = data.draw(st.integers(1, 6), "pred_len")
    rows = data.draw(st.integers(90, 140), "rows")
    gap = data.draw(st.integers(0, 30), "gap begins")
    blocked = np.zeros(rows, dtype=bool)
    blocked[gap : gap + data.draw(st.integers(0, 9), "gap length")] = True
    table = random_table(rows, data.draw(st.integers(1, 4), "columns"), seed=rows, blocked=blocked)
    splits = make_splits(table, seq_len=seq_len, label_len=label_len, pred_len=pred_len)
    for split, name in enumerate(NAMES):
        windows = getattr(splits, name)
        expected = list(naive_split(table, split, seq_len, label_len, pred_len))
        assert len(windows) == len(expected)
        batch = windows.batch(torch.arange(len(windows)))
        for got, parts in zip(batch, zip(*expected, strict=True), strict=True):
            assert got.dtype == torch.float32
            np.testing.assert_array_equal(got.numpy(), np.stack(parts).astype(np.float32))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.booleans(), st.booleans(), st.integers(0, 9))
def test_a_pass_gives_every_window_once(batch_size, shuffle, drop_last, seed):
    windows = make_splits(random_table(70), seq_len=5, label_len=2, pred_len=3).train
    generator = torch.Generator().manual_seed(seed) if shuffle else None
    batches = list(windows.batches(batch_size, generator=generator, drop_last=drop_last))
    sizes = [len(batch.y) for batch in batches]
    whole, rest = divmod(len(windows), batch_size)
    assert sizes == [batch_size] * whole + ([rest] if rest and not drop_last else [])
    if not batches:
        return
    got = torch.cat([batch.x_enc for batch in batches])
    everything = windows.batch(torch.arange(len(windows))).x_enc
    if shuffle:
        order = torch.randperm(len(windows), generator=torch.Generator().manual_seed(seed))
        everything = everything[order]
    assert torch.equal(got, everything[: len(got)])


def test_shuffling_differs_between_passes_and_repeats_with_the_seed():
    windows = make_splits(random_table(200), seq_len=5, label_len=2, pred_len=3).train
    generator = torch.Generator().manual_seed(3)
    first, second = (next(iter(windows.batches(64, generator=generator))).y for _ in range(2))
    again = next(iter(windows.batches(64, generator=torch.Generator().manual_seed(3)))).y
    assert not torch.equal(first, second) and torch.equal(first, again)


def test_a_subset_keeps_order_and_shares_the_values():
    windows = make_splits(random_table(100), seq_len=6, label_len=3, pred_len=2).train
    index = torch.tensor([9, 0, 4])
    few = windows.subset(index)
    assert len(few) == 3 and few.values is windows.values and torch.equal(few.starts, windows.starts[index])
    for got, expected in zip(few.batch(torch.arange(3)), windows.batch(index), strict=True):
        assert torch.equal(got, expected)
    assert len(windows.subset(torch.tensor([], dtype=torch.long))) == 0


def test_a_batch_can_be_changed_without_touching_the_data():
    windows = make_splits(random_table(60), seq_len=6, label_len=3, pred_len=2).train
    before = windows.values.clone()
    batch = windows.batch(torch.arange(4))
    for part in batch:
        part.fill_(7.0)
    assert torch.equal(windows.values, before)


def test_a_window_number_out_of_range_is_an_error():
    windows = make_splits(random_table(60), seq_len=6, label_len=3, pred_len=2).train
    with pytest.raises(IndexError):
        windows.batch(torch.tensor([len(windows)]))


def test_scaler_sees_train_rows_only_and_takes_the_population_deviation():
    table = random_table(100)
    splits = make_splits(table, seq_len=6, label_len=3, pred_len=2)
    np.testing.assert_allclose(splits.mean, table.values[:70].mean(0), rtol=1e-14)
    np.testing.assert_allclose(splits.std, table.values[:70].std(0, ddof=0), rtol=1e-14)
    changed = dataclasses.replace(table, values=np.concatenate([table.values[:70], table.values[70:] * 9]))
    assert np.array_equal(make_splits(changed, seq_len=6, label_len=3, pred_len=2).std, splits.std)


def test_a_constant_column_is_scaled_to_zero():
    values = random_table(100).values.copy()
    values[:, 1] = 0.1  # a number whose mean is not exact
    splits = make_splits(table_of(values), seq_len=6, label_len=3, pred_len=2)
    assert splits.std[1] == 1.0
    assert (splits.train.values[:, 1] == 0).all()


def test_inverse_gives_the_values_in_their_own_units():
    table = random_table(100)
    splits = make_splits(table, seq_len=6, label_len=3, pred_len=2)
    y = splits.test.batch(torch.arange(5)).y
    first = 80 - 6 + 6
    expected = np.stack([table.values[first + i : first + i + 2] for i in range(5)])
    np.testing.assert_allclose(splits.inverse(y).numpy(), expected, rtol=1e-5)
    assert splits.inverse(y).dtype == torch.float32
    exact = splits.inverse(((table.values - splits.mean) / splits.std)[None])
    assert exact.dtype == np.float64 and exact.shape == (1, 100, 3)
    np.testing.assert_allclose(exact[0], table.values, rtol=1e-12)
    for one in (np.zeros((5, 2, 1)), torch.zeros(5, 2, 1)):
        with pytest.raises(UserError, match="1 columns cannot be scaled back, the data has 3"):
            splits.inverse(one)


def test_windows_are_numbered_in_a_tensor_an_array_or_a_list():
    windows = make_splits(random_table(100), seq_len=6, label_len=3, pred_len=2).test
    wanted = windows.batch(torch.tensor([4, 1])).y
    for index in (np.array([4, 1]), [4, 1], (4, 1)):
        assert torch.equal(windows.batch(index).y, wanted)


def test_windows_never_touch_a_blocked_row_and_the_lost_ones_are_counted():
    blocked = np.zeros(300, dtype=bool)
    blocked[[50, 51, 150, 230]] = True  # two gaps in train, one between val and test look-back
    table = random_table(300, blocked=blocked)
    splits = make_splits(table, seq_len=10, label_len=5, pred_len=4)
    whole = make_splits(random_table(300), seq_len=10, label_len=5, pred_len=4)
    assert whole.left_out == {"train": 0, "val": 0, "test": 0}
    for name in NAMES:
        windows = getattr(splits, name)
        for start in windows.starts.tolist():
            assert not blocked[start : start + 14].any()
        assert len(windows) + splits.left_out[name] == len(getattr(whole, name))
    assert splits.left_out["train"] == 15 + 14


def test_a_split_whose_windows_all_touch_a_gap_is_an_error():
    blocked = np.zeros(100, dtype=bool)
    blocked[64::5] = True
    with pytest.raises(UserError, match=r"each of the .* windows of the val split touches a filled gap"):
        make_splits(random_table(100, blocked=blocked), seq_len=6, label_len=3, pred_len=4)
    blocked[65:] = False  # the first window of validation alone
    with pytest.raises(UserError, match=r"of the val split touches a filled gap; .*, or eval_stride = 1$"):
        make_splits(random_table(100, blocked=blocked), seq_len=6, label_len=3, pred_len=4, eval_stride=1000)


@pytest.mark.parametrize("stride", [2, 5, 1000])
def test_a_stride_keeps_validation_and_test_windows_at_even_distances_and_all_of_training(stride):
    blocked = np.zeros(200, dtype=bool)
    blocked[150] = True
    table, lengths = random_table(200, blocked=blocked), {"seq_len": 6, "label_len": 3, "pred_len": 2}
    every, some = make_splits(table, **lengths), make_splits(table, **lengths, eval_stride=stride)
    assert torch.equal(some.train.starts, every.train.starts)
    for split, name in enumerate(NAMES[1:], start=1):
        first = table.split.borders(200)[split][0] - 6
        wanted = [start for start in getattr(every, name).starts.tolist() if (start - first) % stride == 0]
        assert getattr(some, name).starts.tolist() == wanted and wanted[0] == first


def test_too_few_rows_name_every_split_that_is_too_short():
    with pytest.raises(UserError) as error:
        make_splits(random_table(100), seq_len=60, label_len=30, pred_len=24)
    lines = str(error.value).splitlines()
    assert [word in line for word, line in zip(NAMES, lines, strict=True)] == [True] * 3
    assert "the train split has 70 of the 100 rows, seq_len + pred_len = 60 + 24 needs 84" in lines[0]
    assert "the val split has 10 of the 100 rows, pred_len = 24 needs 24" in lines[1]


def test_the_shortest_table_that_fits_has_one_window_per_short_split():
    splits = make_splits(random_table(100), seq_len=60, label_len=30, pred_len=10)
    assert [len(getattr(splits, name)) for name in NAMES] == [1, 1, 11]


@pytest.mark.parametrize(
    "lengths, text",
    [
        ({"seq_len": 0}, "seq_len = 0: expected a whole number of at least 1"),
        ({"label_len": -1}, "label_len = -1: expected a whole number of at least 0"),
        ({"pred_len": 0}, "pred_len = 0: expected a whole number of at least 1"),
        ({"eval_stride": 0}, "eval_stride = 0: expected a whole number of at least 1"),
        ({"label_len": 7}, "label_len = 7: at most seq_len = 6"),
        ({"freq": "x"}, "unknown frequency of time features 'x'"),
    ],
)
def test_lengths_out_of_range_are_named(lengths, text):
    with pytest.raises(UserError, match=text):
        make_splits(random_table(100), **{"seq_len": 6, "label_len": 3, "pred_len": 2, **lengths})


def test_missing_values_are_refused_with_place():
    values = random_table(100).values.copy()
    values[4, 1] = np.nan
    with pytest.raises(UserError, match="1 values are missing, the first at 2021-03-04 09:00:00 in column 'c1'"):
        make_splits(table_of(values), seq_len=6, label_len=3, pred_len=2)


def test_a_batch_size_below_one_is_refused():
    windows = make_splits(random_table(100), seq_len=6, label_len=3, pred_len=2).train
    with pytest.raises(UserError, match="batch_size = 0"):
        next(iter(windows.batches(0)))


class Counter(TorchDispatchMode):
    """How many operators are called."""

    calls = 0

    def __torch_dispatch__(self, operator, types, arguments=(), options=None):
        self.calls += 1
        return operator(*arguments, **(options or {}))


def test_a_batch_is_built_by_a_few_operators_whatever_its_size():
    windows = make_splits(random_table(17_420, 7), seq_len=96, label_len=48, pred_len=96).train
    calls = []
    for size in (1, 32, 1024):
        with Counter() as counter:
            windows.batch(torch.arange(size))
        calls.append(counter.calls)
    assert calls[0] == calls[1] == calls[2] <= 16
