"""The local authority: what it signs, what it refuses to be good for, and when it renews."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from fairway.cloud.certificates import AUTHORITY, AUTHORITY_KEY, SERVER, LocalAuthority


class Clock:
    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.time


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """A whole handshake in memory. Raises ssl.SSLError when either side refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    waiting = [theirs, ours]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
        if not waiting:
            return theirs
    raise AssertionError("the handshake does not end")


def trusting(directory: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=directory / AUTHORITY)


def serial(directory: Path, name: str = SERVER) -> int:
    return x509.load_pem_x509_certificate((directory / name).read_bytes()).serial_number


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_local_names_are_certified(tmp_path: Path, name: str) -> None:
    context = LocalAuthority(tmp_path, [].append).open_context()
    client = trusting(tmp_path)
    client.set_alpn_protocols(["h2", "http/1.1"])
    made = shake_hands(context, client, name)
    assert made.version() in ("TLSv1.2", "TLSv1.3")
    assert made.selected_alpn_protocol() == "http/1.1"


def test_names_below_localhost_stand_in_the_certificate(tmp_path: Path) -> None:
    LocalAuthority(tmp_path, [].append).open_context()
    certificate = x509.load_pem_x509_certificate((tmp_path / SERVER).read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "*.localhost"]


def test_other_names_are_not(tmp_path: Path) -> None:
    context = LocalAuthority(tmp_path, [].append).open_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, trusting(tmp_path), "example.com")


def test_old_versions_of_tls_are_refused(tmp_path: Path) -> None:
    context = LocalAuthority(tmp_path, [].append).open_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    client = trusting(tmp_path)
    client.minimum_version = ssl.TLSVersion.TLSv1_2
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shake_hands(context, client, "localhost").version() == "TLSv1.2"


def test_the_authority_can_sign_for_nobody_else(tmp_path: Path) -> None:
    LocalAuthority(tmp_path, [].append).open_context()
    authority = x509.load_pem_x509_certificate((tmp_path / AUTHORITY).read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    permitted = [str(name.value) for name in constraints.value.permitted_subtrees or []]
    assert permitted == ["localhost", "127.0.0.0/8"]


def test_keys_are_the_owners_alone(tmp_path: Path) -> None:
    LocalAuthority(tmp_path, [].append).open_context()
    modes = {(tmp_path / name).stat().st_mode & 0o777 for name in (AUTHORITY_KEY, SERVER)}
    assert modes == {0o600}


def test_everything_is_kept_for_the_next_start(tmp_path: Path) -> None:
    LocalAuthority(tmp_path, [].append).open_context()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    LocalAuthority(tmp_path, [].append).open_context()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_certificate_near_its_end_is_renewed_in_a_handshake(tmp_path: Path) -> None:
    clock = Clock()
    clock.time -= timedelta(days=397 - 31)  # so that what is renewed is good by real time too
    context = LocalAuthority(tmp_path, [].append, clock).open_context()
    client = trusting(tmp_path)
    shake_hands(context, client, "localhost")
    first, authority = serial(tmp_path), serial(tmp_path, AUTHORITY)
    clock.time += timedelta(days=397 - 30)
    shake_hands(context, client, "localhost")
    assert serial(tmp_path) != first
    assert serial(tmp_path, AUTHORITY) == authority


def test_a_new_authority_is_told_of_once(tmp_path: Path) -> None:
    told: list[str] = []
    directory = tmp_path / ".fairway"
    for _ in range(2):
        LocalAuthority(directory, told.append).open_context()
    assert len(told) == 1
    assert "curl --cacert .fairway/ca.pem" in told[0]


def test_an_authority_near_its_end_is_replaced(tmp_path: Path) -> None:
    clock = Clock()
    LocalAuthority(tmp_path, [].append, clock).open_context()
    authority = serial(tmp_path, AUTHORITY)
    clock.time += timedelta(days=3650 - 397)
    LocalAuthority(tmp_path, [].append, clock).open_context()
    assert serial(tmp_path, AUTHORITY) != authority


@pytest.mark.parametrize("name", [AUTHORITY, AUTHORITY_KEY, SERVER])
def test_damaged_files_are_made_anew(tmp_path: Path, name: str) -> None:
    LocalAuthority(tmp_path, [].append).open_context()
    (tmp_path / name).write_text("not a certificate")
    (tmp_path / SERVER).write_text("")
    context = LocalAuthority(tmp_path, [].append).open_context()
    shake_hands(context, trusting(tmp_path), "localhost")


@pytest.mark.parametrize(
    "project", ["メモ帳アプリケーションの見本", "é" * 60, "x" * 200, "a\udce9"]
)
def test_a_project_may_have_any_name(tmp_path: Path, project: str) -> None:
    directory = tmp_path / project / ".fairway"
    directory.mkdir(parents=True)
    context = LocalAuthority(directory, [].append).open_context()
    shake_hands(context, trusting(directory), "localhost")
