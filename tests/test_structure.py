"""The house: imports point down WORKSPACE.md's list, without circles; files are short."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "feelvos_tf"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 350


def floors():
    """Rooms from the top down, as WORKSPACE.md lists them; several on a line are one floor."""
    text = (ROOT / "WORKSPACE.md").read_text(encoding="utf-8")
    block = text.split("    feelvos_tf/ ", 1)[1].split("\n    datasets/", 1)[0]
    found = []
    for line in block.splitlines()[1:]:
        names = re.match(r" {6}(\w\S*(?: \w\S*)*)  ", line)
        if names:
            found.append([n.rstrip("/").rsplit(".py")[0] for n in names.group(1).split()])
    return {room: level for level, rooms in enumerate(found) for room in rooms}


def module(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


def imports(path):
    """Modules of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("feelvos_tf"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
        elif isinstance(node, ast.Import):
            found.update(a.name for a in node.names if a.name.startswith("feelvos_tf"))
    return found & set(MODULES)


def room(name):
    return name.split(".")[1] if "." in name else ""


def test_every_room_is_on_the_list():
    assert {room(name) for name in MODULES} - {""} == set(floors()) - {"weights"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_downward(name):
    if name == "feelvos_tf":  # hands out names of all floors, when they are asked for
        return
    level = floors()
    upward = [
        f"{name} imports {other}"
        for other in imports(MODULES[name])
        if other != "feelvos_tf"
        and room(other) != room(name)
        and level[room(other)] <= level[room(name)]
    ]
    assert not upward


def test_there_is_no_circle():
    graph = {name: imports(path) - {name, "feelvos_tf"} for name, path in MODULES.items()}
    while True:
        free = [name for name, others in graph.items() if not others & set(graph)]
        if not free:
            break
        for name in free:
            del graph[name]
    assert not graph, f"circle among {sorted(graph)}"


@pytest.mark.parametrize(
    "path", [*FILES, *sorted((ROOT / "tests").rglob("*.py"))], ids=lambda path: module(path)
)
def test_files_are_short_enough_to_read(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_tests_mirror_the_package():
    """A folder of tests is a room's, a folder beside the package, or holds reference outputs."""
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    folders = {
        path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.glob("*.py"))
    }
    assert folders - rooms <= {"datasets", "golden", "experiments"}


def test_tests_beside_the_folders_are_of_modules_beside_the_rooms():
    """A test of one room lies in that room's folder."""
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    of_no_module = {"documents", "environment", "fuzz_files", "golden", "packages", "structure"}
    tested = {path.stem.split("_", 1)[1] for path in (ROOT / "tests").glob("test_*.py")}
    assert tested - modules <= of_no_module
