"""Installation: `pip install .` for inference, `pip install .[train,video,eval]` for the rest.

Ranges follow the two supported stacks, told apart by the Python version; the exact versions that
are tested stand in requirements/.
"""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).resolve().parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / "feelvos_tf" / "version.py").read_text(encoding="utf-8")
).group(1)
README = ROOT / "README.md"
# Where the repository is published, as in https://host/owner/feelvos_tf. Until it is, links of
# README.md to its files are plain text on the package index.
REPOSITORY = ""


def describe() -> str:
    """README.md for the package index, where links that lead to files beside it would be dead."""

    def absolute(link: re.Match) -> str:
        picture, text, target = link.groups()
        if "://" in target or target.startswith("#"):
            return link[0]
        if not REPOSITORY:
            return "" if picture else text
        return f"{picture}[{text}]({REPOSITORY}/{'raw' if picture else 'blob'}/HEAD/{target})"

    text = README.read_text(encoding="utf-8") if README.is_file() else ""
    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", absolute, text)


CLASSIC = '; python_version < "3.12"'
MODERN = '; python_version >= "3.12"'

BASE = [
    "tensorflow>=2.15,<2.16" + CLASSIC,
    "tensorflow>=2.16,<2.22" + MODERN,
    "tf-keras>=2.15,<2.16" + CLASSIC,
    "tf-keras>=2.16,<2.22" + MODERN,
    "absl-py>=1.0",
    "numpy>=1.23",
    "pillow>=9.4",
    "pyyaml>=6.0",
    "tqdm>=4.62",
]
VIDEO = ["av>=14"]
COCO = ["pycocotools>=2.0.6"]
# Goes with the pins of the classic stack alone.
BEAM = ["apache-beam>=2.69" + CLASSIC]
GRABCUT = ["opencv-python-headless>=4.5"]
EVAL = ["matplotlib>=3.5"]
ANNOTATE = ["starlette>=0.37", "uvicorn>=0.25"]
TRAIN = [
    "tf-models-official>=2.15,<2.16" + CLASSIC,
    "tf-models-official>=2.16,<2.22" + MODERN,
    "tensorflow-addons>=0.23,<0.24" + CLASSIC,
    # With newer ones than these the Model Garden 2.15 logs errors at import or fails.
    "numpy<2" + CLASSIC,
    "pyarrow<18" + CLASSIC,
    "tensorflow-datasets<4.9.5" + CLASSIC,
    "tensorflow-metadata<1.16" + CLASSIC,
    "importlib_resources" + CLASSIC,
    "tensorboard",  # TensorFlow 2.21 no longer brings it
    # tensorboard imports pkg_resources, which setuptools dropped in release 82.
    "setuptools<81",
]
DEV = [
    "httpx",  # Starlette's client for tests
    "hypothesis",
    "ipykernel",
    "mypy",
    "nbclient",
    "nbformat",
    "psutil",
    "pytest>=7",
    "pytest-cov",
    "pytest-xdist",
    "ruff",
    "scipy>=1.9",
    "selenium>=4.11",
    "types-pyyaml",
]
COMMANDS = [
    "segment",
    "annotate",
    "train",
    "evaluate",
    "export",
    "import_checkpoint",
    "models",
    "benchmark",
]

setup(
    name="feelvos_tf",
    version=VERSION,
    description="FEELVOS in TensorFlow 2: video object segmentation from the first frame's mask",
    long_description=describe(),
    long_description_content_type="text/markdown",
    author="The feelvos_tf authors",
    license_expression="Apache-2.0",
    keywords="video object segmentation, FEELVOS, DAVIS, TensorFlow, Keras",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Operating System :: MacOS",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(9, 14)),
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    python_requires=">=3.9,<3.14",
    packages=find_packages(include=["feelvos_tf", "feelvos_tf.*"]),
    package_data={"feelvos_tf": ["py.typed", "weights/*", "annotate/page/*"]},
    install_requires=BASE,
    extras_require={
        "train": TRAIN,
        "video": VIDEO,
        "eval": EVAL,
        "beam": BEAM,
        "coco": COCO,
        "grabcut": GRABCUT,
        "annotate": ANNOTATE + GRABCUT + VIDEO,
        "dev": DEV + TRAIN + VIDEO + EVAL + COCO + GRABCUT + ANNOTATE,
    },
    entry_points={
        "console_scripts": [
            f"feelvos-{name.replace('_', '-')}=feelvos_tf.cli.{name}:main_cli" for name in COMMANDS
        ]
    },
)
