"""BLIP and LLaVA through transformers, from folders of tiny random networks the tests write."""

from __future__ import annotations

import numpy as np
import pytest

from restora.errors import WeightsError
from restora.semantics.lookup import load_captioner

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
WORDS = ["a", "grey", "blue", "boat", "on", "the", "sea", "user", "assistant", "describe", "image"]


def word_tokenizer(folder, marks, **roles):
    """A piece for each word; ``marks`` are special and come first."""
    vocabulary = {piece: place for place, piece in enumerate([*marks, *WORDS])}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.decoder = tokenizers.decoders.WordPiece()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]", **roles
    )
    fast.add_special_tokens({"additional_special_tokens": [m for m in marks if m != "[UNK]"]})
    fast.save_pretrained(folder)
    return vocabulary


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blip")
    marks = word_tokenizer(folder, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]"])
    text = {
        "vocab_size": len(marks), "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64,
        "encoder_hidden_size": 32, "bos_token_id": marks["[DEC]"], "eos_token_id": marks["[SEP]"],
        "sep_token_id": marks["[SEP]"], "pad_token_id": 0,
    }  # fmt: skip
    torch.manual_seed(0)
    config = transformers.BlipConfig(text_config=text, vision_config=VISION, projection_dim=16)
    network = transformers.BlipForConditionalGeneration(config)
    spread(network)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llava")
    marks = word_tokenizer(folder, ["[PAD]", "[UNK]", "<s>", "</s>", "<image>"])
    text = transformers.LlamaConfig(
        vocab_size=len(marks), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, bos_token_id=marks["<s>"],
        eos_token_id=marks["</s>"], pad_token_id=0,
    )  # fmt: skip
    vision = transformers.CLIPVisionConfig(**VISION)
    config = transformers.LlavaConfig(
        text_config=text, vision_config=vision, image_token_id=marks["<image>"],
        image_seq_length=16,
    )  # fmt: skip
    torch.manual_seed(0)
    network = transformers.LlavaForConditionalGeneration(config)
    spread(network)
    network.save_pretrained(folder)
    return folder


def spread(network):
    """Weights large enough that what a random network says depends on the picture."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.3)


PICTURES = np.random.default_rng(0).random((9, 20, 28, 3), np.float32)
PICTURES[4:] *= np.float32([0.1, 0.4, 1])


@pytest.mark.parametrize("kind", ["blip", "llava"])
def test_captions(kind, request):
    folder = request.getfixturevalue(kind)
    captioner = load_captioner(f"{kind}:{folder}")
    captioner._most_new_tokens = 6
    captions = captioner.caption(PICTURES)
    assert len(captions) == 9
    assert len(set(captions)) > 1
    assert {word for caption in captions for word in caption.split()} <= {*WORDS, "[UNK]"}
    assert "\n" not in "".join(captions)
    # more than a batch, and each on its own
    assert captioner.caption(PICTURES[-1:]) == captions[-1:]


@pytest.mark.parametrize("kind", ["blip", "llava"])
def test_the_fingerprint_follows_the_weights(kind, request, tmp_path):
    folder = request.getfixturevalue(kind)
    captioner = load_captioner(f"{kind}:{folder}")
    assert captioner.fingerprint() == load_captioner(f"{kind}:{folder}").fingerprint()
    before = captioner.fingerprint()
    del captioner.__dict__["_digest"]
    with torch.no_grad():
        next(captioner._network.parameters()).add_(1)
    assert captioner.fingerprint() != before


def test_what_llava_is_asked_counts(llava):
    from restora.semantics.llava import LlavaCaptioner

    asked = LlavaCaptioner(str(llava), instruction="describe the sea")
    assert asked.fingerprint() != LlavaCaptioner(str(llava)).fingerprint()


def test_llava_draws_as_published_and_the_same_again(llava):
    drawn = load_captioner(f"llava:{llava}?most_new_tokens=6&temperature=9&top_p=1")
    first = drawn.caption(PICTURES)
    state = torch.random.get_rng_state()
    assert drawn.caption(PICTURES[:3]) == first[:3]
    assert torch.equal(torch.random.get_rng_state(), state)
    greedy = load_captioner(f"llava:{llava}?most_new_tokens=6&temperature=0")
    certain = greedy.caption(PICTURES)
    assert certain != first
    # Drawn from next to no words, it is as good as greedy.
    least = load_captioner(f"llava:{llava}?most_new_tokens=6&top_p=0.0001")
    assert least.caption(PICTURES) == certain
    other = load_captioner(f"llava:{llava}?most_new_tokens=6&temperature=9&top_p=1&seed=1")
    assert other.caption(PICTURES) != first
    captioners = (drawn, greedy, least, other)
    assert len({captioner.fingerprint() for captioner in captioners}) == 4


def test_blip_takes_its_length(blip):
    short, long = (load_captioner(f"blip:{blip}?most_new_tokens={n}") for n in (2, 9))
    assert short.fingerprint() != long.fingerprint()
    assert len("".join(short.caption(PICTURES))) < len("".join(long.caption(PICTURES)))


def test_a_tokenizer_without_a_place_for_pictures(llava, tmp_path):
    import shutil

    shutil.copytree(llava, tmp_path / "llava")
    word_tokenizer(tmp_path / "llava", ["[PAD]", "[UNK]", "<s>", "</s>", "<pic>"])
    with pytest.raises(WeightsError, match="does not know <image>"):
        load_captioner(f"llava:{tmp_path / 'llava'}")


@pytest.mark.parametrize("kind", ["blip", "llava"])
def test_a_folder_without_a_network(kind, tmp_path):
    with pytest.raises(WeightsError, match=f"Cannot load AutoTokenizer from {tmp_path}"):
        load_captioner(f"{kind}:{tmp_path}")
