"""ab (ApacheBench) against a private nginx: short connections, one request each."""

import os
import re
from dataclasses import replace

from sealtune.benchmarks.base import Metric, Reading, latency_metrics
from sealtune.benchmarks.chunks import Chunk, measure_in_chunks
from sealtune.benchmarks.loopback import free_port, listening
from sealtune.benchmarks.plainly import create_plainly, read_plainly
from sealtune.benchmarks.process import Server, last_line
from sealtune.benchmarks.programs import find_program, version_of
from sealtune.benchmarks.tool import ToolAdapter, Watch
from sealtune.errors import BenchmarkFailedError

CLIENTS, PAGE_BYTES = 10, 1024
_CONFIG = """\
worker_processes {workers};
daemon off;
pid {root}/nginx.pid;
error_log {root}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  sendfile on;
  default_type text/html;
  server {{ listen 127.0.0.1:{port}; root {root}/html; }}
}}
"""


class AbAdapter(ToolAdapter):
    """Requests per second of a web server when each request opens its own connection.

    Options: ``clients``, ``keepalive``, ``bytes`` (size of the page); ``url`` of an approved
    server of the person's.
    """

    name = "ab"
    title = "nginx (ab)"
    users = ("www-data", "nginx")
    apt = "apt-get install -y nginx apache2-utils"
    dnf = "dnf install -y nginx httpd-tools"
    accepted = (
        Metric("requests_per_second"),
        *latency_metrics("avg", "p50", "p95", "p99", "max"),
    )
    _server: Server | None = None
    _port = 0

    def find_version(self) -> str | None:
        """Return nginx's version when it and ab are both here."""
        nginx, tool = find_program("nginx"), find_program("ab")
        if tool and "url" in self._options:
            return version_of(tool, "-V")
        return version_of(nginx, "-v") if nginx and tool else None

    def start(self) -> None:
        """Write the configuration and a static page, start nginx."""
        if "url" in self._options:
            return
        place = self.workplace
        html = place.path / "html"
        html.mkdir()
        page = html / "index.html"
        page.write_bytes(b"x" * self.option("bytes", PAGE_BYTES))
        html.chmod(0o755)
        page.chmod(0o644)
        self._serve()

    def settle(self, *, restart: bool) -> None:
        """Restart nginx when asked to: listen queues are sized when the socket is made."""
        if "url" in self._options:
            return
        if restart or self._server is None or not listening(self._port):
            self.stop()
            self._serve()

    def stop(self) -> None:
        """End nginx."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def measure(self, seconds: float, watch: Watch) -> Reading:
        """Run ab in chunks of about half a second."""
        return measure_in_chunks(self._chunk, seconds, limit=self.limit(seconds), watch=watch)

    def _serve(self) -> None:
        place = self.workplace
        self._port = free_port()
        workers = min(4, os.cpu_count() or 1)
        config = place.path / "nginx.conf"
        text = _CONFIG.format(root=place.path, port=self._port, workers=workers)
        with create_plainly(config, 0o644) as file:
            file.write(text.encode())
        self._server = Server(
            [str(find_program("nginx")), "-p", str(place.path), "-c", str(config)],
            account=place.account,
            cwd=place.path,
            log=place.path / "nginx.log",
            room=place.room,
        )
        self._server.wait_until(lambda: listening(self._port))

    def _chunk(self, requests: int, limit: float) -> Chunk:
        clients = self.option("clients", CLIENTS)
        requests = max(requests, clients)
        url = str(self._options.get("url", f"http://127.0.0.1:{self._port}/index.html"))
        load = ["-q", "-c", str(clients), "-n", str(requests)]
        load += ["-k"] if self._options.get("keepalive") else []
        percentiles = self.workplace.path / "percentiles.csv"
        load += ["-e", str(percentiles)]
        outcome = self.child([str(find_program("ab")), *load, url], limit=limit)
        outcome.require("ab")
        # Its report knows whole milliseconds only, this file microseconds.
        table = read_plainly(percentiles)
        percentiles.unlink(missing_ok=True)
        chunk = parse_ab(outcome.stdout)
        return replace(chunk, latency_ms={**chunk.latency_ms, **parse_percentiles(table)})


def parse_ab(text: str) -> Chunk:
    """Read ab's report. Answers other than 2xx and broken ones count as errors, not as requests.

    Raises:
        BenchmarkFailedError: The report is not complete.
    """
    seconds = _number(r"Time taken for tests:\s+([\d.]+)", text)
    complete = _number(r"Complete requests:\s+(\d+)", text)
    rate = _number(r"Requests per second:\s+([\d.]+)", text)
    if not seconds or not complete or not rate:
        raise BenchmarkFailedError(f"ab printed no result: {last_line(text) or 'nothing'}")
    errors = min(int(complete), _errors(text))
    latency = {
        f"p{percent}": float(wait)
        for percent, wait in re.findall(r"^\s+(50|95|99)%\s+(\d+)", text, re.MULTILINE)
    }
    if (longest := _number(r"^\s+100%\s+(\d+)", text)) is not None:
        latency["max"] = longest
    if (mean := _number(r"Time per request:\s+([\d.]+) \[ms\] \(mean\)", text)) is not None:
        latency["avg"] = mean
    # "Time taken" has three decimals, the rate is exact.
    return Chunk(int(complete) - errors, complete / rate, latency, errors)


def parse_percentiles(table: str) -> dict[str, float]:
    """Read the file that ``ab -e`` writes: percentage and milliseconds, one pair a line."""
    found = re.findall(r"^(50|95|99),([\d.]+)$", table, re.MULTILINE)
    return {f"p{percent}": float(wait) for percent, wait in found}


def _errors(text: str) -> int:
    failed = int(_number(r"Failed requests:\s+(\d+)", text) or 0)
    length = int(_number(r"Length: (\d+)", text) or 0)
    other = int(_number(r"Non-2xx responses:\s+(\d+)", text) or 0)
    # An error page usually differs in length too, and is then counted under both names.
    return failed - length + max(length, other)


def _number(pattern: str, text: str) -> float | None:
    found = re.search(pattern, text, re.MULTILINE)
    return float(found.group(1)) if found else None
