"""Region and boundary accuracy of label maps, over frames, objects, sequences and datasets."""
