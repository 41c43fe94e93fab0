#!/bin/sh
# Builds the sdist and the wheel into dist/, checks them, and tries the wheel as a user has it.
#
#   requirements/make_dist.sh TOOLS [PYTHON]
#
# TOOLS is the environment of requirements/dist.txt. The wheel goes into an empty environment of
# PYTHON, by default that of TOOLS, with the pins of its stack as constraints, and runs in a folder
# from which the checkout cannot be seen.
set -eu
cd "$(dirname "$0")/.."
checkout=$PWD
tools=$(cd "$1/bin" && pwd)
python=${2:-$tools/python}

case $("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') in
    3.9 | 3.10 | 3.11) pins=requirements/classic.txt ;;
    *) pins=requirements/modern.txt ;;
esac

# What an earlier build left would get into this one.
rm -rf build dist feelvos_tf.egg-info
"$tools/python" -m build --no-isolation . >/dev/null
"$tools/python" -m twine check --strict dist/*
"$tools/python" requirements/check_wheel.py dist/*.whl

unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
if uv --version >/dev/null 2>&1; then
    uv venv --quiet --python "$python" "$place/venv"
    uv pip install --quiet --python "$place/venv/bin/python" \
        --constraint "$pins" dist/*.whl
else
    "$python" -m venv "$place/venv"
    "$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --constraint "$pins" dist/*.whl
fi

cp requirements/try_wheel.py "$place"
cd "$place"
venv/bin/feelvos-segment --demo --output=demo --quiet
venv/bin/python try_wheel.py "$checkout"
