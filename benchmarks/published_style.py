"""The slow way: our models with their blocks written as published forecasting code usually writes them.

Convolutions of width 1, circular padding, einsum attention with a mask built at every call, Bernoulli dropout, FFTs,
and Python loops over delays and Fourier modes. Same weights, same outputs; only the time differs. A stand-in for
comparisons on machines where the published code is not at hand: it is not that code.
"""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from tsprune.layers import (
    attention,
    autocorrelation,
    decomposition,
    dropout,
    embedding,
    encoder_decoder,
    fourier,
    probsparse,
)
from tsprune.models import crossformer, informer


class BernoulliDropout(nn.Dropout):
    def __init__(self, ours):
        super().__init__(ours.p)


class ConvolutionFeedForward(nn.Module):
    def __init__(self, ours):
        super().__init__()
        self.up, self.down = as_convolution(ours.up), as_convolution(ours.down)
        self.activation, self.dropout = ours.activation, nn.Dropout(ours.dropout.p)

    def forward(self, x):
        y = self.dropout(self.activation(self.up(x.transpose(-1, 1))))
        return self.dropout(self.down(y).transpose(-1, 1))


def as_convolution(linear):
    layer = nn.Conv1d(linear.in_features, linear.out_features, 1, bias=linear.bias is not None)
    layer.weight.data = linear.weight.data.unsqueeze(-1).clone()
    if linear.bias is not None:
        layer.bias.data = linear.bias.data.clone()
    return layer


def circular_convolution(channels, out, weight):
    layer = nn.Conv1d(channels, out, 3, padding=1, padding_mode="circular", bias=False)
    layer.weight.data = weight.contiguous()
    return layer


class CircularTokens(nn.Module):
    def __init__(self, ours):
        super().__init__()
        weight = ours.weight.data.unflatten(1, (3, ours.channels)).transpose(1, 2)
        self.convolution = circular_convolution(ours.channels, ours.out_features, weight)

    def forward(self, x):
        return self.convolution(x.transpose(1, 2)).transpose(1, 2)


class TrendProjection(nn.Module):
    def __init__(self, ours):
        super().__init__()
        weight = ours.weight.data.unflatten(0, (3, ours.channels)).permute(1, 2, 0)
        self.convolution = circular_convolution(ours.in_features, ours.channels, weight)

    def forward(self, x):
        return self.convolution(x.transpose(1, 2)).transpose(1, 2)


class MovingAverage(nn.Module):
    def __init__(self, ours):
        super().__init__()
        self.kernel = ours.kernel
        self.average = nn.AvgPool1d(ours.kernel, stride=1)

    def forward(self, x, time_last=False, rest=False):
        if time_last:
            return self(x.transpose(1, 2)).transpose(1, 2)
        half = (self.kernel - 1) // 2
        front, end = x[:, :1].repeat(1, half, 1), x[:, -1:].repeat(1, half, 1)
        trend = self.average(torch.cat([front, x, end], dim=1).permute(0, 2, 1)).permute(0, 2, 1)
        return x - trend if rest else trend


class EinsumAttention:
    """mix() of full attention, with or without a bias of the scores."""

    def mix(self, q, k, v, score_bias=None):
        q, k, v = (x.view(x.shape[0], x.shape[1], self.n_heads, -1) for x in (q, k, v))
        scores = torch.einsum("blhe,bshe->bhls", q, k)
        if score_bias is not None:
            scores = scores + score_bias / self.head_dim**-0.5
        if self.mask is not None:
            length = scores.shape[-1]
            mask = torch.triu(torch.ones(scores.shape[0], 1, length, length, dtype=torch.bool), diagonal=1)
            scores.masked_fill_(mask, float("-inf"))
        weights = self.dropout(torch.softmax(scores * self.head_dim**-0.5, dim=-1))
        return torch.einsum("bhls,bshd->blhd", weights, v).contiguous().flatten(2)


class WholeDecoderLayer:
    """forward() of a decoder layer that computes all steps and drops those not wanted."""

    def forward(self, x, memory, self_extra=(), cross_extra=(), last=None):
        y = super().forward(x, memory, self_extra, cross_extra)
        return y if last is None else y[:, -last:]


class BatchFirstTwoStage:
    """forward() of Crossformer's two stages with the samples first, rearranged between the stages."""

    def forward(self, x):
        segments, batch, channels, _ = x.shape
        x = x.permute(1, 2, 0, 3).flatten(0, 1)
        x = self.norm1(x + self.dropout(self.time(x, x)))
        x = self.norm2(x + self.dropout(self.mlp1(x)))
        x = x.unflatten(0, (batch, channels)).transpose(1, 2).flatten(0, 1)
        collected = self.sender(self.routers.repeat(batch, 1, 1), x)
        x = self.norm3(x + self.dropout(self.receiver(x, collected)))
        x = self.norm4(x + self.dropout(self.mlp2(x)))
        return x.unflatten(0, (batch, segments)).transpose(0, 1)


