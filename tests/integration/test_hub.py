# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Uploads to and downloads from a local Hub that speaks real HTTP, with everything that may go wrong on the way."""

import runpy
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from pixio_hf import PixioForPreTraining, PixioImageProcessor
from pixio_hf.hub import requests as hub_requests
from pixio_hf.hub.push import push_folder
from pixio_hf.hub.requests import NUM_TRIES, HubError
from pixio_hf.model_cards.signature import sign_card
from tests.hub_server import READER, WRITER, running_hub
from tests.tiny_models import randomize_weights, tiny_config

SCRIPT = Path(__file__).resolve().parents[2] / "conversion" / "push_to_hub.py"
CARD = "---\nlicense: apache-2.0\nlibrary_name: transformers\n---\n\n# Tiny\n\nText.\n"
NAME = "owner/tiny"
LIBRARY_TRIES = 6  # of huggingface_hub, where it repeats requests itself


@pytest.fixture(scope="session")
def saved(tmp_path_factory) -> Path:
    """A tiny pre-training model in shards, with processor, signed card, and an original .pth beside it."""
    path = tmp_path_factory.mktemp("hub") / "tiny"
    model = randomize_weights(PixioForPreTraining(tiny_config()))
    model.save_pretrained(path, max_shard_size="100KB")
    PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained(path)
    (path / "README.md").write_text(sign_card(CARD))
    (path / "original.pth").write_bytes(b"a pickle that must not travel")
    assert len(list(path.glob("*.safetensors"))) > 2
    return path


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "tiny"))


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with running_hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setenv("HF_TOKEN", WRITER)
        yield hub


