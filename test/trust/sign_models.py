"""Signs models with the OpenSSF's own tool, in every way that it can, each beside the model that it is of."""

import datetime
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from model_signing import hashing, signing

PEM = serialization.Encoding.PEM
NOW = datetime.datetime.now(datetime.timezone.utc)


def write_key(folder, name, curve):
    key = ec.generate_private_key(curve)
    plain = serialization.NoEncryption()
    (folder / f"{name}.pem").write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))
    public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub").write_bytes(public)
    return key


def certify(folder, name, key, issuer=None, issuer_key=None, may_issue=False):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    usage = dict.fromkeys(
        "content_commitment key_encipherment data_encipherment key_agreement crl_sign encipher_only decipher_only".split(),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=may_issue, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not may_issue, key_cert_sign=may_issue, **usage), critical=True)
        .sign(issuer_key or key, hashes.SHA256())
    )
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(PEM))
    return certificate


def main(folder):
    model = folder / "model"
    (model / "data").mkdir(parents=True)
    (model / "model.pkl").write_bytes(b"the model")
    (model / "empty").write_bytes(b"")
    (model / "data" / "weights.bin").write_bytes(bytes(range(256)) * 20)
    # Tools differ in which of these comes first.
    (model / "data-more").write_bytes(b"more")

    keys = {name: write_key(folder, name, curve()) for name, curve in CURVES.items()}
    for name in keys:
        signing.Config().use_elliptic_key_signer(private_key=folder / f"{name}.pem").sign(model, folder / f"{name}.sig")
    for name, config in HASHING.items():
        signer = signing.Config().use_elliptic_key_signer(private_key=folder / "p256.pem")
        signer.set_hashing_config(config()).sign(model, folder / f"{name}.sig")

    root_key, between_key = write_key(folder, "root", ec.SECP384R1()), write_key(folder, "between", ec.SECP256R1())
    root = certify(folder, "root", root_key, may_issue=True)
    between = certify(folder, "between", between_key, root, root_key, may_issue=True)
    certify(folder, "p384", keys["p384"], between, between_key)
    signing.Config().use_certificate_signer(
        private_key=folder / "p384.pem",
        signing_certificate=folder / "p384.crt",
        certificate_chain=[folder / "between.crt"],
    ).sign(model, folder / "certificate.sig")


CURVES = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}

HASHING = {
    "blake2": lambda: hashing.Config().use_file_serialization(hashing_algorithm="blake2"),
    "shards": lambda: hashing.Config().use_shard_serialization(hashing_algorithm="sha256", shard_size=1000),
    "shards-blake2": lambda: hashing.Config().use_shard_serialization(hashing_algorithm="blake2", shard_size=1000),
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
