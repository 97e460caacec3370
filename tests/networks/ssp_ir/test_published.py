"""SSP-IR at the scale of the paper: its sizes, and the way of a prior's and CLIP's files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

from restora.engine.guidance import branches, combine
from restora.engine.latent_samplers import start_state, walk_latent
from restora.engine.latent_schedule import LatentSchedule
from restora.errors import WeightsError
from restora.networks.ssp_ir.attention import Guide
from restora.networks.ssp_ir.config import SSPIRConfig
from restora.networks.ssp_ir.network import SSPIR
from restora.semantics.context import one_row
from restora.semantics.lookup import load_image_encoder, load_text_encoder
from restora.training.data import PhotoStore
from restora.training.initial import gather
from restora.training.loop import Trainer
from restora.training.recipe import load_recipe, parse_recipe

RECIPE = Path(__file__).parents[3] / "recipes" / "ssp-ir" / "published.yaml"


@pytest.fixture(scope="module")
def recipe():
    return load_recipe(RECIPE)


@pytest.fixture(scope="module")
def whole(recipe):
    with torch.device("meta"):
        return SSPIR(recipe.network).to("meta")


def millions(*modules):
    return sum(p.numel() for module in modules for p in module.parameters()) / 1e6


def test_the_recipe_says_what_the_authors_code_says(recipe):
    named = {"encoder": "clip:PATH", "text_encoder": "clip:PATH"}
    assert recipe.network == SSPIRConfig(**named)
    assert (recipe.data.patch_px, recipe.data.batch) == (512, 32)
    train, section = recipe.train, recipe.sspir
    assert (train.steps, train.lr, train.weight_decay) == (100_000, 5e-5, 0.01)
    assert train.lr_at(0) == train.lr_at(99_999) == 5e-5
    assert (section.stage, section.caption_drop, section.image_drop) == ("restore", 0.5, 0.0)
    assert (section.rgb_weight, section.fourier_weight) == (0.1, 0.01)
    assert (section.fourier_norm, section.damage) == ("backward", "published")
    assert recipe.freezes_base
    assert recipe.network.multiple_px == 64


def test_its_parts_are_as_large_as_theirs(whole):
    """Millions, counted from the public code's own construction."""
    unet, control = whole.unet, whole.control
    counted = {
        "U-Net": (millions(unet.base), 859.5),
        "image attention": (millions(unet.image_attentions), 261),
        "pixel attention": (millions(unet.pixel_attentions), 248),
        "image attention of the ControlNet": (millions(control.image_attentions), 125),
        "ControlNet": (millions(control.base, whole.processor), 361),
        "refine layer": (millions(whole.refiner), 2.628),
        "VAE": (millions(whole.codec), 83.65),
    }
    for name, (found, wanted) in counted.items():
        assert found == pytest.approx(wanted, rel=0.005), name
    learns = millions(whole) - millions(unet.base, whole.codec)
    assert learns == pytest.approx(998, rel=0.001)


def test_its_additions_are_as_many_as_theirs(whole):
    guides = [
        sum(isinstance(module, Guide) for module in part.modules())
        for part in (
            whole.unet.image_attentions, whole.unet.pixel_attentions,
            whole.control.image_attentions,
        )
    ]  # fmt: skip
    assert guides == [16, 12, 7]
    heads = [
        guide.guide.block.transformer_blocks[0].attn2.heads for guide in whole.unet.pixel_attentions
    ]
    assert heads == [1] * 3 + [8] * 9
    skips = [out.out_channels for out in whole.control.base.controlnet_down_blocks]
    assert skips == [320] * 4 + [640] * 3 + [1280] * 5
    read = [
        guide.guide.block.transformer_blocks[0].attn2.to_k.in_features
        for guide in whole.unet.pixel_attentions
    ]
    assert read == skips[::-1]


