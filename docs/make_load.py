"""Loads a server with fifty clients of every kind for ten minutes, and fills reliability.md.

    python docs/make_load.py [--seconds 600] [--pictures FOLDER]
    python docs/make_load.py --tables      # only the table; measures nothing

Run from the root of the repository; needs Linux, ``restora[web]`` and httpx. Every result is
compared with what the same settings give alone, computed before. The figures are kept in
``docs/benchmarks/load.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import hashlib
import io
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from marked import put, table
from PIL import Image

from restora.engine.restorer import Restorer
from restora.engine.wishes import Wishes
from restora.images import encode

HERE = Path(__file__).parent
KEPT = HERE / "benchmarks" / "load.json"
CLEAN = HERE.parent / "examples" / "clean"
COMMAND = ("serve", "--port", "0", "--keep", "2")
UPLOAD_MOST = 64_000_000  # bytes, as the command has it by itself
CLIENTS = 50
TAKEN = 10  # pictures of a folder
SEED = 1
PAGE_S = 0.5  # between two looks at the page
CALM_S = 130  # after the clients have left, until all they left behind has expired
SLOW_CONNECTIONS = 200
SLOW_S = 60
SIZES = ((96, 64), (160, 120), (200, 300), (333, 251), (512, 384))
LARGE = (1000, 700)  # of one of them
SETTINGS: tuple[dict[str, Any], ...] = (
    {"format": "png"},
    {"format": "jpeg", "quality": 20, "jpeg_quality": 90},
    {"format": "webp", "strength": 60},
    {"format": "tiff", "quality": 35, "strength": 80, "constraint": "off"},
    {"format": "png", "quality": 10, "constraint": "hard"},
)
BAD = {
    "text": b"hello, this is no picture",
    "zeros": bytes(4000),
    "page": b"<html><body>Not found</body></html>",
    "nothing": b"",
}


@dataclass(frozen=True)
class Case:
    """A picture, settings, and the bytes that they give alone."""

    name: str
    data: bytes
    settings: dict[str, Any]
    digest: str
    shown: str  # of the PNG to look at


@dataclass
class Tally:
    """All that came back."""

    answers: collections.Counter[tuple[str, int]] = field(default_factory=collections.Counter)
    right: int = 0
    crossed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)  # answers that are none of those allowed
    left: collections.Counter[str] = field(default_factory=collections.Counter)
    seconds: list[float] = field(default_factory=list)  # of restorations that were accepted
    page_s: list[float] = field(default_factory=list)
    retry_s: list[int] = field(default_factory=list)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def photos(folder: Path | None) -> Iterator[tuple[str, bytes]]:
    """JPEGs: parts of the examples in many sizes, and some of a folder as they are."""
    for number, path in enumerate(sorted(CLEAN.glob("*.avif"))):
        with Image.open(path) as whole:
            for turn, (width, height) in enumerate(SIZES if number else (*SIZES, LARGE)):
                part = whole.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
                out = io.BytesIO()
                part.save(out, "JPEG", quality=10 + 7 * (number + turn) % 60, subsampling=turn % 3)
                yield f"{path.stem}-{width}x{height}.jpg", out.getvalue()
    if folder is not None:
        found = sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".jpeg"))
        for path in found[:: max(1, len(found) // TAKEN)][:TAKEN]:
            yield path.name, path.read_bytes()


def cases(folder: Path | None) -> list[Case]:
    """Every picture with two settings, each restored alone."""
    restorer, made = Restorer(), []
    for number, (name, data) in enumerate(photos(folder)):
        for turn in range(2):
            settings = SETTINGS[(number + 2 * turn) % len(SETTINGS)]
            beside = ("format", "jpeg_quality")
            wishes = Wishes(**{key: each for key, each in settings.items() if key not in beside})
            picture = restorer.restore(data, wishes).picture
            jpeg_quality = settings.get("jpeg_quality")
            file = encode(picture, format=settings["format"], bits=None, quality=jpeg_quality)
            shown = encode(picture, format="PNG", bits=8, quick=True)
            made.append(Case(name, data, settings, digest(file), digest(shown)))
    return made


def png(width: int, height: int, *, rows: int) -> bytes:
    """A PNG of nothing that says it has this size, and holds so many rows."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(1 + 3 * width)) for _ in range(rows)) + packer.flush()
    parts = b""
    for kind, data in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b"")):
        parts += struct.pack(">I", len(data)) + kind + data
        parts += struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + parts


