"""Publishes versions of models in the model registry, a storage account: whole, with checksums, and signed where wanted.

The notebooks beside this file import it. It is Python alone, and needs azure-storage-blob, which brings the library
that signs as well.
"""

import base64
import hashlib
import json
import os
import platform
import re
from datetime import datetime, timezone
from pathlib import Path

SIGNATURE = "model.sig"
"""The file with a version's signature, as OpenSSF model signing writes it (github.com/ossf/model-signing-spec)."""

MANIFEST = "model-manifest.json"
"""The file that lists the others with their checksums. It comes last: a version without it is not complete."""

SECRETS = "model-registry"
"""The scope of the secrets."""

STATEMENT_TYPE = "application/vnd.in-toto+json"


def connect(dbutils, account, endpoint="", service_credential=""):
    """Signs in to the registry: by a service credential of Unity Catalog, or else with the account's key."""
    from azure.storage.blob import BlobServiceClient

    if not account:
        raise ValueError("The parameter storage_account is empty: name the storage account of the model registry.")
    # With a service credential, the run signs in with an identity, and nobody needs a key.
    if service_credential:
        credential = dbutils.credentials.getServiceCredentialsProvider(service_credential)
    else:
        key = dbutils.secrets.get(scope=SECRETS, key="storage-key")
        credential = {"account_name": account, "account_key": key}
    return BlobServiceClient(endpoint or f"https://{account}.blob.core.windows.net", credential=credential)


def describe_run(dbutils, libraries):
    """How a model came to be, for its metadata.json. What is not known is None.

    `libraries` are the modules that made it, by the names that pip has for them.
    """
    parameters = dbutils.widgets.getAll()
    run_url = parameters.get("run_url") or None
    job = re.search(r"/jobs/(\d+)/", run_url or "")
    return {
        "trainedAt": _now(),
        "python": platform.python_version(),
        "libraries": {name: module.__version__ for name, module in libraries.items()},
        "gitCommit": parameters.get("git_commit") or None,
        "notebook": _describe_notebook(dbutils),
        "jobId": job and job[1],
        "runId": parameters.get("run_id") or None,
        "runUrl": run_url,
        "parameters": parameters,
    }


def publish(registry, model, version, files, metadata, signing_key=None):
    """Stores a version of a model, so that nobody ever takes half of it for the whole.

    `files` maps paths to their content: bytes, or a Path of a file. `metadata` becomes metadata.json beside them.
    `signing_key` is a private key in PEM, on the curve P-256, P-384 or P-521; without one, the version is not signed.

    The manifest is the first to go when a version is replaced, and the last to come. Returns it.
    """
    container = registry.get_container_client(model)
    if not container.exists():
        container.create_container()

    metadata = {"model": model, "version": version, **metadata}
    contents = {**files, "metadata.json": json.dumps(metadata, indent=2).encode()}
    _refuse_odd_names(contents)
    digests = {path: _sha256(content) for path, content in contents.items()}
    if signing_key:
        contents[SIGNATURE] = sign(model, digests, signing_key)
        digests[SIGNATURE] = _sha256(contents[SIGNATURE])

    folder = f"{version}/"
    left = {blob.name for blob in container.list_blobs(name_starts_with=folder)}
    if folder + MANIFEST in left:
        container.delete_blob(folder + MANIFEST)
    stored = []
    for path, content in contents.items():
        stored.append({**_upload(container, folder + path, content), "path": path, "sha256": digests[path]})
        print(f"stored {model}/{folder}{path} ({stored[-1]['size']:,} bytes)")
    for name in sorted(left - {folder + path for path in [*contents, MANIFEST]}):
        container.delete_blob(name)
        print(f"removed {model}/{name}, which this version no longer has")

    manifest = _manifest(container, model, version, stored)
    # Where somebody else has published the version meanwhile, this fails, and their manifest shows which files are theirs.
    container.upload_blob(folder + MANIFEST, _json_file(manifest), overwrite=False)
    print(f"stored {model}/{folder}{MANIFEST}: the version is complete")
    return manifest


