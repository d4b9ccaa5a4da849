"""What is installed, compiled, reachable and licensed, and whether the core of it works."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from latentedit.errors import one_line

State = Literal["ok", "note", "broken"]  # as it should be; works without; the core does not work
MOST_HOSTS = 8  # asked at once
PATIENCE = 5  # seconds
OTHER_GPUS = {"mps": "Apple's", "cpu": "torch sees none"}
TOPICS = ("installed", "compiled", "reachable", "licensed", "works")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what to do about it where something can be done."""

    topic: str
    name: str
    state: State
    text: str
    advice: str = ""


def diagnose(build: bool = False) -> Iterator[Finding]:
    """Look at everything, quickest first; `build` compiles ahead of time what this machine can use."""
    operators = partial(check_operators, build)
    checks = (check_packages, operators, check_places, check_devices, check_hosts, check_terms, check_bundled)
    for check in checks:
        try:
            yield from check()
        except Exception as error:  # whatever is amiss, the person who asks wants to read of it
            yield Finding("works", "the core", "broken", one_line(f"{type(error).__name__}: {error}"), _install())
            return


def check_packages() -> Iterator[Finding]:
    """Hold what is installed against what setup.py requires."""
    wanted = [Requirement(line) for line in requires("latentedit") or []]
    yield Finding("installed", "latentedit", "ok", f"{version('latentedit')}, Python {platform.python_version()}")
    for requirement in wanted:
        if requirement.marker is None:
            number = _find_version(requirement)
            good = number is not None and requirement.specifier.contains(number, prereleases=True)
            text = (number or "missing") + ("" if good else f", {requirement} is needed")
            yield Finding("installed", requirement.name, "ok" if good else "broken", text, "" if good else _install())
    for extra in _list_extras():
        members = [r for r in wanted if r.marker and r.marker.evaluate({"extra": extra})]
        missing = [requirement.name for requirement in members if _find_version(requirement) is None]
        text = f"without {', '.join(missing)}" if missing else "complete"
        yield Finding("installed", f"[{extra}]", "note" if missing else "ok", text, _install(extra) if missing else "")


def _list_extras() -> list[str]:
    """List the extras of setup.py."""
    return sorted(metadata("latentedit").get_all("Provides-Extra") or [])


def _find_version(requirement: Requirement) -> str | None:
    """Return the installed version of a package, or None where it is absent."""
    try:
        return version(requirement.name)
    except PackageNotFoundError:
        return None


def _install(extra: str = "") -> str:
    """Say how to install what is missing."""
    return f"pip install -c constraints.txt '.[{extra}]'" if extra else "pip install -c constraints.txt ."


def check_operators(compile_now: bool) -> Iterator[Finding]:
    """Say whether the compiled operators are there, or compile them."""
    import torch

    from stylegan_ops import build

    is_built = build.cpu_library(build.choose_variant()).exists()
    yield _check_build("CPU operators", is_built, build.find_compiler(), build.compile_cpu_ops, compile_now)
    if not torch.cuda.is_available():
        yield Finding("compiled", "CUDA operators", "ok", "not needed, torch sees no GPU")
    else:
        yield _check_build("CUDA operators", build.has_cuda_ops(), _find_nvcc(), build.compile_cuda_ops, compile_now)


def _check_build(name: str, built: bool, compiler: str | None, compile: Callable[[], object], build: bool) -> Finding:
    """Say whether some operators are compiled; with `build` compile them first."""
    from stylegan_ops.build import reason

    if built:
        return Finding("compiled", name, "ok", "compiled")
    if compiler is None:
        return Finding("compiled", name, "note", "no compiler, plain torch runs instead", f"install one for {name}")
    if not build:
        advice = "latentedit doctor --build does so now"
        return Finding("compiled", name, "note", f"compiled on first use by {compiler}", advice)
    start = time.perf_counter()
    try:
        compile()
    except Exception as error:  # whatever is amiss with a machine's compilers
        return Finding("compiled", name, "broken", f"did not build: {reason(error)}", "plain torch runs instead")
    return Finding("compiled", name, "ok", f"compiled in {time.perf_counter() - start:.0f} s by {compiler}")


def _find_nvcc() -> str | None:
    """Find NVIDIA's compiler where torch looks for it."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH") or "/usr/local/cuda"
    return shutil.which("nvcc", path=str(Path(home) / "bin")) or shutil.which("nvcc")


def check_places() -> Iterator[Finding]:
    """Try to write where directions, downloads and compiled operators are kept."""
    from latentedit import downloads
    from latentedit.files import home
    from stylegan_ops.build import cache_folder

    yield _check_folder("your library", home(), "set LATENTEDIT_HOME to a folder that you may write")
    yield _check_folder("downloads", downloads.cache_folder(), "set LATENTEDIT_CACHE to a folder that you may write")
    yield _check_folder("compiled code", cache_folder(), "set TORCH_EXTENSIONS_DIR to a folder that you may write")


def _check_folder(name: str, folder: Path, advice: str) -> Finding:
    """Try to write into a folder, or into the nearest one above that exists."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return Finding("reachable", name, "ok", f"{folder}{'' if folder == nearest else ', not made yet'}")
    except OSError as error:
        return Finding("reachable", name, "note", f"{folder} can't be written ({error.strerror})", advice)


