"""Weights by name: those that come with the package, and those of the TensorFlow 1 release.

What the release says of its networks is from its README and scripts (tensorflow/models,
research/feelvos and research/deeplab/g3doc/model_zoo.md). It names no checksum of any archive.
"""

from __future__ import annotations

import dataclasses
import difflib
import pathlib

from feelvos_tf.config import ModelConfig
from feelvos_tf.errors import InputError
from feelvos_tf.files import sha256

# The name changes with the weights, so that results can say which ones they are from.
NAME = "feelvos-mnv2-3"
ADDRESS = "https://download.tensorflow.org/models/"
_FOLDER = pathlib.Path(__file__).resolve().parent / "weights"
_SUMS = "SHA256SUMS"

# How the release tests (eval.sh); it trains at stride 16 with rates 6, 12, 18.
RELEASE_CONFIG = ModelConfig(backbone="xception_65", output_stride=8, atrous_rates=(12, 24, 36))
_RELEASE_LICENCE = (
    "the release states Apache-2.0 for its code and nothing of its own for the weights"
)


@dataclasses.dataclass(frozen=True)
class Preset:
    """Weights that have a name.

    Attributes:
      name: what load_model, --checkpoint and init_checkpoint take.
      about: what the weights are, in a line.
      licence: under which licence they are.
      archive: name of the .tar.gz below ADDRESS; "" for weights that come with the package.
      folder: what the archive unpacks to: as the release's scripts say, or like the archive.
      prefix: of the checkpoint in it; "" where the release's scripts do not name it.
      size: of the archive as published, such as "292 MB"; "" where nothing is published.
      config: the network of the archive, with the settings to test with; None for weights that
        come with the package, whose file says it, and for those that only start a training.
    """

    name: str
    about: str
    licence: str
    archive: str = ""
    folder: str = ""
    prefix: str = ""
    size: str = ""
    config: ModelConfig | None = None

    @property
    def ships(self) -> bool:
        """Whether the weights come with the package."""
        return not self.archive

    @property
    def only_starts(self) -> bool:
        """Whether this is no FEELVOS network, and all one can do is to start a training from it."""
        return not self.ships and self.config is None

    @property
    def settings(self) -> str:
        """The settings to test with, in a line; "" where the weights' own file says them."""
        if self.config is None:
            return ""
        rates = ", ".join(map(str, self.config.atrous_rates)) or "none"
        return (
            f"{self.config.backbone} at output stride {self.config.output_stride}, "
            f"atrous rates {rates}"
        )


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            NAME,
            "comes with the package, made for a CPU; what is taken without a name",
            "Apache-2.0",
        ),
        Preset(
            "feelvos-mnv2-2",
            "the same network before its backbone was trained; runs without a reach and a grid",
            "Apache-2.0",
        ),
        Preset(
            "mobilenet_v2_small-1",
            "came with version 0.1.0 and still comes with the package; no memory",
            "Apache-2.0",
        ),
        Preset(
            "feelvos_davis17",
            "the paper's network, trained on DAVIS 2017; J&F 69.1 as published",
            _RELEASE_LICENCE,
            archive="feelvos_davis17_trained.tar.gz",
            folder="feelvos_davis17_trained",
            prefix="model.ckpt-200004",
            config=RELEASE_CONFIG,
        ),
        Preset(
            "feelvos_davis17_youtubevos",
            "the paper's network, trained on DAVIS 2017 and YouTube-VOS; J&F 71.5 as published",
            _RELEASE_LICENCE,
            archive="feelvos_davis17_and_youtubevos_trained.tar.gz",
            folder="feelvos_davis17_and_youtubevos_trained",
            config=RELEASE_CONFIG,
        ),
        Preset(
            "xception_65_coco",
            "Xception-65 of DeepLab, trained on ImageNet and MS-COCO; the paper started from it",
            _RELEASE_LICENCE,
            archive="xception_65_coco_pretrained_2018_10_02.tar.gz",
            folder="xception_65_coco_pretrained",
            prefix="x65-b2u1s2p-d48-2-3x256-sc-cr300k_init.ckpt",
            size="292 MB",
        ),
        Preset(
            "mobilenet_v2_coco",
            "MobileNetV2 of DeepLab, trained on ImageNet, MS-COCO and PASCAL VOC (train_aug); no "
            "decoder in it, so init_parts: backbone",
            _RELEASE_LICENCE,
            archive="deeplabv3_mnv2_pascal_train_aug_2018_01_29.tar.gz",
            folder="deeplabv3_mnv2_pascal_train_aug",
            prefix="model.ckpt-30000",
            size="23 MB",
        ),
    )
}


def find(name: str) -> Preset | None:
    """The preset of that name, None where there is none."""
    return PRESETS.get(name)


def get(name: str) -> Preset:
    """The preset of that name.

    Raises:
      InputError: there is none; the message says which there are.
    """
    preset = find(name)
    if preset is None:
        raise InputError(f"{name}: no weights have this name, {choices(name)}")
    return preset


def choices(name: str) -> str:
    """The end of a message about a name that is none: "expected one of ..."."""
    close = difflib.get_close_matches(name[:80], PRESETS, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"expected one of {', '.join(PRESETS)}{hint}"


def checkpoint(name: str = NAME) -> pathlib.Path:
    """Returns the file of weights that ship, after checking it against its checksum.

    `feelvos_tf/weights/MODEL_CARD.md` tells what they were trained on and how they score.

    Args:
      name: of a preset that comes with the package.

    Raises:
      InputError: the file is missing or is not the one that was shipped.
    """
    path = _FOLDER / f"{name}.npz"
    found = sha256(path)
    try:
        lines = (_FOLDER / _SUMS).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{_FOLDER / _SUMS}: cannot be read, {error.strerror}") from error
    expected = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}.get(
        path.name
    )
    if found != expected:
        raise InputError(
            f"{path}: its SHA-256 is {found}, expected {expected}: the file is "
            "damaged, install the package again"
        )
    return path
