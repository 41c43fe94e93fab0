"""Compares what a wheel holds with the package's files in git.

    python requirements/check_wheel.py dist/feelvos_tf-0.1.0-py3-none-any.whl

Prints what is missing and what does not belong, and fails where there is any.
"""

import pathlib
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = "feelvos_tf"


def main(wheel: str) -> None:
    """Exits with a message where the wheel is not the package and nothing else."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", PACKAGE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    expected = {name for name in listed.stdout.split("\0") if name}
    expected |= {
        f"{PACKAGE}/py.typed",
        f"{PACKAGE}/weights/SHA256SUMS",
    }  # easily lost, and not missed
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    metadata = "-".join(pathlib.Path(wheel).name.split("-")[:2]) + ".dist-info/"
    found = {name for name in names if not name.startswith(metadata)}
    problems = [f"lacks {name}" for name in sorted(expected - found)]
    problems += [f"has {name}, which is not in git" for name in sorted(found - expected)]
    if problems:
        sys.exit(f"error: {wheel}: " + "\n  ".join(["", *problems]))
    print(f"{wheel}: {len(found)} files of {PACKAGE}, as in git")


if __name__ == "__main__":
    main(*sys.argv[1:])
