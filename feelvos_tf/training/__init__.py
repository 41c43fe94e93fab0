"""Training on TensorFlow Model Garden (extra: train)."""
