"""Install latentedit: `pip install -c constraints.txt .`"""

from pathlib import Path

from setuptools import find_packages, setup

TEST = [
    "pytest",
    "pytest-xdist",
    "hypothesis",
    "ruff",
    "mypy",
    "import-linter",
    "playwright",
    "trustme",
    "nbclient",
    "ipykernel",
    "types-requests",
    "types-tqdm",
]
PLOTS = ["matplotlib"]
PREDICTORS = ["h5py", "transformers"]
DATASETS = ["openpyxl"]
TENSORBOARD = ["tensorboard"]
FACES = ["onnxruntime"]
DOCS = ["mkdocs", "mkdocs-material", "mkdocstrings-python", "nbconvert"]
VIDEO = ["imageio[ffmpeg]"]
COMPLETION = ["shtab"]
SIMILAR = ["usearch"]
NOTEBOOKS = ["ipywidgets"]
EXPLAIN = ["captum", "scikit-image", "matplotlib", "jinja2"]
ALL = [*PLOTS, *FACES, *PREDICTORS, *VIDEO, *COMPLETION, *EXPLAIN, *SIMILAR, *NOTEBOOKS, *DATASETS, *TENSORBOARD]

setup(
    name="latentedit",
    version="0.1.0",
    description="Edit faces in the latent space of StyleGAN, and prove what the edit did",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["latentedit*", "stylegan_ops*", "directions*"]),
    package_data={
        "latentedit": ["py.typed", "*.pyi", "assets/*", "explorer/page/*"],
        "stylegan_ops": ["csrc/*.cu", "csrc/*.cpp", "csrc/*.h", "csrc/cpu/*.cpp", "csrc/cpu/*.h"],
        "directions": ["*/*.safetensors", "*/*.json", "*/*.md"],
    },
    install_requires=[
        "torch>=2.6",
        "lazy_loader",
        "ninja",
        "numpy>=1.26",
        "packaging",
        "safetensors",
        "scikit-learn",
        "scipy",
        "pillow>=10.1",
        "imageio",
        "requests",
        "filelock",
        "tqdm",
    ],
    extras_require={
        "plots": PLOTS,
        "faces": FACES,
        "predictors": PREDICTORS,
        "datasets": DATASETS,
        "tensorboard": TENSORBOARD,
        "video": VIDEO,
        "completion": COMPLETION,
        "explain": EXPLAIN,
        "similar": SIMILAR,
        "notebooks": NOTEBOOKS,
        "docs": DOCS,
        "test": [*TEST, *ALL, *DOCS],
        "fuzz": ["atheris"],
    },
    entry_points={"console_scripts": ["latentedit = latentedit.cli.main:main"]},
)
