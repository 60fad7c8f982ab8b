"""Downloads: whole or not under their name, resumed, checked, and where Hugging Face's own library looks."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from huggingface_hub import scan_cache_dir, try_to_load_from_cache
from tests.fakes.hub import COMMIT, publish, sha256
from tests.fakes.server import once, ranged, say

from aidx.adapters.hub import pull as module
from aidx.adapters.hub.pull import HubCache
from aidx.adapters.reference import HubModel
from aidx.errors import EngineError
from aidx.model.pick import pick

DATA = os.urandom(300_000)
MODEL = HubModel("org/repo", quant="Q4_K_M")
NAME = "a-Q4_K_M.gguf"


class Usage(NamedTuple):
    """What is free on a disk."""

    free: int


def pull(hub, root, *, quant="Q4_K_M", tell=lambda *_: None, revision="main"):
    repo = hub.repo(HubModel("org/repo", quant=quant, revision=revision))
    return HubCache(root).pull(hub, repo, pick(repo.files, quant, "hf.co/org/repo"), revision, tell)


def refused(hub, root):
    with pytest.raises(EngineError) as caught:
        pull(hub, root)
    assert caught.value.hint
    assert caught.value.exit_code == 4
    assert not list(root.rglob("*.gguf"))
    return caught.value


def blobs(root):
    return sorted(path.name for path in (root / "models--org--repo" / "blobs").iterdir())


def test_a_file_lies_where_the_library_of_the_hub_finds_it(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA, "README.md": b"x"})
    seen = []

    (found,) = pull(hub, tmp_path, tell=lambda *step: seen.append(step))

    assert try_to_load_from_cache("org/repo", NAME, cache_dir=tmp_path) == found.path
    assert try_to_load_from_cache("org/repo", NAME, cache_dir=tmp_path, revision=COMMIT) == found.path
    assert Path(found.path).read_bytes() == DATA
    assert str(Path(found.path).readlink()) == f"../../blobs/{sha256(DATA)}"
    assert (seen[0], seen[-1]) == ((NAME, 0, len(DATA)), (NAME, len(DATA), len(DATA)))
    assert blobs(tmp_path) == [sha256(DATA)]


def test_the_library_of_the_hub_counts_it(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA})
    pull(hub, tmp_path)

    info = scan_cache_dir(tmp_path)

    (repo,) = info.repos
    assert (repo.repo_id, repo.size_on_disk, info.warnings) == ("org/repo", len(DATA), [])
    (revision,) = repo.revisions
    assert (revision.commit_hash, set(revision.refs)) == (COMMIT, {"main"})


def test_the_second_time_nothing_is_fetched(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA})
    pull(hub, tmp_path)
    before = len(server.requests)

    (found,) = pull(hub, tmp_path)

    assert not found.fetched
    assert len(server.requests) == before + 1  # the API: is it still the same commit?


def test_a_new_commit_with_the_same_file_is_linked(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA})
    pull(hub, tmp_path)
    publish(server, "org/repo", {NAME: DATA}, commit="f" * 40)
    before = len(server.requests)

    (found,) = pull(hub, tmp_path)

    assert "f" * 40 in found.path
    assert len(server.requests) == before + 1
    assert (tmp_path / "models--org--repo" / "refs" / "main").read_text() == "f" * 40


def test_all_parts_of_a_split_model(server, hub, tmp_path):
    parts = {f"Q4_K_M/a-Q4_K_M-{number:05d}-of-00003.gguf": DATA[: 1000 * number] for number in (3, 1, 2)}
    publish(server, "org/repo", parts)

    found = pull(hub, tmp_path)

    assert [each.file.path for each in found] == sorted(parts)
    assert str(Path(found[0].path).readlink()) == f"../../../blobs/{sha256(DATA[:1000])}"


def test_a_revision_that_is_a_commit_gets_no_reference(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA}, revision=COMMIT)
    pull(hub, tmp_path, revision=COMMIT)

    assert not (tmp_path / "models--org--repo" / "refs").exists()


def incomplete(root, data):
    folder = root / "models--org--repo" / "blobs"
    folder.mkdir(parents=True)
    (folder / f"{sha256(DATA)}.incomplete").write_bytes(data)


@pytest.mark.parametrize("here", [1, 100_000, len(DATA)])
def test_an_interrupted_download_goes_on(server, hub, tmp_path, here):
    publish(server, "org/repo", {NAME: DATA})
    incomplete(tmp_path, DATA[:here])
    seen = []

    (found,) = pull(hub, tmp_path, tell=lambda *step: seen.append(step))

    assert seen[0] == (NAME, here, len(DATA))
    assert [span for span in server.ranges() if span] == ([f"bytes={here}-"] if here < len(DATA) else [])
    assert Path(found.path).read_bytes() == DATA


@pytest.mark.parametrize("other", [b"x" * 1000, b"x" * len(DATA), b"x" * (len(DATA) + 1)])
def test_bytes_of_something_else_are_fetched_again(server, hub, tmp_path, other):
    publish(server, "org/repo", {NAME: DATA})
    incomplete(tmp_path, other)

    (found,) = pull(hub, tmp_path)

    assert Path(found.path).read_bytes() == DATA
    assert blobs(tmp_path) == [sha256(DATA)]


def test_a_connection_that_drops_is_resumed_within_the_run(server, hub, tmp_path):
    good = ranged(DATA)
    cut = {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}", "ETag": '"one"'}
    publish(
        server,
        "org/repo",
        {NAME: DATA},
        handlers={NAME: once(say(206, cut, DATA, cut=90_000), good)},
    )

    assert pull(hub, tmp_path)[0].fetched


def test_bytes_that_are_not_those_that_the_hub_states(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA}, handlers={NAME: ranged(DATA[::-1])})
    told = []

    with pytest.raises(EngineError) as caught:
        pull(hub, tmp_path, tell=lambda *step: told.append(step))

    assert caught.value.code == "wrong_checksum"
    assert told
    assert (NAME, len(DATA), len(DATA)) not in told  # it was never whole
    assert not list(tmp_path.rglob("*.gguf"))
    assert blobs(tmp_path) == []


def test_another_size_than_the_hub_states(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA}, handlers={NAME: ranged(DATA + b"x")})

    assert refused(hub, tmp_path).code == "wrong_size"


def test_a_server_that_goes_away_leaves_what_there_is(server, hub, tmp_path):
    cut = {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}
    handlers = {NAME: once(say(206, cut, DATA, cut=90_000), say(404))}
    publish(server, "org/repo", {NAME: DATA}, handlers=handlers)

    with pytest.raises(Exception, match="nothing of that name"):
        pull(hub, tmp_path)

    assert not list(tmp_path.rglob("*.gguf"))
    (left,) = (tmp_path / "models--org--repo" / "blobs").iterdir()
    assert left.name == f"{sha256(DATA)}.incomplete"
    assert DATA.startswith(left.read_bytes())


def test_no_checksum_no_download(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA}, lies={NAME: {"lfs": None}})

    error = refused(hub, tmp_path)

    assert error.code == "no_checksum"
    assert f"hf download org/repo {NAME}" in error.hint


def test_a_disk_without_room_is_seen_before(server, hub, tmp_path, monkeypatch):
    publish(server, "org/repo", {NAME: DATA})
    usage = Usage(len(DATA))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)

    error = refused(hub, tmp_path)

    assert error.code == "disk_full"
    assert len(server.requests) == 1
    usage = Usage(len(DATA) + module._SPARE)
    pull(hub, tmp_path)


def test_a_disk_that_fills_up(server, hub, tmp_path, monkeypatch):
    publish(server, "org/repo", {NAME: DATA})

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)

    error = refused(hub, tmp_path)

    assert error.code == "disk_full"
    assert "goes on where it stopped" in error.hint


def test_a_cache_that_cannot_be_written(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA})
    root = tmp_path / "file"
    root.write_text("no folder")

    with pytest.raises(EngineError, match="file") as caught:
        pull(hub, root)
    assert caught.value.code == "cannot_write"


def test_two_runs_do_not_write_one_file(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA})
    (tmp_path / "models--org--repo" / "blobs").mkdir(parents=True)
    with module._alone(tmp_path / "models--org--repo" / "blobs" / f"{sha256(DATA)}.incomplete"):
        assert refused(hub, tmp_path).code == "busy"


def test_without_links_the_file_itself_is_in_the_snapshot(server, hub, tmp_path, monkeypatch):
    publish(server, "org/repo", {NAME: DATA})

    def no_links(*_):
        raise OSError("links need a privilege")

    monkeypatch.setattr(module.Path, "symlink_to", no_links)

    (found,) = pull(hub, tmp_path)

    assert not Path(found.path).is_symlink()
    assert try_to_load_from_cache("org/repo", NAME, cache_dir=tmp_path) == found.path
    assert not pull(hub, tmp_path)[0].fetched


def test_a_dangling_link_is_mended(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA})
    pull(hub, tmp_path)
    shutil.rmtree(tmp_path / "models--org--repo" / "blobs")

    assert pull(hub, tmp_path)[0].fetched


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_written_through(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA})
    victim, root = tmp_path / "victim", tmp_path / "cache"
    victim.write_bytes(b"precious")
    folder = root / "models--org--repo"
    for place in (
        f"blobs/{sha256(DATA)}.incomplete",
        f"blobs/{sha256(DATA)}",
        "refs/main",
        f"snapshots/{COMMIT}/{NAME}",
    ):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).symlink_to(victim)

    (found,) = pull(hub, root)

    assert victim.read_bytes() == b"precious"
    assert Path(found.path).resolve().is_relative_to(root)
    assert Path(found.path).read_bytes() == DATA
    assert (folder / "refs" / "main").read_text() == COMMIT


@pytest.mark.parametrize("link", ["blobs", "refs", "snapshots", f"snapshots/{COMMIT}", f"snapshots/{COMMIT}/in"])
def test_a_folder_that_leads_out_of_the_cache_is_refused(server, hub, tmp_path, link):
    publish(server, "org/repo", {f"in/{NAME}": DATA})
    outside, root = tmp_path / "outside", tmp_path / "cache"
    outside.mkdir()
    place = root / "models--org--repo" / link
    place.parent.mkdir(parents=True)
    place.symlink_to(outside)

    assert "is a link out of the cache" in str(refused(hub, root))
    assert list(outside.iterdir()) == []


def test_a_cache_that_is_a_link_itself_is_used(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA})
    (tmp_path / "disk" / "repo").mkdir(parents=True)
    (tmp_path / "cache").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "models--org--repo").symlink_to(tmp_path / "disk" / "repo")

    assert Path(pull(hub, tmp_path / "cache")[0].path).read_bytes() == DATA


def test_a_pipe_in_the_place_of_a_download_is_refused(server, hub, tmp_path):
    publish(server, "org/repo", {NAME: DATA})
    part = tmp_path / "models--org--repo" / "blobs" / f"{sha256(DATA)}.incomplete"
    part.parent.mkdir(parents=True)
    os.mkfifo(part)

    assert "is no file" in str(refused(hub, tmp_path))
