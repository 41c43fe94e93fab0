"""Streams a clip through an export in an interpreter that does not have the package.

    python streaming_client.py SERVING EXPORT CLIP RESULT NUMBER_OF_STEPS

SERVING is the folder with clients.py. Prints, as JSON, the messages that wrong input got, the
memory after every 100 of the further steps and which parts of Keras 2 were loaded; labels and
confidences go to the file RESULT.
"""

import importlib.util
import json
import os
import sys

serving, export, clip, result, steps = sys.argv[1:]
sys.path.insert(0, serving)
sys.modules["feelvos_tf"] = None  # as if it were not installed: importing it fails
assert importlib.util.find_spec("feelvos_tf") is None
assert "TF_USE_LEGACY_KERAS" not in os.environ

import numpy as np  # noqa: E402
import psutil  # noqa: E402
from clients import SavedModelClient, ServingError, Video  # noqa: E402

clip = np.load(clip)
frames, first, late, late_mask = (clip[n] for n in ("frames", "first", "late", "late_mask"))
client = SavedModelClient(export)
video = Video(client)
labels, confidences = [video.begin(frames[0], first)], []
for i in range(1, len(frames)):
    labels.append(video.step(frames[i]))
    confidences.append(video.confidences)
    if i == late:
        labels[-1] = video.add_objects(frames[i], late_mask)
state = dict(video._state)


def refused(signature, **inputs):
    try:
        client.call(signature, **inputs)
    except ServingError as error:
        return str(error)
    return "nothing was refused"


frame, last = frames[0], frames[-1]
rows = {n: np.asarray(v)[:-1] for n, v in state.items()}
messages = {
    "rank": refused("initialize", image=frame[0], mask=first),
    "channels": refused("step", image=frame[..., :2], **state),
    "dtype": refused("step", image=frame.astype(np.float32), **state),
    "mask size": refused("initialize", image=frame, mask=first[1:]),
    "mask rank": refused("initialize", image=frame, mask=first[None]),
    "no object": refused("initialize", image=frame, mask=0 * first),
    "frame size": refused("step", image=frame[1:], **state),
    "batch": refused("step", image=frame[None], **state),
    "ids": refused("step", image=frame, **{**state, "object_ids": 0 * state["object_ids"]}),
    "known id": refused("add_objects", image=last, mask=first, **state),
    "other frame": refused(
        "add_objects", image=frame, mask=99 * (first > 0).astype(np.uint8), **state
    ),
    "no new object": refused("add_objects", image=last, mask=0 * first, **state),
    "embed": refused("embed", image=frame[0]),
    **{f"state {n}": refused("step", image=frame, **{**state, n: rows[n]}) for n in state},
    **{
        f"state rank {n}": refused("step", image=frame, **{**state, n: np.asarray(v)[None]})
        for n, v in state.items()
    },
}
process, memory = psutil.Process(), []
for i in range(int(steps)):
    video.step(frames[i % len(frames)])
    if i % 100 == 99:
        memory.append(process.memory_info().rss)
np.savez(result, labels=labels, confidences=confidences)
print(
    json.dumps(
        {
            "messages": messages,
            "memory": memory,
            "keras": [m for m in sys.modules if m.split(".")[0] == "tf_keras"],
        }
    )
)
