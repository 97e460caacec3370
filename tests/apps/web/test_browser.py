"""The page in a real browser, before a real server, as people use it."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from typer.testing import CliRunner

from restora.cli.main import app

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 60_000  # a machine that is busy elsewhere must not fail a test
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
REFUSED = "the server responded with a status of 422"  # Chromium tells of each


@pytest.fixture(scope="module")
def chromium():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)} is installed")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"] if root else []
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address():
    """Of a server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "restora.cli.main", "serve", "--port", "0"],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            line = process.stdout.readline()
            assert line.startswith("Restora: http://127.0.0.1:")
            yield line.removeprefix("Restora: ").strip()
        finally:
            process.terminate()


@pytest.fixture
def visit(chromium, address):
    """Opens the page as somebody new; at the end nothing may have gone wrong unseen."""
    seen = []
    with contextlib.ExitStack() as stack:

        def open_page(*, size=WIDE, refused=0):
            context = chromium.new_context(viewport=size, accept_downloads=True)
            stack.callback(context.close)
            context.set_default_timeout(WAIT_MS)
            page = context.new_page()
            told, asked = [], []
            page.on("console", lambda message: told.append((message.type, message.text)))
            page.on("pageerror", lambda error: told.append(("error", str(error))))
            page.on("request", lambda request: asked.append(request.url))
            page.add_init_script(
                "document.addEventListener('securitypolicyviolation',"
                " (event) => console.error('refused by the policy: ' + event.blockedURI))"
            )
            page.goto(f"{address}/")
            expect(page.get_by_test_id("version")).not_to_be_empty()  # it knows the server
            seen.append((told, asked, refused))
            return page

        yield open_page
        for told, asked, refused in seen:
            loud = [text for kind, text in told if kind in ("error", "warning")]
            assert len([text for text in loud if REFUSED in text]) == refused, loud
            assert [text for text in loud if REFUSED not in text] == []
            assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []


@pytest.fixture(scope="module")
def commanded(tmp_path_factory):
    """What ``restora restore`` makes of a file."""
    folder = tmp_path_factory.mktemp("command")

    def restore(data, *options, suffix=".png"):
        source, target = folder / "in", folder / f"out{suffix}"
        source.write_bytes(data)
        words = ["restore", str(source), "-o", str(target), "--overwrite", *options]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        return target.read_bytes()

    return restore


def give(page, *files):
    """Choose files, as pairs of a name and its bytes."""
    chosen = [
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
        for name, data in files
    ]
    page.get_by_test_id("file").set_input_files(chosen)


def finished(page, version=None):
    """Wait for the result of the picture that is looked at: of that version, or the first."""
    expect(page.get_by_test_id("progress")).to_have_attribute("data-state", "done")
    expect(page.get_by_test_id("image-before")).to_be_visible()
    after = page.get_by_test_id("image-after")
    expect(after).to_be_visible()
    if version is not None:
        expect(after).to_have_attribute("src", f"{shown(page)}?version={version}")
    return after


def shown(page):
    return page.get_by_test_id("image-after").get_attribute("src").partition("?")[0]


def saved(page, button="download"):
    """What the browser saves on a press of a button: name and bytes."""
    with page.expect_download() as download:
        page.get_by_test_id(button).click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def places(page):
    """Where the two layers lie, in whole pixels."""
    boxes = [page.get_by_test_id(f"image-{which}").bounding_box() for which in ("before", "after")]
    return [tuple(round(box[side]) for side in ("x", "y", "width", "height")) for box in boxes]


def test_the_page_opens(visit, address):
    page = visit()
    expect(page.get_by_test_id("choose")).to_be_visible()
    expect(page.get_by_test_id("example")).to_have_count(4)
    expect(page.get_by_test_id("version")).to_contain_text("Restora 0.")
    expect(page.get_by_test_id("stays")).to_contain_text("stay on this computer")
    for example in page.get_by_test_id("example").locator("img").all():
        example.scroll_into_view_if_needed()
        expect(example).to_have_js_property("complete", True)
        assert example.evaluate("image => image.naturalWidth") > 0
    page.goto(f"{address}/docs")
    expect(page.get_by_test_id("endpoint")).to_have_count(12)


def test_the_line_between_before_and_after(visit, jpeg):
    page = visit()
    give(page, ("photo.jpg", jpeg(240, 320, quality=12)))
    finished(page)
    expect(page.get_by_test_id("name")).to_have_text("photo.jpg")
    expect(page.get_by_test_id("headline")).to_contain_text("Saved at quality 12")
    expect(page.get_by_test_id("done-summary")).not_to_be_empty()

    slider, pane = page.get_by_test_id("slider"), page.get_by_test_id("pane-before")
    clip = "element => element.style.clipPath"
    expect(slider).to_have_attribute("aria-valuetext", "50 % before")
    middle = pane.evaluate(clip)
    stage, line = page.get_by_test_id("stage").bounding_box(), page.get_by_test_id("line")
    grip = line.bounding_box()
    page.mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] * 0.55, grip["y"] + 20, steps=3)
    page.mouse.up()
    by_mouse = float(slider.input_value())
    assert 50 < by_mouse < 75
    assert pane.evaluate(clip) != middle
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert float(slider.input_value()) < by_mouse
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "0 % before")
    slider.fill("30")
    expect(slider).to_have_attribute("aria-valuetext", "30 % before")


