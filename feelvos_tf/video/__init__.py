"""Frames and masks in and out: folders, video files, palette PNG, overlays."""

from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.frames import natural_key, open_frames, prefetch
from feelvos_tf.video.images import read_image
from feelvos_tf.video.mask_folder import MaskFolderWriter
from feelvos_tf.video.masks import DAVIS_PALETTE, describe_ids, read_mask, write_mask
from feelvos_tf.video.overlay import contact_sheet, overlay
from feelvos_tf.video.video_writer import VideoFileWriter

__all__ = [
    "DAVIS_PALETTE",
    "Frame",
    "FrameSource",
    "MaskFolderWriter",
    "VideoFileWriter",
    "contact_sheet",
    "describe_ids",
    "natural_key",
    "open_frames",
    "overlay",
    "prefetch",
    "read_image",
    "read_mask",
    "write_mask",
]
