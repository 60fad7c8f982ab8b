"""Addresses that a person writes."""

import pytest

from aidx.adapters.talk.address import Address, address, bearer
from aidx.errors import InputError


@pytest.mark.parametrize(
    ("url", "found", "shown"),
    [
        ("http://127.0.0.1:8080", Address("http", "127.0.0.1", 8080, ""), "http://127.0.0.1:8080"),
        ("https://api.openai.com/v1/", Address("https", "api.openai.com", 443, "/v1"), "https://api.openai.com/v1"),
        ("http://[::1]:80/", Address("http", "::1", 80, ""), "http://[::1]"),
    ],
)
def test_an_address_has_parts(url, found, shown):
    assert address(url) == found
    assert found.shown == shown


@pytest.mark.parametrize(
    "url", ["", "localhost:8080", "ftp://x", "http://", "http://x:99999", "http://x/?a=b", "http://x/#a"]
)
def test_what_is_none_is_refused(url):
    with pytest.raises(InputError):
        address(url)


def test_a_key_in_an_address_is_refused_and_not_shown():
    with pytest.raises(InputError) as wrong:
        address("https://me:secret@example.com")
    assert "secret" not in str(wrong.value)


@pytest.mark.parametrize("key", ["a\r\nX: y", "a b", "ä", "a\n"])
def test_a_key_cannot_become_another_header(key):
    with pytest.raises(InputError) as wrong:
        bearer(key)
    assert key not in str(wrong.value)
