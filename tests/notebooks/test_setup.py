"""`make` as root, in an odd folder, without a suitable Python, on a read-only disk."""

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from labs import copy_of_the_course, lab
from processes import environment

from notebooks import NOTEBOOKS

ROOT = Path(__file__).parents[2]


def test_make_lab_lists_the_lessons_in_an_odd_folder_and_as_root_too(tmp_path):
    folder = tmp_path / "Übung № 1 – VAE"
    folder.mkdir()
    copy_of_the_course(folder)
    with lab(folder) as (url, log):
        with urllib.request.urlopen(f"{url}/api/contents?token=reader") as answer:
            listed = {entry["name"] for entry in json.load(answer)["content"]}
        assert log.read_text().count("You are root, so JupyterLab runs as root.") == (
            os.getuid() == 0
        )
    assert {path.name for path in NOTEBOOKS} <= listed


# Pythons that are not what they seem: shell scripts that answer as one would.

ANSWERS = """#!/bin/sh
case "$*" in
*version_info*) echo {minor} ;;
*"import venv"*) {venv} ;;
--version) echo Python 3.{minor}.9 ;;
"-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && ln -s "$UV" "$4/bin/uv" ;;
*pip*) {pip} ;;
esac
"""
SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2; exit 127\n"


def python(minor, venv="exit 0", pip="exit 0"):
    return ANSWERS.format(minor=minor, venv=venv, pip=pip)


def set_up(folder, pythons, **changes):
    """Runs the set-up in a folder where only these are on the path, beside the usual tools."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("sh", "mkdir", "cp", "ln"):
        (programs / name).symlink_to(shutil.which(name))
    for name, text in pythons.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    variables = {"PATH": programs, "UV": ROOT / ".venv/bin/uv", "UV_PYTHON_DOWNLOADS": "never"}
    command = ["sh", str(ROOT / "tools" / "make_venv.sh")]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**variables | changes),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("pythons", "sentence"),
    [
        ({}, "needs Python 3.11 to 3.14 and found none: install one"),
        ({"python3": SHIM, "python3.13": SHIM}, "needs Python 3.11 to 3.14 and found none"),
        ({"python3": python("False")}, "needs Python 3.11 to 3.14 and found none"),
        ({"python3": python(11, venv="exit 1")}, "venv module of python3 is missing: install it"),
        ({"python3": python(12, pip="exit 1")}, "uv could not be installed, most likely"),
        ({"python3": python(10)}, "Python 3.13 could not be fetched: connect to the network"),
        ({"python3": python(15)}, "Python 3.13 could not be fetched: connect to the network"),
    ],
    ids=["none", "shims", "Python 2", "no venv", "offline", "3.10 offline", "3.15 offline"],
)
def test_setup_without_what_it_needs_says_one_sentence(tmp_path, pythons, sentence):
    run = set_up(tmp_path, pythons)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert sentence in run.stderr


def test_a_python_that_is_given_and_does_not_suit_is_refused(tmp_path):
    run = set_up(tmp_path, {"python3.13": python(13), "old": python(10)}, PYTHON="old")
    assert run.returncode == 1
    assert run.stderr == "This course needs Python 3.11 to 3.14, and old is Python 3.10.9.\n"


def test_setup_takes_the_newest_suitable_python_that_starts(tmp_path):
    pythons = {"python3.14": SHIM, "python3.12": python(12), "python3": python(13)}
    pythons |= {"python3.11": python(11), "python": python(14, venv="exit 1")}
    assert "with Python 3.13.9" in set_up(tmp_path, pythons).stdout


def test_setup_takes_the_python_that_it_is_given(tmp_path):
    pythons = {"python3.13": python(13), "my python": python(11)}
    assert "with Python 3.11.9" in set_up(tmp_path, pythons, PYTHON="my python").stdout


@pytest.fixture
def read_only(tmp_path):
    """A folder with the course that nobody may write to, and the words before a command there."""
    copy_of_the_course(tmp_path)
    (tmp_path / ".venv" / ".ready").unlink()
    if os.getuid():
        tmp_path.chmod(0o555)
        yield tmp_path, []
        tmp_path.chmod(0o755)
        return
    # An administrator writes where the mode forbids it, but not where the disk does.
    mount = (
        'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && cd "$1" && shift && exec "$@"'
    )
    before = ["unshare", "--mount", "sh", "-c", mount, "sh", str(tmp_path)]
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this administrator may not mount")
    yield tmp_path, before


def test_on_a_read_only_disk_make_says_one_sentence(read_only):
    folder, before = read_only
    run = subprocess.run(
        [*before, "make", "lab"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode
    said = [line for line in run.stderr.splitlines() if not line.startswith("make")]
    assert said == [
        "This folder cannot be written to: copy the course to one that can, and run make lab there."
    ]


def test_a_course_that_was_moved_is_installed_again(tmp_path):
    copy_of_the_course(tmp_path)
    command = ["make", "--question", ".venv/.ready"]
    options = {"cwd": tmp_path, "env": environment(), "check": False}
    assert subprocess.run(command, **options).returncode == 0
    (tmp_path / ".venv" / ".ready").write_text("/another/folder\n")
    assert subprocess.run(command, **options).returncode == 1
