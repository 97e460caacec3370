"""Attention of the U-Net: what one token can say, and which places see each other."""

import pytest
import torch

from restora.networks.sr_diff.attention import (
    Attention,
    ContextAttention,
    LinearAttention,
    PlaceNorm,
)


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def at_work(channels=16, **settings):
    """A block whose last layer says something."""
    block = ContextAttention(
        channels, 6, 8, **{"self_attention": False, "norm": "layer"} | settings
    )
    torch.nn.init.normal_(block.leave.weight, std=0.3)
    return block.eval()


@torch.no_grad()
def test_one_token_says_the_same_to_every_place():
    layer, places = Attention(16, 6, 8), drawn(2, 9, 16)
    one = layer(places, drawn(2, 1, 6, seed=1))
    assert torch.allclose(one, one[:, :1].expand_as(one), atol=1e-6)
    # It is a projection of the token, whatever the places hold.
    token = drawn(2, 1, 6, seed=1)
    assert torch.allclose(one[:, :1], layer.out(layer.value(token)), atol=1e-6)


@torch.no_grad()
def test_of_more_tokens_every_place_takes_its_own_mixture():
    layer, places = Attention(16, 6, 8), 4 * drawn(2, 9, 16)
    several = layer(places, 4 * drawn(2, 5, 6, seed=1))
    assert several.std(dim=1).min() > 0.01
    again = layer(places, 4 * drawn(2, 1, 6, seed=1).expand(2, 5, 6))  # five times the same
    assert torch.allclose(again, again[:, :1].expand_as(again), atol=1e-5)


@torch.no_grad()
def test_the_order_of_tokens_says_nothing():
    layer, places, tokens = Attention(16, 6, 8), drawn(2, 9, 16), drawn(2, 5, 6, seed=1)
    assert torch.allclose(layer(places, tokens), layer(places, tokens.flip(1)), atol=1e-6)


@torch.no_grad()
def test_attention_is_softmax_attention():
    layer, places, tokens = Attention(8, 6, 64), drawn(1, 4, 8), drawn(1, 3, 6, seed=1)
    assert layer.heads == 1  # the channels are fewer than a head has
    query, key, value = layer.query(places), layer.key(tokens), layer.value(tokens)
    by_hand = torch.softmax(query @ key.transpose(1, 2) / 8**0.5, dim=2) @ value
    assert torch.allclose(layer(places, tokens), layer.out(by_hand), atol=1e-6)


@torch.no_grad()
def test_linear_attention_by_hand():
    layer, x = LinearAttention(6, 4), drawn(2, 6, 3, 5)
    query, key, value = layer.qkv(layer.norm(x)).reshape(2, 3, 4, 4, 15).unbind(1)
    weights = torch.einsum("bhdp,bhdq->bhpq", query.softmax(2) / 2, key.softmax(3))
    found = torch.einsum("bhpq,bheq->bhep", weights, value / 15).reshape(2, 16, 3, 5)
    assert torch.allclose(layer(x), x + layer.out_norm(layer.out(found)), atol=1e-5)


@torch.no_grad()
def test_a_place_is_normalised_alone():
    norm, x = PlaceNorm(8), 3 + 5 * drawn(2, 8, 4, 4)
    found = norm(x)
    assert torch.allclose(found.mean(dim=1), torch.zeros(2, 4, 4), atol=1e-5)
    assert torch.allclose(found.var(dim=1, correction=0), torch.ones(2, 4, 4), atol=1e-3)
    assert torch.allclose(norm(x[..., :2]), found[..., :2])


@torch.no_grad()
def test_a_block_starts_without_its_inside():
    block = ContextAttention(16, 6, 8, self_attention=True, norm="group")
    x = drawn(2, 16, 4, 4)
    found = block(x, drawn(2, 5, 6, seed=1))
    assert torch.equal(found, block(x, None))
    assert torch.equal(found, x + block.before(x))


@torch.no_grad()
@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("self_attention", [False, True])
def test_the_context_changes_what_a_block_gives(norm, self_attention):
    block = at_work(norm=norm, self_attention=self_attention)
    x, tokens = drawn(2, 16, 4, 4), drawn(2, 5, 6, seed=1)
    found = block(x, tokens)
    assert found.shape == x.shape
    assert not torch.allclose(found, block(x, None), atol=1e-3)
    assert not torch.allclose(found, block(x, tokens + 1), atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize(
    ("settings", "alone"),
    [({}, True), ({"self_attention": True}, False), ({"norm": "group"}, False)],
    ids=["alone", "self-attention", "group norm"],
)
def test_whether_places_see_each_other(settings, alone):
    """Where they do not, a tile's result does not depend on what else is in the tile."""
    block, x, tokens = at_work(**settings), drawn(1, 16, 4, 4), drawn(1, 5, 6, seed=1)
    changed = x.clone()
    changed[0, :, 3, 3] += drawn(16, seed=2)
    moved = (block(changed, tokens) - block(x, tokens)).abs().amax(dim=1)[0] > 1e-6
    assert moved[3, 3]
    assert moved.sum() == (1 if alone else 16)


@torch.no_grad()
@pytest.mark.parametrize("channels", [8, 12, 40])
def test_channels_that_32_does_not_divide(channels):
    block = at_work(channels, norm="group", self_attention=True)
    assert channels % block.norm.num_groups == 0
    assert block(drawn(1, channels, 3, 5), drawn(1, 2, 6)).isfinite().all()
