"""Small dataset trees whose images tell where each pixel came from."""

import numpy as np
from PIL import Image

from feelvos_tf.data.videos import Video
from feelvos_tf.video import write_mask

# Red is 3 * row, green is 3 * column: linear, so that bilinear resizing keeps the relation.
STEP = 3.0


def coordinate_image(height, width, blue=0):
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows * STEP, columns * STEP, np.full_like(rows, blue)], axis=-1)
    return image.astype(np.uint8)


def blobs(height, width, ids, seed):
    """A mask of one rectangle an object, at random places, not overlapping the border."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    for value in ids:
        top, left = rng.integers(2, height // 2), rng.integers(2, width // 2)
        mask[top : top + height // 3, left : left + width // 3] = value
    return mask


def write_video(root, name, num_frames, size=(60, 80), ids=(2, 5), seed=0, suffix="png"):
    """Writes JPEGImages/480p/NAME and Annotations/480p/NAME."""
    images, masks = root / "JPEGImages" / "480p" / name, root / "Annotations" / "480p" / name
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    for index in range(num_frames):
        frame = coordinate_image(*size, blue=10 * index)
        Image.fromarray(frame).save(images / f"{index:05d}.{suffix}", quality=95)
        write_mask(masks / f"{index:05d}.png", blobs(*size, ids, 100 * seed + index))


def video_of(root, name):
    images, masks = root / "JPEGImages" / "480p" / name, root / "Annotations" / "480p" / name
    return Video(name, tuple(sorted(images.iterdir())), tuple(sorted(masks.iterdir())))
