"""The project's own promises: packages, versions, names, README, what the Makefile says."""

import re
import subprocess
import sys
import tomllib
import urllib.request
from http.server import BaseHTTPRequestHandler

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from processes import environment

import vae_course
from notebooks import NOTEBOOKS, ROOT, code_cells, read
from vae_course.versions import FLOORS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = re.findall(r"^([\w.-]+)==(\S+)(?: ; (.*))?$", (ROOT / "requirements.lock").read_text(), re.M)
README = (ROOT / "README.md").read_text()


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_holds_every_dependency_and_names_no_package_index():
    optional = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *optional["lab"], *optional["dev"]]
    assert {normal(Requirement(line).name) for line in wanted} <= {normal(n) for n, *_ in LOCK}
    files = (ROOT / "requirements.lock").read_text() + (ROOT / "environment.yml").read_text()
    assert not re.search(r"https?:|index-url|find-links|file:", files)


@pytest.mark.parametrize(
    ("python", "locked"), [("3.11", "0.10.1"), ("3.13", "0.12.0.1"), ("3.14", "0.12.0.1")]
)
def test_each_python_has_its_jax_and_no_release_that_computes_wrong_numbers(python, locked):
    marker = {"python_full_version": f"{python}.0"}
    for name in ("jax", "jaxlib"):
        (version,) = [v for n, v, m in LOCK if n == name and (not m or Marker(m).evaluate(marker))]
        assert version == locked
        allowed = next(r for r in map(Requirement, PROJECT["dependencies"]) if r.name == name)
        assert allowed.specifier.contains(version)
        assert not list(allowed.specifier.filter(["0.7.1", "0.10.2", "0.11.0", "0.11.1"]))


def test_one_version_and_one_list_of_floors():
    assert PROJECT["version"] == vae_course.__version__
    assert f"version: {vae_course.__version__}" in (ROOT / "CITATION.cff").read_text()
    for name, floor in FLOORS.items():
        wanted = next(r for r in map(Requirement, PROJECT["dependencies"]) if r.name == name)
        assert f">={'.'.join(map(str, floor))}" in str(wanted.specifier)


def test_the_mathematics_prints_nothing_and_draws_nothing():
    """SciPy's statistics and matplotlib, too, take seconds to load: they come when wanted."""
    for path in (ROOT / "vae_course").glob("*.py"):
        assert not re.search(r"\bprint\(|import matplotlib|import IPython", path.read_text())
    code = """
import sys, jax, optax, flax.nnx
before = set(sys.modules)
import vae_course
brought = {name.split(".")[0] for name in set(sys.modules) - before}
print(brought & {"scipy", "matplotlib", "IPython", "sklearn", "tensorflow_datasets", "requests"})
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr


def test_the_front_door_has_at_most_36_names_each_used_in_a_lesson():
    used = "\n".join(cell.source for path in NOTEBOOKS for cell in code_cells(read(path)))
    assert len(vae_course.__all__) <= 36
    for name in vae_course.__all__:
        assert hasattr(vae_course, name)
        assert re.search(rf"\bvc\.{name}\b", used), name


@pytest.mark.parametrize("old", vae_course.OLD_NAMES)
def test_an_old_name_says_the_new_one_which_exists(old):
    with pytest.raises(AttributeError, match=f"has no {old}: it is ") as caught:
        getattr(vae_course, old)
    for path in re.findall(r"vc\.([\w.]+\w)", str(caught.value)):
        found = vae_course
        for part in path.split("."):
            found = getattr(found, part)


def test_the_workflow_and_ci_call_targets_and_a_bare_make_lists_them_all():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: ((.*\\\n)*.*)$", makefile, re.M)[1].split()) - {"\\"}
    command = ["make", "--no-print-directory"]
    options = dict(cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    listed = subprocess.run(command, **options).stdout.splitlines()
    assert {line.split()[0] for line in listed} == targets
    commands = re.findall(r"run: (.*)", (ROOT / ".github/workflows/test.yml").read_text())
    assert commands
    assert all(re.fullmatch(r"make [a-z-]+", command) for command in commands)
    ci = re.findall(r"\bmake ([a-z-]+)", (ROOT / ".ci/run").read_text())
    assert {command.split()[1] for command in commands} | set(ci) <= targets


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


def test_environment_yml_is_read_right_by_repo2docker():
    """It takes `python=3.x` from the file, and stages the repository for -r and -e."""
    text = (ROOT / "environment.yml").read_text()
    (python,) = re.findall(r"^  - python\s*=+\s*([\d.]+)$", text, re.MULTILINE)
    assert (3, 11) <= tuple(map(int, python.split("."))) <= (3, 14)
    local = re.findall(r"^      - (-[re]) (\S+)$", text, re.MULTILINE)
    assert local == [("-r", "requirements.lock"), ("-e", ".")]


def rows(page):
    """The cells of each row of four, its first one a lesson's number or letter."""
    lines = re.findall("^[|]" + 4 * "([^|]*)[|]" + "$", page, flags=re.MULTILINE)
    table = [[cell.strip() for cell in line] for line in lines]
    return [row for row in table if re.fullmatch(r"\d\d|[A-Z]", row[0])]


def test_readme_and_teaching_name_every_lesson():
    numbers = [path.stem.split("_")[0] for path in NOTEBOOKS]
    assert [row[0] for row in rows(README)] == numbers
    for (_, lesson, question, needs), path in zip(rows(README), NOTEBOOKS, strict=True):
        assert f"](notebooks/{path.name})" in lesson
        assert "?" in question
        assert set(re.findall(r"\d\d", needs)) <= set(numbers)
    assert [row[0] for row in rows((ROOT / "TEACHING.md").read_text())] == numbers


def test_the_first_program_prints_what_the_readme_says(capsys):
    """Within five standard deviations over keys: -140.8, -141.6 and -141.0 with keys 0, 1, 2."""
    program, promised = re.findall(r"```(?:python)?\n(.*?)```", README, flags=re.DOTALL)[:2]
    namespace = {}
    exec(program, namespace)
    sentence = r"log p\(x\) = (-[\d.]+) nats per test image"
    measured, promise = (
        float(re.search(sentence, text)[1]) for text in (capsys.readouterr().out, promised)
    )
    if not namespace["data"].is_stand_in:
        assert abs(measured - promise) < 2


def test_the_example_trains_keeps_and_measures(tmp_path):
    if vae_course.load("mnist").is_stand_in:
        pytest.skip("the example wants MNIST itself")
    command = [sys.executable, "examples/train.py", "--images", "1024", "--folder", str(tmp_path)]
    for epochs, batch in ((1, 256), (2, 256)):  # the second goes on from the first
        words = [*command, "--epochs", str(epochs), "--batch", str(batch)]
        result = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True)
        assert re.search(r"1 hosts: validation loss [\d.]+, log p\(x\) -[\d.]+ ±", result.stdout), (
            result.stderr
        )
    assert (tmp_path / "vae.npz").stat().st_size > 1e6


def test_the_examples_for_clusters_can_be_read():
    job = list(yaml.safe_load_all((ROOT / "examples" / "kubernetes.yaml").read_text()))
    service, pods = job[0], job[1]["spec"]
    assert pods["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    command = pods["template"]["spec"]["containers"][0]["command"][-1]
    name, port, count = re.search(r"--hosts (\S+):(\d+) (\d+) ", command).groups()
    assert name == f"{job[1]['metadata']['name']}-0.{service['metadata']['name']}"
    assert int(count) == pods["completions"] == pods["parallelism"]
    subprocess.run(["bash", "-n", ROOT / "examples" / "slurm.sh"], check=True)
