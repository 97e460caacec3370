"""SR-Diff at published scale: its sizes, and the whole of it run once with less of everything."""

from pathlib import Path

import numpy as np
import pytest
import torch

from restora.engine.samplers import sample
from restora.errors import UsageError
from restora.networks.sr_diff.network import SRDiff, one_hot
from restora.networks.sr_diff.tasks import TASKS
from restora.semantics.lookup import load_image_encoder
from restora.training.checkpoint import save_checkpoint
from restora.training.data import PhotoStore
from restora.training.initial import gather
from restora.training.loop import Trainer
from restora.training.recipe import load_recipe

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

RECIPES = Path(__file__).parents[3] / "recipes" / "sr-diff"
TOKEN_DIM = 16
SMALLER = (
    f"network.token_dim={TOKEN_DIM}",
    "network.unet.width=8",
    "network.refiner.hidden=16",
    "network.refiner.heads=2",
    "data.patch_px=32",
    "data.batch=2",
    "train.steps=4",
    "train.warmup_steps=0",
    "train.decay_steps=0",
    "train.ema=0",
    "srdiff.holdout=0",
)


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    """A folder with a BLIP of random weights."""
    folder = tmp_path_factory.mktemp("blip")
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[DEC]": 4}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", sep_token="[SEP]",
        cls_token="[CLS]",
    ).save_pretrained(folder)  # fmt: skip
    common = {
        "hidden_size": TOKEN_DIM, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }  # fmt: skip
    text = {
        "vocab_size": len(vocabulary), "max_position_embeddings": 8,
        "encoder_hidden_size": TOKEN_DIM, "bos_token_id": 4, "sep_token_id": 3, "pad_token_id": 0,
    }  # fmt: skip
    vision = {"image_size": 16, "patch_size": 8}
    torch.manual_seed(0)
    network = transformers.BlipForConditionalGeneration(
        transformers.BlipConfig(text_config=common | text, vision_config=common | vision)
    )
    with torch.no_grad():  # large enough that what it says depends on the picture
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.3)
    network.save_pretrained(folder)
    return f"blip-vector:{folder}"


@pytest.fixture
def photos():
    pixels = np.random.default_rng(0).integers(0, 256, 4 * 40 * 48 * 3, np.uint8)
    return PhotoStore(pixels, [(number * 40 * 48 * 3, 40, 48) for number in range(4)])


def published(name, blip=None, *more):
    """A recipe; with the folder of a BLIP its small twin."""
    small = () if blip is None else (f"network.encoder={blip}", *SMALLER, *more)
    return load_recipe(RECIPES / f"published-{name}.yaml", overrides=small)


def count(module):
    return sum(p.numel() for p in module.parameters())


def changed(trainer):
    """The parts that a step moves, and what it lost."""
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    parts = trainer.advance()
    after = trainer.network.state_dict()
    return {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])}, parts


@pytest.fixture(params=["dual-path", "residual"])
def form(request):
    """An override: of a recipe's refiner."""
    return f"network.refiner.form={request.param}"


@pytest.fixture
def refined(blip, photos, tmp_path, form):
    """The checkpoint of a refiner that took a step."""
    trainer = Trainer(published("refiner", blip, form), photos)
    moved, parts = changed(trainer)
    assert moved == {"refiner"}
    assert all(value.isfinite() for value in parts.values())
    save_checkpoint(trainer.snapshot(), tmp_path / "refiner.pt")
    return tmp_path / "refiner.pt"


def test_every_task_has_a_model_of_its_own():
    first = published("dehaze")
    for task in TASKS:
        recipe = published(task)
        assert recipe.network.tasks == (task,)
        same = recipe.network.model_copy(update={"tasks": first.network.tasks})
        assert same == first.network
        assert recipe.srdiff == first.srdiff
        assert recipe.train == first.train
    assert published("refiner").network == first.network


