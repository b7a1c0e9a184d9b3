"""Real services, each beside itself (A/A) or beside an older release of itself: `python benchmarks/judgement/services.py FOLDER`.

Installs the services into FOLDER (once), starts the primary, the candidate and a control that is a process of its own (`--control primary`
asks the primary again instead), sends the traffic of `TRAFFIC` through the plugin, and says what each run called different.
`--releases` puts the older release on the primary's side and lists every difference.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import venv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEST = """
import pytest

@pytest.mark.parametrize("path", {paths!r})
def test_path(shadow, path):
    service, _, target = path.rpartition("|")
    headers = {{"Authorization": {signature!r} % service}} if service else {{}}
    for _ in range({calls}):
        shadow.get(target, headers=headers)
"""
SIGNATURE = "AWS4-HMAC-SHA256 Credential=AK/20300101/us-east-1/%s/aws4_request, SignedHeaders=host, Signature=x"
CONFIGURATION = """
[tool.shadowdiff]
timeout = 60
[tool.shadowdiff.targets.v1]
command = {primary}
ready = "{ready}"
[tool.shadowdiff.targets.v2]
command = {candidate}
ready = "{ready}"
"""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that a registry has.

    Attributes:
        package: with its release, and what it needs beside it.
        older: an older release of it.
        command: from its environment's folder of programs; `{folder}` is one with its data.
        paths: what is asked for, by blanks; after the name under which a request is signed, where one is.
        calls: how often each is.
    """

    package: tuple[str, ...]
    older: tuple[str, ...]
    command: tuple[str, ...]
    ready: str
    paths: str
    calls: int = 2


_EC2 = ("Instances", "Regions", "Vpcs", "Subnets", "SecurityGroups", "RouteTables", "NetworkAcls", "AvailabilityZones")

SERVICES = {
    "httpbin": Service(
        ("httpbin==0.10.4", "gunicorn"),
        ("httpbin==0.10.1", "gunicorn", "setuptools<81", "werkzeug<3", "flask<3"),
        ("gunicorn", "-w", "1", "--threads", "4", "-b", "127.0.0.1:{port}", "httpbin:app"),
        "/status/200",
        """/uuid /headers /ip /user-agent /get?a=1 /anything/x /cookies /cookies/set?a=b /cookies/set/x/y /etag/abc /cache /cache/60
            /response-headers?X-A=b /stream/5 /bytes/32 /stream-bytes/64 /range/100 /links/5 /links/5/2 /html /xml /json /robots.txt /deny
            /encoding/utf8 /gzip /deflate /brotli /image/png /image/jpeg /image/svg /base64/SGVsbG8= /delay/0
            /drip?duration=0&numbytes=5 /redirect/2 /relative-redirect/2 /absolute-redirect/1 /redirect-to?url=/get /status/404 /status/418
            /status/500 /status/200,201,202 /basic-auth/a/b /bearer /digest-auth/auth/u/p /hidden-basic-auth/a/b /forms/post /spec.json
            /bytes/8 /stream/20""",
    ),
    "datasette": Service(
        ("datasette==0.65.5", "setuptools<81"),
        ("datasette==0.64.8", "setuptools<81"),
        ("datasette", "serve", "{folder}/x.db", "-p", "{port}"),
        "/-/versions.json",
        """/ /x /x/t /x/t.json /x/t.json?_shape=array /x/t/1 /x/t/1.json /x/t.json?_facet=name /x/t.json?_sort=price&_size=5
            /x.json?sql=select+random() /x.json?sql=select+datetime('now') /x.json?sql=select+*+from+t+order+by+random()+limit+5
            /x.json?sql=select+hex(randomblob(16)) /x/t.csv /-/versions.json /-/metadata.json /-/plugins.json /-/settings.json
            /-/databases.json /-/actor.json /x.json?sql=select+sum(price)+from+t /x/t?name=aaaa /x/t.json?_next=100 /x/nope
            /x.db /-/static/app.css /x?sql=select+random()""",
    ),
    "moto": Service(
        ("moto[server]==5.2.5",),
        ("moto[server]==5.1.0",),
        ("moto_server", "-p", "{port}"),
        "/moto-api/",
        """s3|/ s3|/nobucket moto|/moto-api/data.json moto|/moto-api/ apigateway|/restapis lambda|/2015-03-31/functions/
        sts|/?Action=GetCallerIdentity&Version=2011-06-15 sts|/?Action=GetSessionToken&Version=2011-06-15
        iam|/?Action=ListUsers&Version=2010-05-08 sqs|/?Action=ListQueues&Version=2012-11-05
        sns|/?Action=ListTopics&Version=2010-03-31 cloudformation|/?Action=ListStacks&Version=2010-05-15 """
        + " ".join(f"ec2|/?Action=Describe{what}&Version=2016-11-15" for what in _EC2),
    ),
    "pypiserver": Service(
        ("pypiserver==2.4.2", "setuptools<81"),
        ("pypiserver==2.0.1", "setuptools<81"),
        ("pypi-server", "run", "-p", "{port}", "-P", ".", "-a", ".", "--disable-fallback", "{folder}/packages"),
        "/",
        """/ /simple/ /simple/demo/ /packages/ /packages/demo-1.0.tar.gz /simple/none/ /json/demo /demo/json /favicon.ico /simple
            /simple/DEMO/
            /packages/none.tar.gz /packages/demo-1.1.tar.gz""",
        6,
    ),
    "radicale": Service(
        ("Radicale==3.9.0",),
        ("Radicale==3.1.9", "setuptools<81"),
        (
            *("python", "-m", "radicale", "-H", "127.0.0.1:{port}", "--auth-type", "none"),
            *("--storage-filesystem-folder", "{folder}/collections", "--web-type", "internal"),
        ),
        "/.web/",
        "/ /.web/ /.web/index.html /.well-known/caldav /.well-known/carddav /nobody/ /a/b.ics /.web/css/main.css /.web/fn.js",
        6,
    ),
}


