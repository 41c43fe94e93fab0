"""SavedModel for serving: streaming with explicit state, for programs without this package."""

from feelvos_tf.export.saving import export_model
from feelvos_tf.export.signatures import FixedShape

__all__ = ["FixedShape", "export_model"]
