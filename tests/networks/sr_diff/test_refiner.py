"""The Semantic Refinement Module: its size, its two forms, and what it projects to."""

import pytest
import torch

from restora.networks.sr_diff.config import RefinerConfig
from restora.networks.sr_diff.refiner import Refiner

FORMS = ("dual-path", "residual")
SMALL = {"hidden": 16, "layers": 2, "heads": 4}


def refiner(form="dual-path", token_dim=12, **settings):
    torch.manual_seed(0)
    return Refiner(RefinerConfig(form=form, **SMALL | settings), token_dim)


def tokens(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def clean_tokens(count=4000):
    """Tokens of 6 numbers that differ along two hidden directions, and hardly along others."""
    directions = torch.linalg.qr(tokens(6, 6, seed=1))[0]
    spread = torch.tensor([5.0, 2.0, 0.3, 0.2, 0.1, 0.05])
    return directions, spread, 3 + (tokens(count, 6, seed=2) * spread) @ directions.T


@pytest.fixture
def gaining():
    """A residual one that has learned something."""
    found = refiner("residual")
    torch.nn.init.normal_(found.body.gain[-1].weight)
    return found


def test_published_size():
    with torch.device("meta"):
        published = Refiner(RefinerConfig(), 768)
    count = sum(p.numel() for p in published.parameters())
    assert count == pytest.approx(36.7e6, rel=0.01)
    assert len(published.body.lower) == 2 + 4


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("projected", [None, 5])
@pytest.mark.parametrize("layers", [0, 2])
def test_tokens_in_context_out(form, projected, layers):
    network = refiner(form, projected=projected, layers=layers)
    found = network(tokens(3, 7, 12))
    assert found.shape == (3, 7, projected or 12)
    assert found.isfinite().all()
    assert torch.allclose(found, network.refine(network.project(tokens(3, 7, 12))))


def test_the_residual_form_starts_as_nothing():
    network, given = refiner("residual").train(), tokens(3, 7, 12)
    assert torch.equal(network(given), given)
    network.refine(given).square().sum().backward()
    assert network.body.gain[-1].weight.grad.abs().max() > 0  # and learns


@torch.no_grad()
def test_it_drops_numbers_where_it_is_trained_alone():
    """What guides a U-Net's training has to be what guides it when it restores."""
    torch.manual_seed(0)
    network, given = Refiner(RefinerConfig(form="residual", **SMALL), 12), tokens(3, 7, 12)
    torch.nn.init.normal_(network.body.gain[-1].weight)
    assert torch.equal(network(given), network(given))
    network.train()
    assert not torch.allclose(network(given), network(given), atol=1e-3)


@torch.no_grad()
def test_the_dual_path_by_hand():
    network, x = refiner(layers=1), tokens(1, 3, 12)
    enter, encoder, leave = network.body.lower
    y = encoder.enter(enter(x))
    query, key, value = encoder.attention.qkv(y).reshape(1, 3, 3, 4, 4).permute(2, 0, 3, 1, 4)
    mixed = torch.softmax(query @ key.transpose(2, 3) / 2, dim=3) @ value
    z = encoder.attention.out(mixed.transpose(1, 2).reshape(1, 3, 16))
    lower = leave(encoder.join(torch.cat([enter(x), z], dim=2)))
    assert torch.allclose(network(x), network.body.upper(x) + lower, atol=1e-6)


@torch.no_grad()
def test_attention_of_one_token_is_a_projection():
    attention, x = refiner().body.lower[1].attention, tokens(5, 1, 16)
    value = attention.qkv(x)[..., 32:]
    assert torch.allclose(attention(x), attention.out(value), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
def test_alone_a_token_is_treated_like_any_other_alone(form, gaining):
    """With one token a picture the module is an MLP: numbers of a token in, of a token out."""
    network = gaining if form == "residual" else refiner(form)
    given = tokens(6, 1, 12)
    one_by_one = torch.cat([network(each) for each in given.split(1)])
    assert torch.allclose(network(given), one_by_one, atol=1e-6)
    # The same numbers several times are no more than once.
    assert torch.allclose(
        network(given.expand(6, 4, 12)), network(given).expand(6, 4, 12), atol=1e-6
    )


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
def test_tokens_see_each_other_and_their_order_says_nothing(form, gaining):
    network, given = gaining if form == "residual" else refiner(form), tokens(2, 7, 12)
    found, order = network(given), torch.randperm(7)
    assert torch.allclose(network(given[:, order]), found[:, order], atol=1e-5)
    changed = torch.cat([given[:, :6], given[:, 6:] + 1], dim=1)
    assert not torch.allclose(network(changed)[:, :6], found[:, :6], atol=1e-4)
    assert torch.allclose(network(given[:1]), found[:1], atol=1e-5)  # nor does the batch


@torch.no_grad()
def test_the_projection_finds_the_directions_and_their_units():
    directions, spread, clean = clean_tokens()
    network = refiner(token_dim=6, projected=2)
    assert not network.fitted
    network.fit(clean.split(700))
    assert network.fitted
    overlap = (network.basis.T @ directions[:, :2]).abs()
    assert torch.allclose(overlap, torch.eye(2), atol=0.05)
    assert torch.allclose(network.scale, spread[:2], rtol=0.05)
    projected = network.project(clean)
    assert torch.allclose(projected.mean(dim=0), torch.zeros(2), atol=1e-4)
    assert torch.allclose(projected.T.cov(correction=0), torch.eye(2), atol=1e-3)
    assert network.project(clean.mean(dim=0)).abs().max() < 1e-4
    assert torch.equal(network.standardised(projected), projected)


@torch.no_grad()
def test_chunks_do_not_matter():
    _, _, clean = clean_tokens(200)
    whole, parts = refiner(token_dim=6, projected=3), refiner(token_dim=6, projected=3)
    whole.fit([clean])
    parts.fit(clean.reshape(10, 20, 6).half().float().split(3))
    assert torch.allclose(whole.basis, parts.basis, atol=1e-2)
    parts.fit(clean.reshape(10, 20, 6).split(3))
    assert torch.allclose(whole.basis, parts.basis, atol=1e-6)
    assert torch.allclose(whole.scale, parts.scale)


@torch.no_grad()
def test_directions_in_which_nothing_differs_do_not_explode():
    network = refiner(token_dim=6, projected=6)
    network.fit([tokens(3, 6)])  # three pictures differ in two directions
    assert network.project(tokens(1, 4, 6, seed=5)).isfinite().all()
    assert network.scale.min() >= 1e-3 * network.scale.max() * (1 - 1e-5)


@torch.no_grad()
def test_without_a_projection_tokens_stay_and_the_loss_has_units():
    _, _, clean = clean_tokens()
    network = refiner(token_dim=6)
    network.fit([clean])
    assert network.basis is None
    assert network.project(clean) is clean
    standardised = network.standardised(clean)
    assert torch.allclose(standardised.mean(dim=0), torch.zeros(6), atol=1e-4)
    assert torch.allclose(standardised.std(dim=0, correction=0), torch.ones(6), atol=1e-3)


def test_there_is_nothing_to_fit_to():
    with pytest.raises(ValueError, match="no tokens"):
        refiner().fit([])


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("projected", [None, 5])
def test_all_of_it_travels_with_the_weights(form, projected):
    first, given = refiner(form, projected=projected), tokens(40, 3, 12)
    first.fit([given])
    for weight in first.parameters():
        weight.add_(0.1 * torch.randn_like(weight))
    torch.manual_seed(9)
    second = Refiner(first.config, 12)
    assert not second.fitted
    second.load_state_dict(first.state_dict())
    assert second.fitted
    assert torch.equal(second(given), first(given))
    assert torch.equal(second.standardised(second(given)), first.standardised(first(given)))


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"heads": 3}, "hidden is a multiple of heads"), ({"projected": 13}, "not projected to 13")],
)
def test_sizes_that_do_not_fit(settings, says):
    with pytest.raises(ValueError, match=says):
        refiner(**settings)
