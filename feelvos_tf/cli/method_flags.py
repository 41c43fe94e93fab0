"""Flags of `feelvos-evaluate` for what it runs: a network or a baseline. Not a command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from absl import flags

from feelvos_tf import checkpoint_file
from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.cli import (
    adapt_flags,
    checkpoint_flag,
    network_flags,
    roi_flag,
    streaming_flags,
)
from feelvos_tf.errors import InputError

if TYPE_CHECKING:
    from feelvos_tf.evaluation.baselines import NearestNeighbor
    from feelvos_tf.evaluation.video_runs import Method

BASELINE = flags.DEFINE_enum(
    "baseline",
    None,
    ["first_mask", "nearest_neighbor"],
    "Run this instead of the whole network: the given masks unmoved, or the label of the most "
    "similar given pixel in the embedding of --checkpoint.",
)
SCALES = flags.DEFINE_list(
    "scales",
    None,
    "Look at every frame in these sizes, such as 0.75,1,1.25 (factors), and average the "
    "probabilities; takes the time of all of them.",
)
FLIP = flags.DEFINE_bool("flip", False, "Look at every frame mirrored as well, see --scales.")


def chosen(say: Callable[[str], None]) -> tuple[dict[str, Any], Callable[[], Method]]:
    """What tells the method from others, and a function that makes it (and loads TensorFlow).

    Args:
      say: takes lines on how far an adaptation is.

    Raises:
      InputError: a flag's value, or the checkpoint, cannot be used.
    """
    if BASELINE.value == "first_mask":
        from feelvos_tf.evaluation.baselines import FirstMask

        return {"baseline": "first_mask"}, FirstMask
    views = _views()
    network = network_flags.chosen()
    path = str(checkpoint_flag.chosen())
    identity = {**checkpoint_file.identity(path), **network}
    if BASELINE.value == "nearest_neighbor":
        method = {"baseline": "nearest_neighbor", **identity}
        return method, lambda: _nearest_neighbor(path, network)
    streaming = streaming_flags.settings(path)
    options: dict[str, Any] = {
        "max_side": streaming_flags.max_side("none"),
        "max_reference_pixels": streaming_flags.MAX_REFERENCE_PIXELS.value,
        "roi": roi_flag.chosen(),
    }
    given = {name: value for name, value in options.items() if value}
    adaptation = adapt_flags.chosen()
    method = {
        **identity,
        **given,
        **views,
        **adapt_flags.described(adaptation),
        "memory": None,
        **streaming.to_dict(),
    }
    if views:
        del options["max_side"], options["roi"]  # not given, see _check_flags
    options = {**options, **views, **streaming._asdict()}
    return method, lambda: _segmenter(path, network, options, adaptation, say)


def _views() -> dict[str, Any]:
    """What --scales and --flip say, where they say something."""
    if not SCALES.present and not FLIP.value:
        return {}
    given = SCALES.value or ["1"]
    try:
        scales = [float(scale) for scale in given]
    except ValueError as error:
        raise InputError(
            f"--scales has {','.join(given)!r}, expected numbers with commas between them"
        ) from error
    return {"scales": scales, "flip": FLIP.value}


def _nearest_neighbor(path: str, network: Mapping[str, Any]) -> NearestNeighbor:
    from feelvos_tf.checkpoints import load_model
    from feelvos_tf.evaluation.baselines import NearestNeighbor

    return NearestNeighbor(load_model(path, **network))


def _segmenter(
    path: str,
    network: Mapping[str, Any],
    options: Mapping[str, Any],
    adaptation: Adaptation | None,
    say: Callable[[str], None],
) -> Method:
    from feelvos_tf.checkpoints import load_model
    from feelvos_tf.streaming.segmenter import VideoSegmenter
    from feelvos_tf.streaming.views import AveragedSegmenter

    if adaptation is not None:
        return adapt_flags.segmenter(load_model(path, **network), adaptation, say, **options)
    kind = AveragedSegmenter if "scales" in options else VideoSegmenter
    return kind(load_model(path, **network), **options)
