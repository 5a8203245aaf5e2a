"""`orapo serve` under load: mixed requests, clients that hang up, hostile uploads, and its memory.

    python benchmarks/serve_load.py --out load.json [--model DIR] [--requests 1000] [--clients 32]
        [--hostile 500] [--stalled 60] [--repeats 1] [--seed 0]

Starts the server as users do (`python -m orapo serve --store FILE`), in a process of its own; the clients
run in this one. They ask for films at full depth too, and are eight readers who keep texts in the store and ask
for its worklist. Without `--model` the demo's base is used. Hostile files are those of ORAPO_BENCH/hostile, if
that is set, and a few of our own, as they are and then mutated. Memory is the server's resident set;
the processes that decode films are given apart. Ends with 1 if a promise of docs/workbench.md is
broken: an answer of 5xx (but 501), memory that grows by more than 10 % from the first quarter to the
end, a p95 of `/v1/facts` of 5 times its median or more, a place that is not freed, a text that was answered for and
is not in the store, or that came in under another reader or study. The load is run once
more with clients mixed in that say half a head or half an upload, or ask for a stream and read nothing of
it (`--stalled`: two such readers, the others half and half, opened again as they are ended): no healthy
kind's p95 (of those asked for 50 times or more) may be more than 1.5 times that of the run without them,
and nobody is refused who was not there. `--repeats` runs both in turns, so many times: what other work on the
machine adds to one run is no matter of the server's, and the medians of the p95 are compared.
"""

import argparse
import functools
import io
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image

KINDS = {
    "facts": 42,
    "score": 8,
    "export": 8,
    "film": 4,
    "values": 6,
    "report": 12,
    "stream": 3,
    "hang up": 5,
    "keep a text": 6,
    "worklist": 3,
    "about": 3,
}
"""Of a hundred requests."""
SENTENCES = (
    "Small left pleural effusion.",
    "No pneumothorax.",
    "The heart is mildly enlarged.",
    "Possible right lower lobe consolidation.",
    "Right chest tube in place.",
    "Healed left rib fracture.",
    "Lungs are clear.",
)
HANGS_UP_AFTER = 0.05
READERS, STUDIES = 8, 25


def film(size, seed, kind="PNG"):
    """A picture file's bytes."""
    values = np.random.default_rng(seed).integers(0, 255, size[::-1], dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind)
    return stream.getvalue()


@functools.cache
def deep_film(seed, size=(2048, 2500)):
    """A picture file of 12 bits, as large as a film of the chest; smooth, so that it is packed as one is."""
    coarse = np.random.default_rng(seed).uniform(0, 4095, (25, 20)).astype(np.float32)
    values = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))
    stream = io.BytesIO()
    Image.fromarray(values.clip(0, 4095).astype(np.uint16)).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def resident(pid):
    """Resident memory of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def children(pid):
    """The processes that a process started."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


