"""What `make docs` adds to the pages of this folder; see mkdocs.yml.

Pages link as they do in the repository, so that they can be read there as well. On the site such a
link leads to the page, or to a copy of the file.
"""

from __future__ import annotations

import os
import pathlib
import posixpath
import re

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, InclusionLevel

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = "docs/"

# Pages that lie elsewhere in the repository: name on the site -> file.
PAGES = {
    "benchmarks.md": "experiments/benchmarks/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "datasets.md": "datasets/README.md",
    "model_card.md": "feelvos_tf/weights/MODEL_CARD.md",
    "serving.md": "experiments/serving/README.md",
    "training_log.md": "experiments/small/LOG.md",
    "workspace.md": "WORKSPACE.md",
}
HOMES = {source: page for page, source in PAGES.items()}
HOMES["README.md"] = "index.md"

# A link, or code, in which nothing is one.
LINK = re.compile(
    r"^```.*?^```|`[^`\n]*`(?!\])|(?P<text>!?\[[^\]]*\])\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)",
    re.DOTALL | re.MULTILINE,
)


def on_files(files, config):
    """Adds the pages from elsewhere, and every file that a page links to."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for page in [file.src_uri for file in files.documentation_pages()]:
        text = (ROOT / _source(page)).read_text(encoding="utf-8")
        for match in LINK.finditer(text):
            linked = _linked(page, match["target"])
            copied = linked and linked not in HOMES and not linked.startswith(DOCS)
            if copied and files.get_file_from_path(linked) is None:
                files.append(
                    File.generated(
                        config,
                        linked,
                        abs_src_path=str(ROOT / linked),
                        inclusion=InclusionLevel.NOT_IN_NAV,
                    )
                )
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links that are right in the repository to where their targets are on the site."""
    uri = page.file.src_uri

    def turned(match):
        linked = _linked(uri, match["target"])
        if linked is None:
            return match[0]
        home = HOMES.get(linked) or (linked[len(DOCS) :] if linked.startswith(DOCS) else linked)
        home = posixpath.relpath(home, posixpath.dirname(uri) or ".")
        return f"{match['text']}({home}{match['anchor'] or ''})"

    return LINK.sub(turned, markdown)


def _source(page: str) -> str:
    """The file of a page, from the root of the repository."""
    if page in PAGES:
        return PAGES[page]
    return DOCS + page if (ROOT / DOCS / page).is_file() else page


def _linked(page: str, target: str | None) -> str | None:
    """The file that a link on a page leads to, from the root; None for an address or no link.

    Raises:
      PluginError: there is no such file.
    """
    if target is None or "://" in target or target.startswith("mailto:"):
        return None
    source = _source(page)
    linked = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if linked.startswith("..") or not os.path.isfile(ROOT / linked):
        raise PluginError(f"{source}: the link {target} leads to no file")
    return linked
