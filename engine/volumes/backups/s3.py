"""Backups in S3-compatible storage, by MinIO's client: parts go up as they come, nothing waits on this host's disk."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as Timeout

from engine import reach
from engine.errors import EngineError, InvalidArgument, NotFound, PermissionDenied, Unavailable
from engine.volumes.backups.place import PlaceSpec, Readable

PART_BYTES = 16 << 20
_PARTS = 9000
"""Of the 10,000 that one object may have; the rest is for what a guess is wrong by."""
_DENIED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AllAccessDisabled")
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 120.0


class S3Place:
    """Raises InvalidArgument for what is no address."""

    def __init__(self, spec: PlaceSpec) -> None:
        address = urlsplit(spec.endpoint)
        if address.scheme not in ("http", "https") or not address.hostname or address.path.strip("/"):
            raise InvalidArgument(
                "endpoint: give the storage's address such as https://s3.example.com", {"field": "endpoint"}
            )
        self._bucket, self._prefix = spec.bucket, spec.prefix.strip("/")
        self._shown = f"{spec.bucket} at {address.netloc}"
        retries = urllib3.Retry(
            total=4, connect=2, redirect=0, backoff_factor=0.3, status_forcelist=[500, 502, 503, 504],
            allowed_methods=None, raise_on_redirect=False, raise_on_status=False,
        )  # fmt: skip
        http = reach.manager(
            reaches_local=spec.reaches_local,
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
            maxsize=4,
            retries=retries,
            ssl_context=_trust(spec) if address.scheme == "https" else None,
        )
        self._client = Minio(
            address.netloc,
            access_key=spec.access_key or None,
            secret_key=spec.secret_key or None,
            secure=address.scheme == "https",
            region=spec.region or "us-east-1",
            http_client=http,
        )

    def write(self, key: str, content: Readable, size_guess: int) -> None:
        with self._explained():
            self._end_others(key)
            self._client.put_object(
                self._bucket,
                self._name(key),
                cast(BinaryIO, content),
                length=-1,
                part_size=max(PART_BYTES, -(-size_guess // _PARTS >> 20) << 20),
                num_parallel_uploads=1,
                content_type="application/zstd",
            )

    @contextlib.contextmanager
    def read(self, key: str) -> Iterator[Readable]:
        with self._explained():
            answer = self._client.get_object(self._bucket, self._name(key))
        try:
            yield _Body(self, answer)
        finally:
            answer.close()
            answer.release_conn()

    def remove(self, key: str) -> None:
        with self._explained():
            self._client.remove_object(self._bucket, self._name(key))

    def _end_others(self, key: str) -> None:
        """Parts that a death has left cost money until somebody ends their upload. Some storage can't list them."""
        with contextlib.suppress(S3Error):
            found = self._client._list_multipart_uploads(self._bucket, prefix=self._name(key))
            for upload in found.uploads:
                if upload.object_name == self._name(key):
                    self._client._abort_multipart_upload(self._bucket, self._name(key), str(upload.upload_id))

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except EngineError:
            raise
        except S3Error as error:
            raise self._family(error) from error
        except (HTTPError, OSError, MinioException, ValueError) as error:
            advice = "see that it runs, and that its address is right"
            raise Unavailable(f"the storage {self._shown} can't be reached ({_reason(error)}): {advice}") from error

    def _family(self, error: S3Error) -> EngineError:
        if error.code in _DENIED:
            return PermissionDenied(f"the storage {self._shown} refuses its keys ({error.code}): look at them")
        if error.code == "NoSuchBucket":
            return NotFound(f"there is no bucket {self._shown}: make it, or name another one", {"field": "bucket"})
        if error.code in ("NoSuchKey", "NotFound"):
            return NotFound(f"there is no such backup in {self._shown} any more: take another one")
        return Unavailable(f"the storage {self._shown} said {error.code}: {error.message}")


class _Body:
    def __init__(self, place: S3Place, answer: Any) -> None:
        self._place, self._answer = place, answer

    def read(self, size: int, /) -> bytes:
        with self._place._explained():
            return bytes(self._answer.read(size))


def _trust(spec: PlaceSpec) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context()
        if spec.ca_pem:
            context.load_verify_locations(cadata=spec.ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidArgument("ca_pem: give certificates as PEM", {"field": "ca_pem"}) from error
    if not spec.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: BaseException) -> str:
    """What lies at the bottom of it, in the kernel's words where it has any: urllib3's name objects of Python."""
    inner: BaseException | None = error
    while inner is not None:
        error, told = inner, getattr(inner, "reason", None)
        inner = told if isinstance(told, BaseException) else inner.__cause__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it did not answer in time" if isinstance(error, TimeoutError | Timeout) else str(error)