def test_the_numbers_of_the_public_code():
    recipe, refiner = published("dehaze"), published("refiner")
    config = recipe.network
    assert (config.tokens, config.token_dim, config.context_dim) == (1, 768, 768)
    assert (config.context, config.predicts, config.judge) == ("refined", "noise", None)
    sde = config.sde.make()
    assert (sde.steps, sde.max_sigma, sde.eps, sde.schedule) == (100, 50, 0.005, "cosine")
    assert (recipe.data.patch_px, recipe.srdiff.loss) == (256, "maxlik")
    assert (recipe.train.lr, recipe.train.weight_decay) == (2e-4, 0)
    section, settings = refiner.srdiff, refiner.train
    assert (section.stage, section.l1_weight, section.cosine_weight) == ("refiner", 0.7, 0.3)
    assert (settings.lr, settings.weight_decay, settings.warmup_steps) == (3e-4, 1e-4, 500)


def test_its_parts_are_of_the_published_size():
    with torch.device("meta"):
        network = SRDiff(published("dehaze").network)
    assert count(network.unet) == pytest.approx(49.4e6, rel=0.005)
    assert count(network.refiner) == pytest.approx(36.7e6, rel=0.01)
    assert count(network) == count(network.unet) + count(network.refiner)


def test_it_learns_and_restores(blip, photos, form, refined):
    """Vectors of a BLIP, refined; a step of the U-Net; and a walk of two steps."""
    recipe = published("dehaze", blip, form)
    start = gather([refined], recipe)
    trainer = Trainer(recipe, photos, initial=start.weights, encoders=start.encoders)
    for name, value in trainer.network.refiner.state_dict().items():
        assert torch.equal(value, start.weights[f"refiner.{name}"])
    moved, parts = changed(trainer)
    assert moved == {"unet"}
    assert all(value.isfinite() for value in parts.values())

    network, config = trainer.network.eval(), recipe.network
    degraded = torch.rand(1, 3, 21, 37)  # no multiples of anything
    whole = degraded[0].permute(1, 2, 0).numpy()[None]
    tokens = torch.from_numpy(load_image_encoder(blip).encode(whole).pooled[:, None])
    seen = []

    @torch.no_grad()
    def predict(state, t):
        seen.append(t)
        context = network.context(tokens)
        assert context.shape == (1, 1, TOKEN_DIM)
        return network(state, degraded, torch.tensor([t]), one_hot(0, 1, 1), context)

    noise = torch.randn(2, *degraded.shape, generator=torch.Generator().manual_seed(0))
    restored = sample(config.sde.make(), degraded, predict, noise.__getitem__, steps=2)
    assert seen == [100, 50]
    assert restored.shape == degraded.shape
    assert restored.isfinite().all()


def test_a_step_learns_from_refined_vectors(blip, photos, form, refined):
    """As it will restore; the public code trains on raw ones and validates with refined."""
    recipe = published("dehaze", blip, form, "srdiff.context_drop=0")
    trainer = Trainer(recipe, photos, initial=gather([refined], recipe).weights)
    given = []
    trainer.network.unet.register_forward_pre_hook(lambda _, inputs: given.append(inputs[4]))
    batch = trainer.batches.batch(0)
    trainer.advance()
    with torch.no_grad():
        wanted = trainer.network.eval().context(batch.tokens)
    assert torch.equal(given[0].float(), wanted)
    assert not torch.equal(wanted, batch.tokens)


def test_a_refiner_that_never_learned_is_refused(blip, photos):
    with pytest.raises(UsageError, match="its refiner was never trained"):
        Trainer(published("dehaze", blip), photos).advance()


@pytest.mark.parametrize("context", ["raw", "oracle-gt", "none"])
def test_the_ablations_learn_without_a_refiner(blip, photos, context):
    recipe = published("dehaze", blip, f"network.context={context}")
    moved, parts = changed(Trainer(recipe, photos))
    assert moved == {"unet"}
    assert all(value.isfinite() for value in parts.values())


def test_what_it_gives_is_the_noise(blip):
    network = SRDiff(published("dehaze", blip).network)
    clean, degraded, noise = torch.randn(3, 2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    time, task = torch.tensor([1, 40]), one_hot(0, 1, 2)
    mean, spread = network.config.sde.make().marginal(clean, degraded, time)
    state = mean + spread * noise
    told = torch.zeros(2, 3, 16, 8)
    told[..., :9, :] = noise
    network.unet.forward = lambda *_: told
    assert torch.allclose(network(state, degraded, time, task, None), clean, atol=1e-5)
