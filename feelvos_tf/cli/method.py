"""The method that several commands run: a network with what is set beside it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from feelvos_tf import checkpoint_file
from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.cli import adapt_flags
from feelvos_tf.streaming_settings import StreamingSettings

if TYPE_CHECKING:
    from feelvos_tf.streaming.segmenter import VideoSegmenter


@dataclasses.dataclass(frozen=True)
class Method:
    """A network and its settings; see VideoSegmenter for what they mean. It pickles."""

    checkpoint: str | os.PathLike[str]
    streaming: StreamingSettings
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # other than its own
    max_side: int | None = None
    ignore_label: int | None = None
    max_reference_pixels: int | None = None
    roi: bool = False
    mixed_precision: str | None = None
    adaptation: Adaptation | None = None
    say: Callable[[str], None] = print  # takes lines on how far an adaptation is

    def __call__(self) -> VideoSegmenter:
        """Loads TensorFlow, which takes seconds, and the network."""
        from feelvos_tf.checkpoints import load_model
        from feelvos_tf.streaming.segmenter import VideoSegmenter

        model = load_model(self.checkpoint, **self.network)
        options: dict[str, Any] = {
            "max_side": self.max_side,
            "ignore_label": self.ignore_label,
            "max_reference_pixels": self.max_reference_pixels,
            "roi": self.roi,
            **self.streaming._asdict(),
            "mixed_precision": self.mixed_precision,
        }
        if self.adaptation is None:
            return VideoSegmenter(model, **options)
        return adapt_flags.segmenter(
            model, self.adaptation, self.say, stopping=adapt_flags.first_interrupt, **options
        )

    def settings(self) -> dict[str, Any]:
        """What tells its masks from others', plain values as JSON has them."""
        settings = {
            **checkpoint_file.identity(self.checkpoint),
            **self.network,
            "max_side": self.max_side,
            "ignore_label": self.ignore_label,
            "mixed_precision": self.mixed_precision,
            "max_reference_pixels": self.max_reference_pixels,
            "roi": self.roi,
            **self.streaming.described(),
            **adapt_flags.described(self.adaptation),
        }
        del settings["checkpoint"]  # a file that was moved is still the same
        return settings
