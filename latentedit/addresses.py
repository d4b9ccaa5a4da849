"""What a user calls a direction, a name, a file or a channel, and the direction loaded for a generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from latentedit.checkpoints import fingerprint
from latentedit.direction import Direction, Space, check_same_generator, say_widths
from latentedit.downloads import find_item, is_url, list_items, obtain
from latentedit.errors import InputError, about
from latentedit.formats import Entry, ForeignSpace, move_channels, parse_channels, read_channels, read_entries
from latentedit.library import SUFFIX, find_direction, list_directions, read_direction
from latentedit.networks import AnyConfig, Generator
from latentedit.ranges import format_ranges, parse_indices, parse_layers

LIST = ".txt"  # of channels
SUFFIXES = (SUFFIX, LIST, ".npy", ".npz", ".pt", ".pth", ".pkl")  # what tells a file from a name


def load_direction(
    name: str | Path,
    generator: Generator | None,
    any_generator: bool = False,
    space: ForeignSpace | None = None,
) -> Direction:
    """Load a direction for a generator, by its name, its file or its https address, or a channel of StyleSpace.

    What is published, by its name or at an address, is downloaded at its first use. `9_6` moves
    channel 6 of style layer 9 by 1, as the affine gives it; `9_6,12_479` two at once. A file is
    latentedit's .safetensors or one of another tool's (`latentedit.formats`); `FILE:INDEX` or
    `FILE:NAME` picks from a file of many. One that belongs to another generator is an error
    unless `any_generator`, which then also leaves out the layers that this one lacks. Without a
    generator at hand, None, the usual number of layers for the width is assumed where the file
    does not say it, and noted in the provenance. `space` says whether another tool's file is meant
    in `w` or in `z` where the reader cannot know.
    """
    found = load_directions(name, generator, any_generator, space)
    if len(found) > 1:
        path, ends = split_address(str(name))[0], f"{found[0].name} to {found[-1].name}"
        raise InputError(f"{name} holds {len(found)} directions, {ends}: pick one, such as {path}:0")
    return found[0]


def load_directions(
    name: str | Path,
    generator: Generator | None,
    any_generator: bool = False,
    space: ForeignSpace | None = None,
) -> list[Direction]:
    """Load every direction that a name or an address, which may be `FILE:0-9`, stands for; else as `load_direction`."""
    if not is_url(str(name)) and split_address(str(name))[0].suffix.lower() == LIST:
        found = [replace(_make_channels(read_channels(Path(name)), generator), name=Path(name).stem)]
    else:
        found = _read_named(str(name), generator, space)
    for direction in found:
        if space not in (None, direction.space[0]):
            raise InputError(f"{name}: direction {direction.name} is in {direction.space}, not {space}: leave it out")
    if generator is None:
        return found
    with about(name):
        return [fit(direction, generator, any_generator) for direction in found]


def _read_named(name: str, generator: Generator | None, space: ForeignSpace | None) -> list[Direction]:
    """Read a file, one of the library, something published, or channels; the library's own hide the others."""
    owner, num_ws = (None, None) if generator is None else (fingerprint(generator), generator.config.num_ws)
    if is_file_address(name):
        return _read_address(name, num_ws, space)
    if name in list_directions(owner):
        return [read_direction(find_direction(name, owner))]
    if is_address(name):
        return _read_address(name, num_ws, space)
    if parse_channels(name):
        return [_make_channels(name, generator)]
    return [read_direction(find_direction(name, owner))]


def _make_channels(text: str, generator: Generator | None) -> Direction:
    """Make the direction that moves channels of a generator's StyleSpace."""
    if generator is None:
        raise InputError(f"direction {text!r} is a channel of StyleSpace: name the generator too")
    direction = move_channels(text, parse_channels(text) or [], generator.config)
    return replace(direction, generator=fingerprint(generator))


def _read_address(address: str, num_ws: int | None, space: ForeignSpace | None) -> list[Direction]:
    """Read all directions that an address names, laid on `num_ws` layers where the file names none."""
    path, which = locate(address)
    if path.suffix.lower() == SUFFIX:
        return [read_direction(path)]
    entries = read_entries(path)
    with about(path):
        found = [entry.lay(num_ws, space) for entry in choose_entries(entries, which)]
    return [replace(found[0], name=address)] if len(found) == 1 and address in list_items() else found