class BatchFirstDecoderScale:
    """forward() of Crossformer's decoder layer with the samples first, every one through the first stage."""

    def forward(self, x, memory):
        x = self.self_attention(x.expand(-1, memory.shape[1], -1, -1))
        shape = memory.shape[1:3]
        x, memory = (part.permute(1, 2, 0, 3).flatten(0, 1) for part in (x, memory))
        x = self.norm1(x + self.dropout(self.cross_attention(x, memory)))
        x = self.norm2(x + self.mlp(x)).unflatten(0, shape).permute(2, 0, 1, 3)
        return x, self.projection(x)


class LoopedAutoCorrelation:
    """mix() of Auto-Correlation by FFT, rolling or gathering once per delay."""

    def mix(self, q, k, v):
        batch, length = q.shape[:2]
        k, v = (F.pad(x, (0, 0, 0, max(0, length - x.shape[1])))[:, :length] for x in (k, v))
        q, k, v = (x.unflatten(-1, (self.n_heads, -1)).permute(0, 2, 3, 1).contiguous() for x in (q, k, v))
        spectrum = torch.fft.rfft(q, dim=-1) * torch.conj(torch.fft.rfft(k, dim=-1))
        correlation = torch.fft.irfft(spectrum, dim=-1).mean(dim=(1, 2))
        total = torch.zeros_like(v)
        if self.training:
            index = torch.topk(correlation.mean(0), self.top_k)[1]
            weights = torch.softmax(torch.stack([correlation[:, index[i]] for i in range(self.top_k)], dim=-1), dim=-1)
            for i in range(self.top_k):
                pattern = torch.roll(v, -int(index[i]), -1)
                total = total + pattern * weights[:, i].view(batch, 1, 1, 1).repeat(1, *v.shape[1:])
        else:
            start = torch.arange(length).view(1, 1, 1, -1).repeat(batch, *v.shape[1:3], 1)
            weights, delay = torch.topk(correlation, self.top_k, dim=-1)
            weights, twice = torch.softmax(weights, dim=-1), v.repeat(1, 1, 1, 2)
            for i in range(self.top_k):
                moved = start + delay[:, i].view(batch, 1, 1, 1).repeat(1, *v.shape[1:])
                pattern = torch.gather(twice, dim=-1, index=moved)
                total = total + pattern * weights[:, i].view(batch, 1, 1, 1).repeat(1, *v.shape[1:])
        return total.permute(0, 3, 1, 2).contiguous().flatten(2)


class ExpandedProbSparse:
    """Selection of ProbSparse attention by expanding the keys to five dimensions."""

    def selective_queries(self, q, k):
        sample = self.sample if self.pinned or not self.training else self.draw()
        expanded = k.unsqueeze(-3).expand(*k.shape[:2], q.shape[2], *k.shape[2:])
        keys = expanded[:, :, torch.arange(q.shape[2]).unsqueeze(1), sample]
        scores = torch.matmul(q.unsqueeze(-2), keys.transpose(-2, -1)).squeeze(-2)
        measure = scores.max(-1)[0] - scores.sum(-1) / k.shape[2]
        return measure.topk(self.n_top, sorted=False)[1]


def complex_product(order, x, y):
    """The einsum of complex tensors as four of real ones, as published since Fourier weights are two real tensors."""
    real = torch.einsum(order, x.real, y.real) - torch.einsum(order, x.imag, y.imag)
    return torch.complex(real, torch.einsum(order, x.real, y.imag) + torch.einsum(order, x.imag, y.real))


def modes_last(weights):
    return weights.real.permute(1, 2, 3, 0).contiguous(), weights.imag.permute(1, 2, 3, 0).contiguous()


