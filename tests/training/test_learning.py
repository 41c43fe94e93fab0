"""The `tiny` experiment learns, in a form shortened to a minute or two."""

import pytest

pytest.importorskip("official", reason="needs the extra train")

from feelvos_tf.evaluation import reports
from feelvos_tf.evaluation.baselines import FirstMask
from feelvos_tf.training import run

SHORT = """
task: {validation_data: {source: {synthetic: {count: 3}}}}
trainer:
  train_steps: 300
  validation_interval: 300
  optimizer_config: {learning_rate: {cosine: {decay_steps: 300}}}
"""


def test_a_short_training_beats_copying_the_first_mask(tmp_path):
    params = run.read_params("tiny", override=SHORT)
    trainer = run.run_experiment(params, "train_and_eval", str(tmp_path))
    task = trainer.task
    segmenter = task.make_segmenter(trainer.model)
    learned, copied = (
        reports.summarize([task.validate_video(i, method) for i in range(len(task.videos))])[
            "J&F-Mean"
        ]
        for method in (segmenter, FirstMask())
    )
    assert learned > copied + 0.05