def environment(folder: Path, packages: tuple[str, ...]) -> Path:
    """The folder of programs of an environment with these packages."""
    place = folder / "-".join(packages[0].lower().replace("[server]", "").split("=="))
    if not (place / "ready").exists():
        print(f"installing {' '.join(packages)}", flush=True)
        venv.create(place, with_pip=True)
        subprocess.run([place / "bin" / "python", "-m", "pip", "install", "-q", *packages], check=True)
        (place / "ready").touch()
    return place / "bin"


def data(folder: Path) -> Path:
    """What the services serve: a database, two packages, and an empty store of calendars."""
    made = folder / "data"
    (made / "packages").mkdir(parents=True, exist_ok=True)
    (made / "collections").mkdir(exist_ok=True)
    for release in ("1.0", "1.1"):
        (made / "packages" / f"demo-{release}.tar.gz").write_bytes(f"demo {release}".encode())
    if not (made / "x.db").exists():
        with sqlite3.connect(made / "x.db") as database:
            database.execute("create table t (id integer primary key, name text, price real)")
            rows = [(n, "abcd"[n % 4] * 4, n * 1.25) for n in range(1, 301)]
            database.executemany("insert into t values (?, ?, ?)", rows)
    return made


def command(service: Service, programs: Path, made: Path) -> str:
    """What starts a service, as TOML."""
    first, *rest = (part.replace("{folder}", str(made)) for part in service.command)
    return json.dumps([str(programs / first), *rest])


def once(name: str, folder: Path, control: str, *, releases: bool) -> dict[str, Any]:
    """One run of the plugin; its JSON report."""
    service, made = SERVICES[name], data(folder)
    new = environment(folder, service.package)
    old = environment(folder, service.older) if releases else new
    place = folder / "run" / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "test_service.py").write_text(TEST.format(paths=service.paths.split(), signature=SIGNATURE, calls=service.calls))
    ours, theirs = command(service, old, made), command(service, new, made)
    (place / "pyproject.toml").write_text(CONFIGURATION.format(primary=ours, candidate=theirs, ready=service.ready))
    report = place / "run.json"
    report.unlink(missing_ok=True)
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--shadow-target=v2", f"--shadow-control={control}"]
    done = subprocess.run([*arguments, "--shadow-report=json:run.json"], cwd=place, check=False, capture_output=True, text=True)
    read: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
    if not read or not read["summary"]["pairs"]:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    return read


def told(report: dict[str, Any]) -> Counter[str]:
    """Everything that a run calls a difference, a finding or incomplete, with how often."""
    found: Counter[str] = Counter()
    for pair in report["pairs"]:
        url = pair["request"]["url"]
        if pair["verdict"] == "incomplete":
            found[f"{url} incomplete: {pair['reason']}"] += 1
        for each in pair["differences"] if pair["verdict"] == "different" else ():
            found[f"{url} {each['path']} {each['kind']}: {str(each['primary'])[:90]!r} -> {str(each['candidate'])[:90]!r}"] += 1
    for finding in report["findings"]:
        found[f"{finding['endpoint']} {finding['path']} finding: {finding['what']}"] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--control", default="v1", help="`v1`: a third process; `primary`: the primary itself")
    parser.add_argument("--releases", action="store_true", help="an older release as the primary")
    parser.add_argument("--only", nargs="+", choices=SERVICES, default=list(SERVICES))
    options = parser.parse_args()
    folder = options.folder.resolve()
    for name in options.only:
        summary: Counter[str] = Counter()
        alarms: Counter[str] = Counter()
        clean = 0
        for _ in range(options.runs):
            report = once(name, folder, options.control, releases=options.releases)
            summary.update(report["summary"])
            said = told(report)
            alarms += said
            clean += not said
        counts = ", ".join(f"{summary[verdict]} {verdict}" for verdict in ("same", "noise", "different", "incomplete"))
        print(f"{name:10} control {options.control}: {clean} of {options.runs} runs clean; {summary['pairs']} pairs: {counts}", flush=True)
        for line, count in alarms.most_common():
            print(f"    {count:3} x {line}", flush=True)


if __name__ == "__main__":
    main()
