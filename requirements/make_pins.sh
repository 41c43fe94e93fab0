#!/bin/sh
# Writes the exact pins of both stacks, of the documents' site and of what builds packages (classic.txt,
# modern.txt, docs.txt, dist.txt) anew; needs uv.
set -eu
cd "$(dirname "$0")"

pin() {
    uv pip compile --quiet --upgrade --universal --python-version "$2" --no-annotate --no-header \
        "$1.in" --output-file "$1.txt"
    { echo "# Exact pins, written by \`make pins\` from $1.in."; cat "$1.txt"; } > "$1.tmp"
    mv "$1.tmp" "$1.txt"
}

pin classic 3.9
pin modern 3.12
pin docs 3.9
pin dist 3.9
