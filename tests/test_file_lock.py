"""A lock that is waited for; tests/test_output_folder.py has the one that is not."""

import pathlib
import threading

import pytest

import feelvos_tf
from feelvos_tf import file_lock
from feelvos_tf.errors import InputError


def test_the_second_waits_is_told_for_whom_and_comes_next(tmp_path):
    path, told, order = tmp_path / "lock", threading.Event(), []

    def second():
        with file_lock.waited_for(path, lambda who: (order.append(who), told.set())) as held:
            order.append(held)

    thread = threading.Thread(target=second)
    with file_lock.waited_for(path) as held:
        assert held and path.exists()
        thread.start()
        assert told.wait(60)
        assert len(order) == 1 and order[0].startswith("process ")
    thread.join(60)
    assert order[1:] == [True] and not path.exists()


def test_a_block_that_fails_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), file_lock.waited_for(tmp_path / "lock"):
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []
    with file_lock.waited_for(tmp_path / "lock") as held:
        assert held


def test_where_there_are_no_locks_nothing_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(file_lock, "HAS_LOCKS", False)
    for path in (tmp_path / "lock", tmp_path / "absent" / "lock"):
        with file_lock.waited_for(path) as held:
            assert not held
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_a_lock_is_named(tmp_path):
    with pytest.raises(InputError, match="lock: cannot be used as a lock"):
        with file_lock.waited_for(tmp_path / "absent" / "lock"):
            pass


def test_what_not_every_system_has_is_imported_here_alone():
    files = pathlib.Path(feelvos_tf.__file__).parent.rglob("*.py")
    assert [path.name for path in files if "import fcntl" in path.read_text()] == ["file_lock.py"]
