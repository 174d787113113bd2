# Installs the course with other versions than the locked ones, for the Python of .venv:
#   sh tools/other_versions.sh lowest-direct build/lowest   the lowest that pyproject.toml names
#   sh tools/other_versions.sh highest build/newest         the newest that it allows
set -eu
say() { echo "$1" >&2; exit 1; }

echo "Installing the course into $2 with $(.venv/bin/python --version) ..."
.venv/bin/uv venv --quiet --clear --no-python-downloads --python .venv/bin/python "$2" ||
    say "$2 could not be made; the lines above say why."
# Wheels only: the lowest numpy that this Python installs, not the lowest that it would compile.
# tensorflow-datasets needs promise, which has no wheel.
.venv/bin/uv pip install --quiet --python "$2/bin/python" --resolution "$1" \
    --only-binary :all: --no-binary promise -e '.[lab,dev]' ||
    say "The packages could not be installed; the lines above say which, or that there is no network."
