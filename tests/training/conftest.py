"""A network and an experiment so small that a step takes a fraction of a second."""

import pytest

pytest.importorskip("official", reason="needs the extra train")

from feelvos_tf.training import run

SMALL = """
task:
  model: {depth_multiplier: 0.1, atrous_rates: [], aspp_filters: 16, decoder_filters: 16,
          embedding_dim: 8, head_filters: 8, head_layers: 1, head_kernel_size: 3, window: 2}
  train_data:
    sources: [{dataset: synthetic, synthetic: {count: 4, num_frames: 5, height: 48, width: 64,
                                               max_objects: 2}}]
    crop_size: [33, 49]
    num_frames: 3
    global_batch_size: 4
    min_object_pixels: 1
    max_objects: 3
    scale_range: [0.6, 0.7]
    damage_previous: false
    color_jitter: 0.0
  validation_data:
    source: {synthetic: {count: 1, num_frames: 4, height: 48, width: 64}}
  train_batch_norm: false
  allow_random_init: true
trainer: {train_steps: 4, steps_per_loop: 2, summary_interval: 2, checkpoint_interval: 2,
          validation_interval: 4}
"""


@pytest.fixture(scope="session")
def small_settings(tmp_path_factory):
    """Overrides of the tiny experiment, with clips that all tests share."""
    clips = tmp_path_factory.mktemp("clips")
    return SMALL.replace("dataset: synthetic,", f"dataset: synthetic, root: {clips},")


@pytest.fixture
def small_params(small_settings, tmp_path):
    """A function that builds an experiment from overrides (YAML text) of the small one."""

    def build(*overrides):
        files = []
        for number, text in enumerate([small_settings, *overrides]):
            files.append(tmp_path / f"settings{number}.yaml")
            files[-1].write_text(text)
        return run.read_params("tiny", files)

    return build
