import numpy as np
import pytest
import tensorflow as tf
from data_trees import video_of, write_video

from feelvos_tf.data import checks, layouts
from feelvos_tf.errors import InputError
from feelvos_tf.triplets import packing, tfrecords
from feelvos_tf.triplets.clip_sources import RecordSource, TreeSource
from feelvos_tf.triplets.stream import make_triplets
from feelvos_tf.triplets.triplet_config import TripletConfig
from feelvos_tf.video import read_image

SMALL = TripletConfig(crop_size=(49, 65), min_object_pixels=1, max_objects=4)

# The feature specification of the original's reader (datasets/video_dataset.py), in TensorFlow 2.
ORIGINAL_CONTEXT = {
    "image/format": tf.io.FixedLenFeature((), tf.string, default_value="jpeg"),
    "image/height": tf.io.FixedLenFeature((), tf.int64, default_value=0),
    "image/width": tf.io.FixedLenFeature((), tf.int64, default_value=0),
    "segmentation/object/format": tf.io.FixedLenFeature((), tf.string, default_value="png"),
    "video_id": tf.io.FixedLenFeature((), tf.string, default_value="unknown"),
}


def read_as_the_original(path, label="object"):
    features = {
        "image/encoded": tf.io.FixedLenSequenceFeature((), tf.string),
        f"segmentation/{label}/encoded": tf.io.FixedLenSequenceFeature((), tf.string),
    }
    videos = {}
    for data in tf.data.TFRecordDataset(str(path)):
        context, lists = tf.io.parse_single_sequence_example(data, ORIGINAL_CONTEXT, features)
        images = [tf.io.decode_image(x, channels=3).numpy() for x in lists["image/encoded"]]
        masks = lists[f"segmentation/{label}/encoded"]
        masks = [tf.io.decode_png(x, channels=1).numpy()[..., 0] for x in masks]
        size = (int(context["image/height"]), int(context["image/width"]))
        assert all(image.shape == (*size, 3) for image in images)
        videos[context["video_id"].numpy().decode()] = (images, masks)
    return videos


@pytest.fixture
def tree(tmp_path):
    for number in range(5):
        write_video(tmp_path / "tree", f"clip{number}", 4 + number, seed=number, suffix="jpg")
    return [video_of(tmp_path / "tree", f"clip{number}") for number in range(5)]


def test_original_spec_reads_ours(tree, tmp_path):
    paths = packing.pack(tree, tmp_path / "out", "train", 2)
    assert [p.name for p in paths] == [
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
    ]
    found = {}
    for path in paths:
        found.update(read_as_the_original(path))
    assert list(found) == [video.name for video in tree]
    for video in tree:
        images, masks = found[video.name]
        assert len(images) == len(masks) == len(video.frames)
        for index in range(len(images)):
            np.testing.assert_array_equal(masks[index], video.read_labels(index))
            assert np.abs(images[index].astype(int) - read_image(video.frames[index])).max() <= 4


def test_binary_datasets_are_also_written_as_the_original_names_them(tree, tmp_path):
    import dataclasses

    binary = [dataclasses.replace(video, binary=True) for video in tree[:1]]
    (path,) = packing.pack(binary, tmp_path / "out", "train", 1)
    _, masks = read_as_the_original(path, label="class")["clip0"]
    np.testing.assert_array_equal(masks[0], tree[0].read_labels(0) > 0)


@pytest.mark.parametrize("seed", [0, 7])
def test_trees_and_records_give_equal_triplets(tree, tmp_path, seed):
    packing.pack(tree, tmp_path / "out", "train", 2)
    sources = [TreeSource("x", tree), RecordSource("x", str(tmp_path / "out" / "train-*"))]
    streams = [
        make_triplets([source], SMALL, seed=seed, limit=12).as_numpy_iterator()
        for source in sources
    ]
    pairs = list(zip(*streams))
    assert len(pairs) > 8
    for ours, packed in pairs:
        assert ours["name"] == packed["name"]
        np.testing.assert_array_equal(ours["images"], packed["images"])
        np.testing.assert_array_equal(ours["labels"], packed["labels"])


def test_files_of_the_original_converter_are_read(shared):
    folder = shared / "golden" / "tfrecord"
    entries = tfrecords.index_shards(str(folder / "val-*.tfrecord"), max_bad_share=0)
    assert [(entry.name, entry.num_frames) for entry in entries] == [("bus", 5), ("swing", 4)]
    videos = layouts.read_dataset("davis2017", folder, "val")
    assert [video.first_frame for video in videos] == [{1: 0, 2: 0}] * 2
    source = RecordSource("golden", str(folder / "val-*.tfrecord"))
    for number, video in enumerate(videos):
        frames = tf.range(len(video.frames))
        images, masks = source.fetch(tf.constant(number, tf.int64), frames)
        for index, (image, mask) in enumerate(zip(images.numpy(), masks.numpy())):
            assert image == video.frames[index].read_bytes()
            ids = tf.io.decode_png(mask, channels=1).numpy()[..., 0]
            np.testing.assert_array_equal(ids, video.read_labels(index))
    config = TripletConfig(crop_size=(97, 129), min_object_pixels=1)
    streams = [
        make_triplets([s], config, seed=2, limit=8).as_numpy_iterator()
        for s in (source, TreeSource("golden", videos))
    ]
    compared = 0
    for packed, tree_element in zip(*streams):
        np.testing.assert_array_equal(packed["images"], tree_element["images"])
        np.testing.assert_array_equal(packed["labels"], tree_element["labels"])
        compared += 1
    assert compared >= 4


