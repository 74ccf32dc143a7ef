"""The files of TLS: what is refused at start, and what is taken when they change. `now` is the clock."""

import datetime
import os
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from rime_core import UsageError
from rime_grpc import tls
from rime_grpc.tls import LARGEST, LOOK, RETRY, Certificates
from tests.rime_grpc.certificates import write_server

TODAY = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def self_signed(folder, key, *, begins=TODAY - DAY, ends=TODAY + DAY, usage=None):
    """A certificate that signs for itself, where trustme makes none such."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rime")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begins, ends)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()
    files = {"cert": folder / "tls.crt", "key": folder / "tls.key"}
    files["cert"].write_bytes(builder.sign(key, digest).public_bytes(serialization.Encoding.PEM))
    files["key"].write_bytes(private(key, serialization.NoEncryption()))
    return files


def private(key, encryption):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def refused(files) -> str:
    with pytest.raises(UsageError) as error:
        Certificates(**files)
    said = str(error.value)
    assert said.startswith("grpc: cannot ")
    assert "\n" not in said
    return said


class TestAtStart:
    @pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)])
    def test_good_files_are_taken(self, tmp_path, key):
        Certificates(**self_signed(tmp_path, key))

    def test_one_file_may_hold_both_and_words_around_them(self, tmp_path, authority):
        files = write_server(authority, tmp_path)
        both = tmp_path / "both.pem"
        both.write_bytes("Für rime:\n".encode() + files["key"].read_bytes() + files["cert"].read_bytes())
        Certificates(both, both)

    @pytest.mark.parametrize("option", ["cert", "key", "client_ca"])
    def test_a_file_that_is_not_there_is_named(self, tmp_path, authority, option):
        files = write_server(authority, tmp_path, client_ca=authority)
        files[option].unlink()
        assert refused(files) == f"grpc: cannot read {option}={files[option]}: No such file or directory"

    @pytest.mark.parametrize("option", ["cert", "key", "client_ca"])
    def test_a_file_of_something_else_is_named(self, tmp_path, authority, option):
        files = write_server(authority, tmp_path, client_ca=authority)
        files[option].write_text("hello")
        said = refused(files)
        assert said.startswith(f"grpc: cannot use {option}={files[option]}: it should hold ")
        assert "in PEM form" in said

    def test_a_certificate_in_another_form_is_named(self, tmp_path, authority):
        files = write_server(authority, tmp_path)
        files["cert"].write_bytes(ssl.PEM_cert_to_DER_cert(files["cert"].read_text()))
        assert "it should hold certificates in PEM form" in refused(files)

    def test_a_certificate_cut_in_half_is_named(self, tmp_path, authority):
        files = write_server(authority, tmp_path)
        files["cert"].write_bytes(files["cert"].read_bytes()[:300])
        assert f"cert={files['cert']}: it should hold certificates in PEM form" in refused(files)

    def test_what_is_no_file_is_not_waited_for(self, tmp_path, authority):
        files = write_server(authority, tmp_path)
        files["key"].unlink()
        os.mkfifo(files["key"])
        assert refused(files) == f"grpc: cannot read key={files['key']}: it is no regular file"

    def test_a_path_that_cannot_be_one_is_named(self, tmp_path, authority):
        files = write_server(authority, tmp_path)
        assert "embedded null byte" in refused(files | {"key": tmp_path / "a\0b"})

    def test_a_file_without_end_is_not_read(self, tmp_path, authority):
        files = write_server(authority, tmp_path)
        with files["cert"].open("ab") as file:
            file.truncate(LARGEST + 1)
        assert "it is larger than 1 MiB" in refused(files)

    def test_anothers_key_is_named_with_the_certificate(self, tmp_path, authority):
        files = write_server(authority, tmp_path)
        authority.issue_cert("other.example").private_key_pem.write_to_path(str(files["key"]))
        assert refused(files) == (
            f"grpc: cannot use key={files['key']}: it is not the private key of the first certificate in "
            f"cert={files['cert']}; give two that belong together"
        )

    def test_a_key_with_a_passphrase_is_not_asked_for(self, tmp_path):
        key = ec.generate_private_key(ec.SECP256R1())
        files = self_signed(tmp_path, key)
        files["key"].write_bytes(private(key, serialization.BestAvailableEncryption(b"secret")))
        assert refused(files) == (
            f"grpc: cannot use key={files['key']}: it has a passphrase, which nobody is there to type; "
            f"take it off: openssl pkey -in {files['key']} -out FILE"
        )

    def test_expired(self, tmp_path, authority):
        files = write_server(authority, tmp_path, expires_at=TODAY - DAY)
        assert refused(files) == f"grpc: cannot use cert={files['cert']}: it has expired; renew it"

    def test_not_valid_yet(self, tmp_path):
        files = self_signed(
            tmp_path, ec.generate_private_key(ec.SECP256R1()), begins=TODAY + DAY, ends=TODAY + DAY + DAY
        )
        assert "it is not valid yet; wait, or set this machine's clock" in refused(files)

    def test_a_clients_certificate_is_not_a_servers(self, tmp_path):
        key = ec.generate_private_key(ec.SECP256R1())
        files = self_signed(tmp_path, key, usage=x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH)
        assert "clients would refuse it: unsuitable certificate purpose; make a new one, for a server" in refused(files)

    def test_a_key_too_small(self, tmp_path):
        key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - refused, as it should be
        files = self_signed(tmp_path, key)
        assert refused(files) == f"grpc: cannot use cert={files['cert']}: ee key too small; make a new one"

    @pytest.mark.parametrize(
        ("key", "kind"),
        [
            (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
            (ed448.Ed448PrivateKey.generate(), "Ed448"),
            (ec.generate_private_key(ec.SECP521R1()), "ECDSA P-521"),
        ],
    )
    def test_keys_with_which_grpc_would_fail_every_handshake(self, tmp_path, key, kind):
        files = self_signed(tmp_path, key)
        assert f"its key is of the kind {kind}, which neither gRPC nor Envoy takes" in refused(files)

    def test_keys_that_nobody_takes(self, tmp_path):
        files = self_signed(tmp_path, ec.generate_private_key(ec.SECP256K1()))
        assert "no shared cipher; make a new one" in refused(files)

    def test_a_client_ca_that_is_no_authority(self, tmp_path, authority):
        files = write_server(authority, tmp_path)
        said = refused(files | {"client_ca": files["cert"]})
        assert said.endswith("none of its certificates is that of an authority")

    def test_a_client_ca_that_has_expired(self, tmp_path, authority):
        old, files = tmp_path / "old", write_server(authority, tmp_path, client_ca=authority)
        expired_authority(old)
        assert refused(files | {"client_ca": old}) == f"grpc: cannot use client_ca={old}: it has expired; renew it"
        old.write_bytes(old.read_bytes() + authority.cert_pem.bytes())
        Certificates(files["cert"], files["key"], old)


def expired_authority(path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, TODAY - 2 * DAY, TODAY - DAY)
    made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


class Clock:
    """Each handshake comes a second after the last."""

    now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


class TestWhenTheyChange:
    @pytest.fixture
    def clock(self):
        return Clock()

    @pytest.fixture
    def files(self, tmp_path, authority):
        return write_server(authority, tmp_path, client_ca=authority)

    @pytest.fixture
    def certificates(self, files, clock, caplog):
        caplog.set_level("INFO", "rime_grpc")
        return Certificates(**files, clock=clock)

    def test_nothing_is_new_while_nothing_changes(self, certificates, caplog):
        assert [certificates.renewed() for _ in range(3)] == [None, None, None]
        assert caplog.messages == []

    def test_while_nothing_changes_nothing_is_read(self, certificates, monkeypatch):
        monkeypatch.setattr(tls, "_content", None)
        assert certificates.renewed() is None

    def test_new_files_are_taken_once(self, certificates, authority, files, tmp_path, caplog):
        write_server(authority, tmp_path)
        assert certificates.renewed() is not None
        assert certificates.renewed() is None
        (message,) = caplog.messages
        assert message.startswith(f"new certificates are in use; cert={files['cert']} is valid until ")

    def test_a_new_client_ca_alone_is_taken(self, certificates, files):
        trustme.CA().cert_pem.write_to_path(str(files["client_ca"]))
        assert certificates.renewed() is not None

    def test_the_same_written_again_is_nothing_new(self, certificates, files, caplog):
        for path in files.values():
            path.write_bytes(path.read_bytes())
        assert certificates.renewed() is None
        assert caplog.messages == []

    def test_handshakes_at_one_time_look_once(self, files, authority, tmp_path):
        now = 0.0
        certificates = Certificates(**files, clock=lambda: now)
        write_server(authority, tmp_path)
        now = LOOK / 2
        assert certificates.renewed() is None
        now = LOOK
        assert certificates.renewed() is not None

    def test_a_broken_file_is_said_once_and_what_was_in_use_stays(
        self, certificates, files, authority, tmp_path, caplog
    ):
        good = files["cert"].read_bytes()
        files["cert"].write_text("hello")
        assert [certificates.renewed() for _ in range(3)] == [None, None, None]
        (message,) = caplog.messages
        assert message.startswith(f"grpc: cannot use cert={files['cert']}: it should hold certificates in PEM form")
        assert message.endswith("; the certificates in use stay")
        files["cert"].write_bytes(good)
        assert certificates.renewed() is None
        write_server(authority, tmp_path)
        assert certificates.renewed() is not None
        assert len(caplog.messages) == 2

    def test_a_fault_that_comes_back_is_said_again(self, certificates, files, caplog):
        good = files["cert"].read_bytes()
        for content in (b"hello", good, b"hello"):
            files["cert"].write_bytes(content)
            assert certificates.renewed() is None
        assert [message.startswith("grpc: cannot use cert=") for message in caplog.messages] == [True, True]

    def test_a_certificate_before_its_key_is_taken_when_both_are_there(self, certificates, authority, tmp_path, caplog):
        aside = tmp_path / "aside"
        aside.mkdir()
        new = write_server(authority, aside)
        new["cert"].replace(tmp_path / "tls.crt")
        assert certificates.renewed() is None
        assert "is not the private key of the first certificate" in caplog.text
        new["key"].replace(tmp_path / "tls.key")
        assert certificates.renewed() is not None

    def test_what_failed_for_a_passing_reason_is_tried_again(
        self, certificates, clock, authority, tmp_path, monkeypatch, caplog
    ):
        def fail(*_):
            raise UsageError("Too many open files")

        write_server(authority, tmp_path)
        with monkeypatch.context() as failing:
            failing.setattr(tls, "_content", fail)
            assert certificates.renewed() is None
            clock.now += RETRY
            assert certificates.renewed() is None
        assert len(caplog.messages) == 1
        assert certificates.renewed() is None
        clock.now += RETRY
        assert certificates.renewed() is not None

    def test_what_changes_while_it_is_read_is_read_again(self, certificates, authority, tmp_path, monkeypatch):
        content = tls._content
        written: list[object] = []

        def change(option, path):
            if option == "key" and not written:
                written.append(write_server(authority, tmp_path))
            return content(option, path)

        write_server(authority, tmp_path)
        monkeypatch.setattr(tls, "_content", change)
        assert certificates.renewed() is not None
        assert certificates._material.cert == (tmp_path / "tls.crt").read_bytes()
        assert certificates._material.key == (tmp_path / "tls.key").read_bytes()

    def test_what_is_missing_only_while_it_is_read_is_no_fault(
        self, certificates, files, authority, tmp_path, monkeypatch, caplog
    ):
        content = tls._content

        def appear_after(option, path):
            try:
                return content(option, path)
            except UsageError:
                write_server(authority, tmp_path)
                raise

        files["key"].unlink()
        monkeypatch.setattr(tls, "_content", appear_after)
        assert certificates.renewed() is not None
        assert "cannot read" not in caplog.text

    def test_what_never_rests_is_left_alone(self, certificates, authority, tmp_path, monkeypatch, caplog):
        content = tls._content

        def change(option, path):
            found = content(option, path)
            write_server(authority, tmp_path)
            return found

        write_server(authority, tmp_path)
        with monkeypatch.context() as changing:
            changing.setattr(tls, "_content", change)
            assert certificates.renewed() is None
        assert "changes all the time" in caplog.text
        assert certificates.renewed() is not None

    def test_kubernetes_swap_of_a_link_is_seen(self, authority, tmp_path, clock):
        """A mounted Secret: tls.crt -> ..data/tls.crt, and ..data, a link to a folder, is replaced by a rename."""
        for version in ("..1", "..2"):
            (tmp_path / version).mkdir()
            write_server(authority, tmp_path / version)
        (tmp_path / "..data").symlink_to("..1")
        for name in ("tls.crt", "tls.key"):
            (tmp_path / name).symlink_to(f"..data/{name}")
        certificates = Certificates(tmp_path / "tls.crt", tmp_path / "tls.key", clock=clock)
        assert certificates.renewed() is None

        (tmp_path / "..data_tmp").symlink_to("..2")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        assert certificates.renewed() is not None
        assert certificates._material.cert == (tmp_path / "..2" / "tls.crt").read_bytes()
