"""Package definition of vos_tf; tool settings live in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def version() -> str:
    """The version string, read without importing the package."""
    namespace: dict[str, str] = {}
    exec((HERE / "vos_tf" / "version.py").read_text(encoding="utf-8"), namespace)
    return namespace["__version__"]


TENSORFLOW = "tensorflow>=2.18"
EXTRAS = {
    "gpu": ["tensorflow[and-cuda]>=2.18"],
    "video": ["av>=17"],
    "porting": ["torch>=2.6"],
}
TEST = ["pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6.100", *EXTRAS["video"], *EXTRAS["porting"]]
RUFF = "ruff>=0.15"
# The line of mkdocs-material that is kept up until May 2027; RUFF breaks the lines of long signatures.
DOCS = ["mkdocs-material>=9.6", "mkdocstrings[python]>=1.0", "mkdocstrings-python>=2.0", RUFF]
LINT = [RUFF, "mypy>=1.18", "types-PyYAML", "scipy-stubs"]

setup(
    name="vos-tf",
    version=version(),
    description="Video object segmentation in TensorFlow and Keras: prepare, train, segment, measure, export.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["vos_tf", "vos_tf.*"]),
    package_data={"vos_tf": ["py.typed", "recipes/*.yaml", "weights/*/*"]},
    install_requires=[
        TENSORFLOW,
        "keras>=3.13.2",
        "h5py>=3.11",
        "numpy>=2.0",
        "opencv-python-headless>=4.9",
        "pillow>=10.3",
        "pyyaml>=6.0",
        "scipy>=1.13",
        "matplotlib>=3.8",
        "google-crc32c>=1.5",
        "tensorboard>=2.18",
        "typer>=0.15",
        "rich>=14.1",  # bars within bars
        "pydantic>=2.8",
    ],
    extras_require={**EXTRAS, "docs": DOCS, "test": TEST, "dev": TEST + LINT},
    entry_points={"console_scripts": ["vos-tf = vos_tf.commands.main:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
