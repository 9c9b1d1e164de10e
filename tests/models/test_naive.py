import torch

from tsprune.models import create_model


def series(length, channels=2):
    return torch.arange(float(length * channels)).view(1, length, channels)


def test_repeat_last():
    model = create_model("RepeatLast", enc_in=2, c_out=2, seq_len=5, label_len=0, pred_len=3)
    assert torch.equal(model(series(5)), series(5)[:, -1:].expand(-1, 3, -1))


def test_seasonal_naive_continues_the_season():
    model = create_model("SeasonalNaive", enc_in=2, c_out=2, seq_len=7, label_len=0, pred_len=8, season=3)
    assert torch.equal(model(series(7))[0, :, 0], series(7)[0, [4, 5, 6, 4, 5, 6, 4, 5], 0])


def test_seasonal_naive_is_exact_on_a_periodic_series():
    season = torch.randn(1, 24, 3)
    model = create_model("SeasonalNaive", enc_in=3, c_out=3, seq_len=96, pred_len=50)
    torch.testing.assert_close(model(season.repeat(1, 4, 1)), season.repeat(1, 3, 1)[:, :50])
