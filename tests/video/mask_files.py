"""Masks as files of every form that holds the same objects, sharp and smoothed."""

import io

import numpy as np
from PIL import Image, ImageFilter

from feelvos_tf.video.masks import (
    DAVIS_PALETTE,
)


def save(tmp_path, pixels, **options):
    path = tmp_path / "mask.png"
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


FORMS = {
    "binary grey": lambda labels: Image.fromarray(np.where(labels > 0, 255, 0).astype(np.uint8)),
    "grey": lambda labels: Image.fromarray(labels * 60),
    "palette colors": lambda labels: Image.fromarray(DAVIS_PALETTE[labels]),
    "bright colors": lambda labels: Image.fromarray(
        np.uint8([[0, 0, 0], [255, 40, 0], [20, 255, 60], [90, 30, 250]])[labels]
    ),
}


SMOOTHINGS = {
    "half": lambda image: image.resize((40, 30), Image.Resampling.BILINEAR),
    "box": lambda image: image.resize((40, 30), Image.Resampling.BOX),
    "cubic": lambda image: image.resize((57, 43), Image.Resampling.BICUBIC),
    "up": lambda image: image.resize((400, 300), Image.Resampling.BILINEAR),
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "slight blur": lambda image: image.filter(ImageFilter.GaussianBlur(0.5)),
    "jpeg": lambda image: through_jpeg(image),
}


def through_jpeg(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return Image.open(buffer)
