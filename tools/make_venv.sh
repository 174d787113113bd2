# Makes .venv with everything the course needs, or says in one sentence why it cannot.
set -eu
say() { echo "$1" >&2; exit 1; }

python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
    then python=$candidate; break; fi
done
[ -n "$python" ] || say "This course needs Python 3.11, 3.12 or 3.13 and found none: install one, then run make again (or: make PYTHON=/path/to/python)."
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    say "Python's venv module is missing: install it (on Debian and Ubuntu: apt install python3-venv), then run make again."

echo "Installing the course into .venv with $("$python" --version) ..."
"$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9" ||
    say "Could not reach the Python package index: connect to the network, then run make again."
# uv leaves jax and the rest at the versions that were tested together.
UV_LINK_MODE=copy .venv/bin/uv pip install --quiet --python .venv/bin/python -r requirements.lock ||
    say "The packages could not be installed; the lines above say which."
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps -e .
