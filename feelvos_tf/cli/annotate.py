"""Opens a page in the browser to paint, watch and repair the masks of a video.

  feelvos-annotate --video=clip.mp4
  feelvos-annotate --video=FRAMES_FOLDER --project=MASKS

VIDEO is a folder of JPEG or PNG images, or a video file. Paint each object in one frame, let the
network carry it on, stop it where it goes wrong, put that frame right, go on, export. Nothing
leaves the machine; no GPU and no account is needed. Needs: pip install 'feelvos_tf[annotate]'.

PROJECT, by default NAME-masks in the current folder, gets a palette PNG for each frame, named like
it, the painted ones in given/, and what the page needs to be as it was when it is opened again. It
is a folder of feelvos-segment, which computes what is missing and writes more:
  feelvos-segment --video=VIDEO --mask=PROJECT/given --output=PROJECT --resume

The server listens on this machine alone, and its address holds a secret. --host lets other
machines in: give the address to nobody whom you would not give the video. Ctrl-C ends the server;
a crash or a power cut loses the stroke being drawn, nothing more.
"""

from __future__ import annotations

from absl import flags

from feelvos_tf.annotate.serving import LOOPBACK, serve
from feelvos_tf.cli import app, checkpoint_flag, streaming_flags
from feelvos_tf.cli.method import Method

_VIDEO = flags.DEFINE_string(
    "video", None, "Folder of JPEG/PNG frames, or a video file.", required=True
)
_PROJECT = flags.DEFINE_string(
    "project", None, "Folder of the masks and all else; by default NAME-masks."
)
_PORT = flags.DEFINE_integer(
    "port", 0, "Port to listen at; 0 for any that is free.", lower_bound=0, upper_bound=65535
)
_HOST = flags.DEFINE_string(
    "host", LOOPBACK, "Address to listen at. Any other than this machine's own lets others in."
)
_NO_BROWSER = flags.DEFINE_bool(
    "no_browser", False, "Print the address of the page, and open no browser."
)
for _module in (checkpoint_flag, streaming_flags):
    flags.adopt_module_key_flags(_module)


def main(argv: list[str]) -> None:
    """Serves as the flags say."""
    del argv
    checkpoint = checkpoint_flag.chosen()  # may be a download
    method = Method(
        checkpoint,
        streaming_flags.settings(checkpoint),
        max_side=streaming_flags.max_side("auto"),
        max_reference_pixels=streaming_flags.MAX_REFERENCE_PIXELS.value,
    )
    serve(
        _VIDEO.value,
        _PROJECT.value,
        method,
        settings=method.settings(),
        host=_HOST.value,
        port=_PORT.value,
        browser=not _NO_BROWSER.value,
        say=lambda line: print(line, flush=True),
    )


def main_cli() -> None:
    """Entry point of the console script."""
    app.run(main)


if __name__ == "__main__":
    main_cli()
