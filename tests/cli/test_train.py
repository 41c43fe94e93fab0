import pytest
import yaml
from absl import app as absl_app
from absl import flags as absl_flags
from absl.testing import flagsaver

pytest.importorskip("official", reason="needs the extra train")

from feelvos_tf.cli import train
from feelvos_tf.errors import InputError


def test_settings_are_printed_and_nothing_else_is_done(tmp_path, capsys):
    if not absl_flags.FLAGS.is_parsed():
        absl_flags.FLAGS.mark_as_parsed()
    override = "trainer: {train_steps: 17}"
    with flagsaver.flagsaver(experiment="tiny", print_config=True, params_override=override):
        train.main(["feelvos-train"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["trainer"]["train_steps"] == 17
    assert printed["task"]["model"]["backbone"] == "mobilenet_v2"
    assert not list(tmp_path.iterdir())


def test_a_run_needs_a_folder():
    if not absl_flags.FLAGS.is_parsed():
        absl_flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver(experiment="tiny", model_dir=None):
        with pytest.raises(absl_app.UsageError, match="give --model_dir"):
            train.main(["feelvos-train"])


@pytest.mark.parametrize(
    "flags,message",
    [
        ({"experiment": "large"}, "experiment 'large' is unknown"),
        ({"params_override": "trainer: {train_stepz: 1}"}, "train_stepz"),
        ({"config_file": ["missing.yaml"]}, "missing.yaml"),
        ({"params_override": "task: {train_data: {sources: []}}"}, "no training data"),
        ({"mode": "eval"}, "holds no checkpoint"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(tmp_path, flags, message):
    synthetic = (
        "task: {validation_data: {source: {synthetic: {count: 1, num_frames: 2, "
        "height: 33, width: 33}}}}"
    )
    values = {
        "experiment": "tiny",
        "model_dir": str(tmp_path),
        "params_override": synthetic,
        **flags,
    }
    if not absl_flags.FLAGS.is_parsed():
        absl_flags.FLAGS.mark_as_parsed()
    # Not by parsing: absl keeps one set of flags a process, with other commands' required ones.
    with flagsaver.flagsaver(**values):
        with pytest.raises(InputError, match=message):
            train.main(["feelvos-train"])
