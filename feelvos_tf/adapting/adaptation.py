"""How a network is fine-tuned on given frames, as plain numbers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from feelvos_tf.errors import InputError

# What may be trained, from the network's end to its beginning.
PARTS = ("head", "embedding", "decoder")


@dataclasses.dataclass(frozen=True)
class Adaptation:
    """How a network is fine-tuned on given frames; the defaults were measured (docs/adapt.md).

    Attributes:
      steps: of the optimizer, the most there are; 0 trains nothing.
      seconds: on a clock. Where so many pass sooner the steps are cut to fit, once it is known
        how long one takes; 0 for no limit.
      parts: some of PARTS, those whose weights are trained; batch norm never is.
      learning_rate: of Adam, where it begins; it falls to nothing on a cosine.
      share: how far the weights go from those given to those trained, 0 to 1; halfway keeps more
        of what the network knew.
      batch_size: clips of a step.
      num_frames: of a clip, the reference included.
      crop_size: pixels of a clip's side.
      motion: how far objects and camera move from frame to frame, 1 for small shifts and turns.
      seed: of all random numbers.
    """

    steps: int = 80
    seconds: float = 0.0
    parts: tuple[str, ...] = ("head", "embedding")
    learning_rate: float = 3e-4
    share: float = 0.5
    batch_size: int = 2
    num_frames: int = 4
    crop_size: int = 257
    motion: float = 2.0
    seed: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))
        checks = {
            "steps": self.steps >= 0,
            "seconds": math.isfinite(self.seconds) and self.seconds >= 0,
            "parts": 0 < len(set(self.parts)) == len(self.parts) and set(self.parts) <= set(PARTS),
            "learning_rate": 0 < self.learning_rate <= 1,
            "share": 0 <= self.share <= 1,
            "batch_size": self.batch_size >= 1,
            "num_frames": self.num_frames >= 3,
            "crop_size": self.crop_size >= 33,
            "motion": 0 <= self.motion <= 4,
        }
        for name, holds in checks.items():
            if not holds:
                raise InputError(f"Adaptation: {name}={getattr(self, name)!r} is out of range")

    def to_dict(self) -> dict[str, Any]:
        """Plain values as JSON has them."""
        return {**dataclasses.asdict(self), "parts": list(self.parts)}


# Of a network to a whole video, see `adaptive_segmenter`: what the first frame's own mask corrects
# may be learned whole, and fast: a trial refuses what went wrong.
TO_A_VIDEO = Adaptation(steps=50, share=1.0, learning_rate=2e-3)
