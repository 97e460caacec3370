"""What SSP-IR's stage restore counts, and what it is told of captions that are short."""

import numpy as np
import pytest
import torch

from restora.networks.prior import Codec
from restora.networks.ssp_ir.network import SSPIR
from restora.training.loop import LATEST, Trainer, train
from restora.training.ssp_ir.pairs import RealBatch, with_nothing_behind
from restora.training.ssp_ir.restore_task import RestoreTask, how_seen


def codec_of(recipe):
    torch.manual_seed(3)
    return Codec(recipe.network.prior)


def test_what_a_latents_error_does_to_the_picture_is_1_in_the_mean(ssp_ir_recipe):
    codec = codec_of(ssp_ir_recipe("restore"))
    seen = how_seen(codec)
    assert seen.shape == (1, 4, 1, 1)
    assert float(seen.mean()) == pytest.approx(1, abs=1e-6)
    assert float(seen.std()) > 0.01
    with torch.no_grad():
        latent = torch.randn(1, 4, 3, 5)
        plain = codec.decode(latent)
        shown = [
            (codec.decode(latent + channel[None, :, None, None]) - plain).square().mean()
            for channel in torch.eye(4)
        ]
    shown = torch.stack(shown)
    assert torch.allclose(seen.flatten(), shown / shown.mean(), atol=1e-4)
    assert not seen.requires_grad


def test_an_error_counts_as_it_is_seen_by_the_codec_that_is_there(ssp_ir_recipe, photos):
    """The network's codec may change behind the task: a checkpoint brings its own."""
    trainer = Trainer(ssp_ir_recipe("restore", as_seen=True), photos)
    codec, batch = trainer.network.codec, trainer.batches.batch(0)
    codec.load_state_dict(codec_of(trainer.recipe).state_dict())
    with torch.no_grad():  # a new network adds nothing to its start, which is the picture
        missed = (codec.encode(batch.clean) - codec.encode(batch.degraded)).square()
    wanted = float((missed * how_seen(codec)).mean())
    assert abs(float(missed.mean()) / wanted - 1) > 0.01
    assert float(trainer.advance()["diffusion"]) == pytest.approx(wanted, rel=1e-4)


def test_as_seen_resumes_to_the_last_bit(ssp_ir_recipe, photos, tmp_path):
    """With a codec that is another than the one a trainer is built with."""
    recipe = ssp_ir_recipe("restore", as_seen=True)
    weights = SSPIR(recipe.network).state_dict()
    weights |= {f"codec.{n}": value for n, value in codec_of(recipe).state_dict().items()}
    through = Trainer(recipe, photos, initial=weights)
    for _ in range(6):
        through.advance()
    train(recipe, photos, out=tmp_path, initial=weights, stop=iter([False, False, True]).__next__)
    resumed = Trainer(recipe, photos)
    assert not torch.allclose(how_seen(resumed.network.codec), how_seen(through.network.codec))
    resumed.resume(tmp_path / LATEST)
    assert resumed.step == 3
    for _ in range(3):
        resumed.advance()
    for one, other in (
        (through.network.state_dict(), resumed.network.state_dict()),
        (through.ema.weights, resumed.ema.weights),
    ):
        assert one.keys() == other.keys()
        assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("residual", [True, False])
def test_the_start_is_encoded_where_it_is_looked_at(ssp_ir_recipe, monkeypatch, residual):
    recipe = ssp_ir_recipe("restore", network={"residual": residual})
    network = SSPIR(recipe.network)
    shown, encode = [], network.codec.encode
    monkeypatch.setattr(network.codec, "encode", lambda x: shown.append(x) or encode(x))
    picture = torch.rand(1, 3, 16, 16)
    batch = RealBatch(
        clean=picture, degraded=picture / 2, text=torch.zeros(1, 16, 384),
        tokens=torch.zeros(1, 50, 1280), keep_image=torch.ones(1, dtype=torch.bool),
        dice=torch.rand(1),
    )  # fmt: skip
    RestoreTask(recipe, network, encoders={}).step(batch, done=0.0)
    assert len(shown) == residual
    assert all(torch.allclose(x, batch.degraded, atol=1e-5) for x in shown)


def test_behind_a_short_text_are_windows_of_nothing():
    """As an encoder of windows of 5 tokens, 3 of them inner ones, would pad it."""
    nothing = np.zeros((11, 2), np.float32)
    nothing[:5] = np.arange(1, 6)[:, None]  # start, 2, 3, 4, end
    texts = np.zeros((3, 11, 2), np.float32)
    texts[0], texts[1, :8] = nothing, 7
    texts[2, :5] = 9
    found = with_nothing_behind(texts, nothing)
    assert found[..., 0].tolist() == [
        [1, 2, 3, 4, 5, 3, 4, 2], [7] * 8, [9, 9, 9, 9, 9, 3, 4, 2],
    ]  # fmt: skip
    assert with_nothing_behind(texts[:1], nothing).shape == (1, 5, 2)
    assert not texts[0, 5:].any()  # what was given stays


def test_a_text_of_marks_alone_pads_too():
    nothing = np.zeros((4, 1), np.float32)
    nothing[:2] = [[1], [2]]
    texts = np.stack([nothing, np.full((4, 1), 5, np.float32)])
    assert with_nothing_behind(texts, nothing)[..., 0].tolist() == [[1, 2, 2, 2], [5] * 4]
