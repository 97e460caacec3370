"""How far two pictures look apart: DISTS, its edge-aware form and LPIPS, on several features."""

from restora.networks.perceptual.dists import DISTS, EADISTS, load_dists, sobel_magnitude
from restora.networks.perceptual.features import Features, LiteFeatures
from restora.networks.perceptual.filter_bank import FilterBank
from restora.networks.perceptual.lpips import LPIPS
from restora.networks.perceptual.vgg16 import VGG16

__all__ = [
    "DISTS",
    "EADISTS",
    "LPIPS",
    "VGG16",
    "Features",
    "FilterBank",
    "LiteFeatures",
    "load_dists",
    "sobel_magnitude",
]