def check_hosts() -> Iterator[Finding]:
    """Ask the hosts of published files whether they are there, and look for the detector of faces."""
    from latentedit.downloads import find_item, is_offline, list_items, path_of

    detector = find_item("yunet", "detector")
    here = bool(os.environ.get("LATENTEDIT_YUNET")) or (detector is not None and path_of(detector).exists())
    advice = "" if here else "latentedit models get yunet, for photographs that are not aligned"
    yield Finding("reachable", "face detector", "ok" if here else "note", "here" if here else "not here yet", advice)
    if is_offline():
        yield Finding("reachable", "the web", "ok", "not asked, in offline mode")
        return
    urls = {
        urlsplit(url)._replace(path="/", query="").geturl() for item in list_items().values() for url in item.mirrors
    }
    with ThreadPoolExecutor(MOST_HOSTS) as pool:
        silent = [url for url, answers in zip(urls, pool.map(_answers, urls), strict=True) if not answers]
    count = "none" if len(silent) == len(urls) else f"{len(urls) - len(silent)}"
    missing = f", not {', '.join(sorted(str(urlsplit(url).hostname) for url in silent))}" if count != "none" else ""
    text = f"{count} of {len(urls)} hosts of published files answer{missing if silent else ''}"
    mend = "set HTTPS_PROXY, or fetch files elsewhere: latentedit models path NAME says where they belong"
    yield Finding("reachable", "the web", "note" if silent else "ok", text, mend if silent else "")


def _answers(url: str) -> bool:
    """Tell whether a host says anything at all."""
    import requests

    try:
        requests.head(url, timeout=PATIENCE, allow_redirects=False)
    except requests.RequestException:
        return False
    return True


def check_terms() -> Iterator[Finding]:
    """Name the licences of what was downloaded, and of the program that writes films."""
    from latentedit.downloads import list_items, path_of

    for item in list_items().values():
        if not item.bundled and path_of(item).exists():
            unknown = "ask its authors before you publish what it made"
            yield Finding("licensed", item.name, "ok", item.licence or "not stated", "" if item.licence else unknown)
    if find_spec("imageio_ffmpeg") is not None:
        text = "GPL, run as a program of its own by `--video NAME.mp4`"
        yield Finding("licensed", "ffmpeg", "ok", text, "name it if you pass this installation on")


def check_devices() -> Iterator[Finding]:
    """Say what renders here."""
    import torch

    from latentedit.checkpoints.zoo import choose_device
    from latentedit.machine import count_cores, describe_processor

    threads, cores = torch.get_num_threads(), count_cores()
    yield Finding(
        "reachable",
        "processor",
        "ok" if threads >= cores else "note",
        f"{describe_processor()}, {threads} threads on {cores} cores",
        "" if threads >= cores else f"OMP_NUM_THREADS={cores} would use all cores",
    )
    device = choose_device("auto")
    name = torch.cuda.get_device_name() if device.type == "cuda" else OTHER_GPUS[device.type]
    yield Finding("reachable", "GPU", "ok", f"{name}; --device auto is {device}")


def check_bundled() -> Iterator[Finding]:
    """Open what is bundled, name the licences, and render and rate one face."""
    from latentedit.checkpoints import load_checkpoint
    from latentedit.latents import sample
    from latentedit.predictors import load_assessor
    from latentedit.rendering import render

    start = time.perf_counter()
    checkpoint, assessor = load_checkpoint("faces"), load_assessor("omi")
    opened = time.perf_counter()
    weights = {"generator": ("faces", checkpoint.licence), "assessor": ("omi", assessor.header["licence"])}
    yield Finding("licensed", "latentedit", "ok", f"{metadata('latentedit')['License']}, the code")
    for kind, (name, licence) in weights.items():
        yield Finding("licensed", name, "ok", f"{licence}, the bundled {kind}: not for commercial use")
    yield Finding("licensed", "directions", "ok", f"{checkpoint.licence}, as the generator that they are of")
    ws = sample(checkpoint.generator, [1], truncation_psi=0.7)
    images = render(checkpoint.generator, ws)
    text = f"a face rendered and rated {assessor.scorer()(images).item():.1f} in {time.perf_counter() - opened:.2f} s"
    yield Finding("works", "faces", "ok", f"{text}, opened in {opened - start:.2f} s")
    error = (render(checkpoint.generator, ws, precision="bf16") - images).norm() / images.norm()
    yield Finding("works", "bf16", "ok", f"--precision bf16 differs from fp32 by {error:.1e} of the image's norm")
