import pytest

from aidx.config.lines import line_of

TEXT = '''# about ctx_size, which comes below
[device]
vram = [
  "12GiB",  # the first
  "8GiB",
]
host_ram = "16GiB"

[roles.editor]
model = "a model that says ctx_size = 1"
note = """
ctx_size = 3
"""
ctx_size = 8192

[roles]
drafter.ctx_size = 4096
verifier = { model = "m", ctx_size = 2048 }
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("device",), 2),
        (("device", "vram"), 3),
        (("device", "host_ram"), 7),
        (("roles", "editor"), 9),
        (("roles", "editor", "model"), 10),
        (("roles", "editor", "ctx_size"), 14),
        (("roles", "drafter", "ctx_size"), 17),
        (("roles", "verifier", "ctx_size"), 18),
    ],
)
def test_a_key_is_found_on_the_line_that_gives_it(path, line) -> None:
    assert line_of(TEXT, path) == line


@pytest.mark.parametrize("path", [("roles", "editor", "gate"), ("serve", "port"), ("device", "host_ram", "x")])
def test_a_key_that_is_not_given_has_no_line(path) -> None:
    assert line_of(TEXT, path) is None
