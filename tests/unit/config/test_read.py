import os

import pytest

from aidx.config.places import anything, user_file
from aidx.config.read import load
from aidx.errors import InputError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder, and an empty home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "config"))
    return tmp_path


def write(path, text) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def test_without_anything_the_defaults_hold() -> None:
    assert not anything()
    assert load().origins == {}
    assert load().config.serve.port == 8411


def test_environment_project_and_user_file_are_laid_over_each_other(here, monkeypatch) -> None:
    write(user_file(), '[serve]\nport = 1\nhost = "127.0.0.2"\n[index]\nstore = "qdrant"\n')
    write(here / "aidx.toml", "# mine\n[serve]\nport = 2\n")
    monkeypatch.setenv("AIDX_INDEX_STORE", "pgvector")
    found = load()
    assert anything()
    assert (found.config.serve.port, found.config.serve.host, found.config.index.store) == (2, "127.0.0.2", "pgvector")
    assert found.origin("serve", "port").where == "aidx.toml:3"
    assert found.origin("serve", "host").where == "~/config/aidx/config.toml:3"
    assert found.origin("index", "store").where == "AIDX_INDEX_STORE"


def test_a_named_file_stands_in_for_the_project_s_own(here, monkeypatch) -> None:
    write(here / "aidx.toml", "[serve]\nport = 1\n")
    write(here / "other" / "mine.toml", "[serve]\nport = 2\n")
    write(here / "third.toml", "[serve]\nport = 3\n")
    monkeypatch.setenv("AIDX_CONFIG", "third.toml")
    assert load("other/mine.toml").config.serve.port == 2
    assert load().config.serve.port == 3


def test_a_model_s_path_is_relative_to_its_file(here) -> None:
    write(here / "other" / "models" / "m.gguf", "")
    write(here / "other" / "mine.toml", '[roles.editor]\nmodel = "models/m.gguf"\n[roles.drafter]\nmodel = "a/b"\n')
    roles = load("other/mine.toml").config.roles
    assert roles["editor"].model == os.path.join("other", "models", "m.gguf")  # noqa: PTH118 - a text, not a path
    assert roles["drafter"].model == "a/b"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[serve\n", r"aidx\.toml:1: no TOML: "),
        (b"[serve]\nport = \n", r"aidx\.toml:2: no TOML: "),
        (b"[serve]\nport = 1\nport = 2\n", r"aidx\.toml:3: no TOML: "),
        (b'[serve]\nhost = "', r"aidx\.toml:2: no TOML: "),
        (b"\xff\xfe", r"aidx\.toml: byte 0 is not UTF-8"),
        (b"[serve]\nport = 1\nprt = 2\n", r"aidx\.toml:3: unknown key 'prt'"),
        (b"#" * ((1 << 20) + 1), r"larger than 1,048,576 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(here, content, says) -> None:
    (here / "aidx.toml").write_bytes(content)
    with pytest.raises(InputError, match=says) as refused:
        load()
    assert refused.value.hint


def test_a_byte_order_mark_is_no_error(here) -> None:
    (here / "aidx.toml").write_bytes(b"\xef\xbb\xbf[serve]\nport = 1\n")
    assert load().config.serve.port == 1


def test_what_is_no_file_is_refused(here) -> None:
    with pytest.raises(InputError, match=r"gone\.toml: no such file"):
        load("gone.toml")
    (here / "aidx.toml").mkdir()
    with pytest.raises(InputError, match=r"aidx\.toml: a directory, not a settings file"):
        load()


@pytest.mark.parametrize(
    ("platform", "ends"), [("darwin", "Application Support/aidx/config.toml"), ("win32", "aidx/config.toml")]
)
def test_each_platform_has_its_own_place(monkeypatch, platform, ends) -> None:
    monkeypatch.setattr("sys.platform", platform)
    assert user_file().as_posix().endswith(ends)


@pytest.fixture
def nobody(here):
    """Somebody who may read nothing of root's, where these tests run as root."""
    here.chmod(0o755)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


@pytest.fixture
def hidden(here):
    """A home that only its owner may enter, and not even the owner for now."""
    write(user_file(), "[serve]\nport = 1\n")
    (here / "home").chmod(0)
    yield
    (here / "home").chmod(0o700)


@pytest.mark.usefixtures("hidden", "nobody")
def test_a_user_s_file_that_may_not_be_read_is_left_out_and_named() -> None:
    assert anything()
    found = load()
    assert (found.config.serve.port, found.unread) == (8411, "~/config/aidx/config.toml")


def test_the_project_s_own_file_that_may_not_be_read_is_an_error(here, request) -> None:
    write(here / "aidx.toml", "[serve]\nport = 2\n")
    (here / "aidx.toml").chmod(0)
    request.getfixturevalue("nobody")
    with pytest.raises(InputError, match=r"aidx\.toml: Permission denied"):
        load()
