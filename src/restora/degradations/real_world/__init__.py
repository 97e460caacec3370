"""Blind real-world damage: blur, resizing, noise and JPEG, in two rounds.

Settings are drawn (:func:`draw`) apart from the stages that apply them (:func:`apply`), and each
stage can be called alone. :func:`degrade_real` does both on a batch; :func:`real_world_pixels` on
one 8-bit picture.
"""

from restora.degradations.real_world.drawing import draw
from restora.degradations.real_world.pipeline import apply, degrade_real
from restora.degradations.real_world.pixels import real_world_pixels
from restora.degradations.real_world.settings import Settings
from restora.degradations.real_world.sharpen import sharpen

__all__ = ["Settings", "apply", "degrade_real", "draw", "real_world_pixels", "sharpen"]
