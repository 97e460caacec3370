"""Recipes: every shipped one parses, and mistakes are told all at once."""

from pathlib import Path

import pytest

from restora.errors import RecipeError
from restora.training.recipe import load_recipe, parse_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_shipped_recipe_parses(path):
    assert load_recipe(path).name.startswith(path.parent.name)


def test_there_are_shipped_recipes():
    assert len(RECIPES) >= 2


def test_all_mistakes_are_told_with_the_nearest_key():
    raw = {"name": "x", "network": {}, "train": {"lrr": 1, "steps": 0}, "data": {"batch": "many"}}
    with pytest.raises(RecipeError) as error:
        parse_recipe(raw, name="r.yaml")
    message = str(error.value)
    assert "r.yaml: 3 mistake(s)" in message
    assert "train.lrr: no such key; did you mean lr?" in message
    assert "train.steps: Input should be greater than or equal to 1 (got 0)" in message
    assert "data.batch" in message


def test_overrides_pass_the_same_checks():
    assert load_recipe(RECIPES[0], overrides=("train.lr=2e-4",)).train.lr == 2e-4
    with pytest.raises(RecipeError, match=r"train\.stepz: no such key; did you mean steps\?"):
        load_recipe(RECIPES[0], overrides=("train.stepz=3",))
    with pytest.raises(RecipeError, match="has no '='"):
        load_recipe(RECIPES[0], overrides=("train.steps",))


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", ""])
def test_a_file_that_is_no_recipe(tmp_path, text):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"r\.yaml"):
        load_recipe(path)


def test_the_rate_rises_stays_and_falls():
    train = load_recipe(RECIPES[0]).train
    rates = [train.lr_at(k) for k in range(train.steps + 1)]
    assert max(rates) == train.lr
    assert rates[: train.warmup_steps] == sorted(rates[: train.warmup_steps])
    assert rates[train.steps] == 0
