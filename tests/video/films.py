"""Films with all that a phone puts into one, and damage to files."""

import fractions

import numpy as np
from hypothesis import strategies as st

MILLISECONDS = [0, 40, 80, 500, 510, 511, 1700]


def film(path, times=MILLISECONDS, aspect=(1, 1), audio=None, degrees=0):
    """A film with a frame at each of the times, and a tone as long in an audio codec."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 33 + 1, 48, "yuv420p"
        stream.codec_context.time_base = fractions.Fraction(1, 1000)
        stream.codec_context.sample_aspect_ratio = fractions.Fraction(*aspect)
        if degrees:
            stream.set_display_rotation(degrees)
        if audio:
            sound = container.add_stream(audio, rate=8000)
            sound.layout = "mono"
            if audio == "aac":
                sound.bit_rate = 32_000
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(
                np.full((34, 48, 3), 30 * number, np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = time, fractions.Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            wave = np.sin(np.arange(8 * max(times)) / 3)[np.newaxis]
            kind = "fltp" if audio == "aac" else "s16"
            wave = wave.astype(np.float32) if kind == "fltp" else (9999 * wave).astype(np.int16)
            tone = av.AudioFrame.from_ndarray(wave, format=kind, layout="mono")
            tone.sample_rate, tone.pts = 8000, 0
            container.mux(sound.encode(tone))
            container.mux(sound.encode(None))
    return path


@st.composite
def damaged(draw, starts):
    """A healthy file with some bytes changed, dropped, doubled or cut off."""
    data = bytearray(draw(st.sampled_from(starts)))
    for _ in range(draw(st.integers(0, 4))):
        if not data:
            break
        # Headers are at the front, where damage has the strangest effects.
        end = draw(st.sampled_from([min(64, len(data)), len(data)]))
        at = draw(st.integers(0, end - 1))
        how = draw(st.sampled_from(["flip", "set", "drop", "double", "cut"]))
        if how == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "set":
            data[at] = draw(st.sampled_from([0, 1, 127, 128, 255]))
        elif how == "drop":
            del data[at : at + draw(st.integers(1, 16))]
        elif how == "double":
            data[at:at] = data[at : at + 16]
        else:
            del data[at:]
    return bytes(data)
