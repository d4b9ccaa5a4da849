"""What the names in a pickle become: stand-ins that write down what is asked of them and do nothing."""

from __future__ import annotations

from typing import Any

from latentedit.errors import InputError


class Call:
    """A call that a pickle asked for, written down: the function's name, the arguments, the state set after."""

    __match_args__ = ("name", "args")
    state: Any = None

    def __init__(self, name: str, args: tuple[Any, ...]) -> None:
        self.name, self.args = name, args

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Name:
    """A function that a pickle named. Calling it only writes the call down."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any) -> Call:
        return Call(self.name, args)

    def __setstate__(self, state: Any) -> None:
        raise InputError(f"refused: it sets attributes of the function {self.name!r}; none of its code was run")


class Network:
    """An object of TensorFlow's dnnlib.tflib.network.Network: its state, kept as it is."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


CLASSES: dict[str, type] = {
    "builtins.dict": dict,
    "builtins.set": set,
    "__builtin__.set": set,  # as Python 2 calls it
    "collections.OrderedDict": dict,
    "dnnlib.util.EasyDict": dict,
    "dnnlib.tflib.network.Network": Network,
}
FUNCTIONS = {
    name: Name(name)
    for name in (
        "torch_utils.persistence._reconstruct_persistent_obj",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor_v2",
        "torch.storage._load_from_bytes",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "numpy.core.numeric._frombuffer",
        "numpy._core.numeric._frombuffer",
        "_codecs.encode",
    )
}
