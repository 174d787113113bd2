"""A reader's path through lesson 08 in a real browser: it runs, a slider draws, it answers."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from labs import copy_of_the_course, lab
from playwright.sync_api import expect, sync_playwright

from vae_course.lesson.exercises import PRAISE

ROOT = Path(__file__).parent.parent.parent
LESSON = ROOT / "notebooks" / "08_the_vae.ipynb"
PICTURES = ROOT / "build" / "browser"
MINUTE = 60_000  # Playwright counts in milliseconds
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "doNotDisturbMode": True},
    # Some versions of JupyterLab leave cells out of the page until they are scrolled to.
    "notebook-extension/tracker": {"windowingMode": "none"},
}
PROMPT = ".jp-CodeCell .jp-InputArea-prompt"
OUTPUT = ".jp-Notebook .jp-OutputArea-output"
BYTES = "async image => [...new Uint8Array(await (await fetch(image.src)).arrayBuffer())]"


def settings_of_a_reader(folder):
    """Variables for nobody's settings, and for progress bars, as a reader has them."""
    for name, value in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(value))
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
    variables = {name: folder / name for name in names}
    return variables | {"JUPYTERLAB_SETTINGS_DIR": folder / "settings", "TQDM_DISABLE": None}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a JupyterLab started with the README's command."""
    folder = tmp_path_factory.mktemp("lab")  # a copy: JupyterLab saves what one does to a lesson
    copy_of_the_course(folder)
    with lab(folder, **settings_of_a_reader(folder)) as (url, _):
        yield f"{url}/lab?token=reader"


@pytest.fixture(scope="module")
def page():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail("No Chromium here: install it (Debian: apt install chromium).", pytrace=False)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=flags)
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


@pytest.fixture(scope="module")
def lesson(page, address):
    """Lesson 08, its recorded outputs cleared away, then run from top to bottom."""
    page.goto(address)
    page.locator(".jp-DirListing-item", has_text=LESSON.name).dblclick(timeout=MINUTE)
    idle = page.get_by_text("(ipykernel) | Idle")
    idle.wait_for(timeout=MINUTE)
    page.locator(".jp-MarkdownCell mjx-container").first.wait_for(timeout=MINUTE)
    photograph(page, "1_the_lesson")
    choose(page, "Edit", "Clear Outputs of All Cells")
    expect(page.locator(OUTPUT)).to_have_count(0)
    expect(page.locator(PROMPT, has_text=re.compile(r"\d"))).to_have_count(0)
    choose(page, "Run", "Restart Kernel and Run All Cells")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.locator(".jp-Dialog").wait_for(state="detached")
    wait_until(page, lambda: is_over(page), "the lesson has run", seconds=600)
    # JupyterLab writes errors, and progress bars, as what went to stderr.
    errors = page.locator(f'{OUTPUT}[data-mime-type*="err"]', has_text="Error")
    trouble = errors.or_(page.locator(".jp-Dialog")).all_inner_texts()
    assert not trouble, "\n".join(trouble)
    assert page.locator(PROMPT, has_text="[ ]").count() == 0
    idle.wait_for()
    return page


def is_over(page):
    """Whether no cell waits any more: all have run, one has failed, or the kernel has died."""
    prompts = "".join(page.locator(PROMPT).all_inner_texts())
    return page.locator(".jp-Dialog").count() or re.fullmatch(r"[^*]*\d[^*]*", prompts)


def choose(page, menu, item):
    page.locator(".lm-MenuBar-item", has_text=menu).click()
    page.locator(".lm-Menu-item", has_text=item).click()


def photograph(page, name, thing=None):
    """Keeps what the window shows, with `thing` in its middle, for people to look at."""
    if thing is not None:
        thing.evaluate("thing => thing.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(500)
    page.screenshot(path=PICTURES / f"{name}.png")


def wait_until(page, condition, promise, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not after {seconds} seconds: {promise}"
        page.wait_for_timeout(200)


def test_every_figure_is_drawn_anew(lesson):
    figures = lesson.locator(f'{OUTPUT}[data-mime-type="image/png"] img')
    recorded = LESSON.read_text("utf-8").count('"image/png": "iVBOR')
    assert figures.count() == recorded > 0
    assert all(figure.evaluate("image => image.naturalWidth") > 300 for figure in figures.all())
    photograph(lesson, "2_a_figure", figures.nth(2))


def test_a_slider_draws_another_digit(lesson):
    explorer = lesson.locator(".jp-CodeCell", has_text="FloatSlider").locator(".jp-OutputArea")
    image = explorer.locator("img")
    first = image.evaluate(BYTES)
    photograph(lesson, "3_explorer_before", image)
    explorer.locator(".noUi-handle").first.press("ArrowRight")
    wait_until(lesson, lambda: image.evaluate(BYTES) != first, "another digit")
    for _ in range(14):
        lesson.keyboard.press("ArrowRight")
    expect(explorer.locator(".widget-readout").first).to_have_text("1.50")
    photograph(lesson, "4_explorer_after", image)
    for _ in range(15):
        lesson.keyboard.press("ArrowLeft")
    wait_until(lesson, lambda: image.evaluate(BYTES) == first, "the first digit again")


@pytest.fixture(scope="module")
def solution(lesson):
    """The solution of the first exercise, unfolded and read off the page."""
    folded = lesson.locator("details").first
    folded.locator("summary").click()
    return folded.locator("pre").inner_text().strip()


@pytest.mark.parametrize(
    ("sign", "words", "name"),
    [("-", PRAISE, "5_praise"), ("+", "You add the rate", "6_diagnosis")],
    ids=["praise", "diagnosis"],
)
def test_an_answer_is_judged(lesson, solution, sign, words, name):
    exercise = lesson.locator(".jp-CodeCell", has_text='lesson.check("08.1"')
    exercise.locator(".cm-content").click()
    lesson.keyboard.press("ControlOrMeta+A")
    answer = solution.replace("reconstruction - rate", f"reconstruction {sign} rate")
    lesson.keyboard.insert_text(f'{answer}\n\n\nlesson.check("08.1", elbo_by_hand)')
    lesson.keyboard.press("Control+Enter")
    expect(exercise.locator(".jp-OutputArea")).to_contain_text(words, timeout=MINUTE)
    photograph(lesson, name, exercise)
