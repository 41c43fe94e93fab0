#!/bin/sh
# Prints the first interpreter that runs and is one of the versions asked for, in their order.
#
#   requirements/find_python.sh 3.11 3.10
#
# Looks on PATH, among pyenv's versions, and among those that uv knows. Exit code 1, and
# nothing printed, where there is none.

# A shim of pyenv bears a version's name but fails when that version is not active, and a
# distribution's Python may lack parts, so each candidate has to prove itself.
works() {
    "$1" -c "
import ctypes, sqlite3, ssl, sys, venv, zlib
sys.exit(sys.version_info[:2] != tuple(map(int, '$2'.split('.'))))" >/dev/null 2>&1
}

for version in "$@"; do
    for candidate in \
        "python$version" python3 python \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python \
        "$(uv python find --no-python-downloads "$version" 2>/dev/null)"
    do
        if [ -n "$candidate" ] && works "$candidate" "$version"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            exit 0
        fi
    done
done
exit 1
