"""The single step: its formula, and what passes gradients."""

import pytest
import torch
from torch.nn import functional

from restora.networks.prior import make_unet, signal_and_noise
from restora.networks.sodiff.network import SODiff, with_lora
from restora.networks.sodiff.one_step import OneStep
from restora.networks.sodiff.time_predictor import CANDIDATES, choose


@pytest.fixture
def step(sodiff_config):
    torch.manual_seed(0)
    prior = sodiff_config.prior
    return OneStep(make_unet(prior), signal_and_noise(prior.schedule), CANDIDATES)


def test_the_right_noise_gives_the_clean_latent_at_every_timestep(step):
    clean, latent = torch.randn(6, 8, 4, 4), torch.randn(6, 8, 4, 4)
    choice = torch.eye(6)  # a batch of all six
    noise = step.noise_between(latent, clean, choice)
    assert torch.allclose(step.clean(latent, noise, choice), clean, atol=1e-5)
    kept = step.signal[2]
    by_hand = (latent[2] - kept * clean[2]) / (1 - kept**2).sqrt()
    assert torch.allclose(noise[2], by_hand, atol=1e-5)


def test_the_schedule_keeps_its_precision_under_autocast(step):
    clean, latent = torch.randn(6, 8, 4, 4), torch.randn(6, 8, 4, 4)
    noise = step.noise_between(latent, clean, torch.eye(6))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(step.noise_between(latent, clean, torch.eye(6)), noise)
        found = step.clean(latent, noise, torch.eye(6))
    assert found.dtype == torch.float32
    assert torch.allclose(found, clean, atol=1e-5)


def test_a_residual_step_that_gives_nothing_changes_nothing(sodiff_config):
    prior = sodiff_config.prior
    schedule = signal_and_noise(prior.schedule)
    step = OneStep(make_unet(prior), schedule, CANDIDATES, residual=True)
    for weight in step.unet.conv_out.parameters():
        torch.nn.init.zeros_(weight)
    latent = torch.randn(6, 8, 8, 8)
    with torch.no_grad():
        prompt = torch.randn(6, 4, 24)
        assert torch.allclose(step(latent, prompt, torch.eye(6)), latent, atol=1e-5)
        # What it gives is added, in units of each channel, whatever the timestep.
        step.unit.copy_(torch.arange(8.0))
        step.unet.conv_out.bias.fill_(0.1)
        changed = step(latent, prompt, torch.eye(6)) - latent
        wanted = 0.1 * torch.arange(8.0)[:, None, None].expand_as(changed)
        assert torch.allclose(changed, wanted, atol=1e-4)


def test_a_timestep_means_what_it_means_to_the_prior(step):
    latent, prompt = torch.randn(2, 8, 8, 8), torch.randn(2, 4, 24)
    choice = functional.one_hot(torch.tensor([0, 4]), 6).float()
    with torch.no_grad():
        found = step.predict(latent, prompt, choice)
        wanted = step.unet(latent, torch.tensor([CANDIDATES[0], CANDIDATES[4]]), prompt).sample
    assert torch.allclose(found, wanted, atol=1e-5)
    assert not torch.allclose(found[:1], step.predict(latent, prompt, choice.flip(0))[:1])


def test_the_choice_learns_from_the_picture(step):
    logits = torch.zeros(2, 6, requires_grad=True)
    latent, prompt = torch.randn(2, 8, 8, 8), torch.randn(2, 4, 24)
    step(latent, prompt, choose(logits, 1.0)).square().mean().backward()
    assert (logits.grad.abs() > 0).all()


def test_prompt_latent_and_quality_matter(sodiff_config):
    torch.manual_seed(0)
    network = SODiff(sodiff_config).eval()
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        strong, strength = network(picture, torch.tensor([5.0]))
        mild, _ = network(picture, torch.tensor([95.0]))
    assert strong.shape == picture.shape
    assert strength.shape == (1, 1)
    assert not torch.allclose(strong, mild)


@pytest.mark.parametrize("prompt", ["empty", "learned", "cave"])
def test_other_prompts_have_tokens_the_prior_reads(sodiff_config, prompt):
    network = SODiff(sodiff_config.model_copy(update={"prompt": prompt})).eval()
    tokens = network.prompter(torch.rand(2, 3, 40, 24))
    assert tokens.shape[0] == 2
    assert tokens.shape[2] == 24
    restored, _ = network(torch.rand(2, 3, 32, 40))
    assert restored.shape == (2, 3, 32, 40)
    assert (prompt == "empty") == (tokens.abs().sum() == 0)


def test_a_fixed_timestep_is_the_only_one(sodiff_config):
    network = SODiff(sodiff_config.model_copy(update={"timestep": 399})).eval()
    assert network.step.timesteps.tolist() == [399]
    assert network.choose(torch.randn(3, 6)).tolist() == [[1.0]] * 3
    restored = network(torch.rand(1, 3, 32, 32))[0]
    assert restored.isfinite().all()


def test_merging_lora_changes_nothing_else(sodiff_raw):
    from restora.networks.sodiff.config import SODiffConfig

    torch.manual_seed(0)
    config = SODiffConfig.model_validate(sodiff_raw | {"lora": {"rank": 2, "alpha": 4}})
    network = SODiff(config).eval()
    names = [n for n, _ in network.named_parameters() if "lora_" in n]
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        plain = network.merged()
        assert names
        assert not any("lora" in name for name in plain.state_dict())
        assert torch.allclose(plain(picture)[0], network(picture)[0], atol=1e-4)
        bare = SODiff(plain.config)
        bare.load_state_dict(plain.state_dict())
        again = SODiff(config).eval()
        again.load_state_dict(with_lora(bare.state_dict(), again))
        assert torch.allclose(again(picture)[0], plain(picture)[0], atol=1e-5)
    kinds = {name.rsplit(".lora_", 1)[0].rsplit(".", 1)[1] for name in names}
    assert {"to_q", "to_k", "to_v", "conv1", "conv2", "proj_in", "proj_out"} <= kinds


def test_what_is_not_said_is_of_the_published_scale(sodiff_raw):
    from restora.networks.sodiff import saipe, time_predictor
    from restora.networks.sodiff.config import SODiffConfig

    published = SODiffConfig()
    assert published.saipe == saipe.PUBLISHED
    assert published.predictor == time_predictor.PUBLISHED
    given = SODiffConfig.model_validate(sodiff_raw | {"saipe": {"token_dim": 24}})
    assert given.saipe == saipe.SAIPEConfig(token_dim=24)  # whose own sizes are compact


def test_a_token_of_cave_is_of_whole_places(sodiff_raw):
    from restora.networks.sodiff.config import SODiffConfig

    sodiff_raw["saipe"]["side_px"] = 48
    SODiffConfig.model_validate(sodiff_raw)
    with pytest.raises(ValueError, match=r"saipe\.side_px is a multiple of 32, not 48"):
        SODiffConfig.model_validate(sodiff_raw | {"prompt": "cave"})


def test_tokens_must_fit(sodiff_raw):
    from restora.networks.sodiff.config import SODiffConfig

    sodiff_raw["prior"]["token_dim"] = 32
    with pytest.raises(ValueError, match="have 24 numbers, those the prior reads 32"):
        SODiffConfig.model_validate(sodiff_raw)
