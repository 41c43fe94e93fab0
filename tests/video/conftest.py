"""Fixtures shared by the tests of masks and videos on their way out."""

import pytest

from feelvos_tf import files


@pytest.fixture
def full_disk(monkeypatch):
    """Takes the names of files whose every write shall end in "no space left on device"."""

    def fill(*names):
        name_part, make_new, full = files._part_of, files._make_new, set()

        def named(final):
            part = name_part(final)
            if final.name in names:
                full.add(part)
            return part

        monkeypatch.setattr(files, "_part_of", named)
        monkeypatch.setattr(
            files, "_make_new",
            lambda part: part.symlink_to("/dev/full") if part in full else make_new(part))

    return fill
