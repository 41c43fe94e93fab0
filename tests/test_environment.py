"""The Keras 2 rule of `import feelvos_tf`, its lazy names, and the two pinned stacks."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import os
import pathlib
import re
import runpy
import subprocess
import sys
import types

import pytest
import setuptools
from packaging.requirements import Requirement

import feelvos_tf

ROOT = pathlib.Path(__file__).resolve().parents[1]
SWITCH = "TF_USE_LEGACY_KERAS"
VERSIONS = {
    "3.9": "classic",
    "3.10": "classic",
    "3.11": "classic",
    "3.12": "modern",
    "3.13": "modern",
}


def run_python(code, **environment):
    """Runs `code` in a fresh interpreter in which the Keras switch is set only if given here."""
    inherited = {name: value for name, value in os.environ.items() if name != SWITCH}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**inherited, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture
def machine(monkeypatch):
    """Pretends a machine: which Keras packages are installed, what is imported, the switch."""

    def pretend(*, keras, tf_keras=True, switch=None, imported=None):
        real_find_spec = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name: (
                (object() if tf_keras else None) if name == "tf_keras" else real_find_spec(name)
            ),
        )

        def version(name):
            assert name == "keras"
            if keras is None:
                raise importlib.metadata.PackageNotFoundError(name)
            return keras

        monkeypatch.setattr(importlib.metadata, "version", version)
        monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
        if imported is not None:
            tensorflow = types.ModuleType("tensorflow")
            tensorflow.keras = imported
            monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
        if switch is None:
            # Set before it is deleted, so that what the code sets is undone as well.
            monkeypatch.setenv(SWITCH, "")
            monkeypatch.delenv(SWITCH)
        else:
            monkeypatch.setenv(SWITCH, switch)

    return pretend


KERAS_2 = types.SimpleNamespace(layers=None)
KERAS_3 = types.SimpleNamespace(layers=None, ops=None)


@pytest.mark.compat
@pytest.mark.parametrize(
    ("situation", "switch_afterwards"),
    [
        ({"keras": "3.15.1"}, "1"),
        ({"keras": "2.15.0"}, "1"),
        ({"keras": "3.15.1", "switch": ""}, "1"),
        ({"keras": "3.15.1", "switch": "True"}, "1"),
        ({"keras": None}, "1"),
        # TensorFlow 2.15 brings Keras 2 itself and need not be told where to find it.
        ({"keras": "2.15.0", "tf_keras": False}, None),
        ({"keras": "2.15.0", "switch": "0"}, "0"),
        ({"keras": "2.15.0", "imported": KERAS_2}, None),
        ({"keras": "3.15.1", "imported": KERAS_2, "switch": "1"}, "1"),
    ],
)
def test_selects_keras_2(machine, situation, switch_afterwards):
    machine(**situation)
    feelvos_tf._select_keras_2()
    assert os.environ.get(SWITCH) == switch_afterwards


@pytest.mark.compat
@pytest.mark.parametrize(
    ("situation", "words"),
    [
        ({"keras": "3.15.1", "imported": KERAS_3}, ["imported before it with Keras 3"]),
        # The switch was set after TensorFlow had been imported.
        ({"keras": "3.15.1", "imported": KERAS_3, "switch": "1"}, ["import feelvos_tf first"]),
        ({"keras": "3.15.1", "switch": "0"}, ["TF_USE_LEGACY_KERAS=0", "unset"]),
        ({"keras": "3.15.1", "switch": "0", "tf_keras": False}, ["unset"]),
        ({"keras": "3.15.1", "tf_keras": False}, ["not installed"]),
        ({"keras": "2.15.0", "tf_keras": False, "switch": "1"}, ["not installed"]),
        ({"keras": None, "tf_keras": False}, ["not installed"]),
    ],
)
def test_refuses_keras_3_on_one_line(machine, situation, words):
    machine(**situation)
    with pytest.raises(ImportError) as raised:
        feelvos_tf._select_keras_2()
    message = str(raised.value)
    assert "\n" not in message
    for word in [*words, "Keras 2", "pip install tf-keras"]:
        assert word in message


@pytest.mark.compat
def test_import_is_cheap_and_tensorflow_then_runs_on_keras_2():
    result = run_python(
        "import sys, feelvos_tf\n"
        "heavy = {'tensorflow', 'keras', 'tf_keras', 'numpy', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import tensorflow as tf\n"
        "assert not hasattr(tf.keras, 'ops')\n"
        "assert issubclass(tf.keras.Model, __import__('tf_keras').Model)"
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.compat
@pytest.mark.parametrize(
    "imported,name,expected",
    [
        ("feelvos_tf", "TF_ENABLE_ONEDNN_OPTS", "1"),
        ("feelvos_tf", "TF_FORCE_GPU_ALLOW_GROWTH", "true"),
        ("feelvos_tf", "TF_CPP_MIN_LOG_LEVEL", "1"),
        ("feelvos_tf.cli", "TF_CPP_MIN_LOG_LEVEL", "3"),
    ],
)
def test_environment_of_tensorflow_unless_chosen(imported, name, expected):
    for before, found in (("", expected), (f"os.environ[{name!r}] = '0'; ", "0")):
        done = run_python(
            f"import os; os.environ.pop({name!r}, None); {before}import {imported}; "
            f"print(os.environ[{name!r}])"
        )
        assert done.stdout.strip() == found, done.stderr


@pytest.mark.compat
def test_python_programs_are_not_greeted_but_warned():
    done = run_python(
        "import os; os.environ.pop('TF_CPP_MIN_LOG_LEVEL', None)\n"
        "import feelvos_tf, tensorflow as tf\n"
        "from tensorflow.python.platform import tf_logging\n"
        "tf.constant(1) + 1; tf_logging.warning('of a warning')"
    )
    assert done.returncode == 0 and "of a warning" in done.stderr
    assert not [line for line in done.stderr.splitlines() if ": I " in line], done.stderr


@pytest.mark.compat
def test_tensorflow_imported_first():
    """TensorFlow up to 2.15 is Keras 2 in either order; a later one is refused."""
    result = run_python("import tensorflow, feelvos_tf")
    release = tuple(map(int, importlib.metadata.version("tensorflow").split(".")[:2]))
    if release < (2, 16):
        assert result.returncode == 0, result.stderr
    else:
        assert result.returncode == 1
        last_line = result.stderr.strip().splitlines()[-1]
        assert last_line.startswith("ImportError: feelvos_tf needs Keras 2")


@pytest.mark.parametrize("name", feelvos_tf.__all__)
def test_exported_names_resolve(name):
    assert name in dir(feelvos_tf)
    assert getattr(feelvos_tf, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'does_not_exist'"):
        feelvos_tf.does_not_exist  # noqa: B018  (the access is what is tested)


@pytest.fixture
def setup_arguments(monkeypatch):
    """What setup.py hands to setuptools."""
    arguments = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: arguments.update(given))
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"))
    return arguments


def test_description_on_the_package_index_has_no_dead_link(setup_arguments):
    text = setup_arguments["long_description"]
    assert "make demo" in text and "https://arxiv.org/abs/1902.09513" in text
    assert all("://" in target for target in re.findall(r"\]\(([^)]*)\)", text))
    assert "model card" in text and "(feelvos_tf/weights" not in text


def test_description_links_to_the_published_repository(monkeypatch):
    arguments = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: arguments.update(given))
    source = (ROOT / "setup.py").read_text(encoding="utf-8")
    published = source.replace('REPOSITORY = ""', 'REPOSITORY = "https://host/project"')
    exec(compile(published, "setup.py", "exec"), {"__file__": str(ROOT / "setup.py")})
    text = arguments["long_description"]
    assert "](https://host/project/raw/HEAD/experiments/pictures/demo.jpg)" in text
    assert "](https://host/project/blob/HEAD/docs/measurements.md)" in text


def marker_values(version):
    return {"python_version": version, "python_full_version": f"{version}.9", "extra": ""}


def read_pins(version):
    """The packages that requirements/ installs on `version` of Python: name -> exact release."""
    pins = {}
    for line in (ROOT / "requirements" / f"{VERSIONS[version]}.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(marker_values(version)):
            (specifier,) = requirement.specifier
            assert specifier.operator == "=="
            assert requirement.name not in pins
            pins[requirement.name] = specifier.version
    return pins


@pytest.mark.parametrize("version", VERSIONS)
def test_pins_lie_within_the_ranges_of_setup(setup_arguments, version):
    pins = read_pins(version)
    ranges = setup_arguments["install_requires"] + setup_arguments["extras_require"]["dev"]
    checked = set()
    for requirement in map(Requirement, ranges):
        if requirement.marker is None or requirement.marker.evaluate(marker_values(version)):
            name = requirement.name.lower().replace("_", "-")
            assert requirement.specifier.contains(pins[name]), (name, pins[name])
            checked.add(name)
    assert {"tensorflow", "tf-keras", "tf-models-official"} <= checked
    assert ("tensorflow-addons" in checked) == (VERSIONS[version] == "classic")


def test_console_scripts_name_functions_that_exist(setup_arguments):
    """Looked up, not imported: in one process the commands would define some flags twice."""
    scripts = dict(
        script.split("=") for script in setup_arguments["entry_points"]["console_scripts"]
    )
    assert "feelvos-segment" in scripts
    for target in scripts.values():
        module, function = target.split(":")
        source = (ROOT / f"{module.replace('.', '/')}.py").read_text()
        functions = [n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
        assert function in functions and "main" in functions, target


def run_script(name, *arguments, path):
    """Runs a script of requirements/ where only `path` and the system's tools are found."""
    return subprocess.run(
        ["/bin/sh", str(ROOT / "requirements" / name), *map(str, arguments)],
        env={"PATH": f"{path}:/usr/bin:/bin", "HOME": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_find_python_passes_over_shims_that_do_not_run(tmp_path):
    version = "{}.{}".format(*sys.version_info)
    write_program(tmp_path / f"python{version}", "echo command not found >&2; exit 127")
    write_program(tmp_path / "python3", "exit 127")
    write_program(tmp_path / "python", "exit 127")
    behind = tmp_path / ".pyenv" / "versions" / f"{version}.1" / "bin" / "python"
    write_program(behind, f'exec "{sys.executable}" "$@"')
    result = run_script("find_python.sh", "9.9", version, path=tmp_path)
    assert result.returncode == 0, result.stderr
    assert os.path.samefile(result.stdout.strip(), sys.executable)


def test_find_python_finds_nothing(tmp_path):
    write_program(tmp_path / "python9.9", "exit 127")
    result = run_script("find_python.sh", "9.9", path=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")


def test_make_env_says_what_to_install(tmp_path):
    for name in ("python3", "python", "python3.9", "python3.10", "python3.11", "python3.12"):
        write_program(tmp_path / name, "exit 127")
    write_program(tmp_path / "python3.13", "exit 127")
    result = run_script("make_env.sh", tmp_path / "venv", path=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: no Python 3.9 to 3.13 found. Install Python 3.11")
    assert not (tmp_path / "venv").exists()


def test_make_env_refuses_other_versions(tmp_path):
    old = tmp_path / "old"
    write_program(old, "echo 3.8")
    result = run_script("make_env.sh", tmp_path / "venv", old, path=tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"error: PYTHON={old} is Python 3.8; supported are 3.9 to 3.13\n"


def test_make_env_leaves_a_folder_alone_that_is_no_environment(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.jpg").touch()
    result = run_script("make_env.sh", folder, sys.executable, path=tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"error: {folder} exists and is not a virtual environment\n"
    assert (folder / "one.jpg").exists()
