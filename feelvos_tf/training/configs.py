"""What an experiment is made of: network, data, losses, training; the defaults are the paper's.

Model Garden's own dataclasses (ExperimentConfig, TrainerConfig, RuntimeConfig, OptimizationConfig)
hold the rest, so overrides work as its users know them and unknown keys are refused.
"""

from __future__ import annotations

import dataclasses
from typing import Any, List, Optional  # noqa: UP035  (Model Garden reads these at run time on 3.9)

from official.core import config_definitions as cfg
from official.modeling import hyperparams

from feelvos_tf.config import Memory, ModelConfig
from feelvos_tf.errors import InputError
from feelvos_tf.streaming_settings import AS_PUBLISHED, StreamingSettings
from feelvos_tf.triplets.triplet_config import TripletConfig

SYNTHETIC = "synthetic"
FREEZABLE = ("none", "backbone", "deeplab")
LOSSES = ("cross_entropy", "triplet")
EMBEDDING_STARTS = ("release", "every_channel")


@dataclasses.dataclass
class Network(hyperparams.Config):
    """The network; `feelvos_tf.config.ModelConfig` explains these fields and checks them."""

    backbone: str = "mobilenet_v2"
    depth_multiplier: float = 1.0
    output_stride: int = 16
    atrous_rates: List[int] = dataclasses.field(default_factory=lambda: [6, 12, 18])  # noqa: UP006
    aspp_filters: int = 256
    decoder_filters: int = 256
    embedding_dim: int = 100
    head_filters: int = 256
    head_layers: int = 4
    head_kernel_size: int = 7
    head_atrous_rates: List[int] = dataclasses.field(default_factory=list)  # noqa: UP006
    window: int = 15
    k_nearest_neighbors: int = 1
    first_frame_matching: bool = True
    normalized_distances: bool = True
    previous_frame_matching: str = "local"
    previous_mask: str = "labels"


@dataclasses.dataclass
class SyntheticClips(hyperparams.Config):
    """Clips that are drawn when they are needed, see `feelvos_tf.data.synthetic`.

    Attributes:
      count: number of clips.
      num_frames, height, width: of each clip.
      max_objects: clip i has 1 + i modulo max_objects objects.
      seed: of the first clip; the others follow.
    """

    count: int = 36
    num_frames: int = 12
    height: int = 192
    width: int = 256
    max_objects: int = 3
    seed: int = 0


@dataclasses.dataclass
class Source(hyperparams.Config):
    """Videos to read.

    Attributes:
      dataset: layout, see `feelvos_tf.data.layouts.read_dataset`; or "synthetic".
      root: folder of the dataset; of synthetic clips, where to keep them (by default in the
        folder of the run).
      split: name of the split.
      only: text file with the names of the videos to take; empty for all.
      resolution: of DAVIS.
      records: pattern of TFRecord files to read in place of `root`.
      weight: share of the triplets, relative to other sources.
      resize_min: frames are first brought to so many pixels on their shorter side; 0 leaves them.
        A crop of 465 shows most of a DAVIS frame at 480p, but a quarter of one of 1280x720.
      scale_range: as in `TrainData`, for this source; empty for the one there.
      synthetic: what to draw where dataset is "synthetic".
    """

    dataset: str = "davis2017"
    root: str = ""
    split: str = "train"
    only: str = ""
    resolution: str = "480p"
    records: str = ""
    weight: float = 1.0
    resize_min: int = 0
    scale_range: List[float] = dataclasses.field(default_factory=list)  # noqa: UP006
    synthetic: SyntheticClips = dataclasses.field(default_factory=SyntheticClips)