class Server:
    """`orapo serve` in a process of its own."""

    def __init__(self, model, folder):
        log = folder / "log"
        self.log, self.answered = log.open("w+"), []  # texts that the server said it kept
        command = [sys.executable, "-m", "orapo", "serve", "--model", str(model), "--port", "0"]
        command += ["--store", str(folder / "work.sqlite")]
        self.process = subprocess.Popen(command, stderr=self.log)
        for _ in range(1200):
            if found := re.search(r"http://[\d.]+:\d+", log.read_text()):
                break
            if self.process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.1)
        self.address = found[0]
        httpx2.get(f"{self.address}/healthz", timeout=120).raise_for_status()

    def waiting(self):
        return httpx2.get(f"{self.address}/healthz", timeout=60).json()["waiting"]

    def freed(self, seconds):
        """Seconds until no place is taken; None if that takes longer."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            if not self.waiting():
                return round(time.monotonic() - started, 2)
            time.sleep(0.05)
        return None

    def kept(self):
        """All texts in the store, as (reader, study, text)."""
        answer = httpx2.get(f"{self.address}/v1/store", timeout=120).raise_for_status()
        lines = [json.loads(line) for line in answer.text.splitlines()]
        return Counter((line["reader"], line["study"], line["report"]) for line in lines)

    def memory(self):
        pid = self.process.pid
        return {
            "server": round(resident(pid), 1),
            "decoders": [round(resident(child), 1) for child in children(pid)],
        }

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


def text(dice):
    return " ".join(dice.choices(SENTENCES, k=dice.randint(1, 12)))


def keep(client, dice, kept):
    """Keep a text in the store as one of its readers; note in `kept` what was answered for."""
    reader, study = f"reader {dice.randrange(READERS)}", f"film-{dice.randrange(STUDIES):032}"
    body = {"rater": reader, "study": study, "name": study, "state": "edited", "report": text(dice)}
    body |= {"films": [f"{study[5:]:0>64}"], "page": json.dumps({"name": study})}
    status = client.post("/v1/worklist/texts", json=body).status_code
    if status == 200:
        kept.append((reader, study, body["report"]))
    return status


def ask(client, kind, dice, kept):
    """Send one request; return its status, or how it ended otherwise."""
    if kind == "keep a text":
        return keep(client, dice, kept)
    if kind == "worklist":
        body = {"rater": f"reader {dice.randrange(READERS)}"}
        return client.post("/v1/worklist", json=body).status_code
    if kind == "values":
        answer = client.post("/v1/films/values", files={"image": deep_film(dice.randrange(4))})
        whole = len(answer.content) >= 2 * 2048 * 2500
        return answer.status_code if whole or answer.status_code != 200 else "values cut off"
    if kind == "about":
        return client.get("/v1/about").status_code
    if kind == "facts":
        return client.post("/v1/facts", json={"text": text(dice)}).status_code
    if kind == "score":
        body = {"report": text(dice), "reference": text(dice)}
        return client.post("/v1/score", json=body).status_code
    if kind == "export":
        chosen = dice.choice(("text", "json", "csv", "fhir", "dicom-sr"))
        body = {"report": text(dice), "format": chosen}
        return client.post("/v1/export", json=body).status_code
    if kind == "film":
        files = {"image": film((1024, 1024), dice.randrange(8))}
        return client.post("/v1/films", files=files).status_code
    files = {"images": film((256, 256), dice.randrange(1000))}
    if kind == "hang up":
        try:
            return client.post("/v1/reports", files=files, timeout=HANGS_UP_AFTER).status_code
        except httpx2.TimeoutException:
            return "hung up"
    path = "/v1/reports" if kind == "report" else "/v1/reports/stream"
    answer = client.post(path, files=files, data={"samples": str(dice.choice((1, 1, 4)))})
    if kind == "stream" and answer.status_code == 200 and "event: report" not in answer.text:
        return "stream without report"
    return answer.status_code


def load(server, options):
    """Mixed requests from many clients."""
    dice = random.Random(options.seed)
    kinds = [kind for kind, share in KINDS.items() for _ in range(share)]
    asked = [kinds[place % len(kinds)] for place in range(options.requests)]
    dice.shuffle(asked)
    for seed in range(4):
        deep_film(seed)  # made before the clock runs
    statuses, seconds, memory = Counter(), {kind: [] for kind in KINDS}, []
    lock, here = threading.Lock(), threading.local()
    done = 0

    def one(place):
        nonlocal done
        if not hasattr(here, "client"):
            here.client = httpx2.Client(base_url=server.address, timeout=300)
        kind, mine = asked[place], random.Random(options.seed * 10**6 + place)
        started = time.perf_counter()
        status = ask(here.client, kind, mine, server.answered)
        took = time.perf_counter() - started
        with lock:
            done += 1
            statuses[f"{kind}: {status}"] += 1
            seconds[kind].append(took)
            if done % max(1, options.requests // 8) == 0:
                memory.append({"requests": done, **server.memory()})

    started = time.perf_counter()
    with ThreadPoolExecutor(options.clients) as clients:
        list(clients.map(one, range(options.requests)))
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "statuses": dict(sorted(statuses.items())),
        "latency": {
            kind: {
                "median": round(statistics.median(took), 4),
                "p95": round(statistics.quantiles(took, n=20)[18], 4),
                "count": len(took),
            }
            for kind, took in seconds.items()
            if len(took) > 1
        },
        "memory_mb": memory,
        "freed_after_s": server.freed(60),
    }


ENOUGH = 50
"""Requests of a kind; the p95 of fewer is one request's luck."""
HALF_HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: "
HALF_UPLOAD = (
    b"POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\nxxxx'
)


def whole_upload():
    """A request for a stream, as bytes."""
    request = httpx2.Request(
        "POST", "http://localhost/v1/reports/stream", files={"images": film((256, 256), 0)}
    )
    body = request.read()
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST /v1/reports/stream HTTP/1.1\r\n{head}\r\n".encode() + body


