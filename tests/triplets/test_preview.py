import numpy as np

from feelvos_tf.benchmark.triplets import benchmark_triplets
from feelvos_tf.triplets.preview import triplet_sheet
from feelvos_tf.triplets.stream import make_triplets
from feelvos_tf.triplets.triplet_config import TripletConfig

SMALL = TripletConfig(crop_size=(49, 65), min_object_pixels=1)


def test_sheet_shows_every_frame_with_its_labels(coordinate_source):
    triplets = make_triplets([coordinate_source], SMALL, limit=20)
    sheet = triplet_sheet(triplets, 4, tile_width=65)
    assert sheet.dtype == np.uint8
    assert sheet.shape[0] >= 4 * 49 and 3 * 65 <= sheet.shape[1] < 4 * 65


def test_benchmark_times_the_stages_that_are_on(coordinate_source):
    config = TripletConfig(crop_size=(49, 65), min_object_pixels=1, color_jitter=0.2)
    rows = benchmark_triplets([coordinate_source], config, num_triplets=5, warm_up=1)
    assert [row.stage for row in rows] == ["read and decode", "triplets", "with color jitter"]
    for row in rows:
        assert 0 < row.triplets_per_second < 1e5 and 0 < row.cpu_ms < 1e4
        assert row.peak_memory_mb > 50
