"""Do what curl does, with the few options that the README uses, where curl may be missing."""

import argparse
import shlex

import requests

PARSER = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
PARSER.add_argument("-s", action="store_true")
PARSER.add_argument("-c", dest="write_jar")
PARSER.add_argument("-b", dest="read_jar")
PARSER.add_argument("-X", dest="method")
PARSER.add_argument("-H", dest="headers", action="append", default=[])
PARSER.add_argument("-d", dest="data")
PARSER.add_argument("url")


class Curl:
    """Run command lines one after the other; cookie jars are kept by name."""

    def __init__(self) -> None:
        self._jars: dict[str, requests.cookies.RequestsCookieJar] = {}

    def run(self, command: str) -> str:
        """Return what the command prints.

        Raises:
            SystemExit: for an option that is not known here.
        """
        program, *arguments = shlex.split(command)
        assert program == "curl", command
        wanted = PARSER.parse_args(arguments)
        headers = dict(line.split(": ", 1) for line in wanted.headers)
        if wanted.data is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        with requests.Session() as session:
            session.trust_env = False
            session.cookies.update(self._jars.get(wanted.read_jar, {}))
            answer = session.request(
                wanted.method or ("GET" if wanted.data is None else "POST"),
                f"http://{wanted.url.removeprefix('http://')}",
                headers=headers,
                data=wanted.data and wanted.data.encode(),
                timeout=15,
            )
            if wanted.write_jar:
                self._jars[wanted.write_jar] = session.cookies
        return answer.text
