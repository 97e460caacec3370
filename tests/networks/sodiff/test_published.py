"""SODiff at the scale of the paper: its sizes and costs, and the way of a prior's files."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

from restora.errors import WeightsError
from restora.evaluation.published_sodiff import LORA, PARTS, SIDE_PX
from restora.networks.cost import count_sodiff_macs, on_meta
from restora.networks.sodiff import time_predictor
from restora.networks.sodiff.config import LoRAConfig
from restora.networks.sodiff.network import LORA_TARGETS, SODiff
from restora.networks.sodiff.saipe import PUBLISHED
from restora.training.data import PhotoStore
from restora.training.initial import gather
from restora.training.loop import Trainer
from restora.training.recipe import load_recipe, parse_recipe

RECIPES = Path(__file__).parents[3] / "recipes" / "sodiff"


@pytest.fixture(scope="module")
def recipe():
    return load_recipe(RECIPES / "published-one-step.yaml")


@pytest.fixture(scope="module")
def plain(recipe):
    return on_meta(recipe.network)


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def test_the_recipes_are_of_one_network(recipe):
    first = load_recipe(RECIPES / "published-prompt.yaml")
    assert (first.sodiff.stage, recipe.sodiff.stage) == ("prompt", "one-step")
    assert recipe.network.lora == LoRAConfig(rank=16, alpha=16)
    assert first.network == recipe.network.model_copy(update={"lora": None})
    assert recipe.network.saipe == PUBLISHED
    assert recipe.network.predictor == time_predictor.PUBLISHED
    assert (first.train.steps, recipe.train.steps) == (100_000, 100_000)
    assert {r.data.patch_px for r in (first, recipe)} == {512}


def test_its_parts_are_as_large_as_the_table_says(plain):
    vae = plain.codec.vae
    encoder = count(vae.encoder, vae.quant_conv)
    counted = {
        "VAE encoder": encoder,
        "U-Net": count(plain.step.unet),
        "VAE decoder": count(plain.codec) - encoder,
        "SAIPE": count(plain.prompter),
        "time predictor": count(plain.predictor),
    }
    assert counted == {part.name: part.parameters for part in PARTS if part.name != LORA}
    assert count(plain) == sum(counted.values()) == 969_802_526


def test_lora_is_as_large_as_the_table_says(plain):
    """Counted by hand: rank times what goes into and comes out of each layer it stands beside."""
    rank, total = 16, 0
    for name, module in plain.step.unet.named_modules():
        if not name.endswith(LORA_TARGETS):
            continue
        if isinstance(module, torch.nn.Linear):
            total += rank * (module.in_features + module.out_features)
        elif isinstance(module, torch.nn.Conv2d):
            places = module.kernel_size[0] * module.kernel_size[1]
            total += rank * (module.in_channels * places + module.out_channels)
    assert total == next(part.parameters for part in PARTS if part.name == LORA)


def test_it_costs_what_the_table_says(plain):
    macs = count_sodiff_macs(plain, SIDE_PX)
    names = {
        "VAE encoder": "encoder", "U-Net": "unet", "VAE decoder": "decoder", "SAIPE": "prompt",
        "time predictor": "predictor",
    }  # fmt: skip
    assert {p.name: p.macs for p in PARTS if p.macs} == {k: macs[v] for k, v in names.items()}


SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
WIDTHS = (8, 8, 8, 8)


def save_prior(folder, *, prediction="epsilon", widths=(8, 16), vae=None, unet=None, noise=None):
    """A prior of Stable Diffusion's classes and layout, as small as can be."""
    torch.manual_seed(1)
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        **{"block_out_channels": WIDTHS, "latent_channels": 4, "norm_num_groups": 4} | (vae or {}),
    ).save_pretrained(folder / "vae")  # fmt: skip
    UNet2DConditionModel(
        in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=widths,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=24, use_linear_projection=True,
        **{"attention_head_dim": (2, 4), "norm_num_groups": 4} | (unet or {}),
    ).save_pretrained(folder / "unet")  # fmt: skip
    DDPMScheduler(prediction_type=prediction, **SCHEDULE | (noise or {})).save_pretrained(
        folder / "scheduler"
    )
    return folder


def small_recipe(folder):
    """The published one-step stage, with less of everything."""
    raw = {
        "name": "small", "method": "sodiff",
        "network": {
            "prior": {
                "codec": {"widths": WIDTHS, "layers": 1},
                "unet": {"widths": (8, 16), "reads": (True, False), "layers": 1, "heads": (2, 4)},
                "token_dim": 24, "norm_groups": 4,
            },
            "saipe": {
                "side_px": 16, "channels": 8, "stem": None, "stages": 1, "layers": 1, "heads": 2,
                "window": 4, "queries": 3, "query_heads": 2, "token_dim": 24, "token_bias": False,
                "recon_heads": 2,
            },
            "predictor": {"widths": (8, 8)}, "lora": {"rank": 2, "alpha": 2},
        },
        "data": {"patch_px": 32, "batch": 2, "double_share": 0, "clean_share": 0},
        "train": {"steps": 4, "warmup_steps": 0, "decay_steps": 0, "ema": 0.0, "lr": 0.01},
        "sodiff": {
            "stage": "one-step", "prior_weights": str(folder), "captioner": "static:a picture",
            "views": 1, "view_qualities": (10,), "critic_lora": 2, "warmup": 0.0,
        },
    }  # fmt: skip
    return parse_recipe(raw, name="small")


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    return save_prior(tmp_path_factory.mktemp("prior"))


