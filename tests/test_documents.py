"""README.md and docs/: their Python runs, their commands and links exist.

A Python block that cannot run (it needs a GPU or a dataset) stands below a line
`<!-- not run: reason -->`.
"""

from __future__ import annotations

import ast
import functools
import pathlib
import re
import shlex

import pytest
import yaml
from PIL import Image

from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.presets import PRESETS
from feelvos_tf.video import VideoFileWriter, write_mask

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "feelvos_tf"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Also read by people, and held to the same about commands, files and links.
OTHERS = [
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "WORKSPACE.md")),
    ROOT / "datasets" / "README.md",
    *sorted((ROOT / "experiments").rglob("*.md")),
    PACKAGE / "weights" / "MODEL_CARD.md",
]
FOLDERS = ("datasets", "docs", "experiments", "feelvos_tf", "requirements", "tests")
NOT_OURS = ("docker", "pip", "tensorboard")

FENCE = re.compile(
    r"^(?P<not_run><!-- not run: \S.* -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```", re.M | re.S
)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]*)(?:#([^)\s]*))?\)")


def name(path):
    return str(path.relative_to(ROOT))


def blocks(path, kind):
    return [m for m in FENCE.finditer(path.read_text(encoding="utf-8")) if m["kind"] == kind]


def prose(path):
    return FENCE.sub("", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_says_its_language(page):
    kinds = {m["kind"] for m in FENCE.finditer(page.read_text(encoding="utf-8"))}
    assert kinds <= {"bash", "python", "text", "yaml"}


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A working folder with what the pages name: frames, a film of them, masks."""
    monkeypatch.chdir(tmp_path)
    clip = synthetic_clip(3, num_frames=4, height=65, width=97, num_objects=3, late_objects=1)
    (tmp_path / "frames").mkdir()
    with VideoFileWriter(tmp_path / "clip.mp4") as film:
        for index, frame in enumerate(clip.frames):
            Image.fromarray(frame).save(tmp_path / "frames" / f"{index:05d}.jpg", quality=95)
            film.write(frame)
    write_mask(tmp_path / "mask.png", clip.masks[0])
    late = clip.masks[0] * 0
    late[5:20, 60:80] = 3
    write_mask(tmp_path / "later_mask.png", late)
    return tmp_path


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name)
def test_python_runs(page, beside):
    """The blocks of a page in order, in one namespace, as a reader would type them."""
    values = {"__name__": "a_reader"}
    for match in blocks(page, "python"):
        if match["not_run"]:
            continue
        line = page.read_text(encoding="utf-8").count("\n", 0, match.start("text"))
        exec(compile("\n" * line + match["text"], str(page), "exec"), values)


def defined_flags(path):
    """Names of the flags that a module defines, read from its source."""
    calls = (
        n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)
    )
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr.startswith("DEFINE_")
    }


@functools.cache
def flags_of(path):
    """Flags of a program: its own, and those of the modules of cli/ that it imports."""
    found = {"help"} | defined_flags(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "feelvos_tf.cli":
            for alias in node.names:
                found |= defined_flags(PACKAGE / "cli" / f"{alias.name}.py")
    return found


def programs():
    return [p for p in (PACKAGE / "cli").glob("*.py") if "def main_cli" in p.read_text()]


def check_command(line):
    """A line of a shell: the program is known, its flags and the files it names exist."""
    words = shlex.split(line, comments=True)
    if not words:
        return
    program, arguments = words[0], words[1:]
    if program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in (word for word in arguments if "=" not in word):
            assert re.search(rf"^{re.escape(target)}:", makefile, re.M), (
                f"no target {target}: {line}"
            )
        return
    path = None
    if program.startswith("feelvos-"):
        path = PACKAGE / "cli" / f"{program[len('feelvos-') :].replace('-', '_')}.py"
    elif program == "python" and arguments[:1] != ["-m"]:
        path = next(
            p
            for p in (ROOT / arguments[0], ROOT / "experiments" / "serving" / arguments[0])
            if p.is_file()
        )
    elif program != "python":
        assert program in NOT_OURS or (ROOT / program).is_file(), f"unknown program: {line}"
        return
    if path is not None:
        assert path.is_file(), line
        if path.parent.name not in ("serving", "beam"):  # these use argparse
            known = flags_of(path)
            for flag in re.findall(r"(?:^| )--(\w+)", line):
                assert flag in known or flag.removeprefix("no") in known, (
                    f"no flag --{flag}: {line}"
                )
    for word in arguments:
        value = word.split("=", 1)[-1]
        if value.startswith(tuple(f"{folder}/" for folder in FOLDERS)):
            assert (ROOT / value).exists(), f"no {value}: {line}"


@pytest.mark.parametrize("page", PAGES + OTHERS, ids=name)
def test_commands_exist(page):
    for match in blocks(page, "bash"):
        for line in match["text"].replace("\\\n", " ").splitlines():
            check_command(line)
    spans = SPAN.findall(prose(page))
    known = set().union(*(flags_of(path) for path in programs()))
    known |= set().union(*(flags_of(path) for path in (ROOT / "datasets").glob("*.py")))
    for span in spans:
        if span not in PRESETS and re.match(r"(feelvos-\w|make \w|python \w+/)", span):
            check_command(span)
        for flag in re.findall(r"^--(\w+)", span):
            assert {flag, flag.removeprefix("no")} & known, f"no command has --{flag}"


@pytest.mark.parametrize("page", PAGES + OTHERS, ids=name)
def test_files_exist(page):
    """Files by their path: from the root, from the package, or from the page's own folder."""
    for span in SPAN.findall(prose(page)):
        if re.fullmatch(r"[\w.]+(/[\w.]+)+\.(py|md|yaml|sh)", span):
            if span.split("/")[0] in ("outputs", "runs", "data", "OUTPUT", "MODEL_DIR"):
                continue
            places = (ROOT, PACKAGE, page.parent)
            assert any((place / span).exists() for place in places), f"{name(page)}: no {span}"


def anchors(path):
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES + OTHERS, ids=name)
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(prose(page)):
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{name(page)}: {target} leads nowhere"
        if anchor:
            assert anchor in anchors(file), f"{name(page)}: {target} has no {anchor}"


def test_the_site_needs_no_tensorflow_and_fetches_nothing():
    pins = (ROOT / "requirements" / "docs.txt").read_text(encoding="utf-8").splitlines()[1:]
    names = {line.split("==")[0] for line in pins}
    assert {"mkdocs", "mkdocs-material", "mkdocstrings-python"} <= names
    assert not [package for package in names if package.startswith(("tensorflow", "tf-", "keras"))]
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    assert "://" not in yaml.safe_dump(settings)
