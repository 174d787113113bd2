"""The project's own promises: one list of packages, no broken jax, no registry's address."""

import re
import subprocess
import sys
import tomllib
import urllib.request
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

import vae_course

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = re.findall(
    r"^([\w.-]+)==(\S+)(?: ; (.*))?$", (ROOT / "requirements.lock").read_text(), re.MULTILINE
)


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_holds_every_dependency():
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["lab"]]
    wanted += project["optional-dependencies"]["dev"]
    locked = {normal(name) for name, _, _ in LOCK}
    assert {normal(re.match(r"[\w.-]+", line)[0]) for line in wanted} <= locked


@pytest.mark.parametrize("name", ["jax", "jaxlib"])
@pytest.mark.parametrize(
    ("python", "locked"), [("3.11", "0.10.1"), ("3.13", "0.12.0.1"), ("3.14", "0.12.0.1")]
)
def test_each_python_has_its_jax_and_no_release_that_computes_wrong_numbers(name, python, locked):
    marker = {"python_full_version": f"{python}.0"}
    (version,) = [v for n, v, m in LOCK if n == name and (not m or Marker(m).evaluate(marker))]
    assert version == locked
    allowed = next(
        r for r in map(Requirement, PYPROJECT["project"]["dependencies"]) if r.name == name
    )
    assert allowed.specifier.contains(version)
    assert not list(allowed.specifier.filter(["0.7.1", "0.10.2", "0.11.0", "0.11.1"]))


def test_nothing_names_a_package_index():
    text = (ROOT / "requirements.lock").read_text() + (ROOT / "environment.yml").read_text()
    assert not re.search(r"https?:|index-url|find-links|file:", text)


def test_one_version():
    assert PYPROJECT["project"]["version"] == vae_course.__version__
    assert f"version: {vae_course.__version__}" in (ROOT / "CITATION.cff").read_text()


def test_the_import_brings_nothing_heavy_besides_jax_flax_and_optax():
    """SciPy's statistics and matplotlib take seconds to load: they come when they are wanted."""
    code = """
import sys, jax, optax, flax.nnx
before = set(sys.modules)
import vae_course
brought = {name.split(".")[0] for name in set(sys.modules) - before}
print(brought & {"scipy", "matplotlib", "IPython", "sklearn", "tensorflow_datasets", "pandas"})
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr


def test_a_bare_make_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: ((.*\\\n)*.*)$", makefile, re.M)[1].split()) - {"\\"}
    command = ["make", "--no-print-directory"]  # make may have called this test
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in listed.splitlines()} == targets


class Greeting(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


def test_offline_means_offline_and_without_a_cache(serve):
    """What answers here does not answer there; the exit status comes back."""
    url = f"http://127.0.0.1:{serve(Greeting)}"
    urllib.request.urlopen(url).close()
    code = f"""
import os, pathlib, sys, urllib.error, urllib.request
assert not list(pathlib.Path(os.environ["VAE_COURSE_DATA"]).iterdir())
try:
    urllib.request.urlopen({url!r})
except urllib.error.URLError:
    sys.exit(7)
"""
    command = [sys.executable, "tools/offline.py", sys.executable, "-c", code]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 7


def test_workflows_and_ci_only_call_targets_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    workflow = (ROOT / ".github/workflows/test.yml").read_text()
    commands = re.findall(r"run: (.*)", workflow)
    assert commands
    assert all(re.fullmatch(r"make [a-z-]+", command) for command in commands)
    ci = (ROOT / ".ci/run").read_text()
    called = {c.split()[1] for c in commands} | set(re.findall(r"\bmake ([a-z-]+)", ci))
    assert called <= targets


def test_environment_yml_is_read_right_by_repo2docker():
    """It takes `python=3.x` from the file, and stages the repository for -r and -e."""
    text = (ROOT / "environment.yml").read_text()
    (python,) = re.findall(r"^  - python\s*=+\s*([\d.]+)$", text, re.MULTILINE)
    assert (3, 11) <= tuple(map(int, python.split("."))) <= (3, 14)
    local = re.findall(r"^      - (-[re]) (\S+)$", text, re.MULTILINE)
    assert local == [("-r", "requirements.lock"), ("-e", ".")]


def test_the_front_door_has_at_most_36_names_and_they_are_there():
    assert len(vae_course.__all__) <= 36
    assert all(hasattr(vae_course, name) for name in vae_course.__all__)


@pytest.mark.parametrize("old", vae_course.OLD_NAMES)
def test_an_old_name_says_the_new_one_which_exists(old):
    with pytest.raises(AttributeError, match=f"has no {old}: it is ") as caught:
        getattr(vae_course, old)
    for path in re.findall(r"vc\.([\w.]+\w)", str(caught.value)):
        found = vae_course
        for part in path.split("."):
            found = getattr(found, part)
