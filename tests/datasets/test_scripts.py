"""The scripts of datasets/, run in this process."""

import hashlib
import importlib.util
import pathlib
import zipfile

import numpy as np
import pytest
from absl import flags
from PIL import Image

from feelvos_tf.data import layouts, synthetic
from feelvos_tf.errors import InputError

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "datasets"


def load(name):
    """Imports a script with flags of its own, as the scripts share names of flags."""
    spec = importlib.util.spec_from_file_location(f"datasets_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    own, everyone = flags.FlagValues(), flags.FLAGS
    flags.FLAGS = own
    defines = {n: getattr(flags, n) for n in dir(flags) if n.startswith("DEFINE_")}
    try:
        for key, define in defines.items():
            setattr(flags, key, lambda *a, define=define, **k: define(*a, flag_values=own, **k))
        spec.loader.exec_module(module)
    finally:
        flags.FLAGS = everyone
        for key, define in defines.items():
            setattr(flags, key, define)
    own.mark_as_parsed()
    return module


def run(module, **values):
    with _flags(module.FLAGS, values):
        return module.main([])


class _flags:
    """Sets flags of a script and takes them back."""

    def __init__(self, own, values):
        self._own, self._values = own, values

    def __enter__(self):
        self._saved = {name: self._own[name].value for name in self._own}
        for name, value in self._values.items():
            self._own[name].value = value

    def __exit__(self, *_):
        for name, value in self._saved.items():
            self._own[name].value = value


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    for number in range(3):
        clip = synthetic.synthetic_clip(number, 4, 60, 80, num_objects=2)
        synthetic.write_clip(clip, root, f"clip{number}", "mine")
    return root


def test_prepare_finds_nothing_wrong_and_packs(tree, tmp_path, capsys):
    prepare = load("prepare")
    options = {
        "dataset": "davis2017",
        "dataset_dir": str(tree),
        "split": "mine",
        "shards": 2,
        "output": str(tmp_path / "out"),
        "objects": True,
    }
    assert run(prepare, **options) == 0
    printed = capsys.readouterr().out
    assert "3 videos, 12 frames, 12 masks" in printed and "nothing missing" in printed
    assert "clip1: 4 frames; ids 1 in 4, 2 in 4" in printed
    assert run(prepare, verify=str(tmp_path / "out" / "mine-*")) == 0
    assert "1 videos, intact" in capsys.readouterr().out


def test_prepare_names_what_is_missing_or_broken(tree, tmp_path, capsys):
    prepare = load("prepare")
    (tree / "Annotations/480p/clip0/00002.png").unlink()
    frame = tree / "JPEGImages/480p/clip1/00001.jpg"
    frame.write_bytes(frame.read_bytes()[:200])
    options = {"dataset": "davis2017", "dataset_dir": str(tree), "split": "mine"}
    assert run(prepare, **options) == 1
    printed = capsys.readouterr().out
    assert "clip0: 1 frames without a mask, the first is 00002.jpg" in printed
    assert f"{frame}:" in printed and "2 problems" in printed
    with pytest.raises(InputError, match="not packed"):
        run(prepare, output=str(tmp_path / "out"), **options)
    assert not (tmp_path / "out").exists()
    (tree / "ImageSets/2017/val.txt").write_text("clip2\n")
    assert run(prepare, **{**options, "split": "val"}) == 1
    printed = capsys.readouterr().out
    assert "1 videos, expected 30" in printed and "clip2: not the same" in printed


def test_preview_draws_triplets(tree, tmp_path):
    preview = load("preview")
    output = tmp_path / "sheet.png"
    run(
        preview,
        dataset="davis2017",
        dataset_dir=str(tree),
        split="mine",
        output=str(output),
        count=2,
        crop=57,
        tile=57,
        paste=0,
    )
    sheet = np.array(Image.open(output))
    assert sheet.shape[0] > 2 * 57 and sheet.shape[1] > 3 * 57 and sheet.std() > 10


def test_preview_takes_options_of_triplets_and_refuses_others(tree, tmp_path):
    preview = load("preview")
    sheets = []
    for options in ([], ["light=0.5", "max_stride=1"]):
        output = tmp_path / f"sheet{len(sheets)}.png"
        run(
            preview,
            dataset="davis2017",
            dataset_dir=str(tree),
            split="mine",
            output=str(output),
            count=1,
            crop=57,
            tile=57,
            paste=0,
            options=options,
        )
        sheets.append(np.array(Image.open(output)))
    assert sheets[0].shape == sheets[1].shape and (sheets[0] != sheets[1]).any()
    for option, message in (
        ("nothing=1", "no number 'nothing'"),
        ("light=dark", "expected a"),
        ("damage_previous=1", "no number 'damage_previous'"),
    ):
        with pytest.raises(preview.app.app.UsageError, match=message):
            run(
                preview,
                dataset="davis2017",
                dataset_dir=str(tree),
                split="mine",
                output=str(tmp_path / "none.png"),
                options=[option],
            )
        assert not (tmp_path / "none.png").exists()


def test_download_checks_and_unpacks(tmp_path, monkeypatch):
    download = load("download")
    archive = tmp_path / "server.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("DAVIS/ImageSets/2017/val.txt", "blackswan\n")
    data = archive.read_bytes()
    entry = ("server.zip", len(data), hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(download, "ARCHIVES", {"small": entry})
    monkeypatch.setattr(download, "_SERVER", tmp_path.as_uri() + "/")
    run(download, archive="small", output=str(tmp_path / "data"))
    assert (tmp_path / "data/DAVIS/ImageSets/2017/val.txt").read_text() == "blackswan\n"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["DAVIS"]

    archive.write_bytes(data[:-1] + b"x")
    with pytest.raises(InputError, match="SHA-256"):
        run(download, archive="small", output=str(tmp_path / "other"))
    assert not list((tmp_path / "other").iterdir())
    with pytest.raises(InputError, match="download failed"):
        archive.unlink()
        run(download, archive="small", output=str(tmp_path / "other"))


def test_download_refuses_entries_outside(tmp_path):
    download = load("download")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as writer:
        writer.writestr("../evil.txt", "x")
    with pytest.raises(InputError, match="outside"):
        download.unpack(tmp_path / "evil.zip", tmp_path / "in")
    assert not (tmp_path / "evil.txt").exists()


def test_drawn_clips_read_as_a_dataset(tmp_path, capsys):
    run(
        load("draw"),
        output=str(tmp_path),
        count=3,
        num_frames=2,
        height=40,
        width=60,
        min_objects=1,
        max_objects=2,
        seed=5,
    )
    assert capsys.readouterr().out.splitlines()[-1] == "clip7: 2 frames, 1 objects (3 of 3)"
    videos = layouts.read_dataset("davis2017", tmp_path, "val")
    assert [(v.name, len(v.first_frame)) for v in videos] == [
        ("clip5", 1),
        ("clip6", 2),
        ("clip7", 1),
    ]
