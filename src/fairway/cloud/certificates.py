"""The local certificate authority: HTTPS on this machine, with a certificate of its own.

Made at the first HTTPS listener, kept in the cloud's directory, never leaves it.
Whoever trusts `ca.pem` trusts this project's local addresses and nothing else: the
authority's certificate is limited to them by name constraints (RFC 5280, 4.2.1.10).
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fairway.cloud.control.settings import write_private

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY, AUTHORITY_KEY = "ca.pem", "ca-key.pem"
SERVER = "server.pem"
"""The server's certificate and its key, in one file."""

# "Baseline Requirements for TLS Server Certificates", 6.3.2: 398 days at most; clients
# that hold private authorities to it as well accept this.
_SERVER_LIFE = timedelta(days=397)
_AUTHORITY_LIFE = timedelta(days=3650)
_NEAR_END = timedelta(days=30)
# A clock that is a little behind must not refuse what was just made.
_EARLIER = timedelta(hours=1)
# OpenSSL, and so curl, takes no wildcard right below a top-level name; other clients do.
_NAMES = ("localhost", "*.localhost")
_ADDRESS = ipaddress.IPv4Address("127.0.0.1")


def read_clock() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


class LocalAuthority:
    """Makes, keeps and renews the certificates of one local cloud.

    tell: gets a sentence for the user when there is a new authority to trust. now: aware
    time.
    """

    def __init__(
        self,
        directory: Path,
        tell: Callable[[str], None],
        now: Callable[[], datetime] = read_clock,
    ) -> None:
        self._directory = directory
        self._tell = tell
        self._now = now
        self._context: ssl.SSLContext | None = None
        self._renewal = datetime.min.replace(tzinfo=UTC)

    def open_context(self) -> ssl.SSLContext:
        """What HTTPS listeners serve with: TLS 1.2 and 1.3, and HTTP/1.1 by ALPN.

        The certificate is looked at in each handshake, so a cloud that runs for months
        never shows one that has ended. Raises OSError when files cannot be written.
        """
        if self._context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            # "Security policies for your Application Load Balancer", TLS13-1-2-2021-06.
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["http/1.1"])
            self._load(context)
            context.sni_callback = self._renew_in_time
            self._context = context
        return self._context

    def _renew_in_time(self, _: object, __: str | None, context: ssl.SSLContext) -> None:
        if self._now() >= self._renewal:
            self._load(context)

    def _load(self, context: ssl.SSLContext) -> None:
        path = self._directory / SERVER
        certificate = _read_certificate(path)
        authority = _read_certificate(self._directory / AUTHORITY)
        if not (certificate and authority and self._is_good(certificate, authority)):
            certificate = self._issue(path)
        context.load_cert_chain(path)
        self._renewal = certificate.not_valid_after_utc - _NEAR_END

    def _is_good(self, certificate: x509.Certificate, authority: x509.Certificate) -> bool:
        from cryptography.exceptions import InvalidSignature

        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return self._is_fresh(certificate, _NEAR_END)

    def _is_fresh(self, certificate: x509.Certificate, rest: timedelta) -> bool:
        now = self._now()
        return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - rest

    def _open_authority(self) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        certificate = _read_certificate(self._directory / AUTHORITY)
        key = _read_key(self._directory / AUTHORITY_KEY)
        # An authority must outlive what it signs.
        if (
            certificate
            and key
            and certificate.public_key() == key.public_key()
            and self._is_fresh(certificate, _SERVER_LIFE + _NEAR_END)
        ):
            return certificate, key
        return self._make_authority()

    def _make_authority(self) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Fairway local authority ({self._directory.absolute().parent.name})")
        within = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.IPv4Network("127.0.0.0/8")),
        ]
        certificate = (
            self._start(name, name, key, _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.NameConstraints(within, None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        write_private(self._directory / AUTHORITY_KEY, _encode_key(key))
        text = certificate.public_bytes(serialization.Encoding.PEM).decode()
        write_private(self._directory / AUTHORITY, text)
        place = f"{self._directory.name}/{AUTHORITY}"
        self._tell(
            "HTTPS is served with a certificate that this machine signed. Let your browser trust "
            f"{place}, or use curl --cacert {place}."
        )
        return certificate, key

    def _issue(self, path: Path) -> x509.Certificate:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        authority, signing = self._open_authority()
        key = ec.generate_private_key(ec.SECP256R1())
        names = [*map(x509.DNSName, _NAMES), x509.IPAddress(_ADDRESS)]
        issuer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            self._start(_name("localhost"), authority.subject, key, _SERVER_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer),
                critical=False,
            )
            .sign(signing, hashes.SHA256())
        )
        text = certificate.public_bytes(serialization.Encoding.PEM).decode()
        write_private(path, text + _encode_key(key))
        return certificate

    def _start(
        self, name: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, life: timedelta
    ) -> x509.CertificateBuilder:
        from cryptography import x509

        now = self._now()
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLIER)
            .not_valid_after(now + life)
        )


def _name(common: str) -> x509.Name:
    from cryptography import x509

    # RFC 5280, A.1, ub-common-name: 64, which is counted in bytes; a file's name may be any.
    short = common.encode(errors="replace")[:64].decode(errors="ignore")
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, short)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _encode_key(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _read_certificate(path: Path) -> x509.Certificate | None:
    """The certificate in a file; None when there is none, or what is there is damaged."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def _read_key(path: Path) -> EllipticCurvePrivateKey | None:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return None
    return key if isinstance(key, EllipticCurvePrivateKey) else None