class Clients:
    """What fifty people do to a server."""

    def __init__(self, url: str, every: list[Case], tally: Tally) -> None:
        self.url = url
        self.cases = every
        self.tally = tally
        self.until = 0.0
        host, _, port = url.removeprefix("http://").partition(":")
        self.host, self.port = host, int(port)
        self.bombs = {
            "bomb": png(60_000, 60_000, rows=20),
            "large": png(5000, 4000, rows=4000),  # little to send, much to look at
        }
        self.kinds: dict[Callable[..., Awaitable[None]], int] = {
            self.in_one_go: 36,
            self.inspect: 10,
            self.dial: 18,
            self.bad: 12,
            self.too_large: 1,
            self.leave_sending: 6,
            self.leave_waiting: 6,
            self.leave_dial: 3,
            self.send_slowly: 3,
            self.send_too_slowly: 1,
            self.read_slowly: 3,
            self.never_read: 1,
        }

    async def person(self, number: int) -> None:
        """One after the other until the time is up."""
        dice = random.Random(SEED * 1000 + number)
        limits = httpx.Limits(keepalive_expiry=2)
        async with httpx.AsyncClient(base_url=self.url, timeout=600, limits=limits) as client:
            while time.monotonic() < self.until:
                (act,) = dice.choices(list(self.kinds), list(self.kinds.values()))
                try:
                    await act(client, dice)
                except (httpx.TransportError, OSError, asyncio.IncompleteReadError) as error:
                    self.tally.lost.append(f"{act.__name__}: {type(error).__name__} {error}")

    def count(self, kind: str, answer: httpx.Response, *allowed: int) -> bool:
        """Whether it is a success; anything else has to be a problem that says what to do."""
        status = answer.status_code
        self.tally.answers[kind, status] += 1
        if status in (200, 201, 202, 204):
            if not {200, 201, 202, 204} & set(allowed):
                self.tally.odd.append(f"{kind}: {status}, though it should be refused")
            return True
        told = answer.headers.get("content-type", "")
        sentence = answer.json().get("detail", "") if told == "application/problem+json" else ""
        wait = answer.headers.get("retry-after", "")
        if not sentence.endswith((".", "!")) or status not in (*allowed, 429, 503):
            self.tally.odd.append(f"{kind}: {status} {answer.text[:200]}")
        if status in (429, 503):
            if wait.isdecimal():
                self.tally.retry_s.append(int(wait))
            else:
                self.tally.odd.append(f"{kind}: {status} without Retry-After")
        return False

    async def waited(self, answer: httpx.Response) -> None:
        """As long as a full server says."""
        wait = int(answer.headers.get("retry-after", 0))
        await asyncio.sleep(max(0.0, min(wait, self.until - time.monotonic())))

    def compare(self, case: Case, data: bytes, expected: str, kind: str) -> None:
        if digest(data) == expected:
            self.tally.right += 1
        else:
            of = [each.name for each in self.cases if digest(data) in (each.digest, each.shown)]
            self.tally.crossed.append(f"{kind} of {case.name} {case.settings}: {of or 'nobody'}")

    async def in_one_go(self, client: httpx.AsyncClient, dice: random.Random) -> None:
        case = dice.choice(self.cases)
        began = time.monotonic()
        answer = await client.post(
            "/api/restore", params=case.settings | {"name": case.name}, content=case.data
        )
        if self.count("restore", answer, 200):
            self.tally.seconds.append(time.monotonic() - began)
            self.compare(case, answer.content, case.digest, "restore")
        await self.waited(answer)

    async def inspect(self, client: httpx.AsyncClient, dice: random.Random) -> None:
        case = dice.choice(self.cases)
        params = {"name": case.name}
        answer = await client.post("/api/inspect", params=params, content=case.data)
        if self.count("inspect", answer, 200) and (
            answer.json()["facts"]["file_size_bytes"] != len(case.data)
        ):
            self.tally.crossed.append(f"inspect of {case.name}")
        await self.waited(answer)

    async def dial(self, client: httpx.AsyncClient, dice: random.Random) -> None:
        case = dice.choice(self.cases)
        answer = await client.post("/api/pictures", params={"name": case.name}, content=case.data)
        if not self.count("keep", answer, 201):
            await self.waited(answer)
            return
        kept = f"/api/pictures/{answer.json()['id']}"
        same = [each for each in self.cases if each.data == case.data]
        for turn in same:
            if not await self.turn(client, kept, turn):
                break
        self.count("delete", await client.delete(kept), 204)

    async def turn(self, client: httpx.AsyncClient, kept: str, case: Case) -> bool:
        """One setting of the dial: asked for, followed, looked at and downloaded."""
        beside = ("format", "jpeg_quality")
        wish = {key: each for key, each in case.settings.items() if key not in beside}
        began = time.monotonic()
        answer = await client.post(f"{kept}/restore", json=wish)
        if not self.count("turn", answer, 202):
            await self.waited(answer)
            return False
        version, state = answer.json()["work"]["version"], None
        async with client.stream("GET", f"{kept}/events") as events:
            async for line in events.aiter_lines():
                if line.startswith("data:"):
                    state = json.loads(line[5:])
        if state is None or (state["state"], state["version"]) != ("done", version):
            self.tally.lost.append(f"turn of {case.name}: {state}")
            return False
        self.tally.seconds.append(time.monotonic() - began)
        answer = await client.get(f"{kept}/after", params={"version": version})
        if self.count("view", answer, 200):
            self.compare(case, answer.content, case.shown, "view")
        params = {key: case.settings[key] for key in beside if key in case.settings}
        answer = await client.get(f"{kept}/file", params=params)
        if self.count("download", answer, 200):
            self.compare(case, answer.content, case.digest, "download")
        return True

    async def bad(self, client: httpx.AsyncClient, dice: random.Random) -> None:
        kind = dice.choice([*BAD, "cut", "bomb", "large"])
        path = dice.choice(["/api/restore", "/api/inspect", "/api/pictures"])
        if kind == "large":  # it may be looked at, but would keep all others waiting
            answer = await client.post("/api/inspect", content=self.bombs[kind])
            self.count("large picture", answer, 200)
            return
        whole = dice.choice(self.cases).data
        data = whole[: len(whole) // 2] if kind == "cut" else BAD.get(kind) or self.bombs.get(kind)
        answer = await client.post(path, content=data or b"")
        self.count(f"bad file ({kind})", answer, 413, 422)

    async def too_large(self, client: httpx.AsyncClient, dice: random.Random) -> None:
        answer = await client.post(
            "/api/restore", content=bytes(UPLOAD_MOST + dice.randrange(10**7))
        )
        self.count("too large a file", answer, 413)

    async def leave_sending(self, _: httpx.AsyncClient, dice: random.Random) -> None:
        case = dice.choice(self.cases)
        async with self.sending(case) as (_, writer):
            writer.write(case.data[: len(case.data) // 2])
            await writer.drain()
            await asyncio.sleep(dice.random())
        self.tally.left["while sending"] += 1

    async def leave_waiting(self, _: httpx.AsyncClient, dice: random.Random) -> None:
        case = dice.choice(self.cases)
        async with self.sending(case) as (_, writer):
            writer.write(case.data)
            await writer.drain()
            await asyncio.sleep(3 * dice.random())
        self.tally.left["while waiting"] += 1

    async def leave_dial(self, client: httpx.AsyncClient, dice: random.Random) -> None:
        """A tab that is closed: the picture is kept, and nobody asks for it again."""
        case = dice.choice(self.cases)
        answer = await client.post("/api/pictures", content=case.data)
        if self.count("keep", answer, 201):
            kept = f"/api/pictures/{answer.json()['id']}"
            self.count("turn", await client.post(f"{kept}/restore", json={}), 202)
        self.tally.left["with a picture kept"] += 1

    async def send_slowly(self, _: httpx.AsyncClient, dice: random.Random) -> None:
        """As over a bad line: it takes some 15 seconds."""
        case = dice.choice(self.cases)
        async with self.sending(case) as (reader, writer):
            step = len(case.data) // 15 + 1
            for start in range(0, len(case.data), step):
                writer.write(case.data[start : start + step])
                await writer.drain()
                await asyncio.sleep(1)
            answer = await self.read(reader)
        if self.count("slow sender", answer, 200):
            self.compare(case, answer.content, case.digest, "slow sender")

    async def send_too_slowly(self, _: httpx.AsyncClient, dice: random.Random) -> None:
        """Until the server has had enough."""
        case = dice.choice(self.cases)
        async with self.sending(case, more=10**6) as (reader, writer):
            asked = asyncio.create_task(self.read(reader))
            while not asked.done():
                writer.write(b"\0" * 100)
                await asyncio.sleep(1)
            answer = await asked
        self.count("too slow a sender", answer, 408)

    async def read_slowly(self, _: httpx.AsyncClient, dice: random.Random) -> None:
        """Every result as a TIFF, 40 kB a second; whoever has a larger one waits longer."""
        case = dice.choice([each for each in self.cases if each.settings["format"] == "tiff"])
        async with self.sending(case) as (reader, writer):
            writer.write(case.data)
            answer = await self.read(reader, chunk=10_000, pause_s=0.25)
        if self.count("slow reader", answer, 200):
            self.compare(case, answer.content, case.digest, "slow reader")

    async def never_read(self, _: httpx.AsyncClient, dice: random.Random) -> None:
        case = dice.choice(self.cases)
        async with self.sending(case) as (_, writer):
            writer.write(case.data)
            await asyncio.sleep(45)
        self.tally.left["without reading the answer"] += 1

    @contextlib.asynccontextmanager
    async def sending(self, case: Case, *, more: int = 0) -> Any:
        """A connection that has sent the headers of a restoration."""
        query = httpx.QueryParams(case.settings | {"name": case.name})
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=1 << 16)
        writer.write(
            f"POST /api/restore?{query} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n"
            f"Content-Length: {len(case.data) + more}\r\n\r\n".encode()
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    @staticmethod
    async def read(
        reader: asyncio.StreamReader, *, chunk: int = 1 << 16, pause_s: float = 0.0
    ) -> httpx.Response:
        """An answer, as slowly as that."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        length = int({name.lower(): value for name, value in headers.items()}["content-length"])
        body = b""
        while len(body) < length:
            part = await reader.read(chunk)
            if not part:
                raise asyncio.IncompleteReadError(body, length)
            body += part
            await asyncio.sleep(pause_s)
        return httpx.Response(int(head[0].split()[1]), headers=headers, content=body)

    async def look(self) -> None:
        """At the page and at what the server says of itself, all the time."""
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            while True:
                for path in ("/", "/api/about"):
                    began = time.monotonic()
                    try:
                        answer = await client.get(path)
                        self.tally.page_s.append(time.monotonic() - began)
                        self.count("page", answer, 200)
                    except httpx.TransportError as error:
                        self.tally.lost.append(f"page: {type(error).__name__} {error}")
                await asyncio.sleep(PAGE_S)


class Slow:
    """Connections that send a byte of their headers each second."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.opened = self.closed = 0

    async def one(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(self.host, self.port)
                self.opened += 1
                ended = asyncio.create_task(reader.read())
                for letter in "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + "x" * 10**4:
                    writer.write(letter.encode())
                    await asyncio.wait({ended}, timeout=1)
                    if ended.done():
                        break
                self.closed += 1
                writer.close()
            except OSError:
                self.closed += 1


@dataclass(frozen=True)
class Sample:
    """What a server takes, at one moment."""

    at_s: float
    memory_mb: float
    disk_mb: float
    files: int
    threads: int


def sampled(pid: int, began: float) -> Sample:
    status = Path(f"/proc/{pid}/status").read_text()
    told = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    files, disk = 0, 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            files += 1
            if "restora-" in (name := str(each.readlink())) or "(deleted)" in name:
                disk += each.stat().st_blocks * 512
    memory = int(told["VmRSS"].split()[0]) / 1000
    return Sample(time.monotonic() - began, memory, disk / 1e6, files, int(told["Threads"]))


@contextlib.contextmanager
def served() -> Iterator[tuple[int, str]]:
    """The command in a process of its own: its number and address."""
    command = [sys.executable, "-m", "restora.cli.main", *COMMAND]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, process.stdout.readline().removeprefix("Restora: ").strip()
        finally:
            process.send_signal(signal.SIGINT)


async def load(pid: int, url: str, every: list[Case], seconds: float) -> dict[str, Any]:
    """All clients for a while, then nobody, then slow connections."""
    tally, began, samples = Tally(), time.monotonic(), []
    clients = Clients(url, every, tally)

    async def watch() -> None:
        while True:
            samples.append(sampled(pid, began))
            await asyncio.sleep(1)

    clients.until = began + seconds
    beside = [asyncio.create_task(clients.look()), asyncio.create_task(watch())]
    await asyncio.gather(*(clients.person(number) for number in range(CLIENTS)))
    took_s = time.monotonic() - began
    beside[0].cancel()
    busy = len(samples)
    await asyncio.sleep(CALM_S)
    told = summary(tally, took_s) | {"memory": memory(samples, busy)}

    slow, during = Slow(clients.host, clients.port), Tally()
    others = Clients(url, every, during)
    others.kinds = {others.in_one_go: 1}
    others.until = time.monotonic() + SLOW_S
    tasks = [asyncio.create_task(slow.one()) for _ in range(SLOW_CONNECTIONS)]
    tasks.append(asyncio.create_task(others.look()))
    await asyncio.gather(*(others.person(number) for number in range(3)))
    for task in (*tasks, beside[1]):
        task.cancel()
    await asyncio.gather(*tasks, *beside, return_exceptions=True)
    told["slowloris"] = summary(during, SLOW_S) | {
        "connections": SLOW_CONNECTIONS, "opened": slow.opened, "closed": slow.closed,
    }  # fmt: skip
    return told


def memory(samples: list[Sample], busy: int) -> dict[str, Any]:
    """What the server took: at the start, after a minute, at most, at the end, and left alone."""
    first = next((each for each in samples if each.at_s >= 60), samples[-1])
    half = samples[busy // 2 : busy]
    return {
        "start_mb": samples[0].memory_mb,
        "minute_mb": first.memory_mb,
        "peak_mb": max(each.memory_mb for each in samples),
        "peak_first_half_mb": max(each.memory_mb for each in samples[: busy // 2]),
        "peak_second_half_mb": max(each.memory_mb for each in half),
        "end_mb": samples[busy - 1].memory_mb,
        "calm_mb": samples[-1].memory_mb,
        "disk_peak_mb": max(each.disk_mb for each in samples),
        "disk_calm_mb": samples[-1].disk_mb,
        "files_peak": max(each.files for each in samples),
        "files_calm": samples[-1].files,
        "threads_peak": max(each.threads for each in samples),
        "each_30_s_mb": [round(each.memory_mb) for each in samples[::30]],
    }


def summary(tally: Tally, seconds: float) -> dict[str, Any]:
    answers = collections.defaultdict(dict)
    for (kind, status), count in sorted(tally.answers.items()):
        answers[kind][str(status)] = count
    return {
        "seconds": round(seconds),
        "answers": answers,
        "left": dict(tally.left),
        "right": tally.right,
        "restorations_a_second": len(tally.seconds) / seconds,
        "crossed": tally.crossed,
        "lost": tally.lost,
        "odd": tally.odd,
        "latency_s": quantiles(tally.seconds),
        "page_s": quantiles(tally.page_s),
        "retry_s": quantiles([float(each) for each in tally.retry_s]),
    }


def quantiles(seconds: list[float]) -> dict[str, float]:
    every = sorted(seconds) or [0.0]
    at = {
        f"p{share}": every[min(len(every) - 1, len(every) * share // 100)] for share in (50, 95, 99)
    }
    return {name: round(value, 3) for name, value in at.items()} | {"most": round(every[-1], 3)}


def words(kept: dict[str, Any]) -> str:
    """The section of the page."""
    answers = kept["answers"]

    def statuses(*kinds: str) -> collections.Counter[str]:
        found: collections.Counter[str] = collections.Counter()
        for kind, each in answers.items():
            if any(kind.startswith(name) for name in kinds):
                found.update(each)
        return found

    def said(found: collections.Counter[str]) -> str:
        return ", ".join(f"{count} × {status}" for status, count in sorted(found.items()))

    def row(what: str, *kinds: str, happened: str = "") -> list[str]:
        found = statuses(*kinds)
        return [what, str(found.total()), happened or said(found)]

    slow, page, room = kept["slowloris"], kept["page_s"], kept["memory"]
    wait, again = kept["latency_s"], kept["retry_s"]["p50"]
    asked = sum(sum(each.values()) for each in answers.values()) + len(kept["lost"])
    rows = [
        row("pictures restored in one go", "restore"),
        row("pictures kept, and the dial turned", "keep", "turn", "view", "download", "delete"),
        row("files inspected", "inspect", "large"),
        row("bad files: cut off, text, zeros, a web page, nothing, a bomb", "bad file"),
        row("files above the limit", "too large"),
        row("clients that send 15 s long", "slow sender"),
        row("clients that send 100 bytes a second", "too slow"),
        row("clients that read 40 kB a second", "slow reader"),
    ]
    for how, count in kept["left"].items():
        rows.append([f"clients that left {how}", str(count), "nobody to answer"])
    seen = f"p99 {page['p99']:.2f} s, at most {page['most']:.2f} s"
    held = (
        f"{slow['closed']} ended by the server; the page took {slow['page_s']['p99']:.2f} "
        f"s (p99) and {slow['right']} pictures came right, {len(slow['crossed'])} wrong"
    )
    wrong, lost = f"**{len(kept['crossed'])}**", f"**{len(kept['lost'])}**"
    folder = " --pictures FOLDER" if kept["folder"] else ""
    compared = str(kept["right"] + len(kept["crossed"]))
    rows += [
        row("looks at the page meanwhile", "page", happened=seen),
        ["connections that send a byte of their headers a second", f"{slow['connections']}", held],
        ["**results that were wrong, or somebody else's**", compared, wrong],
        ["**requests that got no answer**", str(asked), lost],
    ]
    at = {
        "start": "start",
        "after a minute": "minute",
        "most, 1st half": "peak_first_half",
        "most, 2nd half": "peak_second_half",
        "at the end": "end",
        "left alone": "calm",
    }
    memory_row = ["memory in MB", *(f"{room[f'{name}_mb']:.0f}" for name in at.values())]
    return "\n\n".join(
        (
            f"{kept['clients']} clients do all of this by chance, one thing after the other, to "
            "`restora serve --keep 2`. Each result is compared with what its settings give alone.",
            f"    python docs/make_load.py --seconds {kept['asked_s']}{folder}",
            table(["what was tried", "how many", "what happened"], rows, right_from=9),
            f"It took {kept['seconds'] / 60:.0f} minutes on {kept['cores']} cores that other work "
            "shared; the slow connections came afterwards, for a minute. "
            f"`Retry-After` said {again:.0f} s mostly. "
            f"{kept['restorations_a_second']:.1f} restorations a second; who was let in waited "
            f"{wait['p50']:.0f} s (median), {wait['p95']:.0f} (p95) or {wait['p99']:.0f} s (p99).",
            table(["the server's", *at], [memory_row]),
            f"Temporary files took {room['disk_peak_mb']:.0f} MB at most, and at most "
            f"{room['files_peak']} files and connections were open. Once all had left and `--keep` "
            f"was over, {room['disk_calm_mb']:.0f} MB lay on the disk, and {room['files_calm']} "
            "files were open.",
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600, help="how long")
    parser.add_argument("--pictures", type=Path, help="a folder with JPEGs, besides the examples")
    parser.add_argument("--out", type=Path, default=KEPT, help="where the figures go")
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    if not arguments.tables:
        every = cases(arguments.pictures)
        with served() as (pid, url):
            found = asyncio.run(load(pid, url, every, arguments.seconds))
        about = {"cores": os.cpu_count(), "clients": CLIENTS, "cases": len(every)}
        about["folder"] = arguments.pictures is not None
        kept = about | {"asked_s": arguments.seconds} | found
        arguments.out.write_text(json.dumps(kept, indent=1) + "\n")
    if arguments.out == KEPT:
        put(HERE / "reliability.md", load=words(json.loads(KEPT.read_text())))


if __name__ == "__main__":
    main()
