"""A small network, its export, and what VideoSegmenter makes of the clip that tests stream."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from feelvos_tf import ModelConfig, VideoSegmenter, build_model
from feelvos_tf.checkpoints import named_variables
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.export import export_model
from feelvos_tf.ops import resize
from feelvos_tf.streaming.state import State

LATE_ID = 200


def small_model(backbone):
    """A network with random weights that is quick to trace and undecided about nothing."""
    tf.keras.utils.set_random_seed(0)
    model = build_model(
        ModelConfig(
            backbone=backbone,
            depth_multiplier=0.35 if backbone == "mobilenet_v2" else 1.0,
            aspp_filters=8,
            decoder_filters=16,
            embedding_dim=8,
            head_filters=8,
            head_layers=2,
            head_kernel_size=3,
            window=4,
            atrous_rates=(),
        )
    )
    # The initializers fade away in so deep a network; these keep every layer alive, so that the
    # embedding matters. The head weighs what tells the objects apart more than their features.
    rng = np.random.default_rng(0)
    for name, variable in named_variables(model).items():
        if name.endswith("weights"):
            shape = variable.shape
            fan_in = shape[0] * shape[1] * (1 if name.endswith("depthwise_weights") else shape[2])
            variable.assign(rng.normal(0, np.sqrt(2 / fan_in), shape))
    features, _ = model.embed(make_clip()["frames"][:1])
    for name in ("gamma", "beta"):
        last = named_variables(model)[f"decoder/decoder_conv1_pointwise/BatchNorm/{name}"]
        last.assign(last / tf.reduce_max(features))
    first = named_variables(model)["embedding_seg/split_separable_conv2d_0_pointwise/weights"]
    weights = first.numpy()
    weights[:, :, -3:] *= 10
    first.assign(weights)
    return model


def make_clip():
    """30 frames of 65 x 97 with two objects, and a third in frame `late`."""
    clip = synthetic_clip(5, num_frames=30, height=65, width=97, num_objects=3, late_objects=1)
    late = min(clip.first_frames[3] + 4, 28)
    masks = np.where(clip.masks == 3, LATE_ID, clip.masks)
    return {
        "frames": clip.frames,
        "first": np.where(masks[0] == LATE_ID, 0, masks[0]),
        "late": late,
        "late_mask": np.where(masks[late] == LATE_ID, masks[late], 0),
    }


def stream(segmenter, clip):
    """Labels of all frames by VideoSegmenter, and the confidences its logits stand for."""
    segmenter.reset(clip["frames"][0], clip["first"])
    labels, confidences = [clip["first"]], []
    for i in range(1, len(clip["frames"])):
        result = segmenter.step(clip["frames"][i], return_details=True)
        full = resize.resize_bilinear(result.logits[np.newaxis], result.labels.shape)[0]
        confidences.append(tf.reduce_max(tf.nn.softmax(full), axis=-1).numpy())
        labels.append(result.labels)
        if i == clip["late"]:
            labels[-1] = segmenter.add_objects(clip["late_mask"])
    return np.array(labels), np.array(confidences)


def state_of(outputs):
    return {name: outputs[name] for name in State._fields if name in outputs}


class Exported:
    """One network's export and what VideoSegmenter makes of the clip."""

    def __init__(self, backbone, folder):
        self.backbone = backbone
        self.model = small_model(backbone)
        self.folder = folder / backbone
        self.clip = make_clip()
        export_model(self.model, self.folder, weights="random-7")
        self.labels, self.confidences = stream(VideoSegmenter(self.model), self.clip)
