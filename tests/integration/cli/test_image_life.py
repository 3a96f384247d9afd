"""The commands about an image's life."""

from __future__ import annotations

import pytest

from image_library.domain.errors import ImageChanged, ImageInUse
from limiquantix.storage.v1.image_pb import (
    AdoptImageRequest,
    CollectGarbageRequest,
    ConvertImageRequest,
    DeleteImageRequest,
    Deprecation,
    GarbageItem,
    GetImageUsageRequest,
    Image,
    ImageSpec,
    ImageUser,
    ListImagesRequest,
    UpdateImageRequest,
)
from tests.fakes.server import FakeLibrary, image_of
from tests.integration.cli.conftest import Cli


@pytest.fixture
def image(library: FakeLibrary) -> Image:
    found = image_of(library.catalog[0])
    found.etag, found.version, found.current = "before", 2, True
    found.labels["tier"] = "web"
    if found.spec:
        found.spec.shared_projects = ["a", "b"]
    library.images.append(found)
    return found


def sent(library: FakeLibrary) -> UpdateImageRequest:
    [request] = library.asked(UpdateImageRequest)
    return request


def test_only_what_was_given_is_sent_with_what_was_seen(cli: Cli, library: FakeLibrary, image: Image) -> None:
    ended = cli("images", "set", "debian-12", "--description", "", "--rename", "golden")
    assert (ended.code, ended.out) == (0, "Changed debian-12.\n")
    request = sent(library)
    assert (request.id, request.etag) == ("img-1", "before")
    assert request.update_mask is not None
    assert list(request.update_mask.paths) == ["description", "name"]
    assert (request.description, request.name) == ("", "golden")


def test_labels_and_projects_are_added_to_and_taken_from_what_is_there(
    cli: Cli, library: FakeLibrary, image: Image
) -> None:
    words = ("--label", "os=a=b", "--unlabel", "tier", "--share", "c", "--unshare", "a")
    assert cli("images", "set", "debian-12", *words, "--visibility", "project").code == 0
    request = sent(library)
    assert dict(request.labels) == {"os": "a=b"}
    assert list(request.shared_projects) == ["b", "c"]
    assert request.visibility is ImageSpec.Visibility.PROJECT


@pytest.mark.parametrize(
    ("word", "path", "value"),
    [
        ("protect", "protected", True),
        ("unprotect", "protected", False),
        ("hide", "hidden", True),
        ("unhide", "hidden", False),
    ],
)
def test_one_word_sets_one_field(
    cli: Cli, library: FakeLibrary, image: Image, word: str, path: str, value: bool
) -> None:
    assert cli("images", word, "debian-12").code == 0
    request = sent(library)
    assert request.update_mask is not None
    assert list(request.update_mask.paths) == [path]
    assert getattr(request, path) is value


def test_a_deprecation_is_set_and_taken_back(cli: Cli, library: FakeLibrary, image: Image) -> None:
    cli("images", "deprecate", "debian-12", "--reason", "Old.", "--replacement", "debian-13")
    cli("images", "undeprecate", "debian-12")
    first, second = library.asked(UpdateImageRequest)
    assert first.deprecation == Deprecation(deprecated=True, reason="Old.", replacement="debian-13")
    assert second.deprecation is None
    assert second.update_mask is not None
    assert list(second.update_mask.paths) == ["deprecation"]


@pytest.mark.parametrize("words", [(), ("--label", "no-equals")])
def test_nothing_to_change_is_said_before_anybody_is_asked(
    cli: Cli, library: FakeLibrary, image: Image, words: tuple[str, ...]
) -> None:
    assert cli("images", "set", "debian-12", *words).code == 2
    assert library.asked(UpdateImageRequest) == []


def test_who_was_not_quick_enough_is_told_by_an_exit_code(
    cli: Cli, library: FakeLibrary, image: Image
) -> None:
    library.failing["update_image"] = ImageChanged("'debian-12' was changed since it was read.")
    ended = cli("images", "protect", "debian-12", "--json")
    assert (ended.code, ended.document["error"]["code"]) == (13, "image.changed")


def test_hidden_images_are_listed_on_demand_and_found_always(
    cli: Cli, library: FakeLibrary, image: Image
) -> None:
    for words in (("list",), ("list", "--hidden"), ("show", "debian-12")):
        assert cli("images", *words).code == 0
    assert [r.hidden_too for r in library.asked(ListImagesRequest)] == [False, True]


