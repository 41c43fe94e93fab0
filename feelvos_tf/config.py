"""Descriptions: of a network (its variables, what it computes), and of what a stream remembers."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping
from typing import Any

from feelvos_tf import settings
from feelvos_tf.errors import InputError, shown, whole_number

BACKBONES = ("mobilenet_v2", "xception_65")
OUTPUT_STRIDES = (8, 16)
PREVIOUS_FRAME_MATCHING = ("local", "global", "none")
PREVIOUS_MASK = ("labels", "probabilities", "none")
# Bounds of a network's numbers: several times what is of use, and small enough to be built.
_MOST_CHANNELS = 4096
_MOST_LAYERS = 32
_MOST_KERNEL = 63
_MOST_WINDOW = 1024
_MOST_NEIGHBORS = 65536
_MOST_RATES = 16
_MOST_RATE = 1024
_MOST_MULTIPLIER = 8
# Bounds of Memory's numbers: far beyond what helps, and small enough for any machine.
_MOST_FRAMES = 64
_MOST_PIXELS = 65536


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Describes a FEELVOS network; the defaults are those of the paper but for the backbone.

        config = ModelConfig(backbone="xception_65", output_stride=8, atrous_rates=(12, 24, 36))
        model = build_model(config)

    Attributes:
      backbone: "mobilenet_v2" or "xception_65".
      depth_multiplier: factor on the channels of MobileNetV2, rounded to multiples of 8.
      output_stride: 8 or 16, size of the frame over size of the backbone's last feature map.
      atrous_rates: dilation of the ASPP branches; the released models use 6, 12, 18 at stride 16
        and 12, 24, 36 at stride 8. Empty for none.
      aspp_filters: channels of each ASPP branch and of their projection.
      decoder_filters: channels of the decoder's output, the features handed to the heads.
      embedding_dim: channels of the pixel embedding.
      head_filters: channels of the segmentation head's layers.
      head_layers: number of the head's separable convolutions.
      head_kernel_size: odd size of the head's depthwise kernels.
      head_atrous_rates: dilation of the head's kernels, one for each layer; empty for none, as
        published.
      window: local matching looks at the (2 * window + 1)^2 neighborhood in the previous frame.
      k_nearest_neighbors: global matching averages the distances to that many reference pixels.
      first_frame_matching: whether the head sees the global distance to the first frame.
      previous_frame_matching: "local", "global" (whole previous frame) or "none".
      previous_mask: how the head sees the previous frame's result: "labels" (one-hot, as in the
        released code), "probabilities" (the softmax, as the paper words it) or "none".
      normalized_distances: whether the head sees distances squashed to 0..1, as published. Without
        it the global distance is squared as it is, at most `ops.matching.FARTHEST`; the previous
        frame is then not matched, as in the released code.

    Raises:
      InputError: a value is outside its range, or the previous frame is to be matched by distances
        that are not normalized.
    """

    backbone: str = "mobilenet_v2"
    depth_multiplier: float = 1.0
    output_stride: int = 16
    atrous_rates: tuple[int, ...] = (6, 12, 18)
    aspp_filters: int = 256
    decoder_filters: int = 256
    embedding_dim: int = 100
    head_filters: int = 256
    head_layers: int = 4
    head_kernel_size: int = 7
    head_atrous_rates: tuple[int, ...] = ()
    window: int = 15
    k_nearest_neighbors: int = 1
    first_frame_matching: bool = True
    previous_frame_matching: str = "local"
    previous_mask: str = "labels"
    normalized_distances: bool = True

    def __post_init__(self) -> None:
        self._check_choice("backbone", BACKBONES)
        self._check_choice("output_stride", OUTPUT_STRIDES)
        self._check_choice("previous_frame_matching", PREVIOUS_FRAME_MATCHING)
        self._check_choice("previous_mask", PREVIOUS_MASK)
        for name, most in (
            ("aspp_filters", _MOST_CHANNELS),
            ("decoder_filters", _MOST_CHANNELS),
            ("embedding_dim", _MOST_CHANNELS),
            ("head_filters", _MOST_CHANNELS),
            ("head_layers", _MOST_LAYERS),
            ("head_kernel_size", _MOST_KERNEL),
            ("window", _MOST_WINDOW),
            ("k_nearest_neighbors", _MOST_NEIGHBORS),
        ):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), 1, most))
        self._check_rates("atrous_rates", _MOST_RATES)
        self._check_rates("head_atrous_rates", _MOST_LAYERS)
        if len(self.head_atrous_rates) not in (0, self.head_layers):
            raise InputError(
                f"head_atrous_rates has {len(self.head_atrous_rates)} rates, expected none or one "
                f"for each of the {self.head_layers} layers of the head"
            )
        for name in ("first_frame_matching", "normalized_distances"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} is {shown(getattr(self, name))}, expected true or false")
        if not self.normalized_distances and self.previous_frame_matching != "none":
            raise InputError(
                "normalized_distances is false and previous_frame_matching "
                f"{self.previous_frame_matching!r}, expected 'none' with it"
            )
        if self.head_kernel_size % 2 == 0:
            raise InputError(f"head_kernel_size is {self.head_kernel_size}, expected an odd number")
        number = isinstance(self.depth_multiplier, (int, float)) and not isinstance(
            self.depth_multiplier, bool
        )
        if not number or not 0 < self.depth_multiplier <= _MOST_MULTIPLIER:
            raise InputError(
                f"depth_multiplier is {shown(self.depth_multiplier)}, expected a "
                f"number above 0, at most {_MOST_MULTIPLIER}"
            )
        if self.backbone != "mobilenet_v2" and self.depth_multiplier != 1.0:
            raise InputError(
                f"depth_multiplier is {self.depth_multiplier}, but {self.backbone} has none"
            )

    def _check_choice(self, name: str, choices: Collection[Any]) -> None:
        value = getattr(self, name)
        if value not in choices:
            expected = ", ".join(repr(c) for c in choices)
            raise InputError(f"{name} is {shown(value)}, expected one of {expected}")

    def _check_rates(self, name: str, most: int) -> None:
        rates = getattr(self, name)
        if not isinstance(rates, (list, tuple)) or len(rates) > most:
            raise InputError(
                f"{name} is {shown(rates)}, expected a list of at most {most} whole numbers"
            )
        checked = tuple(whole_number(name, rate, 1, _MOST_RATE) for rate in rates)
        object.__setattr__(self, name, checked)

    def at(
        self, output_stride: int | None = None, atrous_rates: Collection[int] | None = None
    ) -> ModelConfig:
        """The same network to be run at another stride or other rates; its weights fit it too.

            config.at(8, (12, 24, 36))  # as the paper tests what it trained at 16 with 6, 12, 18

        Args:
          output_stride: None for what it is.
          atrous_rates: as many as there are, as each has its weights; None for what they are.

        Raises:
          InputError: a value is out of range, or there are more rates or fewer.
        """
        changes: dict[str, Any] = {}
        if output_stride is not None:
            changes["output_stride"] = output_stride
        if atrous_rates is not None:
            changes["atrous_rates"] = atrous_rates
        changed = dataclasses.replace(self, **changes)
        found, count = len(changed.atrous_rates), len(self.atrous_rates)
        if found != count:
            raise InputError(
                f"atrous_rates has {found} rates, expected {count}: the network has weights for "
                "so many"
            )
        return changed

    @property
    def num_object_channels(self) -> int:
        """Channels that the head sees for one object beside the features it shares."""
        return (
            int(self.first_frame_matching)
            + int(self.previous_mask != "none")
            + int(self.previous_frame_matching != "none")
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values that JSON and YAML can hold."""
        values = dataclasses.asdict(self)
        for name in ("atrous_rates", "head_atrous_rates"):
            values[name] = list(values[name])
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Builds a config from a mapping; fields left out have their defaults.

        Raises:
          InputError: `values` is no mapping, has an unknown key or a value out of range.
        """
        if not isinstance(values, Mapping):
            raise InputError(f"a model's config is a {type(values).__name__}, expected a mapping")
        known = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                close = difflib.get_close_matches(str(key)[:80], known, n=1)
                hint = f", did you mean {close[0]!r}?" if close else ""
                raise InputError(f"unknown key {shown(key)} in a model's config{hint}")
        return cls(**values)

    @classmethod
    def from_yaml(cls, text: str) -> ModelConfig:
        """Builds a config from YAML text; see `from_dict`."""
        values = settings.parse(text, "a model's config")
        return cls.from_dict({} if values is None else values)

    def to_yaml(self) -> str:
        """Returns the fields as YAML text that `from_yaml` reads."""
        import yaml

        return yaml.safe_dump(self.to_dict(), sort_keys=False)


@dataclasses.dataclass(frozen=True)
class AblationRow:
    """One line of the paper's ablation.

    Attributes:
      name: of its folder.
      first_frame_matching: as in ModelConfig.
      previous_frame_matching: as in ModelConfig.
      previous_mask: whether the previous frame's result is seen at all.
      paper: J&F in the paper on DAVIS 2017 val, trained on DAVIS 2017 alone, in percent.
    """

    name: str
    first_frame_matching: bool
    previous_frame_matching: str
    previous_mask: bool
    paper: float

    def config(self, full: ModelConfig) -> ModelConfig:
        """The config of a full network with this row's switches."""
        return dataclasses.replace(
            full,
            first_frame_matching=self.first_frame_matching,
            previous_frame_matching=self.previous_frame_matching,
            previous_mask=full.previous_mask if self.previous_mask else "none",
        )

    def fits(self, config: ModelConfig) -> bool:
        """Whether a network of this config is this row's own."""
        return (
            config.first_frame_matching == self.first_frame_matching
            and config.previous_frame_matching == self.previous_frame_matching
            and (config.previous_mask != "none") == self.previous_mask
        )


ABLATION_ROWS = (
    AblationRow("full", True, "local", True, 69.1),
    AblationRow("previous_global", True, "global", True, 64.2),
    AblationRow("no_previous_matching", True, "none", True, 54.9),
    AblationRow("first_frame_only", True, "none", False, 52.6),
    AblationRow("no_previous_mask", True, "local", False, 63.3),
    AblationRow("no_first_frame_matching", False, "local", True, 56.1),
)


@dataclasses.dataclass(frozen=True)
class Memory:
    """What is remembered of a video.

        memory = Memory(every=5, frames=4)
        segmenter = VideoSegmenter(model, memory=memory)

    Attributes:
      every: a frame is looked at after every so many steps.
      frames: so many of these frames are kept; the newest replaces the oldest.
      max_pixels: at most so many random pixels of a channel are kept of a frame; the draw is
        seeded.
      min_confidence: a pixel is kept where its largest probability exceeds this, 0 to 1.

    Raises:
      InputError: a number is out of range.
    """

    every: int = 5
    frames: int = 4
    max_pixels: int = 512
    min_confidence: float = 0.9

    def __post_init__(self) -> None:
        for name, most in (("every", None), ("frames", _MOST_FRAMES), ("max_pixels", _MOST_PIXELS)):
            object.__setattr__(
                self, name, whole_number(f"memory: {name}", getattr(self, name), 1, most)
            )
        confidence = self.min_confidence
        if (
            isinstance(confidence, bool)
            or not isinstance(confidence, (int, float))
            or not 0 <= confidence <= 1
        ):
            raise InputError(f"memory: min_confidence is {confidence!r}, expected 0 to 1")

    def to_dict(self) -> dict[str, Any]:
        """The attributes by name."""
        return dataclasses.asdict(self)

    @classmethod
    def parse(cls, text: str) -> Memory | None:
        """Reads what a command line says: "none", or numbers as in "every=5,frames=4".

        Raises:
          InputError: something else, or a number out of range.
        """
        if text == "none":
            return None
        values = {}
        for part in text.split(","):
            name, _, value = part.strip().partition("=")
            try:
                values[name] = float(value) if name == "min_confidence" else int(value)
            except ValueError as error:
                raise InputError(
                    f"memory: {part!r} is no NAME=NUMBER; expected none or numbers "
                    "as in every=5,frames=4"
                ) from error
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Memory:
        """The opposite of `to_dict`; what is missing keeps its default.

        Raises:
          InputError: no mapping, an unknown name or a number out of range.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(values, Mapping):
            raise InputError(f"memory is {values!r}, expected {', '.join(names)}")
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise InputError(f"memory: {unknown[0]!r} is unknown, expected {', '.join(names)}")
        return cls(**values)
