"""What is made of the photos once for SODiff: small copies, captions and their tokens."""

import numpy as np
import pytest
import torch

from restora.errors import UsageError
from restora.networks.sodiff.network import SODiff
from restora.training.data import PhotoStore
from restora.training.methods import make_batches
from restora.training.sodiff import copies as copies_module
from restora.training.sodiff import prompt_store
from restora.training.sodiff import words as words_module
from restora.training.sodiff.copies import read_copies
from restora.training.sodiff.kept import made_whole
from restora.training.sodiff.prompt_store import PromptStore
from restora.training.sodiff.prompt_task import ViewBatches
from restora.training.sodiff.views import planes
from restora.training.sodiff.words import Describer, read_words


def describer_of(section, **where):
    return Describer(section.captioner, section.text_encoder, max_tokens=6, **where)


@pytest.fixture
def describer(sodiff_recipe):
    return describer_of(sodiff_recipe("prompt").sodiff)


def test_copies_are_made_once_and_tell_what_they_show(photos, monkeypatch):
    made = read_copies(photos, (60, 10), side_px=32, views=2)
    assert len(made) == 3
    assert [view.shape for view in made.views] == [(3, 3, 32, 32, 3)] * 2
    clean, hard, mild = (made.take([0], [0], [n]).astype(float) for n in range(3))
    assert np.abs(hard - clean).mean() > np.abs(mild - clean).mean()
    monkeypatch.setattr(copies_module, "compress", None)
    again = read_copies(photos, (10, 60), side_px=32)  # which are those of the first view
    assert isinstance(again.views[0], np.memmap)
    assert np.array_equal(again.views[0], made.views[0])
    whole = made.take([0, 2], [0, 1], [1, 0])
    assert np.array_equal(whole, [made.views[0][0, 1], made.views[1][2, 0]])


def test_a_quality_has_its_copy(photos):
    copies = read_copies(photos, (10, 30, 60), side_px=16)
    quality = torch.tensor([100.0, 3.0, 12.0, 50.0, 99.0])
    assert copies.nearest(quality).tolist() == [0, 1, 1, 3, 3]
    # Saved twice, and no one number says how: bad, but none knows how bad.
    assert copies.nearest(torch.tensor([float("nan")])).tolist() == [2]


def test_words_are_made_once(photos, describer, sodiff_recipe, monkeypatch):
    made = read_words(photos, describer, views=2)
    assert isinstance(made.tokens, np.memmap)
    assert made.tokens.shape == (3, 2, 6, 384)
    assert made.mask.shape == (3, 2, 6)
    assert made.captions == [["a photo of a pier"] * 2] * 3
    assert made.fingerprints == describer.fingerprints()
    monkeypatch.setattr(Describer, "encode", None)
    again = read_words(photos, describer, views=2)
    assert np.array_equal(again.tokens, made.tokens)
    assert np.array_equal(again.mask, made.mask)
    assert (again.captions, again.fingerprints) == (made.captions, made.fingerprints)
    other = sodiff_recipe("prompt", captioner="static:a dog").sodiff
    with pytest.raises(TypeError):  # other words are made anew
        read_words(photos, describer_of(other), views=2)


def test_without_a_place_to_keep_them_they_are_in_memory(photos, describer):
    loose = PhotoStore(photos._data, photos._index)
    assert read_words(loose, describer, views=1).tokens.shape == (3, 1, 6, 384)
    assert read_copies(loose, (10,), side_px=16).views[0].shape == (3, 2, 16, 16, 3)


def test_what_a_path_names_is_not_loaded_for_what_is_kept(
    photos, sodiff_recipe, tmp_path, monkeypatch
):
    """Its words are known by the path, and by the files there."""
    folder = tmp_path / "blip"
    folder.mkdir()
    (folder / "weights").write_text("1")
    section = sodiff_recipe("prompt", captioner=f"blip:{folder}").sodiff

    class Blip:
        def fingerprint(self):
            return "blip:1"

        def caption(self, pictures, names=None):
            return [f"{picture.mean():.2f}" for picture in pictures]

    def load(name, *, device):
        assert device == "meta"
        return Blip()

    monkeypatch.setattr(words_module, "load_captioner", load)
    made = read_words(photos, describer_of(section, device="meta"), views=1)
    assert made.fingerprints["captioner"] == "blip:1"
    monkeypatch.setattr(words_module, "load_captioner", None)
    again = read_words(photos, describer_of(section), views=1)
    assert (again.captions, again.fingerprints) == (made.captions, made.fingerprints)
    (folder / "weights").write_text("12")
    with pytest.raises(TypeError):
        read_words(photos, describer_of(section), views=1)


def test_what_was_broken_off_is_not_there(tmp_path):
    with pytest.raises(KeyboardInterrupt), made_whole(tmp_path / "a") as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with made_whole(tmp_path / "a") as partial:
        partial.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_view_batches_are_a_function_of_the_step(photos, describer):
    copies = read_copies(photos, (10, 60), side_px=32, views=2)
    words = read_words(photos, describer, views=2)
    batches = ViewBatches(copies, words, batch=2, seed=1)
    one, same, other = batches.batch(3), batches.batch(3), batches.batch(4)
    assert torch.equal(one.degraded, same.degraded)
    assert not torch.equal(one.clean, other.clean)
    assert one.clean.shape == one.degraded.shape == (2, 3, 32, 32)
    turned = ViewBatches(copies, words, batch=2, seed=1, mirrored=True)
    found = set()
    for step in range(6):
        pair = zip(batches.batch(step).clean, turned.batch(step).clean, strict=True)
        for plain, maybe in pair:
            assert torch.equal(maybe, plain) or torch.equal(maybe, plain.flip(2))
            found.add(torch.equal(maybe, plain))
    assert found == {True, False}


@pytest.fixture
def prompted(sodiff_recipe, photos):
    """A network, copies of whole photos, and two batches of patches of them."""
    torch.manual_seed(0)
    recipe = sodiff_recipe("one-step", data={"batch": 6})
    batches = make_batches(recipe, photos)
    copies = read_copies(photos, (10, 30, 60), side_px=32)
    return SODiff(recipe.network).eval(), copies, batches.batch(0), batches.batch(1)


def test_a_photo_has_one_prompt_whatever_is_beside_it(prompted):
    """To the last bit, whichever were made before."""
    network, copies, first, second = prompted
    store = PromptStore(network, copies)
    for batch in (first, second):
        saves = copies.nearest(batch.quality)
        for photo, save, prompt in zip(batch.photo, saves, store.get(batch), strict=True):
            shown = planes(copies.take([photo], [0], [save]), "cpu")
            with torch.no_grad():
                assert torch.equal(prompt, network.prompter(shown)[0].half().float())


def test_no_more_prompts_are_kept_than_there_is_room_for(prompted, monkeypatch):
    network, copies, batch, _ = prompted
    monkeypatch.setattr(prompt_store, "MOST_BYTES", 2 * (2 * 4 * 384))  # two of them
    store = PromptStore(network, copies)
    assert store.get(batch).shape == (6, 4, 384)
    assert len(store._known) == 2


def test_there_is_no_such_captioner(sodiff_recipe, photos):
    section = sodiff_recipe("prompt", captioner="poet").sodiff
    with pytest.raises(UsageError, match="There is no captioner 'poet'"):
        read_words(photos, describer_of(section), views=1)
