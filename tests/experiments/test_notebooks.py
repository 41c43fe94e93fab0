"""The notebooks run from the first cell to the last, in their short setting, and show pictures."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import sys
import types
import zipfile

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement
from PIL import Image

from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.video import write_mask

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "experiments" / "colab").glob("*.ipynb"))
CELL_SECONDS = 300
PICTURES = {"export_and_serve": 1, "segment_your_video": 4, "train_on_your_videos": 2}


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_all_are_tested():
    assert [path.stem for path in NOTEBOOKS] == sorted(PICTURES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in code_cells(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "source,target",
    [
        (None, "feelvos_tf[{}]"),
        ("git+https://host/feelvos_tf", "feelvos_tf[{}] @ git+https://host/feelvos_tf"),
        ("/content/feelvos_tf-1-py3-none-any.whl", "/content/feelvos_tf-1-py3-none-any.whl[{}]"),
    ],
)
def test_one_setting_says_what_pip_installs(path, source, target, monkeypatch):
    monkeypatch.delenv("FEELVOS_SOURCE", raising=False)
    if source:
        monkeypatch.setenv("FEELVOS_SOURCE", source)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    notebook = nbformat.read(path, as_version=4)
    assert "`SOURCE`" in notebook.cells[0].source
    cell = code_cells(notebook)[0].source
    asked = []
    with pytest.raises(RuntimeError, match="pip did not install SOURCE"):
        exec(
            cell.replace('%pip install --quiet "$target"', "asked.append(target)"), {"asked": asked}
        )
    (asked,) = asked
    extras = re.search(r"\[(.*?)\]", asked)[1]
    assert asked == target.format(extras)
    Requirement(asked if "whl" not in asked else f"feelvos_tf[{extras}]")


class Colab(types.ModuleType):
    """google.colab, as far as the notebooks ask for it."""

    def __init__(self, uploads):
        super().__init__("google.colab")
        self.downloads = []
        self.files = types.SimpleNamespace(
            upload=lambda: {str(uploads.pop(0)): b""},
            download=lambda path: self.downloads.append(pathlib.Path(path)),
        )


def run_cells(name, values, replaced, *parts):
    """Runs the code cells that hold one of the texts, with other settings, in this process."""
    notebook = nbformat.read(ROOT / "experiments" / "colab" / f"{name}.ipynb", as_version=4)
    for cell in code_cells(notebook):
        if any(part in cell.source for part in parts):
            source = cell.source
            for old, new in replaced.items():
                source = re.sub(rf"^{old} = .*$", f"{old} = {new}", source, flags=re.MULTILINE)
            exec(source, values)


@pytest.fixture
def own_video(tmp_path, monkeypatch):
    """A folder of two frames and a mask, with the working directory beside them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    clip = synthetic_clip(3, num_frames=2, height=33, width=49, num_objects=1)
    (tmp_path / "frames").mkdir()
    for i, frame in enumerate(clip.frames):
        Image.fromarray(frame).save(tmp_path / "frames" / f"{i}.png")
    write_mask(tmp_path / "mask.png", clip.masks[0])
    return tmp_path, clip


def test_own_video_without_a_mask_gets_none_made_up(own_video):
    folder, _ = own_video
    settings = {"VIDEO": repr(str(folder / "frames"))}
    with pytest.raises(ValueError, match="needs a mask of its first frame: set UPLOAD_MASK, MASK"):
        run_cells("segment_your_video", {"SHORT": True}, settings, "UPLOAD_VIDEO", "POLYGONS = ")


def test_mask_is_uploaded_and_results_are_downloaded(own_video, monkeypatch):
    folder, clip = own_video
    colab = Colab([folder / "mask.png"])
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setitem(sys.modules, "google", types.SimpleNamespace(colab=colab))
    values = {"SHORT": True}
    run_cells(
        "segment_your_video",
        values,
        {"VIDEO": repr(str(folder / "frames")), "UPLOAD_MASK": "True"},
        "UPLOAD_VIDEO",
        "POLYGONS = ",
    )
    np.testing.assert_array_equal(values["mask"], clip.masks[0])
    (folder / "segmented" / "masks").mkdir()
    write_mask(folder / "segmented" / "masks" / "0.png", values["mask"])
    run_cells("segment_your_video", values, {}, "files.download")
    (archive,) = colab.downloads
    assert zipfile.ZipFile(archive).namelist() == ["0.png"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_results_can_be_taken_along(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    assert sum("files.download(archive)" in cell.source for cell in cells) == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_and_shows_pictures(path, tmp_path, monkeypatch):
    # The kernel is a process of its own; here it takes the package from this checkout.
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    )
    monkeypatch.setenv("FEELVOS_SHORT", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(path, as_version=4)
    (tmp_path / "run").mkdir()
    NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path / "run")}},
    ).execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    pictures = [
        output for output in outputs if {"image/png", "image/jpeg"} & set(output.get("data", {}))
    ]
    assert len(pictures) >= PICTURES[path.stem]
    assert not [output for output in outputs if output.output_type == "error"]
