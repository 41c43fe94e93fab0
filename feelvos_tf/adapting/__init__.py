"""Fine-tuning on the frames whose masks are given."""