def test_a_list_marks_what_should_be_known(cli: Cli, image: Image) -> None:
    image.protected, image.deprecation = True, Deprecation(deprecated=True, replacement="debian-13")
    assert "ready (deprecated, protected)" in cli("images", "list").out
    shown = cli("images", "show", "debian-12").out
    for words in ("tier=web", "debian-13", "2, current", "a b"):
        assert words in shown


def test_versions_are_those_of_the_name_newest_first(cli: Cli, library: FakeLibrary, image: Image) -> None:
    old = image_of(library.catalog[0], image_id="img-0")
    old.version = 1
    library.images.insert(0, old)
    rows = cli("images", "versions", "img-1").out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["2", "1"]
    asked = library.asked(ListImagesRequest)[-1]
    assert (asked.name, asked.all_versions, asked.hidden_too) == ("debian-12", True, True)


def test_usage_names_every_vm(cli: Cli, library: FakeLibrary, image: Image) -> None:
    library.users = [ImageUser(id="vm-1", name="web", node_id="n", project_id="default", state="stopped")]
    out = cli("images", "usage", "debian-12").out
    for words in ("web", "stopped", "job-9"):
        assert words in out
    assert cli("images", "usage", "debian-12", "--json").document["vms"][0]["name"] == "web"
    assert library.asked(GetImageUsageRequest)[0].image == "img-1"


def test_an_adoption_is_followed_to_its_end(cli: Cli, library: FakeLibrary, image: Image) -> None:
    assert cli("images", "adopt", "debian-12").code == 0
    assert library.asked(AdoptImageRequest)[0].image == "img-1"
    assert cli("images", "adopt", "debian-12", "--no-wait").out == "job-1\n"


def test_a_conversion_is_followed_to_its_end(cli: Cli, library: FakeLibrary, image: Image) -> None:
    assert cli("images", "convert", "debian-12", "--format", "raw", "--name", "golden").code == 0
    asked = library.asked(ConvertImageRequest)[0]
    assert (asked.image, asked.format, asked.name) == ("img-1", "raw", "golden")
    assert cli("images", "convert", "debian-12", "--format", "qcow2", "--compress", "zstd", "--no-wait").out
    assert library.asked(ConvertImageRequest)[1].compression == "zstd"


def test_a_delete_frees_disks_only_when_told_so(cli: Cli, library: FakeLibrary, image: Image) -> None:
    library.failing["delete_image"] = ImageInUse("'debian-12' is the base of the VM web.")
    ended = cli("images", "delete", "debian-12", "--yes")
    assert ended.code == 5
    assert "--cascade flatten" in ended.err
    library.failing.clear()
    assert cli("images", "delete", "debian-12", "--cascade", "flatten", "--yes").code == 0
    cascades = [request.cascade for request in library.asked(DeleteImageRequest)]
    assert cascades[-1] is DeleteImageRequest.Cascade.FLATTEN
    assert cli("images", "delete", "debian-12", "--cascade", "everything").code == 2


def test_garbage_is_a_table_with_its_sum(cli: Cli, library: FakeLibrary) -> None:
    library.garbage = [
        GarbageItem(kind="part", name="ab.part", node_id="n", bytes=3 << 20, reason="Nobody."),
        GarbageItem(kind="record", name="old", reason="It failed."),
    ]
    ended = cli("images", "gc", "--dry-run")
    assert "ab.part" in ended.out
    assert "2 items, 3.0 MiB, would be removed." in ended.err
    assert "warning: box is away." in ended.err
    assert "were removed" in cli("images", "gc").err
    assert [request.dry_run for request in library.asked(CollectGarbageRequest)] == [True, False]
    library.garbage = []
    assert "nothing to remove" in cli("images", "gc").err


def test_a_launch_passes_the_warnings_on(cli: Cli, library: FakeLibrary, image: Image) -> None:
    library.warnings = ("The image 'debian-12' is deprecated. Use 'debian-13' instead.",)
    ended = cli("launch", "debian-12", "--no-wait")
    assert ended.code == 0
    assert "warning: The image 'debian-12' is deprecated. Use 'debian-13' instead." in ended.err
