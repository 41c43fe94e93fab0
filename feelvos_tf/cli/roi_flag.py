"""The flag --roi, which several commands share."""

from __future__ import annotations

from absl import flags

ROI = flags.DEFINE_enum(
    "roi",
    "none",
    ["auto", "none"],
    "auto computes only a region around the objects of each frame, which is faster where they are "
    "small, and all of a frame while one of them is out of sight. Frames larger than --max_side "
    "are reduced less then, to at most twice that, where the region allows it. Brings along "
    "--grid=aligned.",
)


def chosen() -> bool:
    """Whether the flag asks for a region."""
    return ROI.value == "auto"
