#!/bin/sh
# Makes or completes a virtual environment with the pinned packages and feelvos_tf itself.
#
#   requirements/make_env.sh FOLDER [PYTHON [docs|dist]]
#
# PYTHON is an interpreter (3.9 to 3.13); without it, or where it is empty, the best one found is
# taken: 3.11, then the others of the classic stack, then those of the modern one. With `docs` or
# `dist` the environment is for the documents' site or for building packages, which need neither
# TensorFlow nor feelvos_tf. Uses uv where it is installed, for its speed, and else pip.
set -eu
cd "$(dirname "$0")/.."

venv=$1
python=${2:-}
purpose=${3:-}

fail() {
    echo "error: $*" >&2
    exit 1
}

if [ -z "$python" ]; then
    python=$(requirements/find_python.sh 3.11 3.10 3.9 3.12 3.13) || fail \
        "no Python 3.9 to 3.13 found. Install Python 3.11 (Debian, Ubuntu: apt install" \
        "python3.11 python3.11-venv; macOS: brew install python@3.11; anywhere: pyenv install" \
        "3.11 or uv python install 3.11) and run make again, or name one: make PYTHON=/path/to/python"
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
    fail "PYTHON=$python does not run"
case $version in
    3.9 | 3.10 | 3.11) stack=classic ;;
    3.12 | 3.13) stack=modern ;;
    *) fail "PYTHON=$python is Python $version; supported are 3.9 to 3.13" ;;
esac
what="the $stack stack goes"
pins=$stack
case $purpose in
    docs) pins=docs what="what builds the site goes" ;;
    dist) pins=dist what="what builds packages goes" ;;
esac
echo "Python $version ($python): $what into $venv"

# An environment of another version is made anew; an unfinished one of the same is completed.
if [ -e "$venv" ]; then
    [ -f "$venv/pyvenv.cfg" ] || fail "$venv exists and is not a virtual environment"
    found=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
        found=none
    [ "$found" = "$version" ] || rm -rf "$venv"
    rm -f "$venv/.ready"
fi

# The pins name every package, dependencies included, so nothing is left to resolve. The package
# is built with the pinned setuptools rather than with one downloaded for the purpose. uv compiles
# only where it is told to, pip always: TensorFlow is imported in a third of the time, in every
# process where PYTHONDONTWRITEBYTECODE is set.
with_uv() {
    uv --version >/dev/null 2>&1 &&
        uv venv --quiet --allow-existing --seed --python "$python" "$venv" &&
        uv pip install --quiet --compile-bytecode --python "$venv/bin/python" --no-deps \
            -r "requirements/$pins.txt" || return
    [ "$pins" != "$stack" ] ||
        uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e .
}

with_pip() {
    "$python" -m venv --upgrade-deps "$venv" >/dev/null || {
        # Debian and Ubuntu keep half of venv in a package of its own.
        echo "error: python -m venv failed (Debian, Ubuntu: apt install python$version-venv)" >&2
        return 1
    }
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        -r "requirements/$pins.txt" || return
    [ "$pins" != "$stack" ] ||
        PYTHONWARNINGS=ignore "$venv/bin/python" -m pip install --quiet \
            --disable-pip-version-check --no-deps --no-build-isolation -e .
}

with_uv || with_pip || fail "$venv is not complete; run make again when the cause is mended"

# The Makefile's mark that all of this is done.
echo "$python" > "$venv/.ready"
