"""Join services by function calls instead of sockets."""

import contextvars
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask
from requests.adapters import BaseAdapter


class WSGIAdapter(BaseAdapter):
    """Send the requests of a :class:`requests.Session` to Flask applications, without sockets."""

    def __init__(self, apps: Mapping[str, Flask]) -> None:
        """Serve each application under the host and port that its key names."""
        super().__init__()
        self._apps = apps

    def send(
        self, request: requests.PreparedRequest, *_args: Any, **_options: Any
    ) -> requests.Response:
        """Call the application that the address names."""
        url = urlsplit(request.url or "")
        if url.netloc not in self._apps:
            message = f"nothing listens at {url.netloc}"
            raise requests.ConnectionError(message)
        # As on another machine, what the callee notes of its request stays with it.
        answer = contextvars.copy_context().run(
            self._apps[url.netloc].test_client().open,
            path=url.path,
            query_string=url.query,
            method=request.method,
            headers=list(request.headers.items()),
            data=request.body,
        )
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers.update(answer.headers)
        response._content = answer.get_data()
        response.request = request
        response.url = request.url or ""
        return response

    def close(self) -> None:
        """Hold nothing open."""
