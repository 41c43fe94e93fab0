"""How a video is segmented beyond what the network's config says; needs no TensorFlow."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any, NamedTuple

from feelvos_tf.config import Memory
from feelvos_tf.errors import InputError, shown, whole_number

OUTLINES = ("guided",)
GRIDS = ("aligned",)


class StreamingSettings(NamedTuple):
    """Settings of `VideoSegmenter`; None for each that is as published.

    Those that suit weights, as measured, travel with them as `Feelvos.recommended`.

    Attributes:
      memory: what joins the reference on the way.
      probes: clusters of each object's reference pixels to search, from 1.
      outlines: how logits come to a frame's size, one of OUTLINES.
      reach: how far from its place in the frame before an object is looked for, as a share of the
        frame's longer side, above 0, at most 1.
      grid: of which sizes frames are computed, one of GRIDS.
    """

    memory: Memory | None = None
    probes: int | None = None
    outlines: str | None = None
    reach: float | None = None
    grid: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, of what is not as published."""
        return {
            name: value.to_dict() if isinstance(value, Memory) else value
            for name, value in self._asdict().items()
            if value is not None
        }

    def described(self) -> dict[str, Any]:
        """Plain values by name, of all; None for what is as published."""
        return {**dict.fromkeys(self._fields), **self.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StreamingSettings:
        """The opposite of `to_dict`.

        Raises:
          InputError: no mapping, an unknown name or a value out of range.
        """
        if not isinstance(values, Mapping) or not set(values) <= set(cls._fields):
            raise InputError(f"expected {', '.join(cls._fields)} and nothing else")
        memory = values.get("memory")
        memory = None if memory is None else Memory.from_dict(memory)
        return cls._checked(**{**values, "memory": memory})

    def resolved(
        self,
        *,
        memory: Memory | None | str,
        probes: int | None | str,
        outlines: str | None,
        reach: float | None | str,
        grid: str | None,
    ) -> StreamingSettings:
        """The settings that arguments stand for; "auto" is the one here.

        Raises:
          InputError: an argument is none that there can be.
        """
        asked = {
            "memory": memory,
            "probes": probes,
            "outlines": outlines,
            "reach": reach,
            "grid": grid,
        }
        return self._checked(
            **{
                name: getattr(self, name) if isinstance(value, str) and value == "auto" else value
                for name, value in asked.items()
            }
        )

    @classmethod
    def _checked(
        cls,
        memory: Any = None,
        probes: Any = None,
        outlines: Any = None,
        reach: Any = None,
        grid: Any = None,
    ) -> StreamingSettings:
        if memory is not None and not isinstance(memory, Memory):
            raise InputError(f"memory is {shown(memory)}, expected a Memory, None or 'auto'")
        for name, word, known in (("outlines", outlines, OUTLINES), ("grid", grid, GRIDS)):
            if word not in (None, *known):
                raise InputError(f"{name} is {shown(word)}, expected {', '.join(known)} or None")
        number = isinstance(reach, numbers.Real) and not isinstance(reach, bool)
        if reach is not None and not (number and 0 < reach <= 1):
            raise InputError(
                f"reach is {shown(reach)}, expected a number above 0, at most 1, or None"
            )
        return cls(
            memory,
            None if probes is None else whole_number("probes", probes, 1),
            outlines,
            None if reach is None else float(reach),
            grid,
        )


AS_PUBLISHED = StreamingSettings()
