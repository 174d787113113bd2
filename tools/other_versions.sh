# Runs the unit tests on other versions than the locked ones, with the Python of .venv: on the
# lowest that pyproject.toml names (lowest-direct), or on the newest that it allows (highest).
set -eu
say() { echo "$1" >&2; exit 1; }

case "${1:-}" in
    lowest-direct) venv=build/lowest ;;
    highest) venv=build/newest ;;
    *) say "Say which versions: sh tools/other_versions.sh lowest-direct, or highest." ;;
esac
[ -x .venv/bin/uv ] || say "The course is not installed here yet: run make setup, then this again."

echo "Installing the course into $venv with $(.venv/bin/python --version) ..."
.venv/bin/uv venv --quiet --clear --no-python-downloads --python .venv/bin/python "$venv" ||
    say "$venv could not be made; the lines above say why."
# Wheels only: the lowest numpy that this Python installs, not the lowest that it would compile.
# tensorflow-datasets needs promise, which has no wheel.
.venv/bin/uv pip install --quiet --python "$venv/bin/python" --resolution "$1" \
    --only-binary :all: --no-binary promise -e '.[lab,dev]' ||
    say "The packages could not be installed; the lines above say which, or that there is no network."
"$venv/bin/python" -m pytest tests
