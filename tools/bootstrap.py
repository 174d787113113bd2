# The first cell of every lesson: where the course's package is missing (on Colab), it fetches it.
import importlib.util
import subprocess
import sys

SOURCE = ""
if importlib.util.find_spec("vae_course") is None:
    if not SOURCE:
        raise ModuleNotFoundError(
            "vae_course is not installed, and this copy of the lesson does not know where to get "
            "it: start the course with `make lab`, or make copies that bring it with `make colab`, "
            "or with `make publish REPO=owner/name` once the course has an address."
        )
    missing = [n for n in ["importlib_resources"] if importlib.util.find_spec(n) is None]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", SOURCE, *missing]
    pip = subprocess.run(install, capture_output=True, text=True)
    importlib.invalidate_caches()
    if pip.returncode:
        message = f"{SOURCE} could not be installed: check the connection and run this cell again."
        raise ModuleNotFoundError(f"{message}\n{pip.stderr.strip()[-500:]}")
import vae_course as vc

vc.setup()
