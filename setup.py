"""Packaging of legacy_restore."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$',
    (HERE / "legacy_restore" / "__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
).group(1)

ML_DTYPES = ["ml_dtypes>=0.5.1; python_version >= '3.10'"]
SNAPPY = ["cramjam>=2.8"]
# TensorFlow 1.15 brings one; its Keras reads no files with the releases since 3.0.
H5PY = ["h5py>=2.10,<3; python_version < '3.8'", "h5py>=3.1; python_version >= '3.8'"]
EXAMPLE = ["scikit-learn>=1.0"]
# People bring their own TensorFlow: 1.15, tensorflow-cpu, tensorflow-gpu. So it is an
# extra, and installing this package never changes the one that is there.
TENSORFLOW = [
    "tensorflow>=2.16,<2.22; python_version >= '3.10'",
    "tensorflow==1.15.5; python_version < '3.8'",
    "numpy<1.19; python_version < '3.8'",
    "protobuf<3.21; python_version < '3.8'",
]
TF_KERAS = ["tf_keras>=2.16,<2.22; python_version >= '3.10'"]
TEST = [
    "pytest>=7.4",
    "pytest-timeout>=2.1",
    "hypothesis>=6.79",
    "tf-slim>=1.1",
    *EXAMPLE,
    *TF_KERAS,
]

setup(
    name="legacy_restore",
    version=VERSION,
    description="Restores any number of TensorFlow 1 models into one graph and session",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["legacy_restore", "legacy_restore.*"]),
    package_data={"legacy_restore": ["py.typed", "graphdef/tensorflow_ops.txt"]},
    python_requires=">=3.7",
    install_requires=["numpy>=1.16", "absl-py>=1.0", "google-crc32c>=1.5"],
    extras_require={
        "tensorflow": TENSORFLOW,
        "ml_dtypes": ML_DTYPES,
        "snappy": SNAPPY,
        "h5py": H5PY,
        "example": EXAMPLE,
        "test": [*TEST, *ML_DTYPES, *SNAPPY, *H5PY],
        "lint": ["ruff==0.17.5", "mypy==2.4.1"],
    },
    entry_points={"console_scripts": ["legacy-restore=legacy_restore.cli.main:main"]},
    classifiers=[
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3.7",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
