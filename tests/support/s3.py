"""S3-compatible storage that checks signatures: moto's server, in a process of its own, with one user and one bucket.

python -m tests.support.s3 PORT        prints "keys", and a user's two keys, once it listens
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from minio import Minio

from tests.support.processes import eventually, free_port

BUCKET = "backups"
_SETTING_UP = 3
"""What may be done before whoever asks has to say who he is."""


@dataclass
class Storage:
    """`keys`: those of a user who may do everything in it."""

    process: subprocess.Popen[str]
    port: int
    keys: Mapping[str, str]

    @property
    def client(self) -> Minio:
        """The storage as another program sees it."""
        return Minio(
            f"127.0.0.1:{self.port}", access_key=self.keys["access_key"], secret_key=self.keys["secret_key"],
            secure=False, region="us-east-1",
        )  # fmt: skip

    def names(self) -> list[str]:
        return [str(found.object_name) for found in self.client.list_objects(BUCKET, recursive=True)]

    def uploads(self) -> int:
        """Of how many objects there are parts, and no end."""
        return len(self.client._list_multipart_uploads(BUCKET).uploads)

    def clear(self) -> None:
        for name in self.names():
            self.client.remove_object(BUCKET, name)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def start() -> Storage:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.s3", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(_SETTING_UP)},
    )
    try:
        assert process.stdout is not None
        said = iter(process.stdout)
        access_key, secret_key = next(line for line in said if line.startswith("keys ")).split()[1:]
        storage = Storage(process, port, {"access_key": access_key, "secret_key": secret_key})
        eventually(lambda: storage.client.make_bucket(BUCKET) or True, what="storage")
    except BaseException:
        process.kill()
        raise
    return storage


def main() -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=int(sys.argv[1]))
    server.start()
    iam = boto3.client(
        "iam", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1",
        aws_access_key_id="setup", aws_secret_access_key="setup",
    )  # fmt: skip
    iam.create_user(UserName="portside")
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    iam.put_user_policy(UserName="portside", PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName="portside")["AccessKey"]
    print("keys", key["AccessKeyId"], key["SecretAccessKey"], flush=True)
    server._thread.join()


if __name__ == "__main__":
    main()
