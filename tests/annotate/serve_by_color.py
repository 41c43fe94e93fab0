"""Serves the page with a method that needs no network: VIDEO PROJECT [SECONDS_A_FRAME].

While there is a file PROJECT.full beside the project, the disk is full.
"""

import functools
import pathlib
import sys

import projects

from feelvos_tf import files
from feelvos_tf.annotate.serving import serve

if __name__ == "__main__":
    video, project, *seconds = sys.argv[1:]
    make_new, full = files._make_new, pathlib.Path(f"{project}.full")
    files._make_new = lambda path: path.symlink_to("/dev/full") if full.exists() else make_new(path)
    method = functools.partial(projects.Soft, *map(float, seconds))
    serve(
        video,
        project,
        method,
        settings={"method": "by color"},
        browser=False,
        say=lambda line: print(line, flush=True),
    )