def fit(direction: Direction, generator: Generator, any_generator: bool = False) -> Direction:
    """Return the direction if it is one of the generator's; `any_generator` asks for no more than its widths."""
    config, last = generator.config, max(direction.layers)
    if direction.widths != space_widths(direction.space, config):
        raise InputError(
            f"direction {direction.name} has width {say_widths(direction.widths)} and layers up to {last}, this "
            f"generator width {say_widths(space_widths(direction.space, config))} and layers 0-{config.num_ws - 1}: "
            "they don't fit"
        )
    if any_generator:
        return _narrow(direction, config.num_ws) if direction.space[0] == "w" else direction
    check_same_generator(direction.name, direction.generator, fingerprint(generator))
    made_for = direction.provenance.get("num_ws")
    if direction.space[0] == "w" and (last >= config.num_ws or made_for not in (None, config.num_ws)):
        raise InputError(
            f"direction {direction.name} is for {made_for or 'more'} layers and moves layers up to {last}, this "
            f"generator has {config.num_ws}: pass --any-generator (any_generator=True) to move those that it has"
        )
    return direction


def space_widths(space: Space, config: AnyConfig) -> tuple[int, ...]:
    """List the widths of a space's layers: one for all layers of W, one for Z, one a style layer."""
    if space == "s":
        return tuple(layer.width for layer in config.style_layers)
    return (config.z_dim if space == "z" else config.w_dim,)


def _narrow(direction: Direction, num_ws: int) -> Direction:
    """Leave out the layers that a generator lacks, and say that it is meant for this one now."""
    held = [i for i, layer in enumerate(direction.layers) if layer < num_ws]
    if not held:
        raise InputError(f"direction {direction.name} moves only layers above the last of this generator, {num_ws - 1}")
    return replace(
        direction,
        vector=direction.vector[held],
        layers=tuple(direction.layers[i] for i in held),
        provenance={**direction.provenance, "num_ws": num_ws},
    )


def choose_layers(text: str, direction: Direction, config: AnyConfig) -> tuple[int, ...]:
    """Read `all`, `4-7` or `coarse` as layers of the direction's space (rows of ws, or style layers) that it moves.

    Raises InputError where it moves none of them.
    """
    asked = _parse_layers(text, direction, config)
    moved = tuple(layer for layer in asked if layer in direction.layers)
    if not moved:
        raise InputError(
            f"--layers {text}: direction {direction.name} moves only layers {format_ranges(direction.layers)}"
        )
    return moved


def _parse_layers(text: str, direction: Direction, config: AnyConfig) -> tuple[int, ...]:
    if direction.space == "s":
        return parse_layers(text, len(config.style_layers), [layer.row for layer in config.style_layers])
    if direction.space == "z" and text.strip() != "all":
        raise InputError(f"--layers {text}: direction {direction.name} moves z, which has no layers: leave it out")
    return parse_layers(text, config.num_ws)


def is_address(text: str) -> bool:
    """Tell what needs no generator to be found, a file or something published, from a name of the library."""
    return is_file_address(text) or find_item(_split_published(text)[0]) is not None


def is_file_address(text: str) -> bool:
    """Tell a file, `FILE:INDEX` or `FILE:NAME` from a name."""
    return not is_url(text) and split_address(text)[0].suffix.lower() in SUFFIXES


def locate(address: str) -> tuple[Path, str]:
    """Return the file of an address and which of its directions is meant, all of them if empty.

    What is published, by its name or at an https address, is downloaded if it is not in the cache.
    """
    name, which = _split_published(address)
    item = None if is_file_address(address) else find_item(name, "direction")
    return (obtain(item), which) if item else split_address(address)


def split_address(text: str) -> tuple[Path, str]:
    """Split `FILE:INDEX` or `FILE:NAME`: -> the file and which of its directions, all of them if empty."""
    path, _, which = text.rpartition(":")
    if Path(path).suffix.lower() in SUFFIXES and not Path(text).exists():
        return Path(path), which
    return Path(text), ""


def _split_published(text: str) -> tuple[str, str]:
    """Split `NAME:INDEX` or `https://...:INDEX`: -> the name or address and which of its directions."""
    name, _, which = text.rpartition(":")
    return (name, which) if name and "/" not in which else (text, "")


def choose_entries(entries: list[Entry], which: str) -> list[Entry]:
    """Pick entries by name or by position; all of them where nothing is asked."""
    named = [entry for entry in entries if which in ("", entry.name)]
    return named or [entries[i] for i in parse_indices(which, len(entries))]
