"""Labels a folder of frames with an exported model; needs tensorflow alone.

    python segment_video.py --saved_model=feelvos/1 --frames=FRAMES --masks=MASKS --output=OUT
    python segment_video.py --grpc=localhost:8500 --frames=FRAMES --masks=MASKS --output=OUT
    python segment_video.py --rest=http://localhost:8501/v1/models/feelvos --frames=...

FRAMES holds JPEG or PNG files in the order of their names. MASKS holds a PNG named after the
first frame, and others named after frames in which new objects appear; their ids are gray levels
or indices of the DAVIS palette. OUT gets a PNG of ids for every frame.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time

import numpy as np
import tensorflow as tf
from clients import GrpcClient, RestClient, SavedModelClient, ServingError, Video


def make_client(arguments):
    """Returns the client that --saved_model, --grpc or --rest asks for."""
    if arguments.grpc:
        return GrpcClient(arguments.grpc)
    return RestClient(arguments.rest) if arguments.rest else SavedModelClient(arguments.saved_model)


def add_client_arguments(parser):
    """Adds the three flags of `make_client`."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--saved_model", help="folder of the export")
    group.add_argument("--grpc", help="HOST:PORT of TensorFlow Serving")
    group.add_argument("--rest", help="http://HOST:PORT/v1/models/NAME of TensorFlow Serving")


def read_image(path):
    """Returns uint8 [H, W, 3]."""
    return tf.io.decode_image(
        tf.io.read_file(str(path)), channels=3, expand_animations=False
    ).numpy()


def read_mask(path):
    """Returns the ids uint8 [H, W] of a gray or palette PNG."""
    colors = read_image(path).astype(np.int32)
    if (colors == colors[:, :, :1]).all():
        return colors[:, :, 0].astype(np.uint8)
    # TensorFlow hands over a palette's colors, not its indices.
    table = {tuple(color): i for i, color in enumerate(davis_palette().tolist())}
    unique, inverse = np.unique(colors.reshape(-1, 3), axis=0, return_inverse=True)
    missing = [color for color in unique.tolist() if tuple(color) not in table]
    if missing:
        raise ServingError(f"{path}: color {missing[0]} is not in the DAVIS palette")
    ids = np.array([table[tuple(color)] for color in unique.tolist()], np.uint8)
    return ids[inverse.reshape(colors.shape[:2])]


def davis_palette():
    """Returns uint8 [256, 3]: the bits of an index, dealt to red, green and blue in turn."""
    index = np.arange(256)
    palette = np.zeros((256, 3), np.int64)
    for bit in range(3):
        for channel in range(3):
            palette[:, channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
    return palette.astype(np.uint8)


def main():
    """Reads the flags and labels the video; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_client_arguments(parser)
    for name in ("frames", "masks", "output"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    paths = sorted(
        path
        for path in arguments.frames.iterdir()
        if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    )
    if not paths:
        raise ServingError(f"{arguments.frames}: no JPEG or PNG file in it")
    arguments.output.mkdir(parents=True, exist_ok=True)
    video = Video(make_client(arguments))
    start = time.perf_counter()
    for i, path in enumerate(paths):
        image = read_image(path)
        mask = arguments.masks / f"{path.stem}.png"
        if i == 0:
            labels = video.begin(image, read_mask(mask))
        else:
            labels = video.step(image)
            if mask.exists():
                ids = read_mask(mask)
                new = np.where(np.isin(ids, video.object_ids), 0, ids).astype(np.uint8)
                if new.any():
                    labels = video.add_objects(image, new)
        png = tf.io.encode_png(labels[:, :, np.newaxis])
        tf.io.write_file(str(arguments.output / f"{path.stem}.png"), png)
    seconds = time.perf_counter() - start
    print(f"{len(paths)} frames in {seconds:.1f} s, {1000 * seconds / len(paths):.0f} ms a frame")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ServingError, OSError, tf.errors.OpError) as error:
        sys.exit("error: " + " ".join(str(error).split()))
