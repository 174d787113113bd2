"""The lessons as Colab runs them: its versions, no repository, the first cell brings the package.

LESSONS=00,08 runs these; LESSONS=third runs a third of them, which changes daily, each in one
of its two forms. Without it, every lesson in both forms.
"""

from functools import partial

import colab
import nbformat
import numpy as np
import pytest
from mnist_server import Files, write_idx_files
from nbclient.exceptions import CellExecutionError

from notebooks import code_cells, first_cell, read
from vae_course.data import cache_folder

REAL = cache_folder() / "mnist.npz"


@pytest.fixture(scope="module")
def preinstalled():
    """What `pip freeze` says of a fresh environment like Colab's."""
    colab.make()
    lines = colab.frozen()
    assert not colab.BROUGHT & lines.keys()
    return lines


@pytest.fixture(scope="module")
def web(serve, tmp_path_factory):
    """A folder with the course's archive, and the address of the server that shows it."""
    folder = tmp_path_factory.mktemp("www")
    colab.write_archive(folder)
    return folder, f"http://127.0.0.1:{serve(partial(Files, directory=str(folder)))}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where the download test leaves MNIST, and the lessons find it."""
    return tmp_path_factory.mktemp("cache")


def cells(*sources):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])


@pytest.mark.parametrize(
    ("address", "host", "says"),
    [
        (None, "", "No module named 'vae_course': start with `make lab`; in Colab"),
        (
            colab.ADDRESS,
            "http://127.0.0.1:9",
            "not found. Check the connection, and run this cell again",
        ),
    ],
    ids=["unstamped", "unreachable"],
)
def test_where_the_package_cannot_be_had_the_first_cell_says_so(
    address, host, says, preinstalled, tmp_path
):
    cell = first_cell(address).replace("https://github.com", host)
    with pytest.raises(CellExecutionError, match=says):
        colab.run(cells(cell), tmp_path, PIP_RETRIES="0")
    assert colab.frozen() == preinstalled


def test_too_old_a_stack_is_refused_in_one_sentence(preinstalled, tmp_path):
    old = tmp_path / "flax-0.8.0.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: flax\nVersion: 0.8.0\n")
    message = "needs flax 0.11.2 or newer and found 0.8.0: on Colab choose the latest runtime"
    with pytest.raises(CellExecutionError, match=message):
        colab.run(cells(colab.first_cell("carried", "")), tmp_path, PYTHONPATH=str(tmp_path))


def whole_mnist():
    if REAL.exists():
        return dict(np.load(REAL))
    rng = np.random.default_rng(0)
    sizes = {"train": 60_000, "test": 10_000}
    images = {f"x_{part}": rng.integers(0, 256, (n, 28, 28), np.uint8) for part, n in sizes.items()}
    return images | {f"y_{part}": rng.integers(0, 10, n, np.uint8) for part, n in sizes.items()}


def test_the_whole_of_mnist_is_downloaded(preinstalled, web, cache, tmp_path):
    folder, url = web
    registered = write_idx_files(whole_mnist(), folder, url)
    load = f"""
import vae_course as vc
vc.data.registered = lambda name: {registered}
data = vc.load("mnist")
assert data.name == "mnist" and len(data.train_images) == 60_000 and len(data.test_images) == 10_000
"""
    notebook = cells(colab.first_cell("fetched", url), load)
    colab.run(notebook, tmp_path, VAE_COURSE_DATA=str(cache))
    assert [path.name for path in cache.iterdir()] == ["mnist.npz"]
    assert colab.frozen().keys() - preinstalled.keys() == colab.BROUGHT


@pytest.fixture(scope="module")
def runtime(preinstalled):
    """form -> a runtime in which only lessons of that form have run."""
    current = []

    def start(form):
        if current != [form]:
            colab.forget()
            current[:] = [form]

    return start


@pytest.mark.parametrize(
    ("form", "path"), colab.runs(), ids=lambda value: getattr(value, "stem", value)
)
def test_a_lesson_runs(form, path, runtime, web, cache, tmp_path):
    """On real MNIST, with every claim checked, where that is at hand."""
    runtime(form)
    notebook = read(path)
    code_cells(notebook)[0].source = colab.first_cell(form, web[1])
    real = {"VAE_COURSE_DATA": str(cache), "VAE_COURSE_STRICT": "1"} if REAL.exists() else {}
    colab.run(notebook, tmp_path, **real)
    kept = "vae_mnist.npz" if real else "vae_digits.npz"  # lesson 08 says that it keeps it
    assert [left.name for left in tmp_path.iterdir()] == [kept] * path.name.startswith("08")


def test_nothing_that_was_preinstalled_has_changed(preinstalled):
    after = colab.frozen()
    assert {name: after.get(name) for name in preinstalled} == preinstalled
    assert after.keys() - preinstalled.keys() <= colab.BROUGHT
