"""Pure tensor functions: matching, resizing and label maps."""
