"""Recipes for two cores: the weights that ship, in four parts, and a network of minutes."""

from __future__ import annotations

from official.core import config_definitions as cfg
from official.modeling import optimization

from feelvos_tf.training.configs import Source, SyntheticClips
from feelvos_tf.training.paper_recipes import paper_davis17


def _adam(
    rate: float, *, steps: int, warmup: int, alpha: float = 0.0, average: float | None = None
) -> optimization.OptimizationConfig:
    """Adam, gradients clipped to norm 5, on a cosine that ends at `alpha` of the rate.

    Args:
      rate: learning rate after the warmup.
      steps: of the cosine.
      warmup: steps of a linear start.
      alpha: share of the rate that is left at the end.
      average: decay of the averaged weights; None for none.
    """
    return optimization.OptimizationConfig(
        {
            "optimizer": {"type": "adam", "adam": {"clipnorm": 5.0}},
            "learning_rate": {
                "type": "cosine",
                "cosine": {"initial_learning_rate": rate, "decay_steps": steps, "alpha": alpha},
            },
            "warmup": {"type": "linear", "linear": {"warmup_steps": warmup}},
            **({} if average is None else {"ema": {"average_decay": average}}),
        }
    )


def small() -> cfg.ExperimentConfig:
    """The recipe of the weights that ship: a light MobileNetV2 for a CPU, hours on two cores.

    The backbone stays as DeepLabV3 on PASCAL VOC left it. Photographs set in motion, drawn clips
    and pasted objects widen 25 videos; damaged previous masks, jittered colors and averaged
    weights suit small data. The published scores are not to be expected from it.
    """
    params = paper_davis17()
    params.override(
        {
            "task": {
                "model": {
                    "backbone": "mobilenet_v2",
                    "atrous_rates": [],
                    "decoder_filters": 128,
                    "embedding_dim": 32,
                    "head_filters": 96,
                    "head_layers": 3,
                    "window": 12,
                },
                "train_data": {
                    "sources": [
                        {
                            "dataset": "davis2016",
                            "root": "data/DAVIS",
                            "split": "dev_train",
                            "weight": 0.5,
                        },
                        {"dataset": "stills", "root": "data/stills", "split": "", "weight": 0.3},
                        {
                            "dataset": "synthetic",
                            "split": "train",
                            "weight": 0.2,
                            "synthetic": {
                                "count": 60,
                                "num_frames": 12,
                                "height": 240,
                                "width": 320,
                                "max_objects": 5,
                            },
                        },
                    ],
                    "global_batch_size": 2,
                    "crop_size": [257, 257],
                    "scale_range": [0.6, 1.1],
                    "max_objects": 4,
                    "damage_previous": True,
                    "color_jitter": 0.15,
                    "paste_probability": 0.5,
                    "paste_objects": 1,
                },
                "validation_data": {
                    "source": {"dataset": "davis2016", "root": "data/DAVIS", "split": "dev_val"},
                    "max_side": 428,
                    "outlines": "guided",
                    "model": {"output_stride": None, "atrous_rates": None},
                },
                "losses": {
                    "clips_per_replica": 2.0,
                    "hard_pixel_share": 0.3,
                    "hard_pixel_steps": 2000,
                },
                "init_checkpoint": "data/backbone/deeplabv3_mnv2_pascal_quant.tflite",
                "init_parts": "all",
                "embedding_start": "every_channel",
                "freeze": "backbone",
                "aspp_dropout": 0.0,
                "max_reference_pixels": 512,
                "image_interval": 500,
            },
            "trainer": {
                "train_steps": 3000,
                "steps_per_loop": 50,
                "summary_interval": 50,
                "checkpoint_interval": 200,
                "validation_interval": 1000,
            },
            "runtime": {"distribution_strategy": "one_device"},
        }
    )
    params.trainer.optimizer_config = _adam(0.001, steps=3000, warmup=100, alpha=0.1, average=0.999)
    return params


def small_clips() -> cfg.ExperimentConfig:
    """Goes on from `small` with longer clips, where the network is told its own results."""
    params = small()
    params.task.override(
        {
            "train_data": {"crop_size": [241, 241], "num_frames": 4, "seed": 1},
            "losses": {"hard_pixel_steps": 0},
            "init_checkpoint": "runs/small/last_model.npz",
        }
    )
    for source, weight in zip(params.task.train_data.sources, (0.6, 0.25, 0.15)):
        source.weight = weight
    params.trainer.override(
        {"train_steps": 1300, "checkpoint_interval": 100, "validation_interval": 650}
    )
    params.trainer.optimizer_config = _adam(0.0005, steps=1300, warmup=20, alpha=0.02, average=0.99)
    return params


