"""Files that are complete or absent, names that lead nowhere else, things that are no files."""

import os

import pytest

from feelvos_tf import files
from feelvos_tf.errors import InputError
from feelvos_tf.files import check_name, open_file, replaced_when_done, sha256


def test_atomic_file_is_complete_or_absent(tmp_path):
    path = tmp_path / "a.txt"
    with replaced_when_done(path) as temporary:
        temporary.write_text("old")
        assert not path.exists()
    for error in (OSError, KeyboardInterrupt):
        with pytest.raises(error), replaced_when_done(path) as temporary:
            temporary.write_text("half")
            raise error
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_planted_links_are_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (".a.txt.part", "part"):
        (tmp_path / name).symlink_to(victim)
    with replaced_when_done(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    (tmp_path / "a.txt").unlink()
    (tmp_path / "a.txt").symlink_to(victim)  # the final name is replaced, not what it leads to
    with replaced_when_done(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    monkeypatch.setattr(files, "_part_of", lambda final: tmp_path / "part")
    with pytest.raises(FileExistsError), replaced_when_done(tmp_path / "b.txt") as temporary:
        temporary.write_text("new")
    assert victim.read_text() == "precious"
    assert (tmp_path / "a.txt").read_text() == "new" and not (tmp_path / "a.txt").is_symlink()


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    with replaced_when_done(tmp_path / "a") as first:
        first.write_text("first")
        with replaced_when_done(tmp_path / "a") as second:
            second.write_text("second")
        assert (tmp_path / "a").read_text() == "second"
    assert (tmp_path / "a").read_text() == "first"


def test_the_longest_name_a_folder_takes_is_no_trouble(tmp_path):
    path = tmp_path / ("a" * 255)
    with replaced_when_done(path) as temporary:
        temporary.write_text("x")
    assert path.read_text() == "x"


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_text("")
    with replaced_when_done(tmp_path / "a") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_durable_files_are_on_the_disk_before_they_have_their_name(tmp_path, monkeypatch):
    events = []
    flush, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os,
        "fsync",
        lambda opened: (events.append(os.readlink(f"/proc/self/fd/{opened}")), flush(opened)),
    )
    monkeypatch.setattr(os, "replace", lambda *names: (events.append("replace"), replace(*names)))
    with replaced_when_done(tmp_path / "a", durable=True) as temporary:
        temporary.write_text("x")
        part = str(temporary)
    assert events == [part, "replace", str(tmp_path)]


@pytest.mark.parametrize(
    "name",
    ["bear", "a b", "Übung-1", "...", ".hidden", "~", "a:b", "%2e%2e", "日本", "x" * 240, "🐻‍❄️"],
)
def test_plain_names_pass(name):
    assert check_name(name, "list.txt", "video") == name


@pytest.mark.parametrize(
    "name, problem",
    [
        ("", "names no file"),
        (".", "names no file"),
        ("..", "names no file"),
        ("../x", "another folder"),
        ("/etc", "another folder"),
        ("a/", "another folder"),
        ("..\\x", "another folder"),
        ("C:\\x", "another folder"),
        ("a\nb", "control"),
        ("a\0", "control"),
        ("\x7f", "control"),
        ("\x85", "control"),
        ("\u2028", "control"),
        ("\udcff", "no UTF-8"),
        ("\ud800", "no UTF-8"),
        ("x" * 241, "241 bytes"),
        ("é" * 121, "242 bytes"),
        (3, "no text"),
        (None, "no text"),
        (b"a", "no text"),
    ],
)
def test_other_names_do_not(name, problem):
    with pytest.raises(InputError, match=problem) as caught:
        check_name(name, "list.txt", "video")
    message = str(caught.value)
    assert message.startswith("list.txt: a video is called ")
    assert message.isprintable() and len(message) < 200


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path, message in (
        (tmp_path / "pipe", "is a pipe or device"),
        (tmp_path, "is a folder"),
        ("/dev/zero", "is a pipe or device"),
        ("a\0b", "cannot be the name"),
    ):
        with pytest.raises(InputError, match=message):
            open_file(path)
        with pytest.raises(InputError, match=message):
            sha256(path)
    with pytest.raises(InputError, match="loop: cannot be read, Too many levels"):
        sha256(tmp_path / "loop")