def test_both_are_zoomed_and_moved_together(visit, jpeg):
    page = visit()
    give(page, ("photo.jpg", jpeg(240, 320)))
    finished(page)
    stage = page.get_by_test_id("stage").bounding_box()
    fits = places(page)
    assert fits[0] == fits[1]
    for button, told, width in (("zoom-1", "100 %", 320), ("zoom-4", "400 %", 1280)):
        page.get_by_test_id(button).click()
        expect(page.get_by_test_id("zoom")).to_have_text(told)
        expect(page.get_by_test_id(button)).to_have_attribute("aria-pressed", "true")
        before, after = places(page)
        assert before == after
        assert before[2] == width
    page.mouse.move(stage["x"] + stage["width"] * 0.8, stage["y"] + 60)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] * 0.8 - 90, stage["y"] + 30, steps=3)
    page.mouse.up()
    moved = places(page)
    assert moved[0] == moved[1]
    assert moved[0][0] < before[0]
    page.get_by_test_id("zoom-fit").click()
    assert places(page) == fits
    page.get_by_test_id("side-by-side").click()
    left, right = places(page)
    assert left[2:] == right[2:]
    assert left[:2] != right[:2]
    page.get_by_test_id("view-slider").click()
    assert places(page) == fits


def test_the_dial_and_the_file(visit, jpeg, commanded):
    page = visit()
    data = jpeg(96, 128, quality=12)
    give(page, ("photo.jpg", data))
    finished(page)
    first = page.request.get(f"{page.url}{shown(page)}").body()
    page.get_by_test_id("quality").fill("80")
    finished(page, version=2)
    expect(page.get_by_test_id("quality-source")).to_have_text("set by you")
    expect(page.get_by_test_id("auto")).not_to_be_checked()
    assert page.request.get(f"{page.url}{shown(page)}").body() != first
    assert saved(page) == ("photo.png", commanded(data, "--quality", "80"))
    page.get_by_test_id("automatic").click()
    finished(page, version=3)
    assert page.request.get(f"{page.url}{shown(page)}").body() == first

    assert saved(page) == ("photo.png", commanded(data))
    page.get_by_test_id("format").select_option("jpeg")
    page.get_by_test_id("jpeg-quality").fill("90")
    made = commanded(data, "--jpeg-quality", "90", suffix=".jpg")
    assert saved(page) == ("photo.jpg", made)


