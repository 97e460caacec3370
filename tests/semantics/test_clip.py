"""CLIP through transformers, from folders of tiny random networks that the tests write."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from restora.errors import UsageError, WeightsError
from restora.semantics.clip_image import ClipImageEncoder
from restora.semantics.clip_text import ClipTextEncoder, OpenClipTextEncoder
from restora.semantics.lookup import load_image_encoder, load_text_encoder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WINDOW = 12  # ten letters between the marks
VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
TEXT = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": WINDOW, "vocab_size": 64,
}  # fmt: skip


def write_tokenizer(folder, pad="<|endoftext|>"):
    """CLIP's own kind, with a piece for every letter and no merges; ``!`` is number 0."""
    pieces = ["!", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(exist_ok=True, parents=True)
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {
        "tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": pad,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return vocabulary


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A whole CLIP, as hubs keep it."""
    folder = tmp_path_factory.mktemp("clip")
    marks = write_tokenizer(folder)
    ids = {
        "bos_token_id": marks["<|startoftext|>"], "eos_token_id": marks["<|endoftext|>"],
        "pad_token_id": marks["<|endoftext|>"],
    }  # fmt: skip
    config = transformers.CLIPConfig(text_config=TEXT | ids, vision_config=VISION)
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def diffusers_folder(tmp_path_factory):
    """The text half of a Stable Diffusion 2 pipeline, whose padding is number 0."""
    folder = tmp_path_factory.mktemp("sd21")
    marks = write_tokenizer(folder / "tokenizer", pad="!")
    config = transformers.CLIPTextConfig(
        **TEXT, bos_token_id=marks["<|startoftext|>"], eos_token_id=marks["<|endoftext|>"],
        pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(1)
    transformers.CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    return folder


def pictures(count=2, seed=0):
    return np.random.default_rng(seed).random((count, 20, 28, 3), np.float32)


def test_patch_tokens(clip):
    encoder = load_image_encoder(f"clip:{clip}")
    made = encoder.encode(pictures(19))
    assert made.tokens.shape == (19, 16, 32) and made.pooled.shape == (19, 32)
    assert (encoder.max_tokens, encoder.token_dim, encoder.pooled_dim) == (16, 32, 32)
    assert made.mask is None
    again = encoder.encode(pictures(19)[-1:])
    np.testing.assert_allclose(again.tokens[0], made.tokens[-1], atol=1e-5)


def test_patch_tokens_are_those_of_the_last_block_of_normalised_pixels(clip):
    square = np.full((1, 32, 32, 3), 0.6, np.float32)  # 153 of 255: exact in bytes
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    pixels = torch.stack(
        [torch.full((32, 32), (0.6 - m) / s) for m, s in zip(mean, std, strict=True)]
    )[None]
    network = transformers.CLIPModel.from_pretrained(clip).vision_model.eval()
    with torch.no_grad():
        wanted = network(pixels, output_hidden_states=True)
    made = ClipImageEncoder(str(clip)).encode(square)
    np.testing.assert_allclose(made.tokens, wanted.hidden_states[-1][:, 1:], atol=1e-5)
    np.testing.assert_allclose(made.pooled, wanted.pooler_output, atol=1e-5)


def test_a_vision_tower_alone_will_do(clip, tmp_path):
    torch.manual_seed(0)
    transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**VISION)).save_pretrained(tmp_path)
    alone, whole = ClipImageEncoder(str(tmp_path)), ClipImageEncoder(str(clip))
    assert alone.encode(pictures()).tokens.shape == (2, 16, 32)
    assert alone.fingerprint() != whole.fingerprint()
    assert ClipImageEncoder(str(clip)).fingerprint() == whole.fingerprint()


def test_one_plain_window_is_what_the_tower_gives(clip):
    encoder = load_text_encoder(f"clip:{clip}", max_tokens=WINDOW)
    sentences = ["sea", "", "a long long long sentence"]
    made = encoder.encode(sentences)
    assert made.tokens.shape == (3, WINDOW, 32)
    assert made.mask.sum(1).tolist() == [5, 2, WINDOW]
    tokenizer = transformers.CLIPTokenizer.from_pretrained(clip)
    ids = tokenizer(
        sentences, padding="max_length", truncation=True, max_length=WINDOW, return_tensors="pt"
    )["input_ids"]
    network = transformers.CLIPTextModel.from_pretrained(clip).eval()
    with torch.no_grad():
        wanted = network(ids)
    np.testing.assert_allclose(made.tokens, wanted.last_hidden_state, atol=1e-5)
    np.testing.assert_allclose(made.pooled, wanted.pooler_output, atol=1e-5)


def test_a_long_sentence_takes_windows(clip):
    encoder = ClipTextEncoder(str(clip))
    assert encoder.max_tokens == 4 * 10 + 2
    made = encoder.encode(["abcdefghijklmno", "sea"])  # fifteen letters and three
    assert made.tokens.shape == (2, 22, 32)
    assert made.mask.sum(1).tolist() == [17, 5]
    plain = ClipTextEncoder(str(clip), WINDOW)
    first = plain.encode(["abcdefghijklmno"]).tokens[0]
    np.testing.assert_allclose(made.tokens[0, :11], first[:11], atol=1e-5)  # its end mark goes
    short = plain.encode(["sea"]).tokens[0]
    np.testing.assert_allclose(made.tokens[1, :11], short[:11], atol=1e-5)
    # 40 letters are all it reads
    long = encoder.encode(["x" * 60])
    assert long.tokens.shape == (1, 42, 32) and long.mask.all()


@pytest.mark.parametrize(("letters", "length"), [(9, 12), (10, 12), (11, 22), (20, 22), (21, 32)])
def test_windows_grow_when_they_are_full(clip, letters, length):
    made = ClipTextEncoder(str(clip)).encode(["s" * letters])
    assert made.tokens.shape[1] == length and made.mask.sum() == letters + 2


@pytest.mark.parametrize("most", [WINDOW, None])
def test_all_tokens_are_counted_whatever_is_read(clip, most):
    encoder = ClipTextEncoder(str(clip), most)
    assert [encoder.count_tokens("s" * n) for n in (0, 9, 60)] == [2, 11, 62]


def test_each_word_of_a_long_caption_reaches_the_tower(clip):
    """A changed word changes its own tokens, and none of the windows before its own."""
    encoder = ClipTextEncoder(str(clip))
    letters = "abcdefghijklmnopqrstuvwxyz"
    plain = encoder.encode([letters]).tokens[0]
    for place in range(26):
        other = letters[:place] + ("b" if letters[place] == "a" else "a") + letters[place + 1 :]
        changed = np.abs(encoder.encode([other]).tokens[0] - plain).max(1) > 1e-4
        assert changed[1 + place] and not changed[: 1 + place].any()


def test_stable_diffusion_2_from_its_folder(diffusers_folder):
    encoder = load_text_encoder(f"openclip:{diffusers_folder}")
    assert isinstance(encoder, OpenClipTextEncoder) and encoder.max_tokens == WINDOW
    made = encoder.encode(["sea", "a long long long sentence"])
    tokenizer = transformers.CLIPTokenizer.from_pretrained(diffusers_folder / "tokenizer")
    ids = tokenizer(
        ["sea", "a long long long sentence"], padding="max_length", truncation=True,
        max_length=WINDOW, return_tensors="pt",
    )["input_ids"]  # fmt: skip
    assert ids[0, -1] == 0
    network = transformers.CLIPTextModel.from_pretrained(diffusers_folder / "text_encoder").eval()
    with torch.no_grad():
        wanted = network(ids).last_hidden_state
    np.testing.assert_allclose(made.tokens, wanted, atol=1e-5)


def test_no_sentences(clip):
    made = ClipTextEncoder(str(clip)).encode([])
    assert made.tokens.shape == (0, WINDOW, 32) and made.mask.shape == (0, WINDOW)


def test_fingerprints_of_texts(clip, diffusers_folder):
    prints = [
        ClipTextEncoder(str(clip)), ClipTextEncoder(str(clip), WINDOW),
        ClipTextEncoder(str(diffusers_folder)), OpenClipTextEncoder(str(diffusers_folder)),
    ]  # fmt: skip
    assert len({encoder.fingerprint() for encoder in prints}) == 4
    assert ClipTextEncoder(str(clip)).fingerprint() == prints[0].fingerprint()


@pytest.mark.parametrize("most", [2, 13, 20])
def test_lengths_that_are_no_windows(clip, most):
    with pytest.raises(UsageError, match=f"such as 12 or 22, not {most}"):
        ClipTextEncoder(str(clip), most)


def test_a_folder_without_a_network(tmp_path):
    with pytest.raises(WeightsError, match=f"Cannot load CLIPVisionModel from {tmp_path}"):
        ClipImageEncoder(str(tmp_path))


def test_torchvision_is_never_needed(clip):
    ClipImageEncoder(str(clip))
    assert "torchvision" not in sys.modules
