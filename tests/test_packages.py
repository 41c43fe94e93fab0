"""The check of a wheel's files; `make dist` runs it on the real one."""

import pathlib
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
METADATA = "feelvos_tf-0.1.0.dist-info/METADATA"


@pytest.fixture(scope="module")
def files():
    """The package's files in git."""
    command = ["git", "ls-files", "feelvos_tf"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("needs a git checkout")
    return set(listed.stdout.split())


def check(names, folder):
    wheel = folder / "feelvos_tf-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    program = ROOT / "requirements" / "check_wheel.py"
    return subprocess.run([sys.executable, program, wheel], capture_output=True, text=True)


def test_a_wheel_of_the_package_alone_passes(files, tmp_path):
    done = check(files | {METADATA}, tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{len(files)} files of feelvos_tf, as in git" in done.stdout


@pytest.mark.parametrize("name", ["feelvos_tf/py.typed", "feelvos_tf/weights/SHA256SUMS"])
def test_a_wheel_that_lacks_a_file_is_refused(files, name, tmp_path):
    done = check(files - {name}, tmp_path)
    assert done.returncode == 1 and f"\n  lacks {name}\n" in done.stderr


@pytest.mark.parametrize("name", ["tests/test_a.py", "outputs/a.png", "feelvos_tf/old.py"])
def test_a_wheel_with_a_file_too_many_is_refused(files, name, tmp_path):
    done = check(files | {name}, tmp_path)
    assert done.returncode == 1 and f"has {name}, which is not in git" in done.stderr


def test_build_and_twine_are_pinned():
    lines = (ROOT / "requirements" / "dist.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert {"build", "twine", "setuptools", "wheel"} <= {line.split("==")[0] for line in lines}
