"""Writes a network as a SavedModel for TensorFlow Serving, C++, Java, Go or plain TensorFlow.

  feelvos-export --output=feelvos/1                           the weights that come with the package
  feelvos-export --checkpoint=model.npz --output=feelvos/1    others; a file, or a name that
                                                              feelvos-models lists

The export streams with explicit state and needs no feelvos_tf: OUTPUT/README.md shows how to call
it, OUTPUT/signatures.json describes every input and output. TensorFlow Serving wants the last
folder's name to be a number, the version.

Compiled by XLA for one size of frames and one number of objects:
  feelvos-export --checkpoint=model.npz --output=feelvos/1 --height=480 --width=854 --num_objects=2
"""

from __future__ import annotations

from absl import app as absl_app
from absl import flags

from feelvos_tf.cli import app, checkpoint_flag, network_flags, streaming_flags
from feelvos_tf.files import check_new_folder

for _module in (checkpoint_flag, streaming_flags, network_flags):
    flags.adopt_module_key_flags(_module)
_OUTPUT = flags.DEFINE_string(
    "output", None, "New folder for the SavedModel; its parents are made.", required=True
)
_WEIGHTS_NAME = flags.DEFINE_string(
    "weights_name",
    None,
    "Name of the weights in the export's description; by default the checkpoint's file name.",
)
_IGNORE_LABEL = flags.DEFINE_integer(
    "ignore_label",
    None,
    "Id in masks that means unknown: such pixels are neither an object nor background.",
    lower_bound=1,
    upper_bound=255,
)
_MIXED_PRECISION = flags.DEFINE_enum(
    "mixed_precision",
    None,
    ["mixed_float16", "mixed_bfloat16"],
    "Compute the network in 16 bits; matching stays in float32.",
)
_HEIGHT = flags.DEFINE_integer(
    "height",
    None,
    "Compile for frames of this height; goes with --width and --num_objects.",
    lower_bound=1,
)
_WIDTH = flags.DEFINE_integer("width", None, "See --height.", lower_bound=1)
_NUM_OBJECTS = flags.DEFINE_integer(
    "num_objects",
    None,
    "Compile for this many objects, background not counted; see --height.",
    lower_bound=1,
    upper_bound=255,
)


def main(argv: list[str]) -> None:
    """Exports as the flags say."""
    del argv
    height, width, num_objects = _HEIGHT.value, _WIDTH.value, _NUM_OBJECTS.value
    if len({size is None for size in (height, width, num_objects)}) > 1:
        raise absl_app.UsageError("--height, --width and --num_objects go together")
    # TensorFlow takes seconds to load, and an export more.
    check_new_folder(_OUTPUT.value)
    network = network_flags.chosen()
    checkpoint = checkpoint_flag.chosen()
    from feelvos_tf.checkpoints import load_model
    from feelvos_tf.export import FixedShape, export_model

    settings = streaming_flags.settings(checkpoint)._asdict()
    if streaming_flags.PROBES.value == "auto":
        # Left to the export, which takes no recommended ones where it compiles by XLA.
        settings["probes"] = "auto"
    fixed = None
    if height is not None and width is not None and num_objects is not None:
        fixed = FixedShape(height, width, num_objects)
    export_model(
        load_model(checkpoint, **network),
        _OUTPUT.value,
        weights=_WEIGHTS_NAME.value or checkpoint.name,
        max_side=streaming_flags.max_side("none"),
        ignore_label=_IGNORE_LABEL.value,
        max_reference_pixels=streaming_flags.MAX_REFERENCE_PIXELS.value,
        **settings,
        mixed_precision=_MIXED_PRECISION.value,
        fixed=fixed,
    )
    print(f"wrote {_OUTPUT.value}", flush=True)


def main_cli() -> None:
    """Entry point of the console script."""
    app.run(main)


if __name__ == "__main__":
    main_cli()
