"""Window attention: who sees whom, and the order of places."""

import pytest
import torch

from restora.networks.sodiff.swin import RSTB, WindowAttention, from_windows, to_windows

SIDE, WINDOW = 8, 4


def seen_from(module, row, column):
    """Where a change changes what the module says of one place, (SIDE, SIDE)."""
    torch.manual_seed(0)
    x = torch.randn(1, SIDE, SIDE, 8, requires_grad=True)
    module(x)[0, row, column].sum().backward()
    return x.grad.abs().sum(dim=3)[0] > 1e-9


def block(rows, columns):
    expected = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    expected[rows, columns] = True
    return expected


def attention(shift):
    torch.manual_seed(1)
    return WindowAttention(8, 2, side=SIDE, window=WINDOW, shift=shift)


def test_windows_go_and_come_back():
    x = torch.arange(2 * 8 * 8).reshape(2, 8, 8, 1)
    windows = to_windows(x, WINDOW)
    assert windows.shape == (2, 4, 16, 1)
    assert torch.equal(windows[0, 1, :, 0].reshape(4, 4), x[0, :4, 4:, 0])
    assert torch.equal(from_windows(windows, WINDOW), x)


def test_only_its_own_window_before_the_shift():
    assert torch.equal(seen_from(attention(0), 3, 3), block(slice(0, 4), slice(0, 4)))


def test_neighbours_after_the_shift():
    assert torch.equal(seen_from(attention(2), 3, 3), block(slice(2, 6), slice(2, 6)))


def test_opposite_borders_never_meet():
    """The last window of a rolled map holds four pieces that are far apart."""
    assert torch.equal(seen_from(attention(2), 0, 0), block(slice(0, 2), slice(0, 2)))
    assert torch.equal(seen_from(attention(2), 7, 0), block(slice(6, 8), slice(0, 2)))
    assert torch.equal(seen_from(attention(2), 7, 4), block(slice(6, 8), slice(2, 6)))


@torch.no_grad()
def test_attention_is_softmax_attention_with_a_bias():
    """One window and one head, by hand; the bias depends on the displacement alone."""
    torch.manual_seed(2)
    module = WindowAttention(6, 1, side=2, window=2, shift=0)
    module.bias.normal_()
    x = torch.randn(1, 2, 2, 6)
    query, key, value = module.qkv(x.reshape(4, 6)).chunk(3, dim=1)
    match = query @ key.T / 6**0.5
    for a in range(4):
        for b in range(4):
            down, right = a // 2 - b // 2, a % 2 - b % 2
            match[a, b] += module.bias[0, (down + 1) * 3 + right + 1]
    expected = module.out(match.softmax(dim=1) @ value)
    assert torch.allclose(module(x).reshape(4, 6), expected, atol=1e-6)


@pytest.mark.parametrize(("side", "shifts"), [(8, [0, 2, 0]), (4, [0, 0, 0])])
def test_every_second_layer_is_shifted_if_there_is_more_than_one_window(side, shifts):
    module = RSTB(8, layers=3, heads=2, side=side, window=WINDOW, mlp_ratio=2.0)
    assert [layer.attention.shift for layer in module.layers] == shifts
    assert module(torch.rand(2, side, side, 8)).shape == (2, side, side, 8)


def test_a_block_without_its_convolution_is_the_identity():
    module = RSTB(8, layers=2, heads=2, side=SIDE, window=WINDOW, mlp_ratio=2.0)
    torch.nn.init.zeros_(module.conv.weight)
    torch.nn.init.zeros_(module.conv.bias)
    x = torch.rand(1, SIDE, SIDE, 8)
    assert torch.equal(module(x), x)
