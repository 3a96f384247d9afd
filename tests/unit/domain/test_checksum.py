"""Publishers' checksum files as they are, and what a hostile or broken one can do (nothing)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain import checksum
from image_library.domain.checksum import (
    Digest,
    decode_checksum_file,
    find_checksum,
    is_sidecar,
    parse_checksums,
    parse_digest,
)
from image_library.domain.errors import ChecksumMissing, InvalidChecksumFile, InvalidDigest, LibraryError

SAMPLES = Path(__file__).parents[2] / "data" / "checksums"
EXPECTED: list[dict[str, Any]] = json.loads((SAMPLES / "expected.json").read_text())
ROWS = [
    pytest.param(sample["file"], row, id=f"{sample['file']}-{row['filename']}")
    for sample in EXPECTED
    for row in sample["rows"]
]
A256, B256 = "a1" * 32, "b2" * 32
A512 = "c3" * 64


def sample_text(name: str) -> str:
    return decode_checksum_file((SAMPLES / name).read_bytes())


def signed(payload: str, *, before: str = "", after: str = "") -> str:
    return (
        f"{before}-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{payload}\n"
        f"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n{after}"
    )


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_finds_what_publishers_state(name: str, row: dict[str, str]) -> None:
    found = find_checksum(
        sample_text(name),
        filename=row["filename"],
        algorithm=row["algorithm"],
        sidecar=name == "alpine-sha512-bare.txt",
    )
    assert found == Digest(algorithm=row["algorithm"], hex=row["hex"])


def test_every_sample_is_listed_with_its_result() -> None:
    assert {sample["file"] for sample in EXPECTED} == {path.name for path in SAMPLES.glob("*.txt")}


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("almalinux-9-checksum.txt", 6),
        ("centos-stream-10-checksum.txt", 4),
        ("fedora-44-checksum-clearsigned.txt", 6),
        ("debian-12-json-manifest.txt", 1),
        ("oracle-linux-9-json.txt", 1),
        ("ubuntu-24.04-sha256sums.txt", 5),
        ("gentoo-latest-txt.txt", 0),
    ],
)
def test_reads_every_row_of_a_file(name: str, count: int) -> None:
    assert len(parse_checksums(sample_text(name))) == count


def test_a_web_page_is_not_a_checksum_file() -> None:
    with pytest.raises(InvalidChecksumFile, match="web page"):
        find_checksum(sample_text("negative-html.txt"), filename="x.qcow2", algorithm="sha256")
    with pytest.raises(InvalidChecksumFile, match="web page"):
        parse_checksums(f"\n <html>\n{A256}  x.qcow2\n</html>")


def test_an_index_without_digests_is_not_a_checksum_file() -> None:
    name = "di-amd64-cloudinit-20261004T164559Z.qcow2"
    with pytest.raises(InvalidChecksumFile, match="no sha256 or sha512"):
        find_checksum(sample_text("gentoo-latest-txt.txt"), filename=name, algorithm="sha256")


@pytest.mark.parametrize(
    "content", [b"\x00\x01", b"\xff\xfe\x00", b"x" * (checksum.MAX_CHECKSUM_FILE_BYTES + 1)]
)
def test_binary_and_huge_files_are_refused(content: bytes) -> None:
    with pytest.raises(InvalidChecksumFile):
        parse_checksums(decode_checksum_file(content))


def test_a_huge_text_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidChecksumFile, match="1 MiB"):
        find_checksum("#" * ((1 << 20) + 1), filename="x", algorithm="sha256")


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    text = decode_checksum_file(f"{A256}  x.qcow2\r\n".encode("utf-8-sig"))
    assert find_checksum(text, filename="x.qcow2", algorithm="sha256").hex == A256


@pytest.mark.parametrize(
    "line",
    [
        f"{A256}  x.qcow2",
        f"{A256} *x.qcow2",
        f"{A256} x.qcow2",
        f"{A256}\tx.qcow2",
        f"{A256} *./x.qcow2",
        f"{A256}  ./x.qcow2",
        f"{A256.upper()}  x.qcow2",
        f"SHA256 (x.qcow2) = {A256}",
        f"SHA256(x.qcow2)= {A256}",
        f"SHA2-256(x.qcow2)= {A256}",
        f"SHA256 (./x.qcow2) = {A256.upper()}",
    ],
)
def test_understands_every_way_to_write_a_row(line: str) -> None:
    text = f"# x.qcow2: 5 bytes\n{line}\n{B256}  y.qcow2\n"
    assert find_checksum(text, filename="x.qcow2", algorithm="sha256") == Digest(algorithm="sha256", hex=A256)


@pytest.mark.parametrize(
    "wanted", ["x.qcow", "x.qcow2.xz", "qcow2", "X.qcow2", "dir/x.qcow2", "", "*x.qcow2"]
)
def test_matches_the_whole_file_name_only(wanted: str) -> None:
    with pytest.raises(ChecksumMissing):
        find_checksum(f"{A256}  x.qcow2\n", filename=wanted, algorithm="sha256")


def test_a_row_of_another_folder_is_another_file() -> None:
    with pytest.raises(ChecksumMissing):
        find_checksum(f"{A256}  old/x.qcow2\n", filename="x.qcow2", algorithm="sha256")


def test_a_missing_row_says_which_file_and_how_many_rows_there_are() -> None:
    text = sample_text("ubuntu-22.04-sha256sums.txt")
    with pytest.raises(ChecksumMissing, match=r"'jammy-server\.img' among its 4 rows"):
        find_checksum(text, filename="jammy-server.img", algorithm="sha256")


def test_two_rows_that_agree_are_one() -> None:
    text = f"{A256}  x\nSHA256 (x) = {A256.upper()}\n"
    assert find_checksum(text, filename="x", algorithm="sha256").hex == A256


def test_two_rows_that_disagree_prove_nothing() -> None:
    with pytest.raises(InvalidChecksumFile, match="different digests"):
        find_checksum(f"{A256}  x\n{B256}  x\n", filename="x", algorithm="sha256")


def test_rows_of_weak_algorithms_are_ignored() -> None:
    text = f"{'0' * 32}  x\n{'0' * 40}  x\nMD5 (x) = {'0' * 32}\n{A512}  x\n"
    assert find_checksum(text, filename="x", algorithm="sha512").hex == A512
    assert [row.digest.algorithm for row in parse_checksums(text)] == ["sha512"]


def test_a_file_of_weak_algorithms_only_is_refused() -> None:
    with pytest.raises(InvalidChecksumFile):
        find_checksum(f"{'0' * 32}  x\n", filename="x", algorithm="sha256")


def test_a_row_of_the_other_algorithm_does_not_count() -> None:
    with pytest.raises(ChecksumMissing, match="no sha512 row"):
        find_checksum(f"{A256}  x\n", filename="x", algorithm="sha512")


@pytest.mark.parametrize(
    "line", [f"SHA512 (x) = {A256}", f"{A256}0  x", f"SHA512/256 (x) = {A256}", f"SHA256 (x) = {A512}"]
)
def test_a_digest_of_the_wrong_length_is_no_digest(line: str) -> None:
    with pytest.raises(ChecksumMissing):
        find_checksum(f"{line}\n{B256}  y\n", filename="x", algorithm="sha256")


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(InvalidDigest):
        find_checksum(f"{A256}  x\n", filename="x", algorithm="md5")


class TestBareDigest:
    def test_counts_for_the_image_that_it_lies_beside(self) -> None:
        for text in (A256, f"{A256}\n", f"  {A256.upper()} \n\n"):
            assert find_checksum(text, filename="x", algorithm="sha256", sidecar=True).hex == A256

    @pytest.mark.parametrize("filename", ["x", ""])
    def test_does_not_count_in_a_folder_wide_file(self, filename: str) -> None:
        with pytest.raises(ChecksumMissing):
            find_checksum(A256, filename=filename, algorithm="sha256")

    @pytest.mark.parametrize("other", [A512, "0" * 32, f"{B256}  y", f"MD5 (x) = {'0' * 32}"])
    def test_does_not_count_beside_another_digest(self, other: str) -> None:
        with pytest.raises(ChecksumMissing):
            find_checksum(f"{A256}\n{other}\n", filename="x", algorithm="sha256", sidecar=True)

    def test_a_sidecar_that_names_another_file_does_not_count(self) -> None:
        with pytest.raises(ChecksumMissing):
            find_checksum(f"{A256}  y\n", filename="x", algorithm="sha256", sidecar=True)

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("https://h/v/x.qcow2.sha512", True),
            ("https://h/v/x.qcow2.SHA256", True),
            ("https://h/v/x.qcow2.CHECKSUM", True),
            ("https://h/v/x.qcow2.SHA256SUM", True),
            ("https://h/v/SHA256SUMS", False),
            ("https://h/v/x.qcow2", False),
            ("https://h/v/xx.qcow2.sha256", False),
            ("https://h/v/x.qcow2.xz.sha256", False),
        ],
    )
    def test_a_sidecar_is_known_by_its_name(self, url: str, expected: bool) -> None:
        assert is_sidecar(checksum_url=url, filename="x.qcow2") is expected


class TestClearsigned:
    def test_only_the_signed_text_counts(self) -> None:
        text = signed(f"{A256}  x", before=f"{B256}  x\n", after=f"{B256}  x\n")
        assert find_checksum(text, filename="x", algorithm="sha256").hex == A256

    def test_a_row_outside_the_signature_is_missing(self) -> None:
        text = signed(f"{A256}  y", before=f"{A256}  x\n", after=f"{A256}  x\n")
        with pytest.raises(ChecksumMissing):
            find_checksum(text, filename="x", algorithm="sha256")

    def test_dash_escapes_are_undone(self) -> None:
        text = signed(f"- -----\n- {A256}  x")
        assert find_checksum(text, filename="x", algorithm="sha256").hex == A256

    def test_a_cut_off_file_is_refused(self) -> None:
        whole = signed(f"{A256}  x")
        for cut in ("-----END PGP SIGNATURE-----", "-----BEGIN PGP SIGNATURE-----", "\n\n"):
            with pytest.raises(InvalidChecksumFile):
                parse_checksums(whole[: whole.index(cut)])

    def test_what_only_looks_like_a_signed_message_is_refused(self) -> None:
        row = f"{A256}  x"
        disguised = signed(row).replace("Hash: SHA256", f"Comment: {row}")
        for text in (disguised, signed(row) + signed(f"{B256}  x"), signed(f"-----x\n{row}")):
            with pytest.raises(InvalidChecksumFile):
                parse_checksums(text)


class TestJson:
    @pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a": 1, "a": 2}', "{'a': 1}"])
    def test_broken_json_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidChecksumFile):
            parse_checksums(text)

    @pytest.mark.parametrize(
        "text",
        ['{"kvm": {"image": 5, "sha256": []}}', '{"kind": "List", "items": [1, {"kind": "Upload"}]}', "[]"],
    )
    def test_other_shapes_hold_no_digest(self, text: str) -> None:
        assert parse_checksums(text) == ()

    def test_a_debian_digest_that_is_not_base64_is_no_digest(self) -> None:
        text = sample_text("debian-12-json-manifest.txt").replace("sha512:pY2G", "sha512:!Y2G")
        assert parse_checksums(text) == ()


class TestDigest:
    @pytest.mark.parametrize(
        "text", [A256, A256.upper(), f"sha256:{A256}", f"SHA256:{A256.upper()}", f" sha-256:{A256}\n"]
    )
    def test_accepts_every_usual_spelling(self, text: str) -> None:
        assert str(parse_digest(text)) == f"sha256:{A256}"
        assert parse_digest(text, algorithm="SHA256").hex == A256

    def test_the_length_tells_the_algorithm(self) -> None:
        assert parse_digest(A512).algorithm == "sha512"

    @pytest.mark.parametrize(
        ("text", "algorithm"),
        [
            ("", ""),
            (A256[:-1], ""),
            (A256 + "0", "sha256"),
            ("g" * 64, "sha256"),
            (A256, "sha512"),
            (f"sha512:{A256}", ""),
            (f"sha512:{A512}", "sha256"),
            (f"md5:{'0' * 32}", ""),
            ("0" * 32, "md5"),
            (f":{A256[:-1]}", ""),
            (f"sha256:sha256:{A256}", ""),
        ],
    )
    def test_refuses_the_rest(self, text: str, algorithm: str) -> None:
        with pytest.raises(InvalidDigest):
            parse_digest(text, algorithm=algorithm)


SIGNATURE_LINES = [
    "-----BEGIN PGP SIGNED MESSAGE-----\n",
    "Hash: SHA256\n",
    "-----BEGIN PGP SIGNATURE-----\n",
    "-----END PGP SIGNATURE-----\n",
]
ROW_PIECES = [A256, A512, "0" * 32, "  ", " *", "x", "\n", "SHA256 (", ") = ", "- ", "#", "\u2028", "\ufeff"]
OTHER_PIECES = ["{", '"kvm"', ":", "[", "<", "\x00", '{"kind": "List", "items": [']
PIECES = st.sampled_from([*ROW_PIECES, *SIGNATURE_LINES, *OTHER_PIECES])


@given(text=st.text() | st.lists(PIECES).map("".join), filename=st.text(max_size=5), sidecar=st.booleans())
def test_no_text_raises_anything_but_our_errors(text: str, filename: str, sidecar: bool) -> None:
    try:
        found = find_checksum(text, filename=filename, algorithm="sha256", sidecar=sidecar)
    except LibraryError:
        return
    assert found.hex in text.lower()


@given(content=st.binary())
def test_no_bytes_raise_anything_but_our_errors(content: bytes) -> None:
    try:
        parse_checksums(decode_checksum_file(content))
    except InvalidChecksumFile:
        return


@given(text=st.text(), algorithm=st.sampled_from(["", "sha256", "sha512", "md5", "SHA-512"]))
def test_no_digest_text_raises_anything_but_our_error(text: str, algorithm: str) -> None:
    try:
        digest = parse_digest(text, algorithm=algorithm)
    except InvalidDigest:
        return
    assert len(digest.hex) in (64, 128)


@given(
    names=st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True), unique=True, min_size=1)
)
def test_every_written_row_is_found_again(names: list[str]) -> None:
    digests = {name: f"{number:064x}" for number, name in enumerate(names)}
    text = "".join(f"{digits}  {name}\n" for name, digits in digests.items())
    for name, digits in digests.items():
        assert find_checksum(text, filename=name, algorithm="sha256").hex == digits


def test_without_a_kind_the_strongest_digest_of_the_file_counts() -> None:
    text = f"{A256}  x\n{A512}  x\n{'1' * 64}  y\n"
    assert find_checksum(text, filename="x", algorithm="").hex == A512
    assert find_checksum(text, filename="y", algorithm="").algorithm == "sha256"
    with pytest.raises(ChecksumMissing, match="no sha512 or sha256 row for 'z'"):
        find_checksum(text, filename="z", algorithm="")
    with pytest.raises(InvalidChecksumFile, match="different digests"):
        find_checksum(f"{text}{'2' * 64}  y\n", filename="y", algorithm="")