@pytest.fixture
def sleeps(monkeypatch) -> list[float]:
    """Seconds that were waited between tries; nobody waits in a test."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def push(hub, folder: Path, repo_id: str = NAME, token: str = WRITER, **options):
    return push_folder(folder, repo_id, api=HfApi(endpoint=hub.url, token=token), **options)


def local_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".pth"}


def remote_files(hub, repo_id: str = NAME, revision: str = "main") -> dict[str, bytes]:
    return {name: content for name, content in hub.repos[repo_id].files(revision).items() if name != ".gitattributes"}


def run_script(*arguments: str | Path) -> int:
    """Exit code of the script, run in this process."""
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        runpy.run_path(str(SCRIPT), run_name="__main__")
    signal.signal(signal.SIGTERM, handler)
    return int(ended.value.code or 0)


def save_in_one_file(folder: Path) -> None:
    for file in list(folder.glob("model*")):
        file.unlink()
    PixioForPreTraining(tiny_config()).save_pretrained(folder)


@pytest.mark.parametrize("chunk_size", [None, 30_000], ids=["basic", "multipart"])
def test_a_push_is_one_private_commit_and_the_second_sends_nothing(hub, folder, chunk_size):
    hub.chunk_size = chunk_size
    result = push(hub, folder, commit_message="First")
    assert remote_files(hub) == local_files(folder)
    assert hub.repos[NAME].private
    assert hub.repos[NAME].messages == ["initial commit", "First"]
    assert result.commit_url == f"{hub.url}/{NAME}/commit/{hub.repos[NAME].branches['main']}"
    hub.heal()
    again = push(hub, folder, private=False)
    assert again.commit_url is None
    assert {file.action for file in again.plan.files} == {"unchanged"}
    assert "exists and is private; an upload does not change that" in again.plan.notes[0]
    assert {request.method for request in hub.requests} == {"GET"}
    assert hub.repos[NAME].private
    (folder / "preprocessor_config.json").write_text("{}")
    hub.heal()
    push(hub, folder)
    assert hub.count("put") == 0
    assert hub.count("commit") == 1
    assert remote_files(hub) == local_files(folder)


def test_other_shards_replace_the_old_ones_on_a_branch(hub, folder):
    push(hub, folder)
    save_in_one_file(folder)
    push(hub, folder, revision="v2")
    assert remote_files(hub, revision="v2") == local_files(folder)
    assert "model.safetensors.index.json" in remote_files(hub)


def test_a_card_that_a_person_edited_stays(hub, folder):
    push(hub, folder)
    (folder / "README.md").write_text(sign_card(CARD + "\nMeasured again.\n"))
    push(hub, folder)
    ours = remote_files(hub)["README.md"]
    assert b"Measured again" in ours
    edited = ours.replace(b"Text.", b"My words.")
    hub.repos[NAME].commit("main", {**hub.repos[NAME].files(), "README.md": edited}, "Edit in the browser")
    (folder / "README.md").write_text(sign_card(CARD + "\nMeasured a third time.\n"))
    (folder / "preprocessor_config.json").write_text("{}")
    plan = push(hub, folder).plan
    assert remote_files(hub) == {**local_files(folder), "README.md": edited}
    assert [file.name for file in plan.select("kept")] == ["README.md"]
    assert "written or edited" in plan.notes[-1]
    assert push(hub, folder).commit_url is None


def test_a_dry_run_only_reads(hub, folder, capsys):
    assert run_script(folder, NAME, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "does not exist" in printed
    assert "stays on this machine: original.pth" in printed
    assert "new       config.json" in printed
    assert not hub.repos
    hub.add_repo(NAME, {"README.md": b"# Mine\n", "config.json": (folder / "config.json").read_bytes()})
    before = dict(hub.repos[NAME].files())
    assert run_script(folder, NAME, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "kept      README.md" in printed
    assert "unchanged config.json" in printed
    assert "is public" in printed
    assert hub.repos[NAME].files() == before
    assert not hub.objects
    assert {request.method for request in hub.requests} == {"GET"}


def test_without_network_a_dry_run_shows_the_local_plan(hub, folder, capsys, monkeypatch, sleeps):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
    assert run_script(folder, NAME, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "local plan only" in printed
    assert "unknown   config.json" in printed
    assert sleeps == [1, 2, 4, 8]
    assert run_script(folder, NAME) == 1
    assert "Check the network" in capsys.readouterr().err
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert run_script(folder, NAME) == 1
    assert "HF_HUB_OFFLINE is set" in capsys.readouterr().err


def test_what_the_user_can_mend_exits_with_2_before_any_request(hub, folder, capsys):
    assert run_script(folder, "no name") == 2
    assert run_script(folder / "nowhere", NAME) == 2
    (folder / "README.md").write_text("# No licence\n")
    assert run_script(folder, NAME) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert all(line.startswith("Error: ") for line in errors)
    assert "states no licence" in errors[2]
    assert not hub.requests
    (folder / "README.md").write_text(CARD)
    hub.add_repo(NAME, {"config.json": b'{"model_type": "vit"}'})
    assert run_script(folder, NAME) == 2
    assert "holds another model" in capsys.readouterr().err
    assert run_script(folder, NAME, "--overwrite") == 0
    assert remote_files(hub) == local_files(folder)


def test_code_travels_and_the_folder_stays_as_it_was(hub, folder):
    before = local_files(folder)
    assert run_script(folder, NAME, "--with-code", "--public") == 0
    sent = remote_files(hub)
    assert b"auto_map" in sent["config.json"]
    assert "modeling_pixio.py" in sent
    assert local_files(folder) == before
    assert all(sent[name] == content for name, content in before.items() if name.startswith("model"))
    assert not hub.repos[NAME].private


@pytest.mark.parametrize(
    ("token", "repo_id", "message"),
    [
        ("hf_unknown", NAME, r"Reading the repository: you are not logged in.*\(401\).*hf auth login"),
        (READER, NAME, r"Uploading: no permission to write to owner/tiny \(403\).*'owner'"),
        (READER, "owner/new", r"Creating the repository: no permission.*\(403\)"),
    ],
)
def test_refusals_are_final_and_say_what_to_do(hub, folder, sleeps, token, repo_id, message):
    hub.add_repo(NAME)
    with pytest.raises(HubError, match=message):
        push(hub, folder, repo_id, token)
    assert not sleeps
    assert remote_files(hub) == {}
    assert not hub.objects


def test_gated_and_missing_repositories(hub, folder, sleeps):
    hub.add_repo(NAME, {"config.json": b"{}"}, gated=True)
    with pytest.raises(HubError, match=r"Reading the repository: owner/tiny is gated .* Ask for it"):
        push(hub, folder)
    with pytest.raises(HubError, match=r"Creating the repository: .*no permission to write to other/tiny \(403\)"):
        push(hub, folder, "other/tiny")  # 404 when read
    hub.add_repo(NAME)
    hub.fail("preupload", status=404, X_Error_Code="RepoNotFound")
    with pytest.raises(HubError, match="owner/tiny disappeared during the upload"):
        push(hub, folder)
    assert not sleeps


@pytest.mark.parametrize(
    ("endpoint", "tries", "step"),
    [
        ("info", NUM_TRIES, "Reading the repository"),
        ("create", NUM_TRIES, "Creating the repository"),
        ("preupload", LIBRARY_TRIES, "Uploading"),
        ("batch", LIBRARY_TRIES, "Uploading"),
        ("verify", LIBRARY_TRIES, "Uploading"),
        ("commit", NUM_TRIES, "Committing"),
    ],
)
def test_failures_that_pass_are_retried_and_others_given_up(hub, folder, sleeps, endpoint, tries, step):
    save_in_one_file(folder)  # so that the number of requests is known
    hub.fail(endpoint, status=503)
    with pytest.raises(
        HubError, match=rf"^{step}: the Hub answered 503 \(planned by the test\), also when tried again"
    ):
        push(hub, folder)
    assert hub.count(endpoint) == tries
    assert sleeps[-1] == 8
    assert len(sleeps) == tries - 1
    assert NAME not in hub.repos or hub.repos[NAME].messages == ["initial commit"], "no half commit"
    hub.heal()
    sleeps.clear()
    hub.fail(endpoint, status=502, times=2)
    if endpoint == "create":
        hub.repos.clear()
    hub.objects.clear()
    assert push(hub, folder).commit_url
    assert sleeps == [1, 2]
    assert remote_files(hub) == local_files(folder)


def test_500_and_dropped_connections_in_the_middle_of_an_upload(hub, folder, sleeps):
    shards = len(list(folder.glob("*.safetensors")))
    hub.fail("put", status=500, times=2, skip=1)
    hub.drop("put", after_bytes=4000, times=2)
    hub.drop("tree", after_bytes=10, times=1)
    push(hub, folder)
    assert remote_files(hub) == local_files(folder)
    assert hub.count("put") == shards + 4
    assert hub.repos[NAME].messages == ["initial commit", "Upload tiny"]
    assert len(sleeps) == 5


def test_the_same_command_sends_only_what_is_missing(hub, folder, sleeps):
    shards = len(list(folder.glob("*.safetensors")))
    hub.fail("put", status=500, skip=2)
    with pytest.raises(HubError, match=r"Uploading: the Hub answered 500 .* the same command continues"):
        push(hub, folder)
    assert len(hub.objects) == 2
    assert remote_files(hub) == {}
    hub.heal()
    push(hub, folder)
    assert hub.count("put") == shards - 2
    assert remote_files(hub) == local_files(folder)


def test_a_commit_whose_answer_is_lost_is_not_made_twice(hub, folder, sleeps):
    hub.drop("commit", times=1, after_work=True)
    result = push(hub, folder)
    assert hub.count("commit") == 2
    assert hub.repos[NAME].messages == ["initial commit", "Upload tiny"]
    assert remote_files(hub) == local_files(folder)
    assert result.commit_url
    assert result.commit_url.endswith(hub.repos[NAME].branches["main"])


def test_a_commit_that_cannot_be_read_back_is_named(hub, folder, sleeps):
    hub.fail("tree", status=500, skip=1)
    with pytest.raises(HubError, match=rf"^{hub.url}/{NAME}/commit/\w+ is made, but could not be read back"):
        push(hub, folder)
    assert remote_files(hub) == local_files(folder)


def test_changes_by_others_and_ignored_files_are_noticed(hub, folder):
    repo = hub.add_repo(NAME)

    def edit_meanwhile(plan):
        repo.commit("main", {**repo.files(), "README.md": b"# Theirs\n"}, "Edit in the browser")

    with pytest.raises(HubError, match="was changed by somebody during the upload"):
        push(hub, folder, show_plan=edit_meanwhile)
    assert remote_files(hub) == {"README.md": b"# Theirs\n"}
    repo.ignored.add("preprocessor_config.json")
    with pytest.raises(HubError, match=r"did not take preprocessor_config.json; does a .gitignore"):
        push(hub, folder)


def test_waits_as_long_as_asked_within_limits(hub, folder, sleeps):
    hub.fail("info", status=429, times=1, Retry_After=7)
    hub.fail("batch", status=429, times=1, Retry_After=5)
    push(hub, folder)
    assert sleeps == [7, 6]  # ours, and huggingface_hub's, which adds one
    hub.heal()
    hub.objects.clear()
    hub.repos.clear()
    hub.fail("batch", status=429, Retry_After=3600)
    with pytest.raises(HubError, match="429 and asks to wait 3600 seconds"):
        push(hub, folder)
    assert hub.count("batch") == 1
    assert len(sleeps) == 2
    assert remote_files(hub) == {}
    hub.heal()
    hub.fail("commit", status=429)
    with pytest.raises(HubError, match=r"Committing: too many requests \(429\), also after waiting"):
        push(hub, folder)
    assert hub.count("commit") == NUM_TRIES


def test_the_hub_s_own_header_of_too_many_requests_is_heeded(hub, folder, sleeps):
    hub.fail("info", status=429, times=1, RateLimit='"api";r=0;t=40')
    hub.fail("commit", status=429, times=1, RateLimit='"api";r=0;t=50')
    push(hub, folder)
    assert sleeps == [40, 50]


def test_an_answer_that_never_comes_is_a_timeout(hub, folder, sleeps, monkeypatch):
    monkeypatch.setattr("pixio_hf.hub.requests.TIMEOUT", hub_requests.httpx.Timeout(0.3))
    hub.slow("create", seconds=30)
    with pytest.raises(HubError, match=r"Creating the repository: no whole answer \(ReadTimeout"):
        push(hub, folder)
    assert hub.count("create") == NUM_TRIES
    assert sleeps == [1, 2, 4, 8]
