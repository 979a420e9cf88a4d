"""Damage: to the bytes of a file, or to what stands behind its checksums."""

import dataclasses
import pathlib
import random
import tempfile
from typing import Callable, Dict, List

from tests.checkpoint.builders import MAGIC, pairs_of, table, varint
from tests.fuzz.seeds import Seed

# What a count, a size or a position may be that no writer meant.
_ODD_NUMBERS = (0, 1, 2, 127, 128, 255, 256, 65535, 1 << 31, (1 << 32) - 1, 1 << 40)
_ODD_NUMBERS += (1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A damaged checkpoint.

    Attributes:
      files: The contents of its files, by their names.
      is_sealed: Whether checksums were made right again after the damage.
      how: What was done, to be read by a person.
    """

    files: Dict[str, bytes]
    is_sealed: bool
    how: str


def mutate(seed: Seed, rng: random.Random) -> Mutant:
    """Returns the seed with one to four pieces of damage to one of its files."""
    name = rng.choice(sorted(seed.files))
    data = seed.files[name]
    if data.endswith(MAGIC) and rng.random() < 0.7:
        damaged = _damage_behind_checksums(data, rng)
        return Mutant({**seed.files, name: damaged}, True, f"{name}, sealed again")
    if rng.random() < 0.03:
        return _without_file(seed, name)
    damaged, how = _damage(data, rng)
    return Mutant({**seed.files, name: damaged}, False, f"{name}: {how}")


def _without_file(seed: Seed, name: str) -> Mutant:
    left = {one: data for one, data in seed.files.items() if one != name}
    return Mutant(left, False, f"no {name}")


def _damage_behind_checksums(data: bytes, rng: random.Random) -> bytes:
    """Changes keys and values of a table and writes it with right checksums."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "table")
        path.write_bytes(data)
        pairs = list(pairs_of(path).items())
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(pairs))
        key, value = pairs[place]
        choice = rng.random()
        if choice < 0.1:
            pairs[place] = (_damage(key, rng)[0], value)
        elif choice < 0.2:
            pairs[place] = (key, rng.choice(pairs)[1])
        elif choice < 0.25 and len(pairs) > 1:
            del pairs[place]
        else:
            pairs[place] = (key, _damage(value, rng)[0])
    if rng.random() < 0.9:  # The writer of a table refuses keys out of order.
        pairs = sorted(dict(pairs).items())
    interval = rng.choice([1, 2, 16])
    return table(pairs, interval, pairs_per_block=rng.choice([None, 1, 3]))


def _damage(data: bytes, rng: random.Random):
    """Returns the damaged bytes, and what was done to them."""
    done = []
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        one = rng.choice(_DAMAGES)
        data = one(data, rng)
        done.append(one.__name__.strip("_"))
    return data, ", ".join(done)


def _flip_a_bit(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return b"\x01"
    place = rng.randrange(len(data))
    changed = bytes([data[place] ^ 1 << rng.randrange(8)])
    return data[:place] + changed + data[place + 1 :]


def _set_a_byte(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    value = rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF])
    return data[:place] + bytes([value]) + data[place + 1 :]


def _put_a_number(data: bytes, rng: random.Random) -> bytes:
    """In the place of a byte: so a varint of one byte becomes any other."""
    place = rng.randrange(len(data) + 1)
    return data[:place] + varint(rng.choice(_ODD_NUMBERS)) + data[place + 1 :]


def _cut_the_end(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _take_out(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randint(1, 9) :]


def _put_in(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    more = bytes(rng.randrange(256) for _ in range(rng.randint(1, 9)))
    return data[:start] + more + data[start:]


def _repeat_a_part(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    part = data[start : start + rng.randint(1, 60)]
    return data[:start] + part * rng.choice([2, 3, 50]) + data[start:]


def _fill_with_zeros(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    part = data[start : start + rng.randint(1, 600)]
    return data[:start] + bytes(len(part)) + data[start + len(part) :]


_DAMAGES: List[Callable[[bytes, random.Random], bytes]] = [
    _flip_a_bit,
    _flip_a_bit,
    _set_a_byte,
    _put_a_number,
    _put_a_number,
    _cut_the_end,
    _take_out,
    _put_in,
    _repeat_a_part,
    _fill_with_zeros,
]
