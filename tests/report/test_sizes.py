"""Tests of sizes as people write them."""

import pytest

from legacy_restore import errors
from legacy_restore.report.sizes import parse_size


@pytest.mark.parametrize(
    "text, size",
    [
        (1, 1),
        (12_884_901_888, 12 * 1024**3),
        ("12GiB", 12 * 1024**3),
        ("12 gib", 12 * 1024**3),
        ("512MB", 512_000_000),
        (" 1.5 GB ", 1_500_000_000),
        ("1.1GB", 1_100_000_000),
        ("0.5KiB", 512),
        ("3 TiB", 3 * 1024**4),
        ("7B", 7),
        ("4096", 4096),
    ],
)
def test_sizes_are_read(text, size):
    assert parse_size("memory_limit", text) == size


@pytest.mark.parametrize(
    "text",
    [
        *("", "GiB", "12G", "12M", "12 GiBs", "1,5GB", "-1GB", "1e9", "1.5", "0GB"),
        *(0, -1, True, 1.5, None, b"12GiB", float("nan")),
    ],
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(errors.UsageError) as caught:
        parse_size("memory_limit", text)
    assert "memory_limit" in str(caught.value)
    assert "GiB" in caught.value.hint
