"""Time: the compiled steps with their state in plain sight, and VideoSegmenter, which keeps it."""
