# SPDX-License-Identifier: Apache-2.0
"""Tests of the Python client against a server that is told what to answer: python3 -m unittest test_heed"""
import http.server
import json
import socket
import threading
import unittest
import urllib.parse

from heed import (Conflict, Denied, Full, Heed, HeedError, InputError, KeyRefused, Limited, NotFound, ServerError,
                  Unreachable)


class Fake(http.server.ThreadingHTTPServer):
    """Answers by a script: each step is (status, body, headers), "drop" (closes without an answer), or "late"
    (takes the request, then closes). Without a script: 200 and what was asked. Keeps all requests."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.requests, self.connections = [], [], set()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, *_):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.requests.append({
                "method": self.command, "path": self.path, "headers": dict(self.headers),
                "body": json.loads(body) if body else None})
            self.server.connections.add(self.client_address)
            step = self.server.script.pop(0) if self.server.script else (200, {}, {})
        if step == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, content, headers = step
        if callable(content):
            content = content(self.server.requests[-1])
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


def tally(request):
    return {"accepted": len(request["body"]), "repeated": 0, "ignored": 0, "rejected": 0, "redacted": 0, "errors": []}


def problem(status, code, **more):
    return (status, dict({"type": "urn:heed:error:" + code, "title": "T", "status": status, "detail": "what was wrong",
                          "code": code, "request_id": "r1"}, **more), {})


class Case(unittest.TestCase):
    def setUp(self):
        self.server = Fake()
        self.heed = Heed("http://127.0.0.1:%d" % self.server.server_address[1], key="heed_abc", timeout=5)
        self.pauses, self.drawn = [], []
        self.heed._sleep = self.pauses.append
        self.heed._random = lambda low, high: self.drawn.append((low, high)) or high

    def tearDown(self):
        self.heed.close()
        self.server.shutdown()
        self.server.server_close()

    def script(self, *steps):
        self.server.script = list(steps)

    @property
    def asked(self):
        return self.server.requests


class Requests(Case):
    def test_paths_and_queries(self):
        self.script((200, {"items": []}, {}))
        self.heed.recommend("a/b ü?#%", n=5, category=["x", "y&z"], why=True, exclude=None)
        self.heed.recommend(session=["i1", "i2"])
        self.heed.similar("i7", 3)
        self.heed.export("u1")
        self.heed.consent("u1", "train", False)
        self.heed.erase("u1")
        self.heed.call("POST", "/api/v1/x", {"context": {"hour": 8}}, body={"名": 1})
        self.heed.predict("churn", ({"age": n} for n in (1, 2)), top=1)
        paths = [(r["method"], r["path"]) for r in self.asked]
        self.assertEqual(paths, [
            ("GET", "/api/v1/recommend/a%2Fb%20%C3%BC%3F%23%25?n=5&category=x&category=y%26z&why=true"),
            ("GET", "/api/v1/recommend?session=i1&session=i2"),
            ("GET", "/api/v1/items/i7/similar?n=3"),
            ("GET", "/api/v1/users/u1/export"),
            ("PUT", "/api/v1/users/u1/consent/train"),
            ("DELETE", "/api/v1/users/u1"),
            ("POST", "/api/v1/x?" + urllib.parse.urlencode({"context": '{"hour": 8}'})),
            ("POST", "/api/v1/models/churn/predict"),
        ])
        self.assertEqual(self.asked[4]["body"], {"state": "off"})
        self.assertEqual(self.asked[6]["body"], {"名": 1})
        self.assertEqual(self.asked[7]["body"], {"rows": [{"age": 1}, {"age": 2}], "top": 1})
        for request in self.asked:
            self.assertEqual(request["headers"]["Authorization"], "Bearer heed_abc")
        with self.assertRaises(ValueError):
            self.heed.profile("..")
        with self.assertRaises(ValueError):
            self.heed.profile("")

    def test_base_url_with_a_path(self):
        with Heed("http://127.0.0.1:%d/shop/" % self.server.server_address[1]) as client:
            client.version()
        self.assertEqual(self.asked[0]["path"], "/shop/api/v1/version")
        self.assertNotIn("Authorization", self.asked[0]["headers"])

    def test_what_no_client_can_be(self):
        for url in ("127.0.0.1:8080", "ftp://x", "http://"):
            with self.assertRaises(ValueError):
                Heed(url)
        for key in ("a\r\nX: y", "ü", 7):
            with self.assertRaises(ValueError):
                Heed("http://x", key=key)
        self.assertNotIn("heed_abc", repr(self.heed))

    def test_connections_are_kept(self):
        for _ in range(5):
            self.heed.version()
        self.assertEqual(len(self.server.connections), 1)

    def test_pages(self):
        self.script((200, {"jobs": [1, 2], "next_cursor": "c&1"}, {}), (200, {"jobs": [3], "next_cursor": None}, {}))
        self.assertEqual(list(self.heed.jobs(limit=2)), [1, 2, 3])
        self.assertEqual(self.asked[1]["path"], "/api/v1/jobs?limit=2&cursor=c%261")

    def test_answers_that_are_no_json(self):
        self.script((200, b"heed_up 1\n", {}), (204, b"", {}), (502, b"<html>bad gateway", {}))
        self.assertEqual(self.heed.get("/metrics"), "heed_up 1\n")
        self.assertIsNone(self.heed.get("/x"))
        self.heed.retries = 0
        with self.assertRaises(ServerError) as caught:
            self.heed.get("/x")
        self.assertEqual((caught.exception.status, caught.exception.code), (502, None))


class Errors(Case):
    def test_each_has_its_class(self):
        self.heed.retries = 0
        for status, kind in ((400, InputError), (401, KeyRefused), (403, Denied), (404, NotFound), (409, Conflict),
                             (413, InputError), (418, HeedError), (422, InputError), (429, Limited), (500, ServerError),
                             (503, ServerError), (507, Full)):
            self.script(problem(status, "c%d" % status, hint="do this", errors=[{"pointer": "/n", "detail": "d"}]))
            with self.assertRaises(kind) as caught:
                self.heed.version()
            error = caught.exception
            self.assertIs(type(error), kind)
            self.assertEqual((error.status, error.code, error.request_id, error.hint, error.detail),
                             (status, "c%d" % status, "r1", "do this", "what was wrong"))
            self.assertEqual(error.errors, [{"pointer": "/n", "detail": "d"}])
            self.assertIn("what was wrong", str(error))

    def test_nobody_there(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        client = Heed("http://127.0.0.1:%d" % port, retries=2)
        client._sleep = self.pauses.append
        with self.assertRaises(Unreachable):
            client.version()
        self.assertEqual(len(self.pauses), 2)
        self.assertFalse(client.ready())
        self.assertTrue(self.heed.ready())

    def test_too_late(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            client = Heed("http://127.0.0.1:%d" % silent.getsockname()[1], retries=0, timeout=0.05)
            with self.assertRaises(Unreachable):
                client.version()


class Repeats(Case):
    def test_what_is_lost_is_sent_again(self):
        for step in ("drop", problem(429, "rate"), problem(502, "x"), problem(503, "busy"), problem(504, "x")):
            self.server.requests.clear()
            self.script(step, step, (200, {"version": "1"}, {}))
            self.assertEqual(self.heed.version(), {"version": "1"})
            self.assertEqual(len(self.asked), 3)

    def test_what_is_refused_is_not(self):
        for status in (400, 401, 403, 404, 409, 422, 500, 507):
            self.server.requests.clear()
            self.script(problem(status, "x"))
            with self.assertRaises(HeedError):
                self.heed.version()
            self.assertEqual(len(self.asked), 1)
        self.assertEqual(self.pauses, [])

    def test_it_gives_up(self):
        self.script(*["drop"] * 20)
        with self.assertRaises(Unreachable):
            self.heed.version()
        self.assertEqual(len(self.asked), 6)
        self.assertEqual(self.drawn, [(0, 0.2), (0, 0.4), (0, 0.8), (0, 1.6), (0, 3.2)])

    def test_retry_after_is_honoured(self):
        later = (429, {"detail": "slow down"}, {"Retry-After": "7"})
        self.script(later, later, (200, {}, {}))
        self.heed.version()
        self.assertEqual(self.pauses, [7.0, 7.0])
        # As a date, in the past: the pause is our own.
        self.pauses.clear()
        self.script((503, {}, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), (200, {}, {}))
        self.heed.version()
        self.assertEqual(self.pauses, [0.2])
        # What can't be read is no wish.
        self.script((503, {}, {"Retry-After": "soon"}), (200, {}, {}))
        self.heed.version()
        self.assertEqual(self.pauses, [0.2, 0.2])

    def test_a_quota_is_not_waited_for(self):
        self.script((429, {"code": "quota"}, {"Retry-After": "40000"}))
        with self.assertRaises(Limited) as caught:
            self.heed.version()
        self.assertEqual((caught.exception.retry_after, self.pauses), (40000.0, []))

    def test_only_what_is_safe_is_repeated(self):
        self.script("drop")
        with self.assertRaises(Unreachable):
            self.heed.train()
        self.script(problem(502, "x"))
        with self.assertRaises(ServerError):
            self.heed.create_key("n", ["read"])
        self.assertEqual(len(self.asked), 2)
        # The server did nothing yet: that may be repeated.
        self.script(problem(503, "busy"), problem(429, "rate"), (202, {"id": "j1"}, {}))
        self.assertEqual(self.heed.train(methods=["markov"]), {"id": "j1"})
        self.assertEqual(len(self.asked), 5)
        # And never on a connection that was idle.
        self.assertEqual(len(self.server.connections), 5)

    def test_an_idle_connection_that_was_closed(self):
        self.script((200, {}, {}), "drop", (200, {"a": 1}, {}))
        self.heed.version()
        self.assertEqual(self.heed.version(), {"a": 1})


class Records(Case):
    def test_events_get_an_id_that_stays(self):
        self.script("drop", problem(503, "busy"), (200, tally, {}))
        event = {"user_id": "u1", "item_id": "i1", "type": "view"}
        self.assertEqual(self.heed.events(event)["accepted"], 1)
        ids = {request["body"][0]["event_id"] for request in self.asked}
        self.assertEqual((len(self.asked), len(ids)), (3, 1))
        self.assertNotIn("event_id", event)  # the caller's own stays as it was

    def test_ids_given_are_kept(self):
        given = [{"event_id": "e1"}, {"messageId": "m1"}, {"Event Id": 5}, {"event_id": ""}, {"event_id": None}, {}]
        self.script((200, tally, {}))
        self.heed.events(given)
        sent = self.asked[0]["body"]
        self.assertEqual(sent[:3], given[:3])
        self.assertEqual(len({event["event_id"] for event in sent[3:]}), 3)
        self.assertTrue(all(event["event_id"] for event in sent[3:]))

    def test_other_kinds(self):
        for kind, name in (("users", None), ("items", None), ("reviews", "review_id"),
                           ("tickets", "message_id"), ("documents", None)):
            self.server.requests.clear()
            self.script((200, tally, {}))
            getattr(self.heed, kind)([{"x": 1}])
            self.assertEqual(self.asked[0]["path"], "/api/v1/" + kind)
            self.assertEqual(set(self.asked[0]["body"][0]), {"x"} | ({name} if name else set()))

    def test_batches(self):
        self.script(*[(200, tally, {})] * 3)
        total = self.heed.events({"event_id": str(i)} for i in range(1200))
        self.assertEqual([len(request["body"]) for request in self.asked], [500, 500, 200])
        sent = [event["event_id"] for request in self.asked for event in request["body"]]
        self.assertEqual((total["accepted"], sent), (1200, [str(i) for i in range(1200)]))
        self.server.requests.clear()
        self.assertEqual(self.heed.events([])["accepted"], 0)
        self.assertEqual(self.asked, [])

    def test_batches_by_size(self):
        self.heed.max_bytes = 1000
        self.script(*[(200, tally, {})] * 9)
        self.assertEqual(self.heed.items({"id": str(i), "title": "x" * 400} for i in range(5))["accepted"], 5)
        self.assertEqual([len(request["body"]) for request in self.asked], [2, 2, 1])

    def test_too_large_for_the_server(self):
        def limited(request):
            return tally(request)
        self.script(problem(413, "too_large"), (200, limited, {}), problem(413, "too_large"), (200, limited, {}),
                    (200, limited, {}))
        total = self.heed.events([{"event_id": str(i)} for i in range(8)])
        self.assertEqual([len(request["body"]) for request in self.asked], [8, 4, 4, 2, 2])
        self.assertEqual(total["accepted"], 8)
        self.script(problem(413, "too_large"))
        with self.assertRaises(InputError):
            self.heed.events({"event_id": "one"})

    def test_errors_are_told_by_the_callers_index(self):
        def bad_second(request):
            return dict(tally(request), accepted=len(request["body"]) - 1, rejected=1,
                        errors=[{"index": 1, "pointer": "/1/time", "detail": "no time"}])
        self.heed.batch = 3
        self.script((200, bad_second, {}), (200, bad_second, {}))
        total = self.heed.events([{}] * 6)
        self.assertEqual((total["accepted"], total["rejected"]), (4, 2))
        self.assertEqual([(e["index"], e["pointer"]) for e in total["errors"]], [(1, "/1/time"), (4, "/4/time")])
        # Halved batches too.
        self.heed.batch = 10
        self.script(problem(413, "x"), (200, tally, {}), (200, bad_second, {}))
        self.assertEqual(self.heed.events([{}] * 6)["errors"][0]["pointer"], "/4/time")

    def test_what_was_taken_before_it_failed(self):
        self.heed.batch = 2
        self.script((200, tally, {}), (200, tally, {}), problem(507, "full"))
        with self.assertRaises(Full) as caught:
            self.heed.events([{}] * 7)
        self.assertEqual((caught.exception.first, caught.exception.taken["accepted"]), (4, 4))
        self.heed.batch = 8
        self.script((200, tally, {}), problem(413, "x"), (200, tally, {}), problem(507, "full"))
        with self.assertRaises(Full) as caught:
            self.heed.events([{}] * 16)
        self.assertEqual((caught.exception.first, caught.exception.taken["accepted"]), (12, 12))


class Jobs(Case):
    def test_waiting(self):
        seen = []
        self.script(*[(200, {"id": "j1", "state": state}, {}) for state in ("queued", "running", "done")])
        job = self.heed.wait({"id": "j1"}, progress=lambda j: seen.append(j["state"]))
        self.assertEqual((job["state"], seen), ("done", ["queued", "running", "done"]))
        self.assertEqual(self.pauses, [1.0, 1.0])

    def test_waiting_in_vain(self):
        self.script(*[(200, {"id": "j1", "state": "running"}, {})] * 3)
        with self.assertRaises(TimeoutError):
            self.heed.wait("j1", timeout=0)


class Threads(Case):
    def test_many_threads(self):
        wrong = []

        def work(me):
            for i in range(20):
                if self.heed.get("/echo", me=me, i=i) != {"path": "/echo?me=%d&i=%d" % (me, i)}:
                    wrong.append((me, i))
            self.heed.close()
        handler_answer = Handler.answer

        def echo(handler):
            data = json.dumps({"path": handler.path}).encode()
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        Handler.do_GET = echo
        try:
            threads = [threading.Thread(target=work, args=(me,)) for me in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            Handler.do_GET = handler_answer
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