def sign(model, digests, signing_key):
    """The content of model.sig: who holds the key says that the model consists of these files.

    `digests` maps each path to the SHA-256 of the file, in hexadecimal digits.
    """
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = serialization.load_pem_private_key(signing_key.encode(), password=None)
    by_curve = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
    curve = getattr(getattr(key, "curve", None), "name", None)
    if curve not in by_curve:
        raise ValueError("The signing key is of another kind than P-256, P-384 and P-521, with which models are signed.")

    paths = sorted(digests)  # By code points, as the format wants it.
    root = hashlib.sha256(b"".join(bytes.fromhex(digests[path]) for path in paths))
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": model, "digest": {"sha256": root.hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                # What lies beside the files, there and where they are downloaded to.
                "ignore_paths": [".git", ".gitattributes", ".github", ".gitignore", MANIFEST, SIGNATURE],
            },
            "resources": [{"name": path, "algorithm": "sha256", "digest": digests[path]} for path in paths],
        },
    }
    payload = json.dumps(statement).encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(STATEMENT_TYPE), STATEMENT_TYPE.encode(), len(payload), payload)
    public_key = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _json_file(
        {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            # By the digest of the PEM, line breaks and all, the tool of the OpenSSF knows a key.
            "verificationMaterial": {"publicKey": {"hint": _sha256(public_key)}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": STATEMENT_TYPE,
                "signatures": [{"sig": base64.b64encode(key.sign(signed, ec.ECDSA(by_curve[curve]))).decode()}],
            },
        }
    )


def _manifest(container, model, version, files):
    """As docs/model-manifest.schema.json describes it, and as ModelRegistryDownload writes one beside the model."""
    files = sorted(files, key=lambda file: file["path"].encode())
    lines = "".join(f"{file['path']}\0{file['size']}\0{file['sha256']}\n" for file in files)
    names = ("path", "size", "sha256", "md5", "etag", "lastModified")
    return {
        "schemaVersion": 1,
        "name": model,
        "version": version,
        "digest": f"sha256:{_sha256(lines.encode())}",
        "source": {
            "account": container.account_name,
            "container": model,
            "prefix": f"{version}/",
            "endpoint": re.sub(r"^\w+://([^/]+).*", r"\1", container.url),
        },
        "files": [{name: file[name] for name in names} for file in files],
    }


def _upload(container, name, content):
    blob = container.get_blob_client(name)
    if isinstance(content, Path):
        with content.open("rb") as stream:
            answer = blob.upload_blob(stream, overwrite=True)
        size = content.stat().st_size
    else:
        answer = blob.upload_blob(content, overwrite=True)
        size = len(content)
    return {
        "size": size,
        # What was stored in blocks has none.
        "md5": bytes(answer["content_md5"]).hex() if answer.get("content_md5") else None,
        "etag": answer["etag"].strip('"'),
        "lastModified": answer["last_modified"].strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }


def _refuse_odd_names(paths):
    for path in paths:
        if path in (SIGNATURE, MANIFEST) or any(part in ("", ".", "..") for part in path.split("/")):
            raise ValueError(f"A version can't have a file '{path}': give a path below the model, with slashes.")


def _sha256(content):
    digest = hashlib.sha256()
    if isinstance(content, Path):
        with content.open("rb") as stream:
            while part := stream.read(1 << 20):
                digest.update(part)
    else:
        digest.update(content)
    return digest.hexdigest()


def _describe_notebook(dbutils):
    """The path of the notebook that runs, and the SHA-256 of its source as the workspace has it, as far as that tells."""
    try:
        context = dbutils.notebook.entry_point.getDbutils().notebook().getContext()
        path = context.notebookPath().get()
    except Exception:  # Not every kind of compute lets a notebook ask.
        return None
    source = _notebook_source(path)
    return {"path": path, "sha256": source and _sha256(source)}


def _notebook_source(path):
    beside = Path(os.getcwd(), path.rsplit("/", 1)[-1])
    if beside.is_file():
        return beside.read_bytes()
    try:
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.service.workspace import ExportFormat

        exported = WorkspaceClient().workspace.export(path, format=ExportFormat.SOURCE)
        return base64.b64decode(exported.content)
    except Exception:  # Without the library, or the permission.
        return None


def _json_file(value):
    return (json.dumps(value, indent=2) + "\n").encode()


def _now():
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
