"""Python in the documentation runs as it is printed, page by page, in a folder with photos."""

# Pages whose code runs in a test of its own; blocks that run nowhere: a text of theirs, and why.
BY_THEMSELVES = {
    "docs/archives.md": "an archive: test_archives_page.py",
    "docs/weights.md": "files of weights: test_weights_page.py",
    "docs/rest-api.md": "a server: test_rest_api.py",
}
NOT_RUN: dict[tuple[str, str], str] = {}


def why_not(block):
    """Why a block is not run; None where it is."""
    if block.page in BY_THEMSELVES:
        return BY_THEMSELVES[block.page]
    found = [why for (page, text), why in NOT_RUN.items() if (page, text) and text in block.text]
    return found[0] if found else None


def test_the_code_of_a_page_runs(python_page, python_of, folder):
    names = {"__name__": "__main__"}
    for block in python_of(python_page):
        if why_not(block) is None:
            exec(compile(block.text, f"{python_page}, line {block.line}", "exec"), names)


def test_what_is_not_run_is_still_there(python_of):
    for page, text in NOT_RUN:
        assert any(text in block.text for block in python_of(page)), (page, text)
    for page in BY_THEMSELVES:
        assert python_of(page), page
