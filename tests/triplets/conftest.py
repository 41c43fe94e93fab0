"""Fixtures of the data tests."""

import pytest
from data_trees import video_of, write_video

from feelvos_tf.triplets.clip_sources import TreeSource


@pytest.fixture(scope="session")
def coordinate_videos(tmp_path_factory):
    """Five videos of 4 to 8 coordinate frames of 60x80, ids 2 and 5."""
    root = tmp_path_factory.mktemp("coordinates")
    for number in range(5):
        write_video(root, f"clip{number}", 4 + number, seed=number)
    return [video_of(root, f"clip{number}") for number in range(5)]


@pytest.fixture
def coordinate_source(coordinate_videos):
    return TreeSource("coordinates", coordinate_videos)