def small_hard() -> cfg.ExperimentConfig:
    """Goes on from `small_clips` with what loses objects: many, fast, hidden, mistaken, far away.

    Objects cut from all photographs and videos move on paths of their own over others, the told
    masks have lost some, frames leave gaps, and a memory brings back what the network saw.
    """
    params = small_clips()
    params.task.override(
        {
            "train_data": {
                "sources": [
                    {
                        "dataset": "davis2016",
                        "root": "data/DAVIS",
                        "split": "dev_train",
                        "weight": 0.35,
                    },
                    {"dataset": "folder", "root": "data/videos", "split": "train", "weight": 0.25},
                    {"dataset": "stills", "root": "data/stills", "split": "", "weight": 0.4},
                ],
                "crop_size": [257, 257],
                "num_frames": 4,
                "seed": 2,
                "scale_range": [0.5, 1.1],
                "max_objects": 6,
                "color_jitter": 0.2,
                "max_stride": 3,
                "still_motion": 2.0,
                "light": 0.3,
                "blur": 1.5,
                "paste_probability": 0.6,
                "paste_objects": 4,
                "paste_paths": 1.0,
                "lost_probability": 0.15,
            },
            "memory": {"frames": 2},
            "init_checkpoint": "runs/small_clips/last_model.npz",
        }
    )
    params.trainer.override(
        {"train_steps": 3000, "checkpoint_interval": 100, "validation_interval": 1500}
    )
    params.trainer.optimizer_config = _adam(
        0.0005, steps=3000, warmup=20, alpha=0.02, average=0.995
    )
    return params


def small_whole() -> cfg.ExperimentConfig:
    """Goes on from `small_hard` with the whole network, the backbone too, at a lower rate.

    Poles and leaves lie in front of clips, and half of the loss is that of guided outlines.
    """
    params = small_hard()
    params.task.override(
        {
            "train_data": {"seed": 41, "occluder_probability": 0.4},
            "losses": {"guided_share": 0.5},
            "validation_data": {"reach": 0.2, "grid": "aligned"},
            "freeze": "none",
            "init_checkpoint": "runs/small_hard/last_model.npz",
        }
    )
    params.trainer.optimizer_config = _adam(
        0.0002, steps=3000, warmup=20, alpha=0.02, average=0.995
    )
    return params


def tiny() -> cfg.ExperimentConfig:
    """A narrow network on synthetic clips: minutes on two cores, for tests and first tries."""
    params = small()
    drawn = Source(dataset="synthetic", split="train", synthetic=SyntheticClips(seed=0))
    held_out = Source(
        dataset="synthetic", split="val", synthetic=SyntheticClips(seed=10_000, count=6)
    )
    params.task.override(
        {
            "model": {
                "depth_multiplier": 0.35,
                "atrous_rates": [],
                "aspp_filters": 64,
                "decoder_filters": 64,
                "embedding_dim": 32,
                "head_filters": 48,
                "head_layers": 2,
                "head_kernel_size": 5,
                "window": 6,
            },
            "train_data": {
                "sources": [drawn.as_dict()],
                "crop_size": [145, 193],
                "num_frames": 4,
                "global_batch_size": 2,
                "scale_range": [0.7, 1.0],
                "color_jitter": 0.1,
                "paste_probability": 0.0,
                "paste_objects": 0,
            },
            "validation_data": {"source": held_out.as_dict(), "max_side": None},
            "losses": {"hard_pixel_share": 0.15, "hard_pixel_steps": 1000},
            "init_checkpoint": "",
            "freeze": "none",
            "max_reference_pixels": 1024,
            "embedding_gain": 0.25,
            "image_interval": 0,
            "train_batch_norm": True,
            "batch_norm_momentum": 0.95,
        }
    )
    params.trainer.override(
        {
            "train_steps": 600,
            "steps_per_loop": 20,
            "summary_interval": 20,
            "checkpoint_interval": 100,
            "validation_interval": 300,
        }
    )
    params.trainer.optimizer_config = _adam(0.002, steps=600, warmup=20)
    return params
