"""The pickle machine in plain Python: it builds plain containers and inert `Call`s, and can do nothing else.

Python's own machine is safe from foreign functions once `find_class` is, but not from files made
to exhaust it: a tuple that unfolds to 2^60 values is a few hundred bytes, and takes for ever to be
hashed as the key of a dictionary. Here keys are plain, numbers are short, lengths are held against
the file, and what is copied out of the memo is counted.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable, Iterable
from functools import partial
from typing import IO, Any

from latentedit.checkpoints.bounded import Bounded, Reader
from latentedit.checkpoints.inert import Call, Name, Network
from latentedit.errors import InputError, one_line

STOP = b"."
ARGUMENTS = {  # opcodes that push what is written behind them
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
VALUES: dict[str, Callable[[], Any]] = {  # opcodes that push always the same: how it is made
    **{"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False},
    **{"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set},
}
LARGEST_INTEGER = 2**127  # torch's magic number has ten bytes; text of a much larger one takes for ever
MOST_COPIES = 16  # values that calls may copy, for each byte that was read
SIZED = (list, tuple, dict, set, str, bytes, bytearray)
EXHAUSTING = "refused: a damaged pickle, or one made to exhaust the memory"


def run_pickle(
    file: IO[bytes] | Bounded, find: Callable[[str], Any], find_persistent: Callable[[Any], Any] | None = None
) -> Any:
    """Return what one pickle holds, the file left behind its end.

    `find` gives what a dotted name stands for, a `Name`, a type of `CLASSES` or a plain value, or
    raises InputError; `find_persistent` what a persistent identity does, if the format has them.
    """
    try:
        return Machine(file, find, find_persistent).run()
    except (InputError, OSError):
        raise
    except Exception as error:  # what a damaged pickle asks for fails in a dozen ways
        text = one_line(error) or "no detail"
        raise InputError(
            f"a damaged pickle, cut short or no pickle at all ({type(error).__name__}: {text:.80})"
        ) from error


Action = Callable[["Machine", Any], object]  # what an opcode does with its argument


class Machine:
    """The stack, the marks on it and the memo of one pickle."""

    def __init__(
        self, file: IO[bytes] | Bounded, find: Callable[[str], Any], find_persistent: Callable[[Any], Any] | None
    ):
        self.find, self.find_persistent = find, find_persistent
        self.file = file if isinstance(file, Bounded) else Bounded(file)
        self.stack: list[Any] = []
        self.marks: list[int] = []  # heights of the stack
        self.memo: dict[int, Any] = {}
        self.num_copied = 0

    def run(self) -> Any:
        """Carry out every opcode up to STOP."""
        bounded, plain = self.file, self.file.file
        while (code := plain.read(1)) != STOP:
            if code not in STEPS:
                raise ValueError(f"{code!r} for an opcode")
            read, is_long, act = STEPS[code]
            if read is None:
                act(self, None)
            else:
                act(self, bounded.read_argument(code, read) if is_long else read(plain))
        return self.stack.pop()

    def _push(self, argument: Any) -> None:
        self.stack.append(_require_short(argument))

    def _require_protocol(self, version: int) -> None:
        if version > pickle.HIGHEST_PROTOCOL:
            raise ValueError(f"protocol {version}")

    def _put(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def _get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def _mark(self, _: None) -> None:
        self.marks.append(len(self.stack))

    def _take(self, count: int | None = None) -> list[Any]:
        """Take the topmost values off the stack, by default those above the last mark."""
        start = self.marks.pop() if count is None else len(self.stack) - count
        if start < 0:
            raise IndexError("the stack is empty")
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def _push_tuple(self, count: int | None) -> None:
        self.stack.append(tuple(self._take(count)))

    def _extend(self, count: int | None) -> None:
        """Put values into the list or the set below them."""
        values, container = self._take(count), self.stack[-1]
        if isinstance(container, set):
            container.update(map(_require_key, values))
        elif isinstance(container, list):
            container.extend(values)
        else:
            raise TypeError("values for what is no list")

    def _set_items(self, count: int | None) -> None:
        """Put keys and values into the dictionary below them."""
        values, container = self._take(count), self.stack[-1]
        if not isinstance(container, dict):
            raise TypeError("keys for what is no dictionary")
        container.update(_pair_up(values))

    def _name(self, name: str | None) -> None:
        """Look a name up: its two halves are the argument, or lie on the stack."""
        module, attribute = name.split(" ", 1) if name is not None else self._take(2)
        if not (isinstance(module, str) and isinstance(attribute, str)):
            raise TypeError("a name that is none")
        self.stack.append(self.find(f"{module}.{attribute}"))

    def _refuse_instance(self, name: str | None) -> None:
        """Look the name up, which refuses all that is dangerous, and refuse the rest as well."""
        if name is not None:
            self._name(name)
        raise InputError("refused: a pickle of the 1990s, which no tool of the field writes")

    def _call(self, _: None) -> None:
        """Write a call down; only a container is made."""
        function, arguments = self._take(2)
        if not isinstance(arguments, tuple):
            raise TypeError("a call without arguments")
        self._charge(arguments)
        if not isinstance(function, type | Name):
            raise TypeError("a call of what is no function")
        self.stack.append(_construct(function, *arguments) if isinstance(function, type) else function(*arguments))

    def _charge(self, arguments: Iterable[Any]) -> None:
        """Count what a call may copy, as the same list can be passed to a million calls."""
        self.num_copied += sum([len(value) for value in arguments if isinstance(value, SIZED)])
        if self.num_copied > MOST_COPIES * self.file.tell():
            raise InputError(EXHAUSTING)

    def _build(self, _: None) -> None:
        """Set the state of what a call made; a dictionary's attributes are left out."""
        state = self.stack.pop()
        match self.stack[-1]:
            case Call() | Network() | Name() as made:
                made.__setstate__(state)
            case dict():
                pass
            case _:
                raise TypeError("a state for what has none")

    def _find_persistent(self, _: None) -> None:
        if self.find_persistent is None:
            raise ValueError("a persistent identity")
        self.stack.append(self.find_persistent(self.stack.pop()))