WIDTHS = (8, 8, 8, 8)
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
TOWER = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
}  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    """A prior of Stable Diffusion 1.5's classes and layout, as small as can be."""
    folder = tmp_path_factory.mktemp("sd15")
    torch.manual_seed(1)
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=WIDTHS, latent_channels=4, norm_num_groups=4,
    ).save_pretrained(folder / "vae")  # fmt: skip
    UNet2DConditionModel(
        in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32, attention_head_dim=2, norm_num_groups=4,
    ).save_pretrained(folder / "unet")  # fmt: skip
    DDPMScheduler(**SCHEDULE).save_pretrained(folder / "scheduler")
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A CLIP with a window of 12 tokens and 16 places, as hubs keep it."""
    folder = tmp_path_factory.mktemp("clip")
    pieces = ["!", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    number = {piece: place for place, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(number))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    told = {"bos": "<|startoftext|>", "eos": "<|endoftext|>", "pad": "<|endoftext|>"}
    settings = {f"{name}_token": piece for name, piece in told.items()}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "unk_token": "<|endoftext|>", **settings})
    )
    ids = {f"{name}_token_id": number[piece] for name, piece in told.items()}
    text = TOWER | {"max_position_embeddings": 12, "vocab_size": 64} | ids
    config = transformers.CLIPConfig(
        text_config=text, vision_config=TOWER | {"image_size": 32, "patch_size": 8}
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def small(recipe, prior, clip):
    """The published recipe with less of everything."""
    raw = recipe.model_dump()
    raw["network"] |= {
        "prior": {
            "codec": {"widths": WIDTHS, "layers": 1},
            "unet": {
                "widths": (8, 16), "reads": (True, False), "layers": 1, "heads": (2, 2),
                "linear": False,
            },
            "token_dim": 32, "norm_groups": 4,
        },
        "encoder": f"clip:{clip}", "tokens": 16, "token_dim": 32,
        "text_encoder": f"clip:{clip}", "text_tokens": 42,
        "processor": {"widths": (4, 8, 8, 8)}, "refiner": {"layers": 2, "hidden": 16, "dim": 8},
    }  # fmt: skip
    raw["data"] |= {"patch_px": 32, "batch": 2}
    raw["train"] |= {"steps": 4, "lr": 0.01}
    raw["sspir"] |= {"prior_weights": str(prior), "captioner": "static:a pier by the sea"}
    return parse_recipe(raw, name="small")


@pytest.fixture(scope="module")
def trained(small):
    """Before the first step, after it, and what it said."""
    noise = np.random.default_rng(0).integers(0, 256, 2 * 56 * 56 * 3, np.uint8)
    photos = PhotoStore(noise, [(0, 56, 56), (56 * 56 * 3, 56, 56)])
    trainer = Trainer(small, photos, initial=gather([], small).weights)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    parts = trainer.advance()
    return before, trainer, parts


def test_a_prior_in_its_folder_is_where_it_starts(prior, trained):
    before = trained[0]
    unet = UNet2DConditionModel.from_pretrained(prior / "unet").state_dict()
    vae = AutoencoderKL.from_pretrained(prior / "vae").state_dict()
    assert all(torch.equal(before[f"unet.base.{n}"], value) for n, value in unet.items())
    assert all(torch.equal(before[f"codec.vae.{n}"], value) for n, value in vae.items())
    copied = ("conv_in.", "time_embedding.", "down_blocks.", "mid_block.")
    own = [name for name in unet if name.startswith(copied)]
    assert own
    assert all(torch.equal(before[f"control.base.{n}"], unet[n]) for n in own)


def test_a_step_of_training_at_the_published_settings(trained):
    before, trainer, parts = trained
    assert parts.keys() >= {"loss", "diffusion", "rgb", "fourier"}
    assert all(torch.isfinite(value) for value in parts.values())
    after = trainer.network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any(name.startswith(("codec.", "unet.base.")) for name in moved)
    for part in ("processor.", "control.", "unet.image_attentions.", "unet.pixel_attentions."):
        assert any(name.startswith(part) for name in moved), part
    roles = {"captioner", "text encoder", "image encoder"}
    assert trainer.snapshot().encoders.keys() == roles


@torch.no_grad()
def test_a_walk_at_the_published_settings(small, trained):
    """DDPM from the noised latent of the degraded picture, guided away from the empty caption."""
    network, config = trained[1].network.eval(), small.network
    picture = torch.rand(1, 3, 48, 32, generator=torch.Generator().manual_seed(0))
    encoder = load_image_encoder(config.encoder)
    seen = one_row(encoder.encode(picture.permute(0, 2, 3, 1).numpy()), config.tokens)
    image = network.refiner(torch.from_numpy(seen))
    words = load_text_encoder(config.text_encoder, max_tokens=config.text_tokens)

    def say(text):
        return torch.from_numpy(words.encode([text]).tokens)

    made = network.process(picture)
    start = network.start_of(picture, made.picture)
    assert start is picture
    anchor = network.codec.encode(start)

    def walk(guidance, caption):
        parts = branches(guidance, config.image_guidance)
        noise = torch.Generator().manual_seed(1)
        looks = []

        def draw(_number):
            return torch.randn(anchor.shape, generator=noise)

        def predict(state, t):
            time = torch.full((1,), float(t))
            told = [say(caption if part.text else "") for part in parts]
            looks.extend(told)
            clean = [network(state, anchor, time, made.features, text, image) for text in told]
            return combine(parts, clean)

        schedule = LatentSchedule(**config.prior.schedule.model_dump())
        state = start_state(schedule, anchor, draw(0), config.start_step)
        latent = walk_latent(
            schedule, state, predict, draw, sampler=config.sampler, steps=2,
            start_step=config.start_step,
        )  # fmt: skip
        return network.codec.decode(latent), len(looks)

    found, looks = walk(config.text_guidance, "a pier")
    assert found.shape == picture.shape
    assert found.isfinite().all()
    assert looks == 4
    again, _ = walk(config.text_guidance, "a pier")
    assert torch.equal(found, again)
    plain, looks = walk(1.0, "a pier")
    assert looks == 2
    assert not torch.allclose(plain, found, atol=1e-4)
    assert torch.allclose(walk(config.text_guidance, "")[0], walk(1.0, "")[0], atol=1e-3)


def test_a_frozen_base_cannot_learn_to_give_another_thing(small):
    raw = small.model_dump()
    raw["network"]["predicts"] = "velocity"
    with pytest.raises(WeightsError, match=r"gives the noise.*velocity.*sspir\.base=joint"):
        gather([], parse_recipe(raw, name="small"))
    raw["sspir"]["base"] = "joint"
    start = gather([], parse_recipe(raw, name="small"))
    assert not start.weights["unet.base.conv_out.weight"].any()
    assert "starts at nothing, for it is not noise" in start.notes[0]
