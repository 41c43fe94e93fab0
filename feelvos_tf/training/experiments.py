"""The registered experiments: `--experiment=NAME`, or a YAML file of experiments/ on top of one.

`feelvos_paper_davis17` is the published recipe and every other experiment is described by what it
changes in it. Sources: the paper, section 4; tensorflow/models research/feelvos/train.py and
train.sh (the comment, not the command line: that one trains on crops of 300 and a batch of 1).
"""

from __future__ import annotations

from collections.abc import Callable

from official.core import config_definitions as cfg
from official.core import exp_factory
from official.modeling import optimization

from feelvos_tf.config import ABLATION_ROWS
from feelvos_tf.training.configs import (
    FeelvosTask,
    Network,
    Source,
    SyntheticClips,
    TrainData,
    ValidationData,
)

PREFIX = "feelvos_"
_PAPER_STEPS = 200_000


def _optimization(learning_rate: float, steps: int) -> optimization.OptimizationConfig:
    """SGD with momentum 0.9, poly schedule, each variable's gradient clipped to norm 5."""
    return optimization.OptimizationConfig({
        "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9, "clipnorm": 5.0}},
        "learning_rate": {"type": "polynomial", "polynomial": {
            "initial_learning_rate": learning_rate, "decay_steps": steps,
            "end_learning_rate": 0.0, "power": 0.9}},
    })


def paper_davis17() -> cfg.ExperimentConfig:
    """Xception-65 on DAVIS 2017 alone, as published: 69.1 J&F on its validation set.

    The released code ran 8 workers of 2 GPUs that update asynchronously, each with 6 clips; a step
    is one worker's update. Here a step is the same update, however many devices share it.
    """
    task = FeelvosTask(
        model=Network(backbone="xception_65"),
        train_data=TrainData(sources=[Source()], global_batch_size=6),
        validation_data=ValidationData())
    task.losses.divisor = 2.0
    task.init_parts = "deeplab"
    task.image_interval = 1000
    trainer = cfg.TrainerConfig(
        train_steps=_PAPER_STEPS, steps_per_loop=100, summary_interval=100,
        checkpoint_interval=1000, validation_interval=10_000, eval_tf_function=False,
        optimizer_config=_optimization(0.0007, _PAPER_STEPS),
        best_checkpoint_export_subdir="best", best_checkpoint_eval_metric="J_and_F",
        # The trainer stops by itself at the step that gave a loss that is no number.
        recovery_max_trials=-1)
    return cfg.ExperimentConfig(
        task=task, trainer=trainer, runtime=cfg.RuntimeConfig(distribution_strategy="mirrored"))


def paper_davis17_ytvos() -> cfg.ExperimentConfig:
    """The same on DAVIS 2017 and YouTube-VOS, half of the triplets each: 71.5 J&F."""
    params = paper_davis17()
    params.task.train_data.sources = [Source(), Source(dataset="youtube_vos")]
    return params


def small() -> cfg.ExperimentConfig:
    """The recipe of the weights that ship: a light MobileNetV2 for a CPU, hours on two cores.

    The backbone stays as DeepLabV3 on PASCAL VOC left it. Photographs set in motion, drawn clips
    and pasted objects widen 25 videos; damaged previous masks, jittered colors and averaged
    weights suit small data. The published scores are not to be expected from it.
    """
    params = paper_davis17()
    params.override({
        "task": {
            "model": {"backbone": "mobilenet_v2", "atrous_rates": [], "decoder_filters": 128,
                      "embedding_dim": 64, "head_filters": 96, "head_layers": 3, "window": 12},
            "train_data": {
                "sources": [
                    {"dataset": "davis2016", "root": "data/DAVIS", "split": "dev_train",
                     "weight": 0.5},
                    {"dataset": "stills", "root": "data/stills", "split": "", "weight": 0.3},
                    {"dataset": "synthetic", "split": "train", "weight": 0.2,
                     "synthetic": {"count": 60, "num_frames": 12, "height": 240, "width": 320,
                                   "max_objects": 5}}],
                "global_batch_size": 2, "crop_size": [257, 257], "scale_range": [0.6, 1.1],
                "max_objects": 4, "damage_previous": True, "color_jitter": 0.15,
                "paste_probability": 0.5, "paste_objects": 1},
            "validation_data": {
                "source": {"dataset": "davis2016", "root": "data/DAVIS", "split": "dev_val"},
                "max_side": 428},
            "losses": {"divisor": 1.0, "hard_pixel_share": 0.3, "hard_pixel_steps": 2000},
            "init_checkpoint": "data/backbone/deeplabv3_mnv2_pascal_quant.tflite",
            "init_parts": "all", "freeze": "backbone", "aspp_dropout": 0.0,
            "max_reference_pixels": 512, "image_interval": 500},
        "trainer": {"train_steps": 3000, "steps_per_loop": 50, "summary_interval": 50,
                    "checkpoint_interval": 200, "validation_interval": 1000},
        "runtime": {"distribution_strategy": "one_device"}})
    params.trainer.optimizer_config = optimization.OptimizationConfig({
        "optimizer": {"type": "adam", "adam": {"clipnorm": 5.0}},
        "learning_rate": {"type": "cosine", "cosine": {
            "initial_learning_rate": 0.001, "decay_steps": 3000, "alpha": 0.1}},
        "warmup": {"type": "linear", "linear": {"warmup_steps": 100}},
        "ema": {"average_decay": 0.999}})
    return params