def test_bad_files_and_good_ones(visit, jpeg):
    whole = jpeg(64, 96, quality=90)
    page = visit(refused=2)
    give(
        page,
        ("notes.txt", b"not a picture"),
        ("cut.jpg", whole[: len(whole) * 6 // 10]),
        ("empty.jpg", b""),
        ("good.jpg", jpeg()),
    )
    rows = page.get_by_test_id("list-item")
    expect(rows).to_have_count(4)
    for row, state in enumerate(["failed", "failed", "failed", "done"]):
        expect(rows.nth(row)).to_have_attribute("data-state", state)
    expect(page.get_by_test_id("count")).to_have_text("4 pictures, 1 restored, 3 failed")
    sentences = [
        "notes.txt is not a picture Restora knows",
        "cut.jpg is cut off: about",
        "This file is empty.",
    ]
    for row, sentence in enumerate(sentences):
        rows.nth(row).get_by_test_id("item").click()
        expect(page.get_by_test_id("error")).to_be_visible()
        expect(page.get_by_test_id("error")).to_contain_text(sentence)
        expect(page.get_by_test_id("download")).to_be_disabled()
    rows.nth(1).get_by_test_id("item").click()
    page.get_by_test_id("again").click()  # the part that decodes
    finished(page)
    expect(page.get_by_test_id("notes")).to_contain_text("could be decoded")
    rows.nth(3).get_by_test_id("item").click()
    finished(page)
    expect(page.get_by_test_id("error")).to_be_hidden()


def test_many_pictures_and_a_zip(visit, files, commanded):
    names = ["camera.jpg", "gray.jpg", "inks.jpg", "deep.tif", "clear.png"]
    page = visit()
    give(page, *((name, files[name]) for name in names))
    rows = page.get_by_test_id("list-item")
    for row in range(len(names)):
        expect(rows.nth(row)).to_have_attribute("data-state", "done")
    expect(page.get_by_test_id("count")).to_have_text("5 pictures, 5 restored")
    for row in range(len(names)):  # also those that no browser shows by itself
        rows.nth(row).get_by_test_id("item").click()
        finished(page)
        expect(page.get_by_test_id("name")).to_have_text(names[row])
    name, data = saved(page, "zip")
    assert name == "restored.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        inside = ["camera.png", "gray.png", "inks.png", "deep.png", "clear.png"]
        assert archive.namelist() == [*inside, "restora.json"]
        for name, source in zip(inside, names, strict=True):
            assert archive.read(name) == commanded(files[source])
    page.get_by_test_id("remove").nth(0).click()
    expect(rows).to_have_count(4)
    page.get_by_test_id("remove-all").click()
    expect(page.get_by_test_id("choose")).to_be_visible()


def test_words_are_for_real_damage(visit, jpeg, commanded):
    page = visit()
    data = jpeg()
    give(page, ("a.jpg", data))
    finished(page)
    prompt = page.get_by_test_id("prompt")
    expect(prompt).to_be_hidden()
    page.get_by_test_id("task").select_option("real")
    expect(prompt).to_be_visible()
    expect(page.get_by_test_id("quality")).to_be_hidden()
    finished(page, version=2)
    prompt.fill("a red boat")
    page.get_by_test_id("prompt-use").click()
    expect(page.get_by_test_id("prompt-auto")).not_to_be_checked()
    expect(page.get_by_test_id("explain")).to_contain_text("a red boat")
    finished(page)
    assert saved(page)[1] == commanded(data, "--task", "real", "--prompt", "a red boat")


def test_an_example(visit):
    page = visit()
    page.locator("[data-testid=example][data-name='budgie.jpg']").click()
    finished(page)
    expect(page.get_by_test_id("name")).to_have_text("budgie.jpg")
    expect(page.get_by_test_id("headline")).to_contain_text("Saved at quality 10")
    expect(page.get_by_test_id("inside")).to_contain_text("%")


def test_two_people_get_their_own(visit, jpeg, commanded):
    data = [jpeg(56, 72, seed=1), jpeg(72, 56, seed=2)]
    pages = [visit(), visit()]
    for page, each in zip(pages, data, strict=True):
        give(page, ("same.jpg", each))
    for page, each in zip(pages, data, strict=True):
        finished(page)
        assert saved(page) == ("same.png", commanded(each))
    assert shown(pages[0]) != shown(pages[1])


def test_a_phone(visit, jpeg):
    page = visit(size=PHONE)
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) <= PHONE["width"]
    give(page, ("a-name-that-is-far-too-long-for-a-telephone" * 3 + ".jpg", jpeg(240, 320)))
    finished(page)
    page.get_by_test_id("task").select_option("real")
    page.get_by_test_id("more").locator("summary").click()
    page.get_by_test_id("inspected").locator("summary").click()
    assert page.evaluate(width) <= PHONE["width"]
    stage = page.get_by_test_id("stage").bounding_box()
    assert stage["width"] >= 0.85 * PHONE["width"]
    for part in ("download", "task", "slider"):
        box = page.get_by_test_id(part).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert box["height"] >= 40  # for a finger


def test_the_keyboard_is_enough(visit, jpeg):
    page = visit()
    page.on("filechooser", lambda _: None)  # told early, for it takes effect a little later
    focused = "document.activeElement.dataset.testid ?? document.activeElement.id"

    def tab_to(name):
        for _ in range(60):
            if page.evaluate(focused) == name:
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"no key leads to {name}")

    tab_to("choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(
        {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": jpeg(120, 160, quality=20)}
    )
    finished(page)
    tab_to("stage")
    page.keyboard.press("4")
    expect(page.get_by_test_id("zoom")).to_have_text("400 %")
    before = places(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("0")
    expect(page.get_by_test_id("zoom-fit")).to_have_attribute("aria-pressed", "true")
    assert places(page) != before
    tab_to("slider")
    page.keyboard.press("End")
    expect(page.get_by_test_id("slider")).to_have_attribute("aria-valuetext", "100 % before")
    tab_to("quality")
    page.keyboard.press("ArrowRight")
    finished(page, version=2)
    expect(page.get_by_test_id("quality-says")).to_have_text("21")
    tab_to("download")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    with Image.open(download.value.path()) as image:
        assert image.size == (160, 120)


def test_pictures_are_gone_with_the_page(visit, jpeg):
    page = visit()
    give(page, ("a.jpg", jpeg()))
    finished(page)
    address = f"{page.url}{shown(page)}"
    assert page.request.get(address).status == 200
    page.get_by_test_id("remove").click()
    expect(page.get_by_test_id("choose")).to_be_visible()
    assert page.request.get(address).status == 404
