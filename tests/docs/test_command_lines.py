"""Command lines in the documentation are understood; those that restore and inspect are run."""

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from restora.cli.main import app

ROOT = Path(__file__).parents[2]
COMMAND = typer.main.get_command(app)
# Options that pages name in sentences, of other programs.
FOREIGN: set[str] = set()


def understood(words):
    """The context of a command line, as Typer reads it, without doing anything."""
    command, context, words = COMMAND, None, list(words)
    name = words.pop(0)
    while True:
        context = command.make_context(name, words, parent=context)
        if not hasattr(command, "commands"):
            return context
        name, command, words = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert command is not None, name


def named(words):
    """The command that words name, which may be a group, and the words behind."""
    command, words = COMMAND, list(words[1:])
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name = words.pop(0)
        assert name in command.commands, f"there is no restora {name}"
        command = command.commands[name]
    return command, words


def options_of(command):
    own = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    return own | {"--help"} | ({"--version"} if command is COMMAND else set())


def every_option(command):
    held = getattr(command, "commands", {}).values()
    return options_of(command).union(*(every_option(each) for each in held))


def test_a_command_line_is_understood(command):
    where = f"{command.page}, line {command.line}: {command}"
    if command.whole:
        try:
            understood(command.words)
        except Exception as error:
            pytest.fail(f"{where}: {getattr(error, 'message', error)}")
    else:
        found, words = named(command.words)
        wrong = {word.split("=")[0] for word in words if re.match("--?[a-z]", word)}
        wrong -= every_option(found)
        assert not wrong, where
    recipes = [word for word in command.words if word.startswith("recipes/")]
    assert all((ROOT / recipe).exists() for recipe in recipes), where


def test_options_in_sentences_exist(prose_page, inline_of):
    known = every_option(COMMAND) | FOREIGN
    told = {code for code in inline_of(prose_page) if code.startswith("--")}
    assert {code for code in told if re.split(r"[ =|]", code)[0] not in known} == set()


def test_a_command_line_runs(runnable, tmp_path, monkeypatch, put):
    monkeypatch.chdir(tmp_path)
    if runnable.words[1] != "models":
        for name in inputs_of(understood(runnable.words)):
            put(name)
    done = CliRunner().invoke(app, runnable.words[1:])
    assert done.exit_code == 0, f"{runnable.page}: {runnable}: {done.output} {done.exception}"


def inputs_of(context):
    """What a command line reads: its arguments."""
    for each in context.command.params:
        if each.param_type_name == "argument":
            value = context.params[each.name]
            for one in value if isinstance(value, list | tuple) else [value]:
                if one is not None:
                    yield str(one)


def test_exceptions_are_needed(unmet_exceptions, prose):
    assert unmet_exceptions == []
    assert {option for option in FOREIGN if not any(option in code for code in prose)} == set()


@pytest.mark.parametrize(
    "words",
    [
        ("restora", "restore", "photo.jpg", "--qualty", "3"),
        ("restora", "restore"),
        ("restora", "restore", "photo.jpg", "--strength", "much"),
        ("restora", "repair", "photo.jpg"),
        ("restora", "bench", "jpeg-grey"),
        ("restora", "restore", "photo.jpg", "-o"),
    ],
)
def test_what_is_wrong_is_not_understood(words):
    with pytest.raises(Exception, match=r"\w"):
        understood(words)
