"""Files that are complete or absent."""

import pytest

from feelvos_tf.files import replaced_when_done


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