@pytest.fixture
def photos():
    generator = np.random.default_rng(0)
    data = generator.integers(0, 256, 2 * 56 * 56 * 3, np.uint8)
    return PhotoStore(data, [(0, 56, 56), (56 * 56 * 3, 56, 56)])


def test_a_prior_in_its_folder_learns_and_restores(prior, photos):
    """Groups, self-attention, linear projections, /8, LoRA: all that the published scale has."""
    recipe = small_recipe(prior)
    trainer = Trainer(recipe, photos, initial=gather([], recipe).weights)
    unet = UNet2DConditionModel.from_pretrained(prior / "unet").state_dict()
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    name = "mid_block.resnets.0.conv1"
    assert torch.equal(before[f"step.unet.{name}.base_layer.weight"], unet[f"{name}.weight"])
    vae = AutoencoderKL.from_pretrained(prior / "vae").state_dict()
    assert all(torch.equal(before[f"codec.vae.{n}"], value) for n, value in vae.items())
    parts = trainer.advance()
    assert all(torch.isfinite(value) for value in parts.values())
    assert {"pixel", "distance", "fooled", "critic", "quality"} <= parts.keys()
    after = trainer.network.state_dict()
    moved = {n for n in before if not torch.equal(before[n], after[n])}
    assert any("lora_B" in n for n in moved)
    assert all(n.startswith("predictor.") or "lora_" in n for n in moved)
    picture = torch.rand(1, 3, 48, 32)
    with torch.no_grad():
        restored, strength = trainer.network.eval()(picture)
    assert restored.shape == picture.shape
    assert torch.isfinite(restored).all()
    assert 0 < float(strength) < 1


def test_before_it_learns_lora_changes_nothing(prior):
    recipe = small_recipe(prior)
    network = SODiff(recipe.network).eval()
    network.load_state_dict(gather([], recipe).weights)
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(network(picture)[0], network.merged()(picture)[0], atol=1e-4)


def test_a_prior_that_predicts_no_noise_is_refused(tmp_path):
    folder = save_prior(tmp_path, prediction="v_prediction")
    with pytest.raises(WeightsError, match="this prior predicts v_prediction, not the noise"):
        gather([], small_recipe(folder))


def test_another_unet_is_refused(tmp_path):
    folder = save_prior(tmp_path, widths=(8, 24))
    with pytest.raises(WeightsError, match="its unet is another network than the recipe's"):
        gather([], small_recipe(folder))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vae": {"scaling_factor": 0.13025}}, "vae has scaling_factor 0.13025, not 0.18215 as in"),
        ({"vae": {"act_fn": "relu"}}, "its vae has act_fn relu, not silu"),
        ({"vae": {"norm_num_groups": 2}}, "its vae has norm_num_groups 2, not 4"),
        ({"unet": {"attention_head_dim": (4, 2)}}, "attention_head_dim [4, 2], not (2, 4)"),
        ({"unet": {"attention_head_dim": 2}}, "its unet has attention_head_dim 2, not (2, 4)"),
        ({"unet": {"center_input_sample": True}}, "its unet has center_input_sample True, not Fal"),
        ({"unet": {"act_fn": "mish"}}, "its unet has act_fn mish, not silu"),
        ({"noise": {"beta_end": 0.02}}, "its scheduler has beta_end 0.02, not 0.012"),
        ({"noise": {"beta_schedule": "linear"}}, "its scheduler has beta_schedule linear, not sca"),
        ({"noise": {"num_train_timesteps": 500}}, "num_train_timesteps 500, not 1000"),
    ],
)  # fmt: skip
def test_a_prior_of_other_numbers_is_refused(tmp_path, changes, message):
    """No shape of a weight tells them, and they would come out as another picture."""
    folder = save_prior(tmp_path, **changes)
    with pytest.raises(WeightsError, match=re.escape(message)):
        gather([], small_recipe(folder))


def test_every_number_that_differs_is_told(tmp_path):
    folder = save_prior(tmp_path, noise={"beta_start": 0.001, "beta_end": 0.02})
    with pytest.raises(WeightsError) as error:
        gather([], small_recipe(folder))
    assert len(str(error.value).splitlines()) == 2


def test_one_number_of_heads_may_stand_for_all(tmp_path):
    folder = save_prior(tmp_path, unet={"attention_head_dim": 2})
    raw = small_recipe(folder).model_dump()
    raw["network"]["prior"]["unet"]["heads"] = (2, 2)
    assert gather([], parse_recipe(raw, name="small")).weights is not None


def test_local_norms_are_not_in_such_a_folder(prior):
    raw = small_recipe(prior).model_dump()
    raw["network"]["prior"]["norm"] = "local"
    with pytest.raises(WeightsError, match=r"has group norms: network\.prior\.norm is group"):
        gather([], parse_recipe(raw, name="small"))


def test_a_residual_step_starts_at_nothing(prior):
    raw = small_recipe(prior).model_dump()
    raw["network"] |= {"residual": True, "lora": None}
    name = "step.unet.conv_out.weight"
    start = gather([], parse_recipe(raw, name="small"))
    assert not start.weights[name].any()
    assert start.notes == (
        f"{prior}: the last layer of this U-Net starts at nothing, for with network.residual it is "
        "not noise that it is to give.",
    )
    raw["sodiff"]["stage"] = "prior"
    start = gather([], parse_recipe(raw, name="small"))
    assert start.weights[name].any()
    assert start.notes == ()


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="no vae of a prior can be read there"):
        gather([], small_recipe(tmp_path))
