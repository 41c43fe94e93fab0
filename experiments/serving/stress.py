"""Several videos at once through one exported model: labels, latency and memory under load.

    python stress.py --saved_model=feelvos/1 --videos=4 --frames=50 --threads=2
    python stress.py --grpc=localhost:8500 --videos=8 --frames=200 --threads=8

The videos are drawn: squares that move over noise, each video with a size and a number of objects
of its own. Each runs alone first and then with all others, frame by frame in turn; labels that
differ mean that videos touch each other, and end the script with exit code 1.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import resource
import sys
import time

import numpy as np
from clients import ServingError, Video
from segment_video import add_client_arguments, make_client


def draw_video(seed, num_frames):
    """Returns frames uint8 [T, H, W, 3] and the first mask uint8 [H, W]."""
    rng = np.random.default_rng(seed)
    height, width = 65 + 16 * (seed % 4), 97 + 16 * (seed % 3)
    background = rng.integers(0, 120, (height, width, 3), np.uint8)
    colors = rng.integers(120, 256, (1 + seed % 3, 3), np.uint8)
    frames, mask = np.repeat(background[np.newaxis], num_frames, axis=0), None
    for t in range(num_frames):
        ids = np.zeros((height, width), np.uint8)
        for i, color in enumerate(colors):
            top, left = (5 + 20 * i + t) % (height - 16), (10 + 25 * i + 2 * t) % (width - 16)
            frames[t, top : top + 16, left : left + 16] = color
            ids[top : top + 16, left : left + 16] = 7 * i + 1
        mask = ids if t == 0 else mask
    return frames, mask


def run_alone(client, frames, mask):
    """Returns the labels of every frame."""
    video = Video(client)
    return [video.begin(frames[0], mask)] + [video.step(frame) for frame in frames[1:]]


def run_together(client, clips, threads):
    """Steps all videos in turn; returns the labels of each and the seconds of each step."""
    videos = [Video(client) for _ in clips]
    labels = [[video.begin(frames[0], mask)] for video, (frames, mask) in zip(videos, clips)]
    seconds = []

    def step(i, t):
        start = time.perf_counter()
        result = videos[i].step(clips[i][0][t])
        return result, time.perf_counter() - start

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for t in range(1, len(clips[0][0])):
            for i, (result, took) in enumerate(pool.map(step, range(len(clips)), [t] * len(clips))):
                labels[i].append(result)
                seconds.append(took)
    return labels, seconds


def main():
    """Reads the flags and runs the videos; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_client_arguments(parser)
    for name, value in (("videos", 4), ("frames", 50), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    client = make_client(arguments)
    clips = [draw_video(seed, arguments.frames) for seed in range(arguments.videos)]
    alone = [run_alone(client, *clip) for clip in clips]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    together, seconds = run_together(client, clips, arguments.threads)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    differing = [i for i in range(len(clips)) if not np.array_equal(alone[i], together[i])]
    median, slow = 1000 * np.quantile(seconds, [0.5, 0.95])
    print(
        f"{len(clips)} videos of {arguments.frames} frames, {arguments.threads} threads: "
        f"step {median:.1f} ms (median), {slow:.1f} ms (95 %); "
        f"peak memory of this process grew by {grown / 1024:.0f} MB"
    )
    print(f"labels differ from those of the video alone: {differing or 'none'}")
    return 1 if differing else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServingError as error:
        sys.exit(f"error: {error}")