def small_clips() -> cfg.ExperimentConfig:
    """Goes on from `small` with longer clips, where the network is told its own results."""
    params = small()
    params.task.override({
        "train_data": {"crop_size": [241, 241], "num_frames": 4, "seed": 1},
        "losses": {"hard_pixel_steps": 0},
        "init_checkpoint": "runs/small/last_model.npz"})
    for source, weight in zip(params.task.train_data.sources, (0.6, 0.25, 0.15)):
        source.weight = weight
    params.trainer.override({"train_steps": 1300, "checkpoint_interval": 100,
                             "validation_interval": 650})
    params.trainer.optimizer_config = optimization.OptimizationConfig({
        "optimizer": {"type": "adam", "adam": {"clipnorm": 5.0}},
        "learning_rate": {"type": "cosine", "cosine": {
            "initial_learning_rate": 0.0005, "decay_steps": 1300, "alpha": 0.02}},
        "warmup": {"type": "linear", "linear": {"warmup_steps": 20}},
        "ema": {"average_decay": 0.99}})
    return params


def small_hard() -> cfg.ExperimentConfig:
    """Goes on from `small_clips` with what loses objects: many, fast, hidden, mistaken, far away.

    Objects cut from all photographs and videos move on paths of their own over others, the told
    masks have lost some, frames leave gaps, and a memory brings back what the network saw.
    """
    params = small_clips()
    params.task.override({
        "train_data": {
            "sources": [
                {"dataset": "davis2016", "root": "data/DAVIS", "split": "dev_train",
                 "weight": 0.35},
                {"dataset": "folder", "root": "data/videos", "split": "train", "weight": 0.25},
                {"dataset": "stills", "root": "data/stills", "split": "", "weight": 0.4}],
            "crop_size": [257, 257], "num_frames": 5, "seed": 2, "scale_range": [0.5, 1.1],
            "max_objects": 6, "color_jitter": 0.2, "max_stride": 4, "still_motion": 2.0,
            "light": 0.3, "blur": 1.5, "paste_probability": 0.6, "paste_objects": 4,
            "paste_paths": 1.0, "lost_probability": 0.15},
        "memory": {"frames": 2},
        "init_checkpoint": "runs/small_clips/last_model.npz"})
    params.trainer.override({"train_steps": 12_000, "checkpoint_interval": 100,
                             "validation_interval": 2000})
    params.trainer.optimizer_config = optimization.OptimizationConfig({
        "optimizer": {"type": "adam", "adam": {"clipnorm": 5.0}},
        "learning_rate": {"type": "cosine", "cosine": {
            "initial_learning_rate": 0.0005, "decay_steps": 12_000, "alpha": 0.02}},
        "warmup": {"type": "linear", "linear": {"warmup_steps": 20}},
        "ema": {"average_decay": 0.998}})
    return params


def tiny() -> cfg.ExperimentConfig:
    """A narrow network on synthetic clips: minutes on two cores, for tests and first tries."""
    params = small()
    drawn = Source(dataset="synthetic", split="train", synthetic=SyntheticClips(seed=0))
    held_out = Source(dataset="synthetic", split="val",
                      synthetic=SyntheticClips(seed=10_000, count=6))
    params.task.override({
        "model": {"depth_multiplier": 0.35, "atrous_rates": [], "aspp_filters": 64,
                  "decoder_filters": 64, "embedding_dim": 32, "head_filters": 48,
                  "head_layers": 2, "head_kernel_size": 5, "window": 6},
        "train_data": {"sources": [drawn.as_dict()], "crop_size": [145, 193], "num_frames": 4,
                       "global_batch_size": 2, "scale_range": [0.7, 1.0], "color_jitter": 0.1,
                       "paste_probability": 0.0, "paste_objects": 0},
        "validation_data": {"source": held_out.as_dict(), "max_side": None},
        "losses": {"hard_pixel_share": 0.15, "hard_pixel_steps": 1000},
        "init_checkpoint": "", "freeze": "none", "max_reference_pixels": 1024,
        "embedding_gain": 0.25, "image_interval": 0,
        "train_batch_norm": True, "batch_norm_momentum": 0.95})
    params.trainer.override({
        "train_steps": 600, "steps_per_loop": 20, "summary_interval": 20,
        "checkpoint_interval": 100, "validation_interval": 300})
    params.trainer.optimizer_config = optimization.OptimizationConfig({
        "optimizer": {"type": "adam", "adam": {"clipnorm": 5.0}},
        "learning_rate": {"type": "cosine", "cosine": {
            "initial_learning_rate": 0.002, "decay_steps": 600}},
        "warmup": {"type": "linear", "linear": {"warmup_steps": 20}}})
    return params


def pml() -> cfg.ExperimentConfig:
    """The embedding alone, by triplet loss, assigned by hard nearest neighbors (PML)."""
    params = paper_davis17()
    params.task.losses.kind = "triplet"
    return params


def _ablation(row) -> Callable[[], cfg.ExperimentConfig]:
    def experiment() -> cfg.ExperimentConfig:
        params = paper_davis17()
        params.task.model.override({
            "first_frame_matching": row.first_frame_matching,
            "previous_frame_matching": row.previous_frame_matching,
            "previous_mask": "labels" if row.previous_mask else "none"})
        return params

    experiment.__doc__ = f"Row {row.name} of the paper's ablation: {row.paper} J&F."
    return experiment


EXPERIMENTS = {
    "paper_davis17": paper_davis17,
    "paper_davis17_ytvos": paper_davis17_ytvos,
    "small": small,
    "small_clips": small_clips,
    "small_hard": small_hard,
    "tiny": tiny,
    "pml": pml,
    **{f"ablation_{row.name}": _ablation(row) for row in ABLATION_ROWS},
}
for _name, _factory in EXPERIMENTS.items():
    exp_factory.register_config_factory(PREFIX + _name)(_factory)
