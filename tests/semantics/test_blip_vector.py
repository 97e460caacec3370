"""SR-Diff's vector, of a tiny random BLIP, against the way SR-Diff's public code takes it."""

from __future__ import annotations

import numpy as np
import pytest

from restora.errors import UsageError, WeightsError
from restora.semantics.lookup import load_image_encoder
from restora.semantics.pictures import resize

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]")
SIDE_PX, TOKENS, PADDED = 32, 1 + 4 * 4, 30
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def write_blip(folder, *, vision_width=32, cls_token="[CLS]"):
    vocabulary = {piece: place for place, piece in enumerate((*MARKS, "a", "boat"))}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", sep_token="[SEP]",
        cls_token=cls_token,
    ).save_pretrained(folder)  # fmt: skip
    common = {"intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {
        "vocab_size": len(vocabulary), "hidden_size": 32, "max_position_embeddings": 64,
        "encoder_hidden_size": vision_width, "bos_token_id": 4, "sep_token_id": 3,
        "pad_token_id": 0,
    }  # fmt: skip
    vision = {"hidden_size": vision_width, "image_size": SIDE_PX, "patch_size": 8}
    torch.manual_seed(0)
    network = transformers.BlipForConditionalGeneration(
        transformers.BlipConfig(text_config=common | text, vision_config=common | vision)
    )
    with torch.no_grad():  # large enough that what it says depends on the picture
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.3)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    return write_blip(tmp_path_factory.mktemp("blip"))


def pictures(count=2):
    return np.random.default_rng(0).random((count, 20, 28, 3), np.float32)


def as_published(folder, some):
    """An empty caption, padded, through the causal decoder: the image tokens, and position 0."""
    network = transformers.BlipForConditionalGeneration.from_pretrained(folder).eval()
    words = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    prompt = words(
        [""] * len(some), padding="max_length", max_length=PADDED, return_tensors="pt"
    )  # fmt: skip
    assert prompt["input_ids"].shape == (len(some), PADDED)
    assert prompt["input_ids"][0, 0] == MARKS.index("[CLS]")
    pixels = (resize(some, SIDE_PX) / 255 - MEAN) / STD
    with torch.no_grad():
        seen = network.vision_model(torch.tensor(pixels, dtype=torch.float32).permute(0, 3, 1, 2))
        made = network.text_decoder(
            input_ids=prompt["input_ids"], attention_mask=prompt["attention_mask"],
            encoder_hidden_states=seen.last_hidden_state, output_hidden_states=True,
        )  # fmt: skip
    return seen.last_hidden_state.numpy(), made.hidden_states[-1][:, 0].numpy()


def test_one_token_gives_the_published_vector(blip):
    encoder = load_image_encoder(f"blip-vector:{blip}")
    made = encoder.encode(pictures())
    assert made.tokens.shape == (2, 1, 32) and made.pooled.shape == (2, 32)
    assert (encoder.name, encoder.max_tokens) == ("blip-vector", 1)
    assert encoder.token_dim == encoder.pooled_dim == 32 and made.mask is None
    np.testing.assert_array_equal(made.tokens[:, 0], made.pooled)
    _, wanted = as_published(blip, pictures())
    np.testing.assert_allclose(made.pooled, wanted, atol=1e-5)
    assert np.abs(made.pooled[0] - made.pooled[1]).max() > 0.01


def test_the_image_tokens_follow_the_vector(blip):
    encoder = load_image_encoder(f"blip-tokens:{blip}")
    made = encoder.encode(pictures())
    assert made.tokens.shape == (2, 1 + TOKENS, 32) == (2, encoder.max_tokens, encoder.token_dim)
    seen, vector = as_published(blip, pictures())
    np.testing.assert_allclose(made.tokens[:, 1:], seen, atol=1e-5)
    np.testing.assert_allclose(made.tokens[:, 0], vector, atol=1e-5)
    np.testing.assert_array_equal(made.pooled, made.tokens[:, 0])


def test_a_picture_does_not_depend_on_the_others(blip):
    encoder = load_image_encoder(f"blip-vector:{blip}")
    many = encoder.encode(pictures(9))  # more than a batch
    np.testing.assert_allclose(many.pooled[-1:], encoder.encode(pictures(9)[-1:]).pooled, atol=1e-5)
    assert encoder.encode(pictures()[:0]).tokens.shape == (0, 1, 32)


def test_fingerprints(blip):
    vector, tokens = (load_image_encoder(f"blip-{kind}:{blip}") for kind in ("vector", "tokens"))
    assert vector.fingerprint().startswith("blip-vector:32x1:")
    assert tokens.fingerprint().startswith("blip-tokens:32x18:")
    assert vector.fingerprint() == load_image_encoder(f"blip-vector:{blip}").fingerprint()
    before = vector.fingerprint()
    del vector.__dict__["_digest"]
    with torch.no_grad():
        next(vector._network.parameters()).add_(1)
    assert vector.fingerprint() != before


def test_a_wider_vision_tower_gives_a_vector_but_no_list(tmp_path):
    write_blip(tmp_path, vision_width=48)
    assert load_image_encoder(f"blip-vector:{tmp_path}").encode(pictures()).pooled.shape == (2, 32)
    with pytest.raises(UsageError, match="gives 48 numbers a token and its decoder 32"):
        load_image_encoder(f"blip-tokens:{tmp_path}")


def test_a_tokenizer_without_the_first_symbol(tmp_path):
    write_blip(tmp_path, cls_token=None)
    with pytest.raises(WeightsError, match=r"knows no \[CLS\]"):
        load_image_encoder(f"blip-vector:{tmp_path}")


def test_a_folder_without_a_network(tmp_path):
    with pytest.raises(WeightsError, match=f"Cannot load AutoTokenizer from {tmp_path}"):
        load_image_encoder(f"blip-vector:{tmp_path}")