class Stalled:
    """So many clients that stall, opened again as the server ends them."""

    def __init__(self, server, count):
        host, port = server.address.removeprefix("http://").split(":")
        self.place, self.over = (host, int(port)), threading.Event()
        self.opened = Counter()
        said = {"half head": HALF_HEAD, "half upload": HALF_UPLOAD, "deaf reader": whole_upload()}
        # Two readers: more would be users who fill the queue, deaf or not.
        kinds = ["deaf reader"] * min(2, count) + ["half head", "half upload"] * (count // 2)
        self.threads = [
            threading.Thread(target=self.keep, args=(kind, said[kind]), daemon=True)
            for kind in kinds[:count]
        ]

    def keep(self, kind, said):
        while not self.over.wait(0.2):
            try:
                with socket.socket() as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                    client.settimeout(10)
                    client.connect(self.place)
                    client.sendall(said)
                    self.opened[kind] += 1
                    self.stall(client, deaf=kind == "deaf reader")
            except OSError:
                continue

    def stall(self, client, deaf):
        """Wait until the server ends it; a deaf reader reads nothing that would tell."""
        client.settimeout(5)
        for _ in range(30 if deaf else 10**6):
            if self.over.is_set():
                return
            if deaf:
                self.over.wait(0.5)
                continue
            try:
                if not client.recv(4096):
                    return
            except TimeoutError:
                continue

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(20)


def slower(plain, mixed):
    """How many times the p95 of each healthy kind is with stalled clients what it is without.

    Of several runs the medians are compared, and runs are named beside them.
    """
    found = {}
    for kind in KINDS:
        if all(run["latency"].get(kind, {}).get("count", 0) >= ENOUGH for run in (*plain, *mixed)):
            without, beside = (
                [run["latency"][kind]["p95"] for run in runs] for runs in (plain, mixed)
            )
            ratio = statistics.median(beside) / statistics.median(without)
            found[kind] = {"without": without, "beside": beside, "times": round(ratio, 2)}
    return found


def hang_up(server, count=30):
    """Clients that hang up at all stages: what they held must be free soon after."""
    ended = Counter()
    for place in range(count):
        path = ("/v1/reports", "/v1/reports/stream")[place % 2]
        try:
            httpx2.post(
                f"{server.address}{path}",
                files={"images": film((256, 256), place)},
                data={"samples": "16"},
                timeout=0.02 + 0.03 * (place % 10),
            )
            ended["answered"] += 1
        except httpx2.TimeoutException:
            ended["hung up"] += 1
    freed = server.freed(30)
    answer = httpx2.post(
        f"{server.address}/v1/reports", files={"images": film((256, 256), 0)}, timeout=120
    )
    return {**ended, "freed_after_s": freed, "next_report": answer.status_code}


def hostile_files():
    """Files that no server should stumble over."""
    good = film((200, 240), 1)
    tiff = io.BytesIO()
    pages = [Image.open(io.BytesIO(film((64, 64), seed))) for seed in (0, 1)]
    pages[0].save(tiff, "TIFF", save_all=True, append_images=pages[1:])
    files = {
        "empty": b"",
        "text": b"<script>alert(1)</script>",
        "truncated.png": good[: len(good) // 2],
        "pages.tiff": tiff.getvalue(),
        "noise.dcm": b"\0" * 128 + b"DICM" + bytes(range(256)) * 8,
        "good.png": good,
        "good.jpg": film((200, 240), 2, "JPEG"),
        "good.webp": film((200, 240), 2, "WEBP"),
        "good.jp2": film((200, 240), 2, "JPEG2000"),
    }
    bench = os.environ.get("ORAPO_BENCH")
    folder = Path(bench or "/", "hostile")
    if bench and folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.is_file():
                files[path.name] = path.read_bytes()
    return files


def mutated(content, dice):
    """Bytes changed, cut, doubled or mixed up."""
    content = bytearray(content)
    for _ in range(dice.randint(1, 20)):
        if not content:
            content = bytearray(dice.randbytes(50))
        place = dice.randrange(len(content))
        way = dice.randrange(5)
        if way == 0:
            content[place] = dice.randrange(256)
        elif way == 1:
            content[place : place + dice.randint(1, 8)] = b"\xff" * 4
        elif way == 2 and dice.random() < 0.2:
            del content[place:]
        elif way == 3:
            content[place:place] = content[place : place + 64]
        else:
            # headers are where it hurts
            content[min(place, dice.randrange(200)) % len(content)] ^= 1 << dice.randrange(8)
    return bytes(content)


UPLOADS = (("/v1/films", "image"), ("/v1/reports", "images"), ("/v1/films/values", "image"))


def hostile(server, options):
    """Hostile uploads, with calls of /v1/facts between them."""
    dice = random.Random(options.seed)
    files = hostile_files()
    names = list(files)
    tries = [(name, files[name]) for name in names][: options.hostile]
    while len(tries) < options.hostile:
        name = names[len(tries) % len(names)]
        tries.append((name, mutated(files[name], dice)))
    statuses, facts = Counter(), Counter()
    slowest = 0.0

    def one(place):
        nonlocal slowest
        name, content = tries[place]
        path, field = UPLOADS[place % 3]
        with httpx2.Client(base_url=server.address, timeout=300) as client:
            started = time.perf_counter()
            answer = client.post(path, files={field: (name, content)})
            slowest = max(slowest, time.perf_counter() - started)
            statuses[answer.status_code] += 1
            if place % 5 == 0:
                facts[client.post("/v1/facts", json={"text": "No effusion."}).status_code] += 1

    before = server.memory()
    with ThreadPoolExecutor(4) as clients:
        list(clients.map(one, range(len(tries))))
    return {
        "files": len(files),
        "uploads": len(tries),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "facts_between": {str(status): count for status, count in facts.items()},
        "slowest_s": round(slowest, 2),
        "memory_mb": {"before": before, "after": server.memory()},
        "freed_after_s": server.freed(60),
        "alive": server.process.poll() is None,
    }


def faults(statuses):
    """Answers of 5xx but 501."""
    found = {}
    for name, count in statuses.items():
        status = name.rpartition(": ")[2]
        if status in ("stream without report", "values cut off") or (
            re.fullmatch(r"5\d\d", status) and status != "501"
        ):
            found[name] = count
    return found


def refused(found):
    """How many got 429."""
    return sum(count for name, count in found["statuses"].items() if name.endswith(": 429"))


def mixed_in(server, options):
    """The same load beside clients that stall."""
    with Stalled(server, options.stalled) as stalled:
        found = load(server, options)
    return {**found, "stalled": dict(stalled.opened)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--hostile", type=int, default=500)
    parser.add_argument("--stalled", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = options.model
    if model is None:
        from orapo.models.base import tiny_base

        model = tiny_base()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(model, Path(folder))
        try:
            loads = [os.getloadavg()]
            first, beside = load(server, options), mixed_in(server, options)
            plain, mixed = [first], [beside]
            for _ in range(options.repeats - 1):
                plain.append(load(server, options))
                mixed.append(mixed_in(server, options))
                loads.append(os.getloadavg())
            result = {
                "load_average_before": loads,
                "load": first,
                "load_with_stalled": beside,
                "slower_with_stalled": slower(plain, mixed),
                "refused": [[refused(run) for run in runs] for runs in (plain, mixed)],
                "hanging_up": hang_up(server),
                "hostile": hostile(server, options),
                "texts_kept": len(server.answered),
                "store_holds_what_was_kept": server.kept() == Counter(server.answered),
                "load_average_after": os.getloadavg(),
            }
        finally:
            server.stop()
    taken = [one["server"] for one in result["load"]["memory_mb"]]
    latency = result["load"]["latency"]["facts"]
    start = taken[max(0, len(taken) // 4 - 1)]
    end = result["hostile"]["memory_mb"]["after"]["server"]
    result["kept"] = {
        "p95 beside stalled clients within 1.5 times": max(
            (one["times"] for one in result["slower_with_stalled"].values()), default=0.0
        )
        <= 1.5,
        "nobody refused beside stalled clients": statistics.median(result["refused"][1])
        <= statistics.median(result["refused"][0]),
        "no 5xx beside stalled clients": not any(faults(run["statuses"]) for run in mixed),
        "no 5xx under load": not faults(result["load"]["statuses"]),
        "no 5xx of hostile uploads": not faults(result["hostile"]["statuses"]),
        "facts were answered between them": set(result["hostile"]["facts_between"]) == {"200"},
        "memory within 10 % from the first quarter of the load to its end": max(taken[1:])
        <= 1.1 * start,
        "memory within 10 % from there to the end of all": end <= 1.1 * start,
        "p95 of facts under 5 times its median": latency["p95"] < 5 * latency["median"],
        "each text that was kept is in the store, once": result["store_holds_what_was_kept"],
        "places are freed": None
        not in [result[part]["freed_after_s"] for part in ("load", "hanging_up", "hostile")]
        and result["hanging_up"]["next_report"] == 200,
        "the process lives": result["hostile"]["alive"],
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    sys.exit(0 if all(result["kept"].values()) else 1)


if __name__ == "__main__":
    main()
