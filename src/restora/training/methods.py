"""From a recipe to the task of its method."""

from __future__ import annotations

from restora.networks.catalogue import Network
from restora.networks.dagn import DAGN
from restora.networks.fbcnn import FBCNN
from restora.training.dagn_task import DAGNTask
from restora.training.recipe import DAGNRecipe, FBCNNRecipe, Recipe
from restora.training.tasks import FBCNNTask, Task


def make_task(recipe: Recipe, network: Network, *, compiled: bool = False) -> Task:
    """The task of a recipe on its network, with fresh optimisers.

    Args:
        recipe: What to train.
        network: The network of ``recipe.network``.
        compiled: Run it through ``torch.compile``.
    """
    if isinstance(recipe, DAGNRecipe) and isinstance(network, DAGN):
        return DAGNTask(recipe, network, compiled=compiled)
    assert isinstance(recipe, FBCNNRecipe)
    assert isinstance(network, FBCNN)
    return FBCNNTask(recipe, network, compiled=compiled)