def _push_new(make: Callable[[], Any]) -> Action:
    """Say what an opcode does that always pushes the same."""
    return lambda machine, _: machine.stack.append(make())


ACTIONS: dict[str, Action] = {
    **dict.fromkeys(ARGUMENTS, Machine._push),
    **{name: _push_new(make) for name, make in VALUES.items()},
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), Machine._put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine._get),
    **dict.fromkeys(("GLOBAL", "STACK_GLOBAL"), Machine._name),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), Machine._call),
    **dict.fromkeys(("INST", "OBJ"), Machine._refuse_instance),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda machine, _: machine._extend(None)),
    "APPEND": lambda machine, _: machine._extend(1),
    "SETITEM": lambda machine, _: machine._set_items(2),
    "SETITEMS": lambda machine, _: machine._set_items(None),
    "MARK": Machine._mark,
    "POP": lambda machine, _: machine._take(1),
    "POP_MARK": lambda machine, _: machine._take(),
    "TUPLE": lambda machine, _: machine._push_tuple(None),
    "TUPLE1": lambda machine, _: machine._push_tuple(1),
    "TUPLE2": lambda machine, _: machine._push_tuple(2),
    "TUPLE3": lambda machine, _: machine._push_tuple(3),
    "LIST": lambda machine, _: machine.stack.append(machine._take()),
    "DICT": lambda machine, _: machine.stack.append(_pair_up(machine._take())),
    "BUILD": Machine._build,
    "BINPERSID": Machine._find_persistent,
    "PROTO": Machine._require_protocol,
    "FRAME": lambda machine, _: None,
}


def _plan(opcode: pickletools.OpcodeInfo) -> tuple[Reader | None, bool, Action]:
    """Say how an opcode's argument is read, whether it can be longer than a few bytes, and what is done with it."""
    act = ACTIONS.get(opcode.name) or partial(_refuse_opcode, opcode.name)
    if opcode.arg is None:
        return None, False, act
    return opcode.arg.reader, opcode.arg.n < 0 and opcode.arg.n != pickletools.TAKEN_FROM_ARGUMENT1, act


def _refuse_opcode(name: str, machine: Machine, argument: Any) -> None:
    raise InputError(f"refused: its pickle uses the opcode {name}, which no checkpoint needs")


STEPS = {opcode.code.encode("latin1"): _plan(opcode) for opcode in pickletools.opcodes}


def _require_short(value: Any) -> Any:
    """Return a value as it is, but no integer that Python can hardly print."""
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise InputError("refused: an integer in it has more digits than any checkpoint needs")
    return value


def _require_key(key: Any) -> Any:
    """Return a key that is hashed at once, as tuples within tuples are not."""
    if isinstance(key, tuple):
        raise InputError("refused: a key in it is a tuple, which no checkpoint needs")
    return key


def _pair_up(values: list[Any]) -> dict[Any, Any]:
    """Make a dictionary of keys and values that take turns."""
    return {_require_key(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


def _construct(kind: type, *arguments: Any) -> Any:
    """Make a container, empty or with what is in another, or a `Network`."""
    match arguments:
        case ():
            return kind()
        case (list() | tuple() | set() | dict() as source,) if issubclass(kind, set):
            return {_require_key(key) for key in source}
        case (dict() as source,) if issubclass(kind, dict):
            return dict(source)
        case (list() | tuple() as source,) if issubclass(kind, dict):
            return {_require_key(key): value for key, value in source}
    raise TypeError("a container of what cannot be in it")
