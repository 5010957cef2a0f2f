"""The local serverless platform as a child process, and the signed requests that drive it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from typing import IO, Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session

from workbench.deployments.following import Following
from workbench.errors import DeploymentError
from workbench.session import VARIABLE, session_dir, session_id


@dataclass(frozen=True)
class Access:
    """Where a platform answers and the credentials it takes."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    region: str

    def client(self, timeout_s: float) -> Any:
        """An ordinary boto3 Lambda client that waits as long as the function may take and never retries."""
        return boto3.client(
            "lambda",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=self.region,
            config=Config(retries={"max_attempts": 0}, read_timeout=timeout_s, max_pool_connections=50),
        )

    def client_of(self, service: str) -> Any:
        """An ordinary boto3 client of another AWS service at the same endpoint ("s3"), with boto3's own retries."""
        make: Any = boto3.client  # its types know services by literal names only
        return make(
            service,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=self.region,
        )

    def signed(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> AWSPreparedRequest:
        """A request to the platform with its signature (good for five minutes, as on AWS)."""
        request = AWSRequest(method, self.endpoint + path, headers=headers or {}, data=body)
        credentials = Credentials(self.access_key_id, self.secret_access_key)
        SigV4Auth(credentials, "lambda", self.region).add_auth(request)
        return request.prepare()


class Platform:
    """`workbench serve` as a child of this process; it ends, with all it started, when this process does.

    With `aws` the embedded AWS services run beside it. AWS's pauses between tries of an event are `retry_scale` times
    as long.
    """

    def __init__(
        self, isolation: str, idle_expiry_s: float | None = None, *, aws: bool = False, retry_scale: float = 1.0
    ) -> None:
        session_dir()  # made here, so that it is this process that removes it
        self._lifeline_read, self._lifeline = os.pipe()
        environment = {**os.environ, VARIABLE: session_id(), "WORKBENCH_LIFELINE_FD": str(self._lifeline_read)}
        command = [sys.executable, "-m", "workbench.cli", "serve", "--port", "0", "--isolation", isolation]
        if idle_expiry_s is not None:
            command += ["--idle-expiry-s", str(idle_expiry_s)]
        if aws:
            command.append("--aws")
        if retry_scale != 1:
            command += ["--retry-scale", str(retry_scale)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=(self._lifeline_read,),
            start_new_session=True,  # Ctrl-C is ours to handle; the platform is told to stop in close()
        )
        os.close(self._lifeline_read)
        self._said: deque[str] = deque(maxlen=100)
        self._http = URLLib3Session()
        try:
            self.access = self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def _wait_until_ready(self) -> Access:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        listener = threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True)
        listener.start()
        line = self._process.stdout.readline()
        try:
            ready = json.loads(line)
            access = Access(*(ready[k] for k in ("endpoint", "access_key_id", "secret_access_key", "region")))
        except (ValueError, KeyError, TypeError) as error:
            self._process.wait(10)
            listener.join(1)
            raise DeploymentError(f"The serverless platform did not start:\n{self.last_words()}") from error
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()
        return access

    def _listen(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(ValueError, OSError):  # closed under us by close()
            for line in stream:
                self._said.append(line.decode("utf-8", "replace").rstrip())

    def last_words(self) -> str:
        """The last lines the platform printed."""
        return "\n".join(self._said) or "(it printed nothing)"

    @property
    def pid(self) -> int:
        """The platform's process."""
        return self._process.pid

    def request(self, method: str, path: str, body: bytes = b"") -> Any:
        """The JSON answer to one of the platform's own requests (`/_workbench/...`)."""
        try:
            answer = self._http.send(self.access.signed(method, path, body))
        except HTTPClientError as error:
            raise DeploymentError(
                f"The serverless platform does not answer ({error}). It last said:\n{self.last_words()}"
            ) from error
        if answer.status_code >= 400:
            raise DeploymentError(f"The serverless platform refused {method} {path}: {answer.text[:500]}")
        return json.loads(answer.content) if answer.content else None

    def follow(self, path: str) -> Following:
        """The answer of one of the platform's requests that goes on (`/_workbench/...?follow`): close it."""
        signed = self.access.signed("GET", path)
        headers = {name: v.decode() if isinstance(v, bytes) else v for name, v in signed.headers.items()}
        return Following(self.access.endpoint + path, headers)

    def close(self) -> None:
        """Stop the platform and all its instances."""
        with contextlib.suppress(OSError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._http.close()
