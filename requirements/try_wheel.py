"""Uses an installed feelvos_tf as a program would, beside what `feelvos-segment --demo` wrote.

    python try_wheel.py CHECKOUT

Fails where anything of it comes from CHECKOUT, the folder with the sources.
"""

import pathlib
import sys

import numpy as np

import feelvos_tf

checkout = pathlib.Path(sys.argv[1]).resolve()
for place in (feelvos_tf.__file__, *sys.path):
    assert checkout not in pathlib.Path(place).resolve().parents, place

masks = sorted(pathlib.Path("demo").glob("*.png"))
assert len(masks) >= 24, masks

frames = np.random.default_rng(0).integers(0, 256, (2, 49, 65, 3), dtype=np.uint8)
mask = np.zeros((49, 65), np.uint8)
mask[8:40, 8:40] = 7
segmenter = feelvos_tf.VideoSegmenter(feelvos_tf.load_model())
segmenter.reset(frames[0], mask)
labels = segmenter.step(frames[1])
assert labels.shape == mask.shape and set(np.unique(labels)) <= {0, 7}
print(f"feelvos_tf {feelvos_tf.__version__} works where only its wheel is")
