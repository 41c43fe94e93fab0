"""Whole streams of small triplets."""

from feelvos_tf.triplets.stream import make_triplets
from feelvos_tf.triplets.triplet_config import TripletConfig

SMALL = TripletConfig(crop_size=(49, 65), min_object_pixels=1, max_objects=4)


def take(sources, config=SMALL, **options):
    options.setdefault("limit", 40)
    return list(make_triplets(sources, config, **options).as_numpy_iterator())
