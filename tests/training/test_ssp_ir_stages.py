"""SSP-IR's two stages: what each trains, that they resume exactly, and what a run leaves behind."""

import json

import pytest
import torch

from restora.errors import UsageError
from restora.networks.catalogue import build
from restora.networks.ssp_ir.network import SSPIR
from restora.training.checkpoint import load_checkpoint
from restora.training.initial import gather
from restora.training.loop import LATEST, LOG, Trainer, train
from restora.training.methods import make_batches
from restora.training.ssp_ir.pairs import RealBatch
from restora.training.ssp_ir.processor_loss import processor_loss
from restora.training.ssp_ir.restore_task import RestoreTask

STAGES = ("processor", "restore")
STILL = {"weight_decay": 0.0}  # else every weight that an optimiser holds moves
FEW = {"steps": 20, "warmup_steps": 0, "decay_steps": 0, "lr": 0.02}
LEARNED = (
    "refiner.", "processor.", "control.base.", "control.image_attentions.", "anchor.",
    "unet.image_attentions.", "unet.pixel_attentions.",
)  # fmt: skip


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def copied(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_resumes_to_the_last_bit(ssp_ir_recipe, photos, tmp_path, stage):
    recipe = ssp_ir_recipe(stage)
    through = Trainer(recipe, photos)
    for _ in range(6):
        through.advance()
    train(recipe, photos, out=tmp_path, stop=iter([False, False, True]).__next__)
    resumed = Trainer(recipe, photos)
    resumed.resume(tmp_path / LATEST)
    assert resumed.step == 3
    for _ in range(3):
        resumed.advance()
    for one, other in (
        (through.network.state_dict(), resumed.network.state_dict()),
        (through.ema.weights, resumed.ema.weights),
    ):
        assert one.keys() == other.keys()
        assert changed(one, other) == set()
    assert resumed.snapshot().encoders == through.snapshot().encoders
    roles = {"captioner", "text encoder", "image encoder"} if stage == "restore" else set()
    assert resumed.snapshot().encoders.keys() == roles


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_processor_learns_alone(ssp_ir_recipe, photos, precision):
    trainer = Trainer(ssp_ir_recipe("processor", settings=STILL | {"precision": precision}), photos)
    before = copied(trainer.network)
    for _ in range(3):
        parts = trainer.advance()
    after = trainer.network.state_dict()
    assert all(value.isfinite().all() for value in [*parts.values(), *after.values()])
    # The tail speaks to a ControlNet, which is not there.
    wanted = {n for n in before if n.startswith("processor.") and n[:15] != "processor.tail."}
    assert changed(before, after) == wanted


@pytest.mark.parametrize(
    ("base", "precision"), [("joint", "fp32"), ("frozen", "fp32"), ("auto", "bf16")]
)
def test_restoring_teaches_all_that_shall_learn(ssp_ir_recipe, photos, base, precision):
    """Additions start at nothing, so that it takes some steps until all of them hear of it."""
    wanting = {"predicts": "noise", "residual": False} if base == "frozen" else {}
    recipe = ssp_ir_recipe(
        "restore", base=base, network=wanting, settings=STILL | FEW | {"precision": precision},
        caption_drop=0.2,
    )  # fmt: skip
    trainer = Trainer(recipe, photos)
    before = copied(trainer.network)
    for _ in range(9):
        parts = trainer.advance()
    after = trainer.network.state_dict()
    assert all(value.isfinite().all() for value in [*parts.values(), *after.values()])
    frozen = ("codec.", "unet.base.") if base == "frozen" else ("codec.",)
    assert changed(before, after) == {n for n in before if not n.startswith(frozen)}


def test_what_is_frozen_gets_no_gradient(ssp_ir_recipe, photos):
    recipe = ssp_ir_recipe("restore", base="frozen")
    trainer = Trainer(recipe, photos)
    trainer.advance()
    for name, parameter in trainer.network.named_parameters():
        still = name.startswith(("codec.", "unet.base."))
        assert parameter.requires_grad != still, name
        assert not still or parameter.grad is None, name


def test_a_cold_start_has_every_trained_number(ssp_ir_recipe, photos, tmp_path):
    """All that learned is in the file: the published code forgot one part and overwrote another."""
    recipe = ssp_ir_recipe("restore", settings=STILL | FEW, caption_drop=0.2)
    began = SSPIR(recipe.network).state_dict()
    hot = train(
        recipe, photos, out=tmp_path, initial=began, stop=iter([False] * 6 + [True]).__next__
    )
    found = load_checkpoint(tmp_path / LATEST)
    for wanted, weights in ((hot.network, found.network), (hot.average, found.average)):
        cold = build(found.recipe.network)
        cold.load_state_dict(weights)
        assert changed(wanted, cold.state_dict()) == set()
    moved = changed(began, found.average)
    for part in LEARNED:
        names = {name for name in began if name.startswith(part)}
        assert names and names <= moved, part
    assert gather([tmp_path / LATEST], recipe).weights.keys() == found.average.keys()


def test_stages_are_put_together(ssp_ir_recipe, photos, tmp_path):
    first, then = (ssp_ir_recipe(stage) for stage in STAGES)
    train(first, photos, out=tmp_path / "processor", stop=iter([False, True]).__next__)
    start = gather([tmp_path / "processor" / LATEST], then)
    made = load_checkpoint(tmp_path / "processor" / LATEST).average
    assert changed(made, start.weights) == set()
    assert start.encoders == {}
    done = train(
        then, photos, out=tmp_path / "restore", stop=lambda: True, initial=start.weights,
        encoders=start.encoders,
    )  # fmt: skip
    moved = {n.split(".")[0] for n in changed(made, done.network)}
    assert {"processor", "unet"} <= moved
    assert "codec" not in moved


def test_a_run_belongs_to_its_stage(ssp_ir_recipe, photos, tmp_path):
    train(ssp_ir_recipe("processor"), photos, out=tmp_path, stop=lambda: True)
    with pytest.raises(UsageError, match=r"with sspir\.stage processor, not restore; choose anoth"):
        Trainer(ssp_ir_recipe("restore"), photos).resume(tmp_path / LATEST)


def test_validations_tell_what_is_gained(ssp_ir_recipe, photos, photo_folder, tmp_path):
    recipe = ssp_ir_recipe("restore", settings={"steps": 1, "warmup_steps": 0, "decay_steps": 0})
    train(recipe, photos, out=tmp_path / "run", validation=photo_folder)
    row = json.loads((tmp_path / "run" / LOG).read_text().splitlines()[-1])
    gains = [row[f"gain_{name}"] for name in ("1_light", "2_full", "4_full")]
    assert row["gain"] == pytest.approx(sum(gains) / 3)
    assert {f"processed_{name}" for name in ("1_light", "2_full", "4_full")} <= row.keys()
    # Nothing has been learned, so nothing is done: what the codec cannot hold goes past it.
    assert abs(row["gain"]) < 0.5


def one_batch(side=16):
    """Four smooth pictures, darker and greyer."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(4, 3, 4, 4, generator=generator)
    clean = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return RealBatch(
        clean=clean,
        degraded=0.5 * clean + 0.2,
        text=torch.randn(4, 16, 384, generator=generator),
        tokens=torch.randn(4, 50, 1280, generator=generator),
        keep_image=torch.tensor([True, True, True, False]),
        dice=torch.tensor([0.0, 0.3, 0.6, 0.9999]),
    )


@pytest.mark.parametrize("predicts", ["noise", "velocity", "clean", "residual"])
def test_who_gives_the_truth_loses_but_the_processors_part(ssp_ir_recipe, monkeypatch, predicts):
    """The sum of three terms, of which the first is nothing."""
    residual = predicts == "residual"
    gives = {"predicts": "clean" if residual else predicts, "residual": residual}
    recipe = ssp_ir_recipe("restore", network=gives, rgb_weight=0.3, fourier_weight=0.7)
    torch.manual_seed(0)
    network, batch = SSPIR(recipe.network), one_batch()
    latent = network.codec.encode(batch.clean).detach()
    bias = torch.zeros(1, requires_grad=True)
    seen = []

    def truth(state, anchor, time, features, text, image):
        assert torch.equal(text, batch.text)
        seen.append((time, image))
        signal, noise = (s[time][:, None, None, None] for s in (network.signal, network.noise))
        drawn = (state - signal * latent) / noise
        told = {
            "noise": drawn, "velocity": signal * drawn - noise * latent, "clean": latent,
            "residual": latent - anchor,
        }[predicts]  # fmt: skip
        cleaned = network.clean_of(told, state, anchor, time)
        scale = 1 / signal if predicts == "noise" else 1
        assert ((cleaned - latent) / scale).abs().max() < 1e-4
        return told + 0 * bias

    monkeypatch.setattr(network, "predict", truth)
    task = RestoreTask(recipe, network, encoders={})
    told = task.step(batch, done=0.0)
    rgb, fourier = processor_loss(
        SSPIR(recipe.network).processor(batch.degraded).heads, batch.clean * 2 - 1
    )
    assert rgb > 0
    assert fourier > 0
    assert told["diffusion"].item() < 1e-7
    terms = 0.3 * told["rgb"] + 0.7 * told["fourier"] + told["diffusion"]
    assert told["loss"].item() == pytest.approx(terms.item(), rel=1e-5)
    ((time, image),) = seen
    assert time.tolist() == [0, 300, 600, 999]
    assert image[:3].abs().amax(dim=(1, 2)).min() > 0
    assert not image[3].any()


@pytest.mark.parametrize("norm", ["backward", "ortho"])
def test_perfect_heads_lose_nothing(norm):
    clean = torch.rand(2, 3, 16, 24) * 2 - 1
    heads = [
        torch.nn.functional.interpolate(clean, scale_factor=1 / f, mode="bilinear")
        for f in (1, 2, 4)
    ]
    assert [float(term) for term in processor_loss(heads, clean, norm=norm)] == [0, 0]


def test_a_constant_offset_by_hand():
    """0.2 too bright, in each of two heads; it is all in the frequency 0."""
    clean = torch.rand(2, 3, 16, 16) * 2 - 1
    heads = [clean + 0.2, torch.nn.functional.avg_pool2d(clean, 2) + 0.2]
    rgb, ortho = processor_loss(heads, clean, norm="ortho")
    assert float(rgb) == pytest.approx(0.4, abs=1e-5)
    # Real and imaginary parts of N x (N/2 + 1) frequencies, of which one is 0.2 N.
    by_hand = {n: 0.2 * n / (2 * n * (n // 2 + 1)) for n in (16, 8)}
    assert float(ortho) == pytest.approx(sum(by_hand.values()), abs=1e-5)
    _, backward = processor_loss(heads, clean, norm="backward")
    assert float(backward) == pytest.approx(sum(n * v for n, v in by_hand.items()), abs=1e-4)


def test_only_orthonormal_spectra_of_white_error_are_of_any_size_alike():
    torch.manual_seed(0)
    found = {}
    for side in (32, 128):
        clean = torch.zeros(8, 3, side, side)
        for norm in ("ortho", "backward"):
            found[norm, side] = float(
                processor_loss([torch.randn_like(clean)], clean, norm=norm)[1]
            )
    assert found["ortho", 32] == pytest.approx(found["ortho", 128], rel=0.05)
    assert found["backward", 128] / found["backward", 32] == pytest.approx(4, rel=0.05)


def drawn(recipe, photos, steps=60):
    """Shares of pictures with a caption and with image tokens."""
    batches = make_batches(recipe, photos)
    made = [batches.batch(step) for step in range(steps)]
    text = torch.cat([batch.text for batch in made])
    return (
        text.abs().amax(dim=(1, 2)).gt(0).float().mean().item(),
        torch.cat([batch.keep_image for batch in made]).float().mean().item(),
    )


def test_captions_and_tokens_are_left_out_as_often_as_is_asked(ssp_ir_recipe, photos):
    asked = ssp_ir_recipe("restore", caption_drop=0.5, image_drop=0.25)
    said, shown = drawn(asked, photos)
    assert said == pytest.approx(0.5, abs=0.1)
    assert shown == pytest.approx(0.75, abs=0.1)
    never = ssp_ir_recipe("restore", caption_drop=0.0, image_drop=0.0)
    assert drawn(never, photos, steps=5) == (1, 1)
    always = ssp_ir_recipe("restore", caption_drop=1.0, image_drop=1.0)
    assert drawn(always, photos, steps=5) == (0, 0)
