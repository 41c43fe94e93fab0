"""The export that the tests share; it takes long to make."""

import pytest
import tensorflow as tf
from exported import Exported


@pytest.fixture(scope="session")
def mobilenet(tmp_path_factory):
    return Exported("mobilenet_v2", tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="session")
def loaded(mobilenet):
    return tf.saved_model.load(mobilenet.folder)
