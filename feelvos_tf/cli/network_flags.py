"""The flags --output_stride and --atrous_rates, which several commands share."""

from __future__ import annotations

from typing import Any

from absl import flags

from feelvos_tf.config import OUTPUT_STRIDES
from feelvos_tf.errors import InputError

OUTPUT_STRIDE = flags.DEFINE_enum(
    "output_stride",
    None,
    [str(stride) for stride in OUTPUT_STRIDES],
    "Run the network at this stride: 8 is finer and takes longer, 16 is faster. Weights do not "
    "depend on it. By default that of the checkpoint; 16 for feelvos-import-checkpoint.",
)
ATROUS_RATES = flags.DEFINE_list(
    "atrous_rates",
    None,
    "Dilations of the ASPP branches, as many as the network has: 6,12,18 go with stride 16, "
    "12,24,36 with stride 8; --atrous_rates= for none. By default those of the checkpoint; "
    "6,12,18 for feelvos-import-checkpoint.",
)


def chosen() -> dict[str, Any]:
    """What was given of output_stride and atrous_rates, as `checkpoints.load_model` takes them.

    Raises:
      InputError: a rate is no whole number.
    """
    found: dict[str, Any] = {}
    if OUTPUT_STRIDE.value is not None:
        found["output_stride"] = int(OUTPUT_STRIDE.value)
    if ATROUS_RATES.value is not None:
        try:
            found["atrous_rates"] = [int(rate) for rate in ATROUS_RATES.value if rate]
        except ValueError as error:
            raise InputError(
                f"--atrous_rates has {','.join(ATROUS_RATES.value)!r}, expected whole numbers "
                "with commas between them"
            ) from error
    return found