@dataclasses.dataclass
class TrainData(hyperparams.Config):
    """Where triplets come from and how they are made.

    Attributes:
      sources: the datasets.
      global_batch_size: clips a step, over all devices.
      seed: of the stream.
      Others: see `feelvos_tf.triplets.triplet_config.TripletConfig`.
    """

    sources: List[Source] = dataclasses.field(default_factory=list)  # noqa: UP006
    global_batch_size: int = 6
    seed: int = 0
    crop_size: List[int] = dataclasses.field(default_factory=lambda: [465, 465])  # noqa: UP006
    num_frames: int = 3
    scale_range: List[float] = dataclasses.field(default_factory=lambda: [1.0, 1.3])  # noqa: UP006
    flip_probability: float = 0.5
    max_objects: int = 8
    min_object_pixels: int = 10
    color_jitter: float = 0.0
    max_stride: int = 1
    still_motion: float = 1.0
    light: float = 0.0
    blur: float = 0.0
    damage_previous: bool = False
    damage_style: str = "varied"
    paste_probability: float = 0.0
    paste_objects: int = 0
    paste_paths: float = 0.0
    lost_probability: float = 0.0
    occluder_probability: float = 0.0
    max_bad_share: float = 0.01

    def _set(self, k: str, v: Any) -> None:
        """Model Garden's way to set a field, which warns of a list of another length."""
        if k == "sources" and isinstance(v, (list, tuple)):
            if len(v) != len(self.__dict__.get(k) or ()):
                self.__dict__[k] = []
        super()._set(k, v)

    def triplets(self) -> TripletConfig:
        """The part that describes single triplets."""
        names = [field.name for field in dataclasses.fields(TripletConfig)]
        return TripletConfig(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass
class ClipMemory(hyperparams.Config):
    """What joins the reference on the way, see `feelvos_tf.streaming.memory.Memory`.

    Attributes:
      frames: as there; 0 for no memory, as published.
      every, max_pixels, min_confidence: as there.
    """

    frames: int = 0
    every: int = 1
    max_pixels: int = 512
    min_confidence: float = 0.9

    def memory(self) -> Optional[Memory]:  # noqa: UP045
        """The Memory, or None."""
        return Memory(**self.as_dict()) if self.frames else None


@dataclasses.dataclass
class ValidationNetwork(hyperparams.Config):
    """What of the network is other in validation; see `feelvos_tf.config.ModelConfig.at`.

    Attributes:
      output_stride: null for that of `FeelvosTask.model`.
      atrous_rates: null for those of `FeelvosTask.model`; else as many.
    """

    output_stride: Optional[int] = None  # noqa: UP045
    atrous_rates: Optional[List[int]] = None  # noqa: UP006, UP045


@dataclasses.dataclass
class ValidationData(hyperparams.Config):
    """Videos that are segmented and scored now and then.

    Attributes:
      source: the dataset; no dataset is validated on where its root is empty (but synthetic).
      limit: take the first so many videos; 0 for all.
      max_side: see `feelvos_tf.streaming.segmenter.VideoSegmenter`.
      memory: to validate with; checkpoints of the run recommend it.
      outlines: "guided" or null for those as published, so too.
      reach: as a share of the frame's longer side, or null for no bound as published, so too.
      grid: "aligned" or null for that as published, so too.
      model: stride and rates to validate at, as the paper trains at stride 16 and tests at 8.
    """

    source: Source = dataclasses.field(default_factory=lambda: Source(split="val"))
    model: ValidationNetwork = dataclasses.field(default_factory=ValidationNetwork)
    limit: int = 0
    max_side: Optional[int] = None  # noqa: UP045
    memory: ClipMemory = dataclasses.field(default_factory=ClipMemory)
    outlines: Optional[str] = None  # noqa: UP045
    reach: Optional[float] = None  # noqa: UP045
    grid: Optional[str] = None  # noqa: UP045

    def settings(self) -> StreamingSettings:
        """How videos are segmented, which checkpoints of the run recommend.

        Raises:
          InputError: a value is out of range.
        """
        return AS_PUBLISHED.resolved(
            memory=self.memory.memory(),
            probes=None,
            outlines=self.outlines,
            reach=self.reach,
            grid=self.grid,
        )


@dataclasses.dataclass
class Losses(hyperparams.Config):
    """What is minimized.

    Attributes:
      kind: "cross_entropy" of the hardest pixels, or "triplet" for hard nearest neighbors (PML).
      hard_pixel_share: share of the pixels that count in the end.
      hard_pixel_steps: steps in which the share falls to it from 1; null for half of
        trainer.train_steps, as 100k of 200k in the paper.
      weight_decay: factor of 0.5 * |w|^2.
      clips_per_replica: the loss is so many times the mean over the batch's clips, on any number
        of devices. The released code sums over the clips of a GPU, 3 in the paper's setting, and
        averages over GPUs. The triplet loss is averaged over the batch and ignores it.
      guided_share: share of the cross entropy that is of guided outlines, see
        `feelvos_tf.ops.guided_filter`; the rest is of interpolated ones, as published.
      divisor: null, as it should be, for what follows: the sum over the batch's clips is divided
        by global_batch_size / clips_per_replica, 2 in the paper's setting. A number is for
        comparisons with sums alone.
    """

    kind: str = "cross_entropy"
    hard_pixel_share: float = 0.15
    hard_pixel_steps: Optional[int] = 100_000  # noqa: UP045
    weight_decay: float = 4e-5
    clips_per_replica: float = 3.0
    guided_share: float = 0.0
    divisor: Optional[float] = None  # noqa: UP045


@dataclasses.dataclass
class FeelvosTask(cfg.TaskConfig):
    """The task.

    Attributes:
      model: the network, see `feelvos_tf.config.ModelConfig`.
      train_data, validation_data: the data.
      losses: the losses.
      init_checkpoint: weights to start from: a name such as xception_65_coco (`feelvos-models`
        lists them), prefix of an original checkpoint, an .npz file, the folder or a checkpoint of
        an earlier run, or a MobileNetV2 .tflite file.
      allow_random_init: train without init_checkpoint though batch norm is frozen, which keeps its
        statistics at the start's (mean 0, variance 1) and hardly trains; else that is refused.
      init_parts: how much of it: "backbone", as in the released code (initialize_last_layer
        False: ASPP, projection and decoder start anew); "deeplab", all but the heads, as the
        paper's words allow; or "all".
      freeze: "backbone" or "deeplab" keeps these weights as they are; "none" trains all.
      train_batch_norm: use the batch's statistics and update the moving ones; false trains gamma
        and beta alone, as the released code does.
      batch_norm_momentum: of the moving statistics; 0.9997 in the released code, which needs
        tens of thousands of steps.
      aspp_dropout: share of the ASPP's output that is dropped.
      embedding_start: first values of the embedding's depthwise kernel: "release", identity in
        the first channel alone, or "every_channel". With the latter, features of a pretrained
        DeepLab have distances that, squashed, are all but 1, where they teach nothing.
      embedding_gain: factor on the embedding's first 1x1 weights; 0.25 brings such distances
        back. 1 as in the released code.
      max_reference_pixels: random reference pixels of an object in global matching.
      memory: confident pixels of the network's own results join the reference for the later
        frames of a clip, so that weights are trained for what they meet with a memory.
      accumulation: a replica computes its clips in so many parts, one after the other, and adds
        their gradients up: the result of the whole batch in the memory of a part. Batch norm that
        is trained sees a part at a time.
      bias_gradient_factor: of the gradients of biases.
      jit_compile: compile forward and backward pass by XLA; computes max_objects channels always.
      image_interval: steps between pictures for TensorBoard; 0 for none.
    """

    model: Network = dataclasses.field(default_factory=Network)
    train_data: TrainData = dataclasses.field(default_factory=TrainData)
    validation_data: ValidationData = dataclasses.field(default_factory=ValidationData)
    losses: Losses = dataclasses.field(default_factory=Losses)
    allow_random_init: bool = False
    init_parts: str = "all"
    freeze: str = "none"
    train_batch_norm: bool = False
    batch_norm_momentum: float = 0.9997
    aspp_dropout: float = 0.1
    embedding_start: str = "release"
    embedding_gain: float = 1.0
    max_reference_pixels: int = 1024
    memory: ClipMemory = dataclasses.field(default_factory=ClipMemory)
    accumulation: int = 1
    bias_gradient_factor: float = 2.0
    jit_compile: bool = False
    image_interval: int = 0


def model_config(network: Network) -> ModelConfig:
    """The checked ModelConfig of an experiment's `Network`."""
    return ModelConfig.from_dict(network.as_dict())


def validation_config(task: FeelvosTask) -> ModelConfig:
    """The checked ModelConfig to validate with.

    Raises:
      InputError: `ValidationData.model` does not go with the network.
    """
    other = task.validation_data.model
    try:
        return model_config(task.model).at(other.output_stride, other.atrous_rates)
    except InputError as error:
        raise InputError(f"task.validation_data.model: {error}") from error
