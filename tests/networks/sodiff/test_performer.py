"""The performer: near to softmax attention, blind to order, the same every time."""

import pytest
import torch

from restora.networks.sodiff.performer import (
    Performer,
    PerformerBlock,
    feature_count,
    linear_attention,
    random_directions,
)


def tokens(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def performer(depth):
    torch.manual_seed(0)
    return Performer(12, depth=depth, heads=2, head_dim=4, features=16, mlp_ratio=2.0)


def off(features):
    """How far linear attention is from softmax attention, over its size.

    The mean over random features converges slowly where matches are sharp: these are mild.
    """
    query, key, value = (size * tokens(2, 2, 20, 8, seed=k) for k, size in enumerate((0.5, 0.5, 1)))
    exact = torch.softmax(query @ key.transpose(2, 3) / 8**0.5, dim=-1) @ value
    linear = linear_attention(query, key, value, random_directions(features, 8, seed=0))
    return float((linear - exact).norm() / exact.norm())


def test_nears_softmax_attention_with_more_features():
    assert off(4096) < 0.1
    assert off(4096) < off(17) / 3


def test_large_numbers_do_not_overflow():
    query, key, value = (30 * tokens(1, 1, 20, 8, seed=k) for k in range(3))
    assert linear_attention(query, key, value, random_directions(32, 8, seed=0)).isfinite().all()


def test_directions_are_orthogonal_and_the_same_every_time():
    directions = random_directions(10, 4, seed=3)
    assert directions.shape == (10, 4)
    for group in (directions[:4], directions[4:8], directions[8:]):
        unit = group / group.norm(dim=1, keepdim=True)
        assert torch.allclose(unit @ unit.T, torch.eye(len(group)), atol=1e-6)
    torch.manual_seed(99)
    assert torch.equal(directions, random_directions(10, 4, seed=3))
    assert not torch.equal(directions, random_directions(10, 4, seed=4))


def test_directions_travel_with_the_weights():
    network = performer(2)
    saved = [name for name in network.state_dict() if name.endswith("directions")]
    assert len(saved) == 2
    assert not any(name.endswith("directions") for name, _ in network.named_parameters())
    assert not torch.equal(*(network.state_dict()[name] for name in saved))


@pytest.mark.parametrize("depth", [1, 3])
@torch.no_grad()
def test_permuted_tokens_give_permuted_answers(depth):
    network, x = performer(depth), tokens(2, 9, 12)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(network(x[:, order]), network(x)[:, order], atol=1e-5)
    assert not torch.allclose(network(x[:, order]), network(x), atol=1e-2)


@torch.no_grad()
def test_one_block_has_one_skip_and_is_normalised_after():
    (block,) = performer(1).blocks
    x = tokens(2, 9, 12)
    assert torch.allclose(block(x), block.norm1(x + block.mlp(block.attention(x))))
    assert torch.allclose(block(x).mean(dim=2), torch.zeros(2, 9), atol=1e-5)


@torch.no_grad()
def test_deeper_blocks_have_two_skips_and_are_normalised_before():
    block = performer(2).blocks[1]
    assert isinstance(block, PerformerBlock)
    x = tokens(2, 9, 12)
    torch.nn.init.zeros_(block.attention.out.weight)
    torch.nn.init.zeros_(block.attention.out.bias)
    assert torch.allclose(block(x), x + block.mlp(block.norm2(x)))
    torch.nn.init.zeros_(block.mlp[2].weight)
    torch.nn.init.zeros_(block.mlp[2].bias)
    assert torch.equal(block(x), x)


def test_the_published_number_of_features():
    assert feature_count(128) == 621
