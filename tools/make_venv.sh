# Makes .venv with everything the course needs, or says in one sentence why it cannot.
# It takes the newest suitable Python that starts; where there is none, uv fetches one.
set -eu
say() { echo "$1" >&2; exit 1; }
again="then run make lab again"

[ -w . ] || say "This folder cannot be written to: copy the course to one that can, and run make lab there."
[ ! -e .venv ] || [ -w .venv ] || say ".venv belongs to another user (perhaps a container's): remove it, $again."

given=${PYTHON:-}
if [ -n "$given" ]; then set -- "$given"; else
    set -- python3.14 python3.13 python3.12 python3.11 python3 python
fi
python= best=0 any= bare=
for candidate do
    minor=$("$candidate" -c 'import sys; print(sys.version_info[0] == 3 and sys.version_info[1])' 2>/dev/null) || continue
    case $minor in *[!0-9]* | "") continue ;; esac
    if ! "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
        bare=${bare:-$candidate}
        continue
    fi
    any=${any:-$candidate}
    if [ "$minor" -ge 11 ] && [ "$minor" -le 14 ] && [ "$minor" -gt "$best" ]; then
        python=$candidate best=$minor
    fi
done
if [ -z "$python" ] && [ -n "$given" ] && [ -n "$any" ]; then
    say "This course needs Python 3.11 to 3.14, and $given is $("$given" --version)."
fi
if [ -z "$any" ]; then
    [ -z "$bare" ] || say "The venv module of $bare is missing: install it (on Debian and Ubuntu: apt install python3-venv), $again."
    say "This course needs Python 3.11 to 3.14 and found none: install one, $again (or: make lab PYTHON=/path/to/python)."
fi

get_uv() {
    "$1" -m pip install --quiet --disable-pip-version-check "uv>=0.9" ||
        say "uv could not be installed, most likely because there is no network: connect to it, $again."
}
if [ -n "$python" ]; then
    version=$("$python" --version)
    echo "Installing the course into .venv with $version ..."
    clear=--clear
    [ "$(.venv/bin/python --version 2>/dev/null)" != "$version" ] || clear=  # what is there is kept
    "$python" -m venv $clear .venv
    get_uv .venv/bin/python
    uv=.venv/bin/uv
else
    echo "This machine has $("$any" --version); the course needs 3.11 to 3.14. Fetching Python 3.13 ..."
    "$any" -m venv --clear build/uv
    get_uv build/uv/bin/python
    uv=build/uv/bin/uv
    UV_PYTHON_INSTALL_DIR=build/python $uv venv --quiet --clear --managed-python --python 3.13 .venv 2>/dev/null ||
        say "Python 3.13 could not be fetched: connect to the network or install Python 3.11 to 3.14, $again."
    $uv pip install --quiet --python .venv/bin/python "uv>=0.9" ||
        say "uv could not be installed into .venv; the lines above say why."
fi
# uv leaves jax and the rest at the versions that were tested together.
UV_LINK_MODE=copy $uv pip install --quiet --python .venv/bin/python -r requirements.lock &&
    $uv pip install --quiet --python .venv/bin/python --no-deps -e . ||
    say "The packages could not be installed; the lines above say why."
