"""A judge over real HTTP that answers like an OpenAI-compatible server, and misbehaves on request."""

import hashlib
import json
import re
import socket
import threading
import time
import zlib
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from orapo.facts import label_report

FAULTS = (
    *("429", "429 retry-after", "500", "time-out", "cut connection", "cut body"),
    *("broken JSON", "wrong schema", "unknown label", "empty answer", "no choices"),
)
ODD = {
    "usage of words": {"usage": {"prompt_tokens": "ten", "completion_tokens": "ten"}},
    "usage as a word": {"usage": "ten"},
    "usage below zero": {"usage": {"prompt_tokens": -1, "completion_tokens": 0}},
    "choices as a word": {"choices": "abc"},
    "choices of words": {"choices": ["abc"]},
    "message as a word": {"choices": [{"message": "abc"}]},
    "content as a list": {"choices": [{"message": {"content": [{"text": "abc"}]}}]},
    "content as a number": {"choices": [{"message": {"content": 1}}]},
}
"""What stands in an answer that no client of the API expects."""
BLOCK = re.compile(r"<report-([0-9a-f]{16})>\n(.*)\n</report-\1>", re.DOTALL)


def verdict(sentences):
    """What an honest judge says: as the rules read each sentence for itself."""
    facts = []
    for index, sentence in enumerate(sentences):
        read = label_report(sentence)
        for fact in read.facts:
            labels = [name for name in fact.labels if name != "No Finding"]
            facts.append(
                {
                    "sentence": index,
                    "quote": sentence[fact.start : fact.end],
                    "finding": fact.finding,
                    "polarity": fact.polarity.value,
                    "labels": labels,
                    "abnormal": bool(labels) or "No Finding" in fact.labels,
                    "location": fact.location,
                    "laterality": fact.laterality,
                    "severity": fact.severity,
                }
            )
    return {"facts": facts}


class FakeJudge:
    """What the server was asked and how it answers.

    Args:
        fault: Called with the text of the user's message and the number of earlier attempts at it;
            returns the name of a fault or None.
    """

    def __init__(self, fault=lambda text, attempt: None, answer=verdict):
        self.fault = fault
        self.answer = answer
        self.attempts = Counter()
        self.faults = Counter()
        self.requests = []
        self.retry_after = "0.02"
        self.arrivals = {}  # when each attempt at a text came
        self.at_once = self.most_at_once = 0
        self.hold = threading.Event()  # answers wait for it
        self.hold.set()
        self.longest_hold = 5
        self.release_at = (
            None  # calls at once at which the hold ends, with some time for more to come
        )
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.hung_up = threading.Event()
        self.sent = 0  # bytes of a huge or a packed answer
        self.packed = b""

    @property
    def calls(self):
        return sum(self.attempts.values())

    @contextmanager
    def serving(self):
        handler = type("Handler", (_Handler,), {"judge": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            self.closing.set()
            server.shutdown()
            server.server_close()


def packed_twice(megabytes):
    """A few kilobytes that are megabytes of blanks: packed, and packed again."""
    inner, outer = (zlib.compressobj(level=1, wbits=31) for _ in range(2))
    blanks = b" " * 10**6
    body = b"".join(outer.compress(inner.compress(blanks)) for _ in range(megabytes))
    return body + outer.compress(inner.flush()) + outer.flush()


def some_faults(share, seed=0):
    """Faults of every kind at random, the same at each call with the same seed."""

    def fault(text, attempt):
        digest = hashlib.sha256(f"{seed} {attempt} {text}".encode()).digest()
        if int.from_bytes(digest[:4], "big") / 2**32 >= share:
            return None
        return FAULTS[digest[4] % len(FAULTS)]

    return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    judge: FakeJudge

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        try:
            self._answer()
        finally:
            with self.judge.lock:
                self.judge.at_once -= 1

    def _answer(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        user = body["messages"][-1]["content"]
        with self.judge.lock:
            attempt = self.judge.attempts[user]
            self.judge.attempts[user] += 1
            self.judge.arrivals.setdefault(user, []).append(time.monotonic())
            self.judge.at_once += 1
            self.judge.most_at_once = max(self.judge.most_at_once, self.judge.at_once)
            if self.judge.at_once == self.judge.release_at:
                threading.Timer(0.3, self.judge.hold.set).start()
            self.judge.requests.append(body)
            fault = self.judge.fault(user, attempt)
            if fault:
                self.judge.faults[fault] += 1
        self.judge.hold.wait(self.judge.longest_hold)
        block = BLOCK.fullmatch(user)
        assert block, "the report is not in one block"
        content = json.dumps(self.judge.answer([item["text"] for item in json.loads(block[2])]))
        if fault == "429":
            return self._send(429, {"error": {"message": "slow down"}})
        if fault == "429 retry-after":
            return self._send(
                429, {"error": {"message": "slow down"}}, {"Retry-After": self.judge.retry_after}
            )
        if fault == "500":
            return self._send(500, {"error": {"message": "broken"}})
        if fault and fault.startswith("charset "):
            kind = f"text/plain; charset={fault.split()[1]}"
            return self._send_bytes(b"<p>no</p>", 422, kind=kind)
        if fault in ("401", "404", "307"):
            return self._send(int(fault), {"error": {"message": "no"}}, {"Location": "/v2"})
        if fault == "time-out":
            self.judge.closing.wait(5)
            self.close_connection = True
            return None
        if fault == "cut connection":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        if fault == "broken JSON":
            content = content[: len(content) // 2]
        elif fault == "wrong schema":
            content = json.dumps({"labels": {"Edema": 0}})
        elif fault == "unknown label":
            fact = {**dict.fromkeys(("location", "laterality", "severity")), "sentence": 0}
            fact |= {"quote": "", "finding": "x", "polarity": "present", "abnormal": True}
            content = json.dumps({"facts": [{**fact, "labels": ["Oedema"]}]})
        elif fault == "empty answer":
            content = ""
        elif fault == "deep answer":
            content = "[" * 100_000
        if fault == "drip":
            return self._drip()
        if fault == "huge":
            return self._huge()
        if fault == "packed":
            return self._packed()
        if fault == "deep JSON":
            return self._send_bytes(b'{"choices": ' + b"[" * 100_000)
        choices = [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": content},
            }
        ]
        odd = ODD.get(fault, {})
        return self._send(
            200,
            {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [] if fault == "no choices" else choices,
                "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
                **odd,
            },
            cut=fault == "cut body",
        )

    def _drip(self):
        """A byte now and then, each of which a time-out of reads would be content with."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        try:
            while not self.judge.closing.wait(0.1):
                self.wfile.write(b" ")
        except OSError:
            self.judge.hung_up.set()
        self.close_connection = True

    def _huge(self):
        """Far more than any answer has."""
        self._begin_json()
        try:
            for _ in range(400):
                self.wfile.write(b" " * 10**6)
                self.judge.sent += 10**6
        except OSError:
            self.judge.hung_up.set()

    def _packed(self):
        self._begin_json("gzip, gzip")
        self.wfile.write(self.judge.packed)
        self.judge.sent = len(self.judge.packed)

    def _begin_json(self, packing=None):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if packing:
            self.send_header("Content-Encoding", packing)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def _send(self, status, body, headers=None, cut=False):
        self._send_bytes(json.dumps(body).encode(), status, headers, cut)

    def _send_bytes(self, data, status=200, headers=None, cut=False, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut
