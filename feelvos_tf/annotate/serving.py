"""From a video to an address in the browser, until somebody ends it."""

from __future__ import annotations

import os
import pathlib
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from feelvos_tf.errors import InputError
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.tracker import Segmenter

LOOPBACK = "127.0.0.1"
_SECONDS_TO_END = 1


def default_project(video: str | os.PathLike[str]) -> pathlib.Path:
    """The folder of a video's project where none is named: NAME-masks in the current one."""
    path = pathlib.Path(video).absolute()
    return pathlib.Path(f"{path.name if path.is_dir() else path.stem}-masks")


def serve(
    video: str | os.PathLike[str],
    project: str | os.PathLike[str] | None,
    make_segmenter: Callable[[], Segmenter],
    *,
    settings: Mapping[str, Any],
    host: str = LOOPBACK,
    port: int = 0,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serves the page until the process is told to end.

    Args:
      video: folder of JPEG/PNG images, or a video file.
      project: folder of the project, made where absent; None for `default_project`.
      make_segmenter: returns the method, in a process of its own, so it must pickle.
      settings: what tells the method from others, as feelvos-segment records it.
      host: address to listen at; any but the loopback's lets other machines in.
      port: 0 for any that is free.
      browser: whether to open a browser.
      say: takes lines for people.

    Raises:
      InputError: the video, the folder or the port cannot be used, or the extra `annotate` is not
        installed.
    """
    try:
        import uvicorn

        from feelvos_tf.annotate.server import make_app
    except ImportError as error:
        raise InputError(
            f"the page needs {error.name}, which is not installed: "
            "pip install 'feelvos_tf[annotate]'"
        ) from error
    from feelvos_tf.annotate.events import Events
    from feelvos_tf.annotate.project import Project
    from feelvos_tf.annotate.session import Session

    source = open_frames(video)
    if source.live:
        raise InputError(f"{video}: comes as it happens, expected a video to go back and forth in")
    names = source.names or [f"{index:05d}" for index in range(len(source))]
    if host != LOOPBACK:
        say(f"warning: {host} lets other machines in; whoever has the address may read and paint")
    with _listening(host, port) as listening:
        port = listening.getsockname()[1]
        token = secrets.token_urlsafe(24)
        shown_host = LOOPBACK if host in ("0.0.0.0", "::") else host
        shown_host = f"[{shown_host}]" if ":" in shown_host else shown_host
        address = f"http://{shown_host}:{port}/{token}/"
        hosts = {f"{LOOPBACK}:{port}", f"localhost:{port}"} if host == LOOPBACK else None
        folder = default_project(video) if project is None else pathlib.Path(project)
        with (
            Project(folder, source, names, settings) as opened,
            Session(source, opened, make_segmenter, Events()) as session,
        ):
            say(f"video {source.path}: {len(names)} frames; masks go to {folder}")
            say(f"the page is at {address}")
            say("Ctrl-C ends it; everything painted is kept")
            config = uvicorn.Config(
                make_app(session, token, hosts),
                log_level="warning",
                access_log=False,  # it would tell the token
                lifespan="off",
                timeout_graceful_shutdown=_SECONDS_TO_END,
            )
            if browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

            class Server(uvicorn.Server):
                def handle_exit(self, sig: int, frame: FrameType | None) -> None:
                    session.events.close()  # pages listen for as long as they may
                    super().handle_exit(sig, frame)

            Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise InputError(
            f"port {port} of {host} cannot be used ({error.strerror or error}); --port=0 takes any"
        ) from error
    return listening
