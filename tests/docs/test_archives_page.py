"""The archive of archives.md is made by its command, and its code reads that."""

from typer.testing import CliRunner

from restora.cli.main import app

PAGE = "docs/archives.md"


def test_the_code_reads_what_the_command_made(folder, put, python_of, capsys):
    put("photos")
    (folder / "photos" / "letter.jpg").write_bytes(b"This is a letter.")
    made = CliRunner().invoke(app, ["restore", "photos", "-o", "restored", "--resume"])
    assert made.exit_code == 1
    capsys.readouterr()
    reads, restores = python_of(PAGE)
    exec(compile(reads.text, PAGE, "exec"), {})
    counts, failed = capsys.readouterr().out.splitlines()
    assert counts == "[('failed', 1), ('restored', 2)]"
    assert "photos/letter.jpg is not a picture Restora knows" in failed
    names = {}
    exec(compile(restores.text, PAGE, "exec"), names)
    done = names["repaired"]((folder / "photos" / "beach.jpg").read_bytes())
    assert done == (folder / "restored" / "beach.png").read_bytes()
