"""Where the time of one frame goes, stage by stage."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from feelvos_tf import process_memory
from feelvos_tf.benchmark import networks, report
from feelvos_tf.benchmark.resolutions import RESOLUTIONS, check_resolutions
from feelvos_tf.benchmark.timing import fastest
from feelvos_tf.config import Memory
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.modeling.deeplab import DECODER_STRIDE
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.ops import matching, reference_search, resize, sorted_reference
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.streaming_settings import AS_PUBLISHED, StreamingSettings
from feelvos_tf.video.images import read_image
from feelvos_tf.video.masks import write_mask

# Columns that the fast mode searches, as the weights that ship recommend.
FAST_PROBES = 4


@dataclasses.dataclass(frozen=True)
class Stage:
    """One row of the table.

    Attributes:
      network: name in `networks`.
      resolution: key of RESOLUTIONS.
      stage: what is measured; "step" is the whole of `VideoSegmenter.step`, compiled as one, and
        "step, fast" the same with FAST_PROBES, "step, memory" the exact one with the
        memory that the weights recommend, "step, guided" with guided outlines, "step, recommended"
        as the weights recommend in everything; the other stages are timed alone.
      milliseconds: the fastest of the repetitions.
    """

    network: str
    resolution: str
    stage: str
    milliseconds: float


def run(
    network: str, resolution: str, num_objects: int = 2, repetitions: int = 3
) -> Iterator[Stage]:
    """Times the stages of a step on a synthetic clip.

    Args:
      network: name in `networks`.
      resolution: key of RESOLUTIONS.
      num_objects: objects in the clip; background comes on top.
      repetitions: timed runs of a stage; the fastest counts.

    Yields:
      A Stage, as each is done.
    """
    height, width = RESOLUTIONS[resolution]
    clip = synthetic_clip(seed=0, num_frames=3, height=height, width=width, num_objects=num_objects)
    model = networks.build(network)
    for stage, function in _stages(model, clip.frames[1], clip.masks[0], num_objects + 1):
        yield Stage(network, resolution, stage, fastest(function, repetitions))
    memory = model.recommended.memory or Memory()
    for stage, settings in (
        ("step", AS_PUBLISHED),
        ("step, fast", StreamingSettings(probes=FAST_PROBES)),
        ("step, memory", StreamingSettings(memory=memory)),
        ("step, guided", StreamingSettings(outlines="guided")),
        ("step, recommended", model.recommended),
    ):
        segmenter = VideoSegmenter(model, **settings._asdict())
        segmenter.reset(clip.frames[0], clip.masks[0])
        # From its first frame on a memory is searched as if it were full.
        for _ in range(settings.memory.every if settings.memory else 0):
            segmenter.step(clip.frames[1])
        yield Stage(
            network,
            resolution,
            stage,
            fastest(functools.partial(segmenter.step, clip.frames[1]), repetitions),
        )


def _stages(
    model: Feelvos, frame: np.ndarray, mask: np.ndarray, n: int
) -> Iterator[tuple[str, Callable[[], object]]]:
    """The stages with what each needs, computed once."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "frame.jpg"
        Image.fromarray(frame).save(path, quality=90)
        yield "decode", lambda: read_image(path)

        def compiled(
            function: Callable[..., Any], *inputs: tf.Tensor | sorted_reference.Reference
        ) -> Callable[[], np.ndarray]:
            graph = tf.function(function, autograph=False)
            return lambda: np.asarray(tf.nest.flatten(graph(*inputs))[0])

        size = [resize.scale_dimension(d, 1 / DECODER_STRIDE) for d in frame.shape[:2]]
        image = tf.constant(frame[np.newaxis].astype(np.float32) * (2 / 255) - 1)
        backbone = model.deeplab.backbone
        yield "backbone", compiled(backbone, image)
        features, low_level = backbone(image)

        def decode(features: tf.Tensor, low_level: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            decoded = model.deeplab.decoder(model.deeplab.aspp(features), low_level, size)
            return model.embedding(decoded), decoded

        yield "decoder, embedding", compiled(decode, features, low_level)
        embeddings, decoded = decode(features, low_level)
        embedding = embeddings[0]
        labels = resize.resize_nearest(mask[np.newaxis, :, :, np.newaxis], size)[0, :, :, 0]
        labels = tf.cast(labels, tf.int32)
        flat = tf.reshape(embedding, [-1, embedding.shape[-1]])
        reference = sorted_reference.prepare(flat, tf.reshape(labels, [-1]), n)

        def global_matching(query: tf.Tensor, reference: sorted_reference.Reference) -> tf.Tensor:
            return matching.squash(reference_search.nearest(query, reference, n))

        yield "global matching", compiled(global_matching, flat, reference)

        def local_matching(query: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return model.match_previous(query, query, labels, n)

        yield "local matching", compiled(local_matching, embedding, labels)

        distance = local_matching(embedding, labels)

        def head(features: tf.Tensor, distance: tf.Tensor) -> tf.Tensor:
            return model.segment(features, distance, distance, distance, n)

        yield "head", compiled(head, decoded[0], distance)

        def upsample(logits: tf.Tensor) -> tf.Tensor:
            full = resize.resize_bilinear(logits[tf.newaxis], frame.shape[:2])
            return tf.argmax(full[0], axis=-1, output_type=tf.int32)

        yield "upsampling", compiled(upsample, head(decoded[0], distance))
        yield "encode", lambda: write_mask(pathlib.Path(folder) / "mask.png", mask)


def measure(
    folder: pathlib.Path, names: Sequence[str], resolutions: Sequence[str], repetitions: int = 3
) -> None:
    """Measures networks at resolutions and writes step.md, .json and .png.

    Args:
      folder: where to; made where it is missing.
      names: of `networks`.
      resolutions: keys of RESOLUTIONS.
      repetitions: timed runs at least.

    Raises:
      InputError: an unknown name, told before anything is measured.
    """
    networks.check(names)
    check_resolutions(resolutions)
    stages = []
    for network in names:
        for resolution in resolutions:
            print(f"{network} at {resolution}, 2 objects and background")
            for stage in run(network, resolution, repetitions=repetitions):
                stages.append(stage)
                print(f"  {stage.stage:20} {stage.milliseconds:9.1f} ms", flush=True)
    columns = list(dict.fromkeys((s.network, s.resolution) for s in stages))
    values = {(s.network, s.resolution, s.stage): s.milliseconds for s in stages}
    table = report.markdown_table(
        ["ms", *(f"{network} {resolution}" for network, resolution in columns)],
        [
            [name, *(values[network, resolution, name] for network, resolution in columns)]
            for name in dict.fromkeys(s.stage for s in stages)
        ],
    )
    table += f"\n\npeak memory of the process: {process_memory.peak_mb():.0f} MB"
    print(table)
    report.write(folder, "step", [dataclasses.asdict(s) for s in stages], table)
    curves: dict[str, list[tuple[float, float]]] = {}
    for s in stages:
        if s.stage.startswith("step"):
            height, width = RESOLUTIONS[s.resolution]
            curves.setdefault(f"{s.network}, {s.stage}", []).append(
                (height * width / 1e6, s.milliseconds)
            )
    report.plot(folder / "step.png", curves, "One step", "megapixels", "milliseconds")
