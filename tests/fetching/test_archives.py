"""What may be in a .tar.gz, and what comes out of it: a checkpoint's files, into one folder."""

import gzip
import io
import random
import tarfile

import pytest
from release_server import archive

from feelvos_tf.errors import InputError
from feelvos_tf.fetching import archives

PREFIX = "model.ckpt-200004"
FILES = {
    f"{PREFIX}.index": b"index" * 100,
    f"{PREFIX}.data-00000-of-00001": random.Random(0).randbytes(200_000),
    f"{PREFIX}.meta": b"a graph",
    "frozen_inference_graph.pb": b"another graph",
    "checkpoint": b"model_checkpoint_path",
}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def unpack(tmp_path, content, prefix=""):
    path = tmp_path / "weights.tar.gz"
    path.write_bytes(content)
    return archives.unpack(path, tmp_path / "place", prefix)


def refused(tmp_path, content, message, prefix=""):
    before = {path for path in tmp_path.rglob("*") if tmp_path / "place" not in path.parents}
    with pytest.raises(InputError, match=rf"weights\.tar\.gz: .*{message}") as error:
        unpack(tmp_path, content, prefix)
    assert "\n" not in str(error.value)
    after = {path for path in tmp_path.rglob("*") if tmp_path / "place" not in path.parents}
    assert after - before <= {tmp_path / "weights.tar.gz"}


@pytest.mark.compat
def test_the_files_of_the_checkpoint_and_no_others(tmp_path, place):
    assert unpack(tmp_path, archive(FILES)) == place / PREFIX
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {
        name: content
        for name, content in FILES.items()
        if name.startswith(f"{PREFIX}.") and not name.endswith(".meta")
    }


def test_one_of_several_checkpoints(tmp_path, place):
    content = archive({**FILES, "other.ckpt.index": b"", "other.ckpt.data-00000-of-00001": b""})
    refused(tmp_path, content, rf"holds 2 checkpoints \({PREFIX}, other.ckpt\), expected one")
    for path in place.iterdir():
        path.unlink()
    assert unpack(tmp_path, content, PREFIX) == place / PREFIX
    assert len(list(place.iterdir())) == 2


def test_no_checkpoint_or_an_incomplete_one(tmp_path, place):
    refused(tmp_path, archive({"readme": b"x"}), "holds no checkpoint, expected one")
    refused(tmp_path, archive({"a.index": b""}), "the checkpoint a is incomplete")
    for present in ("a.data-00001-of-00002", "b.data-00000-of-00001"):
        for path in place.iterdir():
            path.unlink()
        refused(tmp_path, archive({"a.index": b"", present: b""}), "the checkpoint a is incomplete")
    shards = {"s.index": b"", "s.data-00000-of-00002": b"", "s.data-00001-of-00002": b""}
    for path in place.iterdir():
        path.unlink()
    assert unpack(tmp_path, archive(shards)) == place / "s"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty, expected a .tar.gz"),
        (b"<!DOCTYPE html><html>", "no .tar.gz archive, it begins with '<!DOCTYPE html>"),
        (b"PK\3\4 a zip file", "no .tar.gz archive, it begins with"),
        (gzip.compress(b"no tar at all" * 100), "no .tar.gz archive, or a damaged one"),
        (gzip.compress(b""), "no .tar.gz archive, or a damaged one"),
    ],
    ids=["nothing", "a page", "a zip file", "no tar", "an empty stream"],
)
def test_other_content(tmp_path, place, content, message):
    refused(tmp_path, content, message)


def test_every_cut_and_every_flipped_byte_is_seen(tmp_path, place):
    whole = archive(FILES)
    damaged = [whole[: len(whole) * part // 10] for part in range(1, 10)] + [whole[:-1]]
    for position in range(20, len(whole), len(whole) // 20):
        damaged.append(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
    for content in damaged:
        for path in place.iterdir():
            path.unlink()
        refused(tmp_path, content, "")


def packed(*members):
    """The bytes of a .tar.gz of members as they are given: (TarInfo, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def member(name, kind=tarfile.REGTYPE, target=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


@pytest.mark.parametrize("name", ["../a.index", "x/../../a.index", "/tmp/a.index", "x\\a.index"])
def test_paths_that_lead_out_are_refused(tmp_path, place, name):
    refused(tmp_path, packed((member(name), b"mine")), "which leads out of its folder")
    assert not list(place.iterdir())


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_only_files_are_files(tmp_path, place, kind):
    (tmp_path / "victim").write_text("precious")
    link = member("a.index", kind, str(tmp_path / "victim"))
    data = member("a.data-00000-of-00001")
    refused(tmp_path, packed((link, b""), (data, b"x")), "holds no checkpoint")
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_link_is_not_written_through(tmp_path, place):
    """A link and then a file of its name: the link is passed over, the file is a file."""
    content = packed(
        (member("a.index", tarfile.SYMTYPE, "../victim"), b""),
        (member("a.index"), b"index"),
        (member("a.data-00000-of-00001"), b"data"),
    )
    assert unpack(tmp_path, content) == place / "a"
    assert (place / "a.index").read_bytes() == b"index" and not (tmp_path / "victim").exists()


def test_a_name_that_comes_twice(tmp_path, place):
    content = packed((member("x/a.index"), b"1"), (member("y/a.index"), b"2"))
    refused(tmp_path, content, "holds a.index twice")


def test_bounds(tmp_path, place, monkeypatch):
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 4)
    refused(tmp_path, archive(FILES), "more than 4 members")
    monkeypatch.undo()
    for path in place.iterdir():
        path.unlink()
    monkeypatch.setattr(archives, "_MOST_BYTES", 100_000)
    monkeypatch.setattr(archives, "_BLOCK", 10_000)
    refused(tmp_path, archive(FILES), "unpacks to more than 100000 bytes")
    for path in place.iterdir():
        path.unlink()
    # In a member that nobody wants, or after all members.
    refused(tmp_path, archive({"x.pb": bytes(900_000)}), "unpacks to more than 100000 bytes")
    tail = gzip.compress(gzip.decompress(archive({"a": b""})) + bytes(900_000))
    refused(tmp_path, tail, "unpacks to more than 100000 bytes")


def test_a_header_of_gigabytes_is_not_read(tmp_path, place):
    header = member("x", tarfile.XHDTYPE)
    header.size = 3 << 30
    content = gzip.compress(header.tobuf(tarfile.USTAR_FORMAT) + bytes(100_000))
    refused(tmp_path, content, "a header of 3221225472 bytes")


def test_a_folder_that_cannot_be_written(tmp_path):
    path = tmp_path / "weights.tar.gz"
    path.write_bytes(archive(FILES))
    with pytest.raises(InputError, match="absent/.*: No such file or directory"):
        archives.unpack(path, tmp_path / "absent")
    with pytest.raises(InputError, match="is a folder, expected a file"):
        archives.unpack(tmp_path, tmp_path / "absent")
