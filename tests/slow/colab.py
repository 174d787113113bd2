"""An environment like Colab's, and what runs in it: used by test_colab.py."""

import datetime
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import notebooks
from notebooks import chosen, client_for

ROOT = Path(__file__).parent.parent.parent
VERSIONS = Path(__file__).parent / "colab_versions.txt"
ENV = ROOT / "build" / "colab-env"
PYTHON = ENV / "bin" / "python"
ADDRESS = ("someone/course", "v0.0.0")
BROUGHT = {"vae-course"}
FORMS = ("fetched", "carried")


def runs():
    """(form, path) of each run that LESSONS asks for, form by form."""
    wanted = os.environ.get("LESSONS", "all")
    if wanted == "third":
        day = datetime.date.today().toordinal()
        found = [(FORMS[(day + n) % 2], path) for n, path in enumerate(chosen(wanted))]
    else:
        found = [(form, path) for form in FORMS for path in chosen(wanted)]
    return sorted(found, key=lambda run: FORMS.index(run[0]))


def uv(*arguments):
    command = [ROOT / ".venv" / "bin" / "uv", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def make():
    subprocess.run([sys.executable, "-m", "venv", "--clear", ENV], check=True)
    uv("pip", "install", "--quiet", "--python", PYTHON, "-r", VERSIONS)
    kernel = [PYTHON, "-m", "ipykernel", "install", "--prefix", ENV, "--name", "colab"]
    subprocess.run(kernel, capture_output=True, check=True)


def frozen():
    """name -> its line of `pip freeze`."""
    lines = uv("pip", "freeze", "--python", PYTHON).splitlines()
    return {re.split(r"==| @ ", line)[0]: line for line in lines}


def forget():
    """As in a new runtime: nothing of what a first cell brought."""
    uv("pip", "uninstall", "--quiet", "--python", PYTHON, *BROUGHT)


def write_archive(www: Path) -> None:
    """What the first cell fetches: the files as they are here, at the address of the archive."""
    archive = www / "{}/archive/refs/tags/{}.zip".format(*ADDRESS)
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as file:
        for path in [*(ROOT / "vae_course").rglob("*"), *ROOT.glob("[RLp]*")]:
            if path.suffix != ".pyc" and path.is_file():
                file.write(path, Path("course-0.0.0") / path.relative_to(ROOT))


def first_cell(form: str, url: str) -> str:
    """As published, but fetched from the server at `url`; or as copied by `make colab`."""
    if form == "fetched":
        return notebooks.first_cell(ADDRESS).replace("https://github.com", url)
    return notebooks.BUNDLED_FIRST_CELL.format(package=notebooks.packed_package())


def run(notebook, folder: Path, **environment):
    """Runs a notebook there, in the given folder; raises at the first error of a cell."""
    os.environ["JUPYTER_PATH"] = str(ENV / "share" / "jupyter")
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    client = client_for(notebook, folder, timeout=300, kernel_name="colab")
    client.execute(env=kept | environment)