class LoopedFourierBlock(nn.Module):
    def __init__(self, ours, modes):
        super().__init__()
        self.n_heads, self.chosen = ours.n_heads, modes
        self.weights1, self.weights2 = (nn.Parameter(w.detach()) for w in modes_last(ours.weights))

    def forward(self, q):
        x = q.unflatten(-1, (self.n_heads, -1)).permute(0, 2, 3, 1)
        spectrum = torch.fft.rfft(x, dim=-1)
        out = torch.zeros(*x.shape[:3], x.shape[-1] // 2 + 1, dtype=torch.cfloat)
        for place, mode in enumerate(self.chosen):
            if mode < spectrum.shape[3] and place < out.shape[3]:
                weight = torch.complex(self.weights1, self.weights2)[:, :, :, place]
                out[:, :, :, place] = complex_product("bhi,hio->bho", spectrum[:, :, :, mode], weight)
        return torch.fft.irfft(out, n=x.shape[-1])


class LoopedFourierCrossBlock(nn.Module):
    def __init__(self, ours, query_modes, key_modes):
        super().__init__()
        self.n_heads, self.head_dim, self.query_modes, self.key_modes = (
            ours.n_heads,
            ours.head_dim,
            query_modes,
            key_modes,
        )
        self.weights1, self.weights2 = (nn.Parameter(w.detach()) for w in modes_last(ours.weights))

    def select(self, x, modes):
        spectrum = torch.fft.rfft(x, dim=-1)
        chosen = torch.zeros(*x.shape[:3], len(modes), dtype=torch.cfloat)
        for place, mode in enumerate(modes):
            if mode < spectrum.shape[3]:
                chosen[:, :, :, place] = spectrum[:, :, :, mode]
        return chosen

    def forward(self, q, k):
        q, k = (x.unflatten(-1, (self.n_heads, -1)).permute(0, 2, 3, 1) for x in (q, k))
        queries, keys = self.select(q, self.query_modes), self.select(k, self.key_modes)
        scores = complex_product("bhex,bhey->bhxy", queries, keys)
        scores = torch.complex(scores.real.tanh(), scores.imag.tanh())
        mixed = complex_product("bhxy,bhey->bhex", scores, keys)
        mixed = complex_product("bhex,heox->bhox", mixed, torch.complex(self.weights1, self.weights2))
        out = torch.zeros(*q.shape[:3], q.shape[-1] // 2 + 1, dtype=torch.cfloat)
        for place, mode in enumerate(self.query_modes):
            if mode < out.shape[3]:
                out[:, :, :, mode] = mixed[:, :, :, place]
        width = self.n_heads * self.head_dim
        return torch.fft.irfft(out / width / width, n=q.shape[-1])


class CircularDistilling(nn.Module):
    def __init__(self, ours):
        super().__init__()
        out, channels, _ = ours.convolution.weight.shape
        self.convolution = nn.Conv1d(channels, out, 3, padding=2, padding_mode="circular")
        self.convolution.load_state_dict(ours.convolution.state_dict())
        self.norm, self.activation, self.pool = ours.norm, nn.ELU(), nn.MaxPool1d(3, stride=2, padding=1)

    def forward(self, x):
        return self.pool(self.activation(self.norm(self.convolution(x.permute(0, 2, 1))))).transpose(1, 2)


REPLACED = {
    dropout.Dropout: BernoulliDropout,
    encoder_decoder.FeedForward: ConvolutionFeedForward,
    embedding.CircularTokens: CircularTokens,
    decomposition.TrendProjection: TrendProjection,
    decomposition.MovingAverage: MovingAverage,
    informer.Distilling: CircularDistilling,
}
PATCHED = {
    encoder_decoder.DecoderLayer: WholeDecoderLayer,
    attention.FullAttention: EinsumAttention,
    attention.LengthFirstAttention: EinsumAttention,
    attention.DeStationaryAttention: EinsumAttention,
    autocorrelation.AutoCorrelation: LoopedAutoCorrelation,
    probsparse.ProbSparseAttention: ExpandedProbSparse,
    crossformer.TwoStageAttention: BatchFirstTwoStage,
    crossformer.DecoderScale: BatchFirstDecoderScale,
    informer.SelectingDecoderLayer: WholeDecoderLayer,
}


def published_style(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in the slow style, with weights of its own."""
    slow = copy.deepcopy(model)
    if any(isinstance(module, fourier.FourierBlock) for module in slow.modules()):
        modes = slow.config.select()
        slow.encoder_block = LoopedFourierBlock(slow.encoder_block, modes["encoder_self"])
        slow.decoder_block = LoopedFourierBlock(slow.decoder_block, modes["decoder_self"])
        slow.cross_block = LoopedFourierCrossBlock(slow.cross_block, modes["cross_q"], modes["cross_kv"])
    replace(slow)
    return slow


def replace(module: nn.Module) -> None:
    for name, child in module.named_children():
        if type(child) in REPLACED:
            setattr(module, name, REPLACED[type(child)](child))
            continue
        if type(child) in PATCHED:
            child.__class__ = type(type(child).__name__, (PATCHED[type(child)], type(child)), {})
        replace(child)
