"""Serves the page with a method that needs no network: VIDEO PROJECT [SECONDS_A_FRAME]."""

import functools
import sys

import projects

from feelvos_tf.annotate.serving import serve

if __name__ == "__main__":
    video, project, *seconds = sys.argv[1:]
    method = functools.partial(projects.ByColor, *map(float, seconds))
    serve(
        video,
        project,
        method,
        settings={"method": "by color"},
        browser=False,
        say=lambda line: print(line, flush=True),
    )
