"""SR-Diff's first stage: what it learns from, its loss, and how it says what it came to."""

import numpy as np
import pytest
import torch
from PIL import Image

from restora.errors import UsageError
from restora.networks.sr_diff.network import SRDiff
from restora.semantics.protocols import SemanticFeatures
from restora.training.data import PhotoStore
from restora.training.sr_diff.figures import refinement_figures
from restora.training.sr_diff.recipe import SRDiffRecipe
from restora.training.sr_diff.refiner_task import (
    RefinerTask,
    TokenBatches,
    learned_from,
    refinement_loss,
)
from restora.training.sr_diff.store import PairStore, TokenMaker

PHOTOS, GRID, DIM = 16, 2, 6


class Colours:
    """An image encoder that tells mean and spread of the colours of four places, and of all."""

    name, token_dim, pooled_dim, max_tokens = "colours", DIM, DIM, GRID**2

    def fingerprint(self):
        return "colours 6"

    def encode(self, pictures):
        high, wide = (side // GRID for side in pictures.shape[1:3])
        cut = pictures[:, : GRID * high, : GRID * wide]
        places = cut.reshape(-1, GRID, high, GRID, wide, 3).transpose(0, 1, 3, 2, 4, 5)
        places = places.reshape(-1, GRID**2, high * wide, 3)
        tokens = np.concatenate([places.mean(axis=2), places.std(axis=2)], axis=2)
        return SemanticFeatures(tokens, tokens.mean(axis=1))


def recipe(*, projected=4, form="residual", tokens=5, precision="fp32", **srdiff):
    return SRDiffRecipe.model_validate(
        {
            "name": "tiny-sr-diff", "method": "sr-diff",
            "network": {
                "tasks": ["dehaze", "lowlight"], "token_dim": DIM, "tokens": tokens,
                "unet": {"width": 8, "multipliers": [1, 2], "blocks": 1, "head_dim": 8},
                "refiner": {
                    "form": form, "projected": projected, "hidden": 16, "layers": 1, "heads": 2,
                },
            },
            "data": {"patch_px": 16, "batch": 8},
            "train": {
                "steps": 200, "warmup_steps": 5, "decay_steps": 50, "lr": 3e-3, "weight_decay": 0.0,
                "precision": precision,
            },
            "srdiff": {"stage": "refiner", "holdout": 0.3} | srdiff,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos in pairs of tiles of one larger photo."""
    found = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(PHOTOS):
        coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8))
        name = f"photo{number // 2}_{number % 2}.png"
        coarse.resize((40, 32), Image.Resampling.BICUBIC).save(found / name)
    return found


def make_store(folder, tmp_path_factory, *, count=5, holdout=0.3, variants=2):
    photos = PhotoStore.open(folder, cache=tmp_path_factory.mktemp("cache"))
    maker = TokenMaker("colours", count, DIM, Colours)
    return PairStore(
        photos, tasks=("dehaze", "lowlight"), variants=variants, make_tokens=maker, holdout=holdout
    )


@pytest.fixture(scope="module")
def store(folder, tmp_path_factory):
    return make_store(folder, tmp_path_factory)


def make_task(store, **settings):
    torch.manual_seed(0)
    asked = recipe(**settings)
    return RefinerTask(asked, SRDiff(asked.network), store)


def advance(task, store, steps):
    settings = recipe().train
    batches = TokenBatches(store, batch=8, seed=0)
    parts = []
    for step in range(steps):
        for group in task.optimiser.param_groups:
            group["lr"] = settings.lr_at(step) * group["scale"]
        parts.append(task.step(batches.batch(step), done=step / settings.steps))
    return parts


@pytest.mark.parametrize("projected", [None, 4])
def test_equal_tokens_lose_nothing(store, projected):
    refiner = make_task(store, projected=projected).network.refiner
    clean = torch.from_numpy(np.stack([store.clean_tokens(n) for n in range(4)])).float()
    parts = refinement_loss(refiner, refiner.project(clean), clean)
    assert {name: float(value) for name, value in parts.items()} == pytest.approx(
        {"l1": 0, "cosine": 0}, abs=1e-6
    )
    other = refinement_loss(refiner, refiner.project(clean.flip(0)), clean)
    assert min(map(float, other.values())) > 0.1


def test_the_loss_by_hand(store):
    refiner = make_task(store).network.refiner
    clean = torch.from_numpy(np.stack([store.clean_tokens(0)])).float()
    wanted = refiner.project(clean)
    parts = refinement_loss(refiner, 2 * wanted, clean)  # the same direction, twice as long
    assert float(parts["l1"]) == pytest.approx(float(wanted.abs().mean()), rel=1e-5)
    assert float(parts["cosine"]) == pytest.approx(0, abs=1e-6)
    assert float(refinement_loss(refiner, -wanted, clean)["cosine"]) == pytest.approx(2, abs=1e-6)


def test_whole_photos_are_held_out(store):
    held = {number for number in range(len(store)) if store.held_out(number)}
    learned = set(learned_from(store))
    assert held
    assert learned
    assert held | learned == set(range(PHOTOS))
    assert not held & learned
    for first in range(0, PHOTOS, 2):  # tiles of one photo go together
        assert (first in held) == (first + 1 in held)
    known = {store.clean_tokens(number).tobytes() for number in learned}
    batches = TokenBatches(store, batch=50, seed=0)
    seen = {row.numpy().tobytes() for k in range(4) for row in batches.batch(k).clean.half()}
    assert seen == known  # all of them, and no other


def test_a_batch_is_a_function_of_its_seed_and_step(store):
    one, same = (TokenBatches(store, batch=6, seed=1).batch(9) for _ in range(2))
    assert torch.equal(one.degraded, same.degraded)
    assert torch.equal(one.clean, same.clean)
    for other in (
        TokenBatches(store, batch=6, seed=1).batch(8),
        TokenBatches(store, batch=6, seed=2).batch(9),
    ):
        assert not torch.equal(one.degraded, other.degraded)


def test_tokens_are_of_the_same_photo(store):
    batch = TokenBatches(store, batch=30, seed=0).batch(0)
    assert batch.degraded.shape == batch.clean.shape == (30, 5, DIM)
    clean = {store.clean_tokens(n).tobytes(): n for n in range(PHOTOS)}
    copies = set()
    for degraded, of in zip(batch.degraded.half().numpy(), batch.clean.half().numpy(), strict=True):
        number = clean[of.tobytes()]
        copies |= {
            (task, variant)
            for task in store.tasks
            for variant in range(store.variants)
            if np.array_equal(store.tokens(number, task, variant), degraded)
        }
    assert len(copies) == 4  # every task and variant came, and each row was one of its photo's


def test_someone_has_to_be_learned_from(folder, tmp_path_factory):
    with pytest.raises(UsageError, match=r"srdiff\.holdout leaves no photo"):
        TokenBatches(make_store(folder, tmp_path_factory, holdout=1.0), batch=2, seed=0)


def test_the_projection_is_of_clean_photos_that_are_not_held_out(store):
    refiner = make_task(store).network.refiner
    clean = torch.from_numpy(np.stack([store.clean_tokens(n) for n in learned_from(store)]))
    projected = refiner.project(clean.float()).reshape(-1, 4)
    assert projected.mean(dim=0).abs().max() < 1e-4
    assert projected.std(dim=0, correction=0) == pytest.approx(torch.ones(4), abs=1e-3)


def test_what_was_fitted_before_stays(store):
    first = make_task(store).network
    first.refiner.mean.add_(1)
    kept = {name: value.clone() for name, value in first.state_dict().items()}
    RefinerTask(recipe(), first, store)
    assert all(torch.equal(value, kept[name]) for name, value in first.state_dict().items())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("form", ["dual-path", "residual"])
def test_only_the_refiner_learns(store, form, precision):
    task = make_task(store, form=form, precision=precision)
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    parts = advance(task, store, 3)[-1]
    assert set(parts) == {"l1", "cosine"}
    assert all(value.isfinite() for value in parts.values())
    moved = {k for k, v in task.network.state_dict().items() if not torch.equal(v, before[k])}
    assert moved
    assert all(name.startswith("refiner.body.") for name in moved)


@pytest.mark.parametrize("weights", [(0.7, 0.3), (0.0, 1.0), (1.0, 0.0)])
def test_the_weights_of_the_loss_are_the_recipes(store, weights):
    """The gradient is that of the parts, weighted."""
    l1, cosine = weights
    task = make_task(store, form="dual-path", l1_weight=l1, cosine_weight=cosine)
    twin = make_task(store, form="dual-path")
    batch = TokenBatches(store, batch=8, seed=0).batch(0)
    task.step(batch, done=0)
    parts = refinement_loss(twin.network.refiner, twin.network.refiner(batch.degraded), batch.clean)
    (l1 * parts["l1"] + cosine * parts["cosine"]).backward()
    torch.nn.utils.clip_grad_norm_(twin.network.refiner.parameters(), recipe().train.clip_norm)
    for mine, other in zip(
        task.network.refiner.parameters(), twin.network.refiner.parameters(), strict=True
    ):
        assert torch.allclose(mine.grad, other.grad, atol=1e-7)


@pytest.mark.parametrize("form", ["dual-path", "residual"])
def test_refined_tokens_get_nearer_to_the_clean_ones(store, form):
    task = make_task(store, form=form)
    start = refinement_figures(task.network, store)
    parts = advance(task, store, 200)
    figures = task.monitor(task.network, [])
    first, last = (sum(p["l1"].detach() for p in some) for some in (parts[:20], parts[-20:]))
    assert last < 0.8 * first
    for which in ("pooled", "tokens"):
        before, after = (figures[f"cosine_{which}_{when}"] for when in ("before", "after"))
        assert after > before + 0.02  # of photos it has not seen
        assert before == start[f"cosine_{which}_before"]


def test_figures_by_hand(store):
    network = make_task(store).network.train()  # starts as nothing: before is after
    figures = refinement_figures(network, store)
    assert network.refiner.training  # as it was
    held = [number for number in range(len(store)) if store.held_out(number)]
    near = {}
    for task in store.tasks:
        for number in held:
            for variant in range(2):
                lq, gt = (
                    network.refiner.project(torch.from_numpy(t.astype(np.float32)))
                    for t in (store.tokens(number, task, variant), store.clean_tokens(number))
                )
                cosine = torch.nn.functional.cosine_similarity(lq, gt, dim=1)
                near[task, number, variant] = float(cosine[0]), float(cosine.mean())
    pooled, tokens = np.mean(list(near.values()), axis=0)
    assert figures["cosine_pooled_before"] == pytest.approx(pooled, abs=1e-5)
    assert figures["cosine_tokens_after"] == pytest.approx(tokens, abs=1e-5)
    haze = np.mean([value for key, value in near.items() if key[0] == "dehaze"], axis=0)
    assert figures["cosine_pooled_before_dehaze"] == pytest.approx(haze[0], abs=1e-5)
    strongest = []
    for task in store.tasks:  # a third of each, so that no task is stronger than another
        mine = [key for key in near if key[0] == task]
        mine.sort(key=lambda key: store.strength(key[1], key[0], key[2]))
        strongest += mine[-(len(mine) // 3) :]
    strong = np.mean([near[key] for key in strongest], axis=0)
    assert figures["cosine_tokens_before_strong"] == pytest.approx(strong[1], abs=1e-5)
    parts = ("", "_dehaze", "_lowlight", "_mild", "_medium", "_strong")
    assert set(figures) == {
        f"cosine_{which}_{when}{part}"
        for which in ("pooled", "tokens")
        for when in ("before", "after")
        for part in parts
    }


def test_one_token_is_all_there_is(folder, tmp_path_factory):
    store = make_store(folder, tmp_path_factory, count=1)
    task = make_task(store, tokens=1)
    advance(task, store, 2)
    assert all(
        name.startswith("cosine_pooled_") for name in refinement_figures(task.network, store)
    )


def test_nothing_is_held_out(folder, tmp_path_factory):
    store = make_store(folder, tmp_path_factory, holdout=0.0)
    assert learned_from(store) == list(range(PHOTOS))
    assert refinement_figures(make_task(store).network, store) == {}
