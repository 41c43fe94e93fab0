"""A video of three objects, and segmenters that are corrected on the way."""

import pytest
from streaming_models import shared, shared_model

from feelvos_tf.config import Memory
from feelvos_tf.data.synthetic import synthetic_clip

MEMORY = Memory(every=1, frames=3, max_pixels=50, min_confidence=0.3)


@pytest.fixture(scope="session")
def model():
    return shared_model()


@pytest.fixture(scope="session")
def segmenter():
    """One for most tests: each begins with `reset`, and compiling takes seconds."""
    return shared()


@pytest.fixture(scope="session")
def remembering():
    return shared(memory=MEMORY, ignore_label=255)


@pytest.fixture(scope="session")
def clip():
    return synthetic_clip(seed=3, num_frames=8, height=45, width=66, num_objects=3)
