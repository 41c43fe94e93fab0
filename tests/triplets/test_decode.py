import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from feelvos_tf.triplets import decode
from feelvos_tf.triplets.clips import attempt


def encode(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("colors,bits", [(2, 1), (4, 2), (16, 4), (256, 8)])
@pytest.mark.parametrize("transparent", [False, True])
def test_palette_masks_decode_to_their_indices(colors, bits, transparent):
    rng = np.random.default_rng(colors)
    ids = rng.integers(0, colors, (13, 29)).astype(np.uint8)
    image = Image.fromarray(ids, "P")
    image.putpalette([0] * 3 * colors)  # all black: colors cannot tell the ids apart
    data = encode(image, **({"transparency": 0} if transparent else {}))
    assert data[24] == bits and data[25] == 3
    np.testing.assert_array_equal(tf.function(decode.decode_mask)(data), ids)


def test_gray_masks_decode_to_their_values():
    ids = np.random.default_rng(0).integers(0, 256, (7, 9)).astype(np.uint8)
    np.testing.assert_array_equal(decode.decode_mask(encode(Image.fromarray(ids))), ids)
    bits = ids > 128
    np.testing.assert_array_equal(decode.decode_mask(encode(Image.fromarray(bits))), bits)


def test_color_masks_and_damaged_files_fail():
    colored = encode(Image.fromarray(np.zeros((5, 6, 3), np.uint8)))
    palette = encode(Image.fromarray(np.zeros((50, 60), np.uint8), "P"))
    backwards = palette[:33] + b"\xff\xff\xff\x00PLTE" + palette[41:]
    bad = [colored, b"", b"nonsense", palette[:40], palette[:-20], backwards]

    @tf.function
    def fails(data):
        return attempt(lambda d: tf.size(decode.decode_mask(d)) < 0, lambda d: True, data)

    assert not fails(tf.constant(palette))
    assert all(fails(tf.constant(data)) for data in bad)


def test_jpeg_frames_equal_pillow(tmp_path):
    from feelvos_tf.video import read_image

    rng = np.random.default_rng(1)
    smooth = rng.integers(0, 256, (9, 11, 3)).astype(np.uint8)
    image = Image.fromarray(smooth).resize((101, 67), Image.BICUBIC)
    image.save(tmp_path / "frame.jpg", quality=80)
    data = (tmp_path / "frame.jpg").read_bytes()
    np.testing.assert_array_equal(decode.decode_frame(data), read_image(tmp_path / "frame.jpg"))


def test_sizes_that_differ_within_a_clip_fail():
    small, large = (encode(Image.fromarray(np.zeros((n, 6), np.uint8))) for n in (5, 7))
    frame = encode(Image.fromarray(np.zeros((5, 6, 3), np.uint8)))
    images, masks = decode.decode_clip([frame] * 2, [small] * 2, 2)
    assert images.shape == (2, 5, 6, 3) and masks.shape == (2, 5, 6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="sizes differ"):
        decode.decode_clip([frame] * 2, [small, large], 2)


def test_attempt_falls_back_only_on_failure():
    @tf.function
    def read(data):
        return attempt(
            lambda d: decode.decode_mask(d)[0, 0], lambda d: tf.constant(99, tf.uint8), data
        )

    good = encode(Image.fromarray(np.full((3, 3), 7, np.uint8)))
    assert read(tf.constant(good)) == 7
    assert read(tf.constant(good[:30])) == 99