def test_ours_equals_the_original_record(shared, tmp_path):
    folder = shared / "golden" / "tfrecord"
    videos = layouts.read_dataset("davis2017", folder, "val")
    (path,) = packing.pack(videos, tmp_path, "val", 1)
    pairs = zip(
        tf.data.TFRecordDataset(str(path)),
        tf.data.TFRecordDataset(str(folder / "val-00000-of-00001.tfrecord")),
    )
    for ours, theirs in pairs:
        ours, theirs = (tf.train.SequenceExample.FromString(x.numpy()) for x in (ours, theirs))
        assert ours.context == theirs.context
        assert set(ours.feature_lists.feature_list) == set(theirs.feature_lists.feature_list)
        assert (
            ours.feature_lists.feature_list["image/encoded"]
            == theirs.feature_lists.feature_list["image/encoded"]
        )


def test_packing_resumes_and_leaves_no_half_shard(tree, tmp_path, monkeypatch):
    out = tmp_path / "out"
    calls = []
    real = packing.pack_video

    def fails_at_fourth(video):
        calls.append(video.name)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(video)

    monkeypatch.setattr(packing, "pack_video", fails_at_fourth)
    with pytest.raises(KeyboardInterrupt):
        packing.pack(tree, out, "train", 2)
    assert [p.name for p in out.iterdir()] == ["train-00000-of-00002.tfrecord"]
    done = []
    packing.pack(tree, out, "train", 2, progress=lambda *args: done.append(args))
    assert calls[4:] == ["clip2", "clip3", "clip4"]  # the first shard is not made again
    assert [d[0] for d in done] == [2, 3, 4, 5] and done[-1][1:] == (5, "clip4")
    assert len(list(out.iterdir())) == 2
    assert sum((packing.verify_shard(p) for p in sorted(out.iterdir())), []) == [
        video.name for video in tree
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shards_hold_every_video_once(tree, count):
    parts = packing.shard_videos(tree, count)
    assert len(parts) == count and all(parts)
    assert [video for part in parts for video in part] == tree


def test_a_broken_shard_is_named_and_costs_only_what_is_behind(tree, tmp_path, caplog):
    packing.pack(tree, tmp_path / "out", "train", 2)
    first, second = sorted((tmp_path / "out").iterdir())
    whole = tfrecords.index_shards(str(second))
    data = bytearray(second.read_bytes())
    data[whole[1].offset - 12] ^= 1  # the length of its second record
    second.write_bytes(data)
    pattern = str(tmp_path / "out" / "train-*")
    with pytest.raises(InputError, match="more than the allowed share"):
        tfrecords.index_shards(pattern)
    found = tfrecords.index_shards(pattern, max_bad_share=0.9)
    assert [entry.name for entry in found] == ["clip0", "clip1", "clip2"]
    with pytest.raises(InputError, match="unreadable"):
        packing.verify_shard(second)
    second.write_bytes(data[:-9])
    assert not packing._is_complete(second, tree[2:])


def test_damage_within_a_record_is_found_by_verifying(tree, tmp_path):
    (path,) = packing.pack(tree, tmp_path / "out", "train", 1)
    data = bytearray(path.read_bytes())
    data[tfrecords.index_shards(str(path))[3].offset + 1500] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match="clip3 is damaged"):
        packing.verify_shard(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        tfrecords.index_shards(str(tmp_path / "train-*"))
    (tmp_path / "text").write_text("this is no TFRecord at all")
    with pytest.raises(InputError, match="bytes are unreadable"):
        tfrecords.index_shards(str(tmp_path / "text"))
    path = str(tmp_path / "other.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(b"not a protocol buffer")
    with pytest.raises(InputError, match="bytes are unreadable"):
        tfrecords.index_shards(path)


def test_checks_find_each_kind_of_damage(tree):
    assert checks.check_videos(tree) == [] and checks.check_videos(tree, decode=True) == []
    tree[0].frames[1].write_bytes(tree[0].frames[1].read_bytes()[:-100])
    tree[1].masks[2].unlink()
    tree[2].masks[0].write_bytes(tree[2].frames[0].read_bytes())
    middle = bytearray(tree[3].masks[3].read_bytes())
    middle[-30] ^= 0xFF
    tree[3].masks[3].write_bytes(middle)
    found = [(p.video, p.frame) for p in checks.check_videos(tree)]
    assert found == [("clip0", 1), ("clip1", 2), ("clip2", 0)]
    found = checks.check_videos(tree, decode=True)
    assert [(p.video, p.frame) for p in found][-1] == ("clip3", 3)
    assert str(tree[1].masks[2]) in found[1].message
    with pytest.raises(InputError, match="3 of 30 frames are bad"):
        checks.drop_bad(tree)
    kept = checks.drop_bad(tree, max_bad_share=0.2)
    assert [len(video.frames) for video in kept] == [3, 4, 5, 7, 8]
    assert tree[0].frames[1] not in kept[0].frames
    assert checks.check_videos(kept) == []
