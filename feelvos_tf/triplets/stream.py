"""The stream of training triplets: reference, previous and current frame with their labels.

Every element is a function of the seed and of its index in the stream alone: which videos and
frames it takes, and every random number of its augmentation. So the stream is the same for any
number of parallel calls and any sharding, and it resumes exactly from the index of the last element
taken (see make_triplets).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from feelvos_tf.errors import InputError
from feelvos_tf.triplets import augment, clips, damage, effects, label_maps, lost, paste, stills
from feelvos_tf.triplets.bad_share import count_bad
from feelvos_tf.triplets.clip_sources import ClipSource
from feelvos_tf.triplets.draws import Draws
from feelvos_tf.triplets.triplet_config import MAX_PASTES, TripletConfig

# Elements over which the shares of several sources come out exactly.
_MIX = 1000
# The frames that are augmented with one draw each.
_PARTS = (("reference", slice(0, 1)), ("others", slice(1, None)))


def make_triplets(
    sources: Sequence[ClipSource],
    config: TripletConfig,
    *,
    seed: int = 0,
    start: int = 0,
    limit: int | None = None,
    num_shards: int = 1,
    shard: int = 0,
    num_parallel_calls: int = tf.data.AUTOTUNE,
) -> tf.data.Dataset:
    """Builds the endless stream of triplets.

    Within one source every video gives one triplet before any gives its second, in an order that
    changes from pass to pass. Several sources are mixed in blocks of 1000 elements that hold each
    source's share exactly.

    To resume, pass `start` one past the largest "index" taken. What was read ahead but not taken
    is made again, and the stream goes on as if it had never stopped. Only the count behind
    max_bad_share starts anew. The iterator can be saved in a tf.train.Checkpoint as well.

    Unreadable files are named on standard error, and their triplets skipped. Once they are more
    than max_bad_share of this shard's elements the stream fails with InvalidArgumentError.

    Args:
      sources: TreeSource and RecordSource objects.
      config: a TripletConfig.
      seed: any integer; another seed is another stream.
      start: index of the first element.
      limit: end after the element of index limit - 1; None for no end. Dropped triplets count.
      num_shards, shard: this pipeline takes the elements whose index is `shard` modulo `num_shards`
        (num_input_pipelines and input_pipeline_id of tf.distribute.InputContext).
      num_parallel_calls: triplets made at a time.

    Returns:
      A dataset of dictionaries, T = config.num_frames, H, W = config.crop_size:
        images: float32 [T, H, W, 3] RGB 0..255; reference, previous, current, ...
        labels: int32 [T, H, W]; 0 background, 1..num_objects-1, 255 to be ignored. Of the
          reference too: pixels of 255 belong to no object.
        num_objects: int32 scalar, background included.
        valid: bool [max_objects], true for the first num_objects.
        name: string scalar, source/video and the numbers of the frames.
        index: int64 scalar, the element's place in the stream of all shards.

    Raises:
      InputError: no source, a source without a video that is long enough, a shard out of range.
    """
    if not sources:
        raise InputError("make_triplets: no source given, expected at least one")
    if not 0 <= shard < num_shards:
        raise InputError(f"make_triplets: shard {shard} of {num_shards} does not exist")
    weights = np.array([source.weight for source in sources], np.float64)
    if not (np.all(weights >= 0) and weights.sum() > 0):
        raise InputError(f"weights of sources {weights.tolist()}, expected 0 or more, not all 0")
    maker = _Maker(sources, config, seed, weights / weights.sum())
    end = np.iinfo(np.int64).max if limit is None else limit
    first = start + (shard - start) % num_shards
    dataset = tf.data.Dataset.range(first, end, num_shards)
    dataset = dataset.map(maker.make, num_parallel_calls=num_parallel_calls, deterministic=True)
    dataset = dataset.scan(
        (np.int64(0), np.int64(0)), lambda state, item: count_bad(state, item, config)
    )
    dataset = dataset.filter(lambda item: item["usable"])
    dataset = dataset.map(lambda item: {k: v for k, v in item.items() if k not in _INTERNAL})
    options = tf.data.Options()
    options.deterministic = True
    # The shards are made here, from the index; what tf.distribute would do on top is lossy.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    # Nested one-element datasets count as stateful, though nothing outlives an element; without
    # this the iterator could not be saved.
    options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
    return dataset.with_options(options)


_INTERNAL = ("usable", "readable")


class _Maker:
    """Makes the triplet of an index; holds the tables that the graph captures."""

    def __init__(
        self, sources: Sequence[ClipSource], config: TripletConfig, seed: int, shares: np.ndarray
    ) -> None:
        self._sources, self._config, self._seed = sources, config, seed
        self._usable = []
        for source in sources:
            needed = 1 if source.still else config.num_frames
            usable = np.flatnonzero(source.lengths >= needed)
            short = [source.names[i] for i in np.flatnonzero(source.lengths < needed)]
            if short:
                logging.warning(
                    "%s: %d videos have fewer than %d frames with masks, not used: %s",
                    source.name,
                    len(short),
                    needed,
                    ", ".join(short[:5]),
                )
            if not len(usable):
                raise InputError(f"{source.name}: no video has {needed} frames with masks")
            self._usable.append(tf.constant(usable, tf.int64))
        # Largest remainders, so that the counts of a block add up.
        counts = np.floor(shares * _MIX).astype(np.int64)
        order = np.argsort(counts - shares * _MIX, kind="stable")
        counts[order[: _MIX - counts.sum()]] += 1
        self._counts = tf.constant(counts, tf.int64)
        # One graph for all the objects that are pasted into an element.
        self._maybe_paste = tf.function(self._paste_or_not, autograph=False)
        self._slots = tf.constant(np.repeat(np.arange(len(sources)), counts), tf.int32)

    # Control flow is spelled out in graph operations; converting Python would only cost start-up.
    @tf.autograph.experimental.do_not_convert
    def make(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """Makes an element as `make_triplets` gives it, with the entries of _INTERNAL besides."""
        config = self._config
        draws = Draws(self._seed, index)
        source, video = self._choose(draws, index)
        images, labels, name, readable = self._clip(source, video, draws)
        if config.paste_objects and config.paste_probability:
            for number in range(config.paste_objects):
                part = index * MAX_PASTES + number
                images, labels, donor_readable = self._maybe_paste(images, labels, part)
                readable &= donor_readable
        images, labels = effects.add(images, labels, config, draws)
        labels, num_objects, usable = label_maps.remap_to_reference(
            labels, config.max_objects, config.min_object_pixels
        )
        told = labels[1]
        if config.damage_previous:
            told = damage.damage_labels(
                told, config.max_objects, draws.child("damage"), config.damage_style
            )
        if config.lost_probability:
            told = lost.lose_objects(
                told, num_objects, config.max_objects, config.lost_probability, draws.child("lost")
            )
        if config.damage_previous or config.lost_probability:
            labels = tf.concat([labels[:1], told[tf.newaxis], labels[2:]], axis=0)
        count = config.num_frames
        return {
            "images": tf.ensure_shape(images, [count, *config.crop_size, 3]),
            "labels": tf.ensure_shape(labels, [count, *config.crop_size]),
            "num_objects": num_objects,
            "valid": tf.range(config.max_objects) < num_objects,
            "name": name,
            "index": index,
            "usable": usable & readable,
            "readable": readable,
        }

    def _choose(self, draws: Draws, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns source (int32) and video (int64) of an element."""
        block, place = index // _MIX, index % _MIX
        if len(self._sources) == 1:
            source, turn = tf.constant(0), index
        else:
            order = Draws(self._seed, block).permutation("mix", _MIX)
            slots = tf.gather(self._slots, order)
            source = slots[place]
            earlier = tf.reduce_sum(tf.cast(slots[:place] == source, tf.int64))
            turn = block * tf.gather(self._counts, source) + earlier
        video = self._switch(source, lambda number: self._in_turn(number, turn))
        return source, video

    def _in_turn(self, number: int, turn: tf.Tensor) -> tf.Tensor:
        usable = self._usable[number]
        count = tf.size(usable, out_type=tf.int64)
        order = Draws(self._seed, turn // count).permutation(f"order{number}", tf.size(usable))
        return tf.gather(usable, order[turn % count])

    def _switch(self, source: tf.Tensor, function: Callable[[int], Any]) -> Any:
        if len(self._sources) == 1:
            return function(0)
        branches = [lambda n=number: function(n) for number in range(len(self._sources))]
        return tf.switch_case(source, branches)

    def _clip(
        self, source: tf.Tensor, video: tf.Tensor, draws: Draws
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns images [T, *crop_size, 3], labels [T, *crop_size], name, whether it was read."""

        def load(number: int) -> tuple[tf.Tensor, ...]:
            images, labels, name, readable = self._load(number, video, draws)
            return images, labels, name, readable, self._windows(number, labels, draws)

        images, labels, name, readable, windows = self._switch(source, load)
        return (*self._augment(images, labels, windows, draws), name, readable)

    def _load(
        self, number: int, video: tf.Tensor, draws: Draws
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns uint8 [T, H, W, 3], uint8 [T, H, W], name, whether it was read."""
        source, count = self._sources[number], self._config.num_frames
        if source.still:
            frames = tf.zeros([1], tf.int32)
        else:
            length = tf.gather(tf.constant(source.lengths, tf.int32), video)
            reference = draws.integer("reference", length)
            stride = self._stride(length, draws)
            # The release never takes the last frame as the current one; here every pair counts.
            first = draws.integer("first", length - stride * (count - 2))
            others = first + stride * tf.range(count - 1)
            frames = tf.concat([reference[tf.newaxis], others], axis=0)
        images, labels, readable = clips.read_clip(source, video, frames)
        if source.still:
            images, labels = stills.animate(
                images[0], labels[0], count, draws.child("motion"), self._config.still_motion
            )
        name = tf.strings.join(
            [
                source.name,
                "/",
                tf.gather(tf.constant(source.names), video),
                ":",
                tf.strings.reduce_join(tf.strings.as_string(frames), separator=","),
            ]
        )
        return images, labels, name, readable

    def _stride(self, length: tf.Tensor, draws: Draws) -> int | tf.Tensor:
        """Draws how many frames of a video of `length` the frames of a clip are apart."""
        if self._config.max_stride == 1:
            return 1
        widest = (length - 1) // (self._config.num_frames - 2)
        return 1 + draws.integer("stride", tf.minimum(self._config.max_stride, widest))

    def _load_frame(
        self, number: int, video: tf.Tensor, draws: Draws
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns uint8 [1, H, W, 3], uint8 [1, H, W], one frame, and whether it was read."""
        source = self._sources[number]
        length = tf.gather(tf.constant(source.lengths, tf.int32), video)
        return clips.read_clip(source, video, draws.integer("frame", length)[tf.newaxis])

    def _windows(self, number: int, labels: tf.Tensor, draws: Draws) -> list[augment.Window]:
        """Draws what is cut from frames of a source: the reference on its own, the others alike."""
        config, own = self._config, self._sources[number].frame_size
        return [
            augment.draw_window(
                draws.child(part),
                tf.shape(labels)[1:],
                config.crop_size,
                own.scale_range or config.scale_range,
                config.flip_probability,
                own.resize_min,
            )
            for part, _ in _PARTS[: labels.shape[0]]
        ]

    def _augment(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        windows: Sequence[augment.Window],
        draws: Draws,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        config, parts = self._config, []
        for (part, frames), window in zip(_PARTS, windows):
            own = draws.child(part)
            colors = augment.draw_colors(own, config.color_jitter) if config.color_jitter else None
            parts.append(
                (
                    augment.crop_images(images[frames], window, config.crop_size, colors),
                    augment.crop_labels(labels[frames], window, config.crop_size),
                )
            )
        images = tf.concat([part[0] for part in parts], axis=0)
        labels = tf.concat([part[1] for part in parts], axis=0)
        count = images.shape[0]
        return (
            tf.ensure_shape(images, [count, *config.crop_size, 3]),
            tf.ensure_shape(labels, [count, *config.crop_size]),
        )

    def _paste_or_not(
        self, images: tf.Tensor, labels: tf.Tensor, part: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Pastes one object by chance; `part` int64 is the index of this paste in the stream."""
        draws = Draws(self._seed, part, "paste/")
        return tf.cond(
            draws.chance("paste", self._config.paste_probability),
            lambda: self._paste(images, labels, draws),
            lambda: (images, labels, tf.constant(True)),
        )

    def _paste(
        self, images: tf.Tensor, labels: tf.Tensor, draws: Draws
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        source = tf.gather(self._slots, draws.integer("source", _MIX))

        def any_video(number: int) -> tf.Tensor:
            usable = self._usable[number]
            return tf.gather(usable, draws.integer("video", tf.size(usable)))

        video = self._switch(source, any_video)
        donor, paths = draws.child("donor"), self._config.paste_paths
        if paths:

            def load(number: int) -> tuple[tf.Tensor, ...]:
                images, labels, readable = self._load_frame(number, video, donor)
                return images, labels, readable, self._windows(number, labels, donor)

            frame, frame_labels, readable, windows = self._switch(source, load)
            donor_images, donor_labels = self._augment(frame, frame_labels, windows, donor)
        else:
            donor_images, donor_labels, _, readable = self._clip(source, video, donor)
        images, labels = paste.paste_object(
            images, labels, donor_images, donor_labels, draws, paths
        )
        return images, labels, readable
