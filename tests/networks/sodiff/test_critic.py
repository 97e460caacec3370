"""The critic: what its losses reach and leave alone, and what its scores depend on."""

import copy

import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model

from restora.networks.local_norm import LocalNorm, localise
from restora.networks.sodiff.critic import LatentCritic, critic_loss, generator_loss

SCHEDULE = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, dim=0)
STEP = torch.tensor([199, 499])


@pytest.fixture(scope="module")
def prior():
    torch.manual_seed(0)
    return UNet2DConditionModel(
        in_channels=4, out_channels=4, block_out_channels=(16, 32), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=24, norm_num_groups=4, attention_head_dim=4, only_cross_attention=True,
    )  # fmt: skip


@pytest.fixture(params=[None, 2], ids=["whole", "lora"])
def critic(prior, request):
    torch.manual_seed(1)
    return LatentCritic(prior, noise_schedule=SCHEDULE, head_width=24, lora_rank=request.param)


@pytest.fixture
def generator(prior):
    """A one-step restorer with LoRA, and its trainable weights."""
    unet = copy.deepcopy(prior).requires_grad_(False)
    config = LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_v", "conv1"])
    return inject_adapter_in_model(config, unet)


@pytest.fixture
def latents():
    return torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def prompt():
    return torch.randn(2, 6, 24, generator=torch.Generator().manual_seed(3))


def drawn(seed=4):
    return torch.Generator().manual_seed(seed)


def one_step(unet, latents, prompt):
    noise = unet(latents, STEP, encoder_hidden_states=prompt).sample
    kept = SCHEDULE[STEP][:, None, None, None]
    return (latents - (1 - kept).sqrt() * noise) / kept.sqrt()


def trainable(module):
    return {name: w for name, w in module.named_parameters() if w.requires_grad}


def test_the_generator_loss_reaches_the_latents_and_the_lora(critic, generator, latents, prompt):
    restored = one_step(generator, latents, prompt)
    restored.retain_grad()
    generator_loss(critic(restored, prompt, drawn())).backward()
    assert restored.grad.abs().amax((1, 2, 3)).min() > 0  # of each latent
    weights = trainable(generator)
    assert weights and all("lora_" in name for name in weights)
    # B starts at zero, so that A has no gradient before the first step.
    reached = {name: w.grad is not None and bool(w.grad.any()) for name, w in weights.items()}
    assert all(reached[name] for name in reached if "lora_B" in name)


def test_a_critic_step_trains_the_critic_and_leaves_the_generator(
    critic, generator, latents, prompt
):
    before = copy.deepcopy(generator.state_dict())
    restored = one_step(generator, latents, prompt)
    weights = trainable(critic)
    optimiser = torch.optim.SGD(weights.values(), lr=0.1)
    start = {name: w.detach().clone() for name, w in weights.items()}
    loss = critic_loss(critic(latents, prompt, drawn()), critic(restored.detach(), prompt, drawn()))
    loss.backward()
    optimiser.step()
    assert all(w.grad is None for w in generator.parameters())
    assert all(torch.equal(w, before[name]) for name, w in generator.state_dict().items())
    moved = {name for name, w in weights.items() if not torch.equal(w, start[name])}
    assert {"head.1.weight", "head.5.bias"} <= moved
    assert any(name.startswith("trunk.down_blocks") for name in moved)
    assert any(name.startswith("trunk.mid_block") for name in moved)


def test_it_learns_to_tell_two_kinds_of_latents_apart(critic, latents, prompt):
    optimiser = torch.optim.Adam(trainable(critic).values(), lr=2e-3)
    losses = []
    for _ in range(25):  # of one draw: what is asked is whether anything learns
        real = critic(latents, prompt, drawn())
        loss = critic_loss(real, critic(0.3 * latents, prompt, drawn()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_lora_trains_nothing_else_of_the_copy(prior):
    critic = LatentCritic(prior, noise_schedule=SCHEDULE, head_width=24, lora_rank=2)
    names = trainable(critic.trunk)
    assert names and all("lora_" in name for name in names)
    whole = LatentCritic(prior, noise_schedule=SCHEDULE, head_width=24)
    assert len(trainable(whole.trunk)) == len(list(whole.trunk.parameters()))


def test_the_prior_is_copied_not_taken(prior, critic):
    shared = {id(w) for w in prior.parameters()} & {id(w) for w in critic.parameters()}
    assert not shared
    assert len(prior.up_blocks) == 2 and prior.conv_out.out_channels == 4
    assert not any(name.startswith(("trunk.up", "trunk.conv_out")) for name in critic.state_dict())


def test_the_trunk_ends_with_the_features_of_the_middle(prior, latents, prompt):
    critic = LatentCritic(prior, noise_schedule=SCHEDULE, head_width=24)
    seen = []
    hook = prior.mid_block.register_forward_hook(lambda module, args, out: seen.append(out))
    prior(latents, STEP, encoder_hidden_states=prompt)
    hook.remove()
    features = critic.trunk(latents, STEP, encoder_hidden_states=prompt).sample
    assert torch.allclose(features, seen[0], atol=1e-6)


def test_other_norms_of_the_prior_are_kept(prior, latents, prompt):
    local = copy.deepcopy(prior)
    localise(local)
    critic = LatentCritic(local, noise_schedule=SCHEDULE, head_width=24, lora_rank=2)
    assert any(isinstance(module, LocalNorm) for module in critic.trunk.modules())
    assert critic(latents, prompt, drawn()).shape == (2, 1, 8, 8)


def test_a_prior_with_adapters_is_refused(generator):
    with pytest.raises(ValueError, match="adapters"):
        LatentCritic(generator, noise_schedule=SCHEDULE, head_width=24)


def test_the_prompt_changes_the_scores_and_gets_no_gradient(critic, latents, prompt):
    prompt.requires_grad_()
    scores = critic(latents, prompt, drawn())
    other = critic(latents, prompt.flip(0), drawn())
    assert (scores - other).abs().max() > 1e-4
    scores.sum().backward()
    assert prompt.grad is None


def test_the_draw_is_the_generators(critic, latents, prompt):
    first, again, other = (critic(latents, prompt, drawn(seed)) for seed in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("side", [4, 16, 20])
def test_scores_are_a_map_of_the_middle(prior, prompt, side):
    critic = LatentCritic(prior, noise_schedule=SCHEDULE, head_width=24)
    assert critic(torch.zeros(2, 4, side, side), prompt).shape == (2, 1, side // 2, side // 2)


def test_the_losses_by_hand():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    sure_real, sure_fake = real.double().sigmoid().log(), (1 - fake.double().sigmoid()).log()
    by_hand = -(sure_real.mean() + sure_fake.mean()) / 2
    assert critic_loss(real, fake).item() == pytest.approx(by_hand.item(), abs=1e-6)
    assert generator_loss(fake).item() == pytest.approx(
        -fake.double().sigmoid().log().mean().item(), abs=1e-6
    )
