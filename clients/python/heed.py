# SPDX-License-Identifier: Apache-2.0
"""heed's client: one class, one method per operation, the standard library alone (Python 3.8 or newer).

    from heed import Heed

    heed = Heed("http://127.0.0.1:8080", key="heed_…")
    heed.events({"user_id": "u42", "item_id": "i7", "type": "view"})
    for item in heed.recommend("u42", n=5)["items"]:
        print(item["id"], item["title"])

Results are the JSON of the server as it is (docs/api/). What goes wrong is a HeedError with the
server's own words.

Repeats: a request that may have been lost is sent again, up to `retries` times, with growing pauses
of random length, or when the server says to (Retry-After). That is safe: events, reviews and messages
get an id before they are first sent, and the server takes an id once. What isn't safe to repeat
(starting a job, making a key) is only sent again when the server says that it did nothing.

Threads: one Heed may be used by many; each keeps a connection of its own.
"""

import email.utils
import http.client
import json
import random
import ssl
import threading
import time
import urllib.parse
import uuid

__all__ = ["Heed", "HeedError", "InputError", "KeyRefused", "Denied", "NotFound", "Conflict", "Limited", "Full",
           "ServerError", "Unreachable"]
__version__ = "0.1.0"

# Names by which the server knows the id that makes a repeat harmless (docs/import.md); the first one
# is what is added to records that have none.
_REPEAT_IDS = {
    "events": ("event_id", {"eventid", "messageid", "insertid", "eventuuid"}),
    "reviews": ("review_id", {"reviewid", "commentid", "id"}),
    "tickets": ("message_id", {"messageid", "msgid"}),
}
_AGAIN = {429, 502, 503, 504}
_DID_NOTHING = {429, 503}
_SAFE_METHODS = {"GET", "HEAD", "PUT", "DELETE"}


class HeedError(Exception):
    """A request that failed. status: of HTTP (None: there was no answer); code: stable, for programs;
    errors: [{"pointer", "detail"}]; retry_after: seconds, or None. From posting records also: taken, the
    tally of what the server took before it failed, and first, the index of the first record that it
    didn't get to."""

    def __init__(self, message, status=None, problem=None, retry_after=None):
        super().__init__(message)
        problem = problem if isinstance(problem, dict) else {}
        self.status = status
        self.problem = problem
        self.code = problem.get("code")
        self.detail = problem.get("detail")
        self.hint = problem.get("hint")
        self.request_id = problem.get("request_id")
        self.errors = problem.get("errors") or []
        self.retry_after = retry_after
        self.taken = None
        self.first = None


class InputError(HeedError):
    """400, 413, 415, 422: the request isn't one, or its data is refused. errors says where."""


class KeyRefused(HeedError):
    """401: no key, an unknown one, one that expired or was revoked."""


class Denied(HeedError):
    """403: the key lacks the scope, or the person said no."""


class NotFound(HeedError):
    """404"""


class Conflict(HeedError):
    """409"""


class Limited(HeedError):
    """429: too fast, or the day's quota is used up; retry_after says for how long."""


class Full(HeedError):
    """507: no space is left on the server's disk."""


class ServerError(HeedError):
    """Any other 5xx."""


class Unreachable(HeedError):
    """No answer: the connection failed or took too long."""


_ERRORS = {400: InputError, 413: InputError, 415: InputError, 422: InputError, 401: KeyRefused, 403: Denied,
           404: NotFound, 409: Conflict, 429: Limited, 507: Full}


def _squeeze(name):
    return "".join(c for c in str(name).lower() if c not in "_-. ")


def _retry_after(headers, now):
    """Seconds of a Retry-After header (a number or a date); None: none that can be read."""
    text = headers.get("Retry-After")
    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError):
        return None


def _query(params):
    """None is left out, a list repeats its name."""
    pairs = []
    for name, value in params.items():
        for one in value if isinstance(value, (list, tuple, set)) else [value]:
            if isinstance(one, bool):
                one = "true" if one else "false"
            if one is not None:
                pairs.append((name, one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)))
    return "?" + urllib.parse.urlencode(pairs) if pairs else ""


def _part(text):
    """One segment of a path, whatever is in it."""
    text = str(text)
    if text in ("", ".", ".."):
        raise ValueError("an id can't be %r" % text)
    return urllib.parse.quote(text, safe="")


class Heed:
    """A workspace behind a server.

    base_url   "http://127.0.0.1:8080", or https
    key        "heed_…"; None: none is sent
    timeout    seconds for each attempt
    retries    attempts after the first
    backoff    seconds: the n-th pause is drawn from 0 to backoff · 2ⁿ, at most max_pause
    max_pause  seconds; a server that asks for more is not waited for
    batch      records in one request; more are sent in several
    context    ssl.SSLContext for https; None: the system's certificates
    """

    def __init__(self, base_url, key=None, *, timeout=10.0, retries=5, backoff=0.2, max_pause=30.0, batch=500,
                 max_bytes=4 << 20, context=None):
        url = urllib.parse.urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("base_url must be http://… or https://…, not %r" % base_url)
        if key is not None and not (isinstance(key, str) and key.isascii() and key.isprintable()):
            raise ValueError("the key isn't one")
        if batch < 1:
            raise ValueError("batch must be at least 1")
        self._url, self._prefix = url, url.path.rstrip("/")
        self._key = key
        self._context = context
        self.timeout, self.retries, self.backoff, self.max_pause = timeout, retries, backoff, max_pause
        self.batch, self.max_bytes = batch, max_bytes
        self._local = threading.local()
        self._sleep, self._random = time.sleep, random.uniform

    def __repr__(self):
        return "Heed(%r)" % urllib.parse.urlunsplit(self._url)  # without the key

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes this thread's connection; the next request opens another."""
        connection, self._local.connection = getattr(self._local, "connection", None), None
        if connection:
            connection.close()

    # ── Requests ──

    def _connect(self):
        if self._url.scheme == "https":
            context = self._context or ssl.create_default_context()
            return http.client.HTTPSConnection(self._url.hostname, self._url.port, timeout=self.timeout,
                                               context=context)
        return http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=self.timeout)

    def _attempt(self, method, target, body, headers, fresh):
        if fresh:  # a connection that was idle may be closed already: whether it arrived would be unknown
            self.close()
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        try:
            connection.request(method, self._prefix + target, body=body, headers=headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if response.will_close:
            self.close()
        return response, data

    def _failure(self, response, data):
        try:
            problem = json.loads(data)
        except ValueError:
            problem = None
        status = response.status
        kind = _ERRORS.get(status, ServerError if status >= 500 else HeedError)
        said = problem.get("detail") or problem.get("title") if isinstance(problem, dict) else None
        return kind("%d: %s" % (status, said or response.reason or "no reason given"), status, problem,
                    _retry_after(response.headers, time.time()))

    def _pause(self, attempt, error):
        """Waits before the next attempt; False: the server asks for longer than we wait."""
        pause = self._random(0, min(self.max_pause, self.backoff * 2 ** attempt))
        if error.retry_after is not None:
            if error.retry_after > self.max_pause:
                return False
            pause = max(pause, error.retry_after)
        self._sleep(pause)
        return True

    def _send(self, method, target, body, repeatable):
        headers = {"Accept": "application/json", "User-Agent": "heed-python/" + __version__}
        if self._key:
            headers["Authorization"] = "Bearer " + self._key
        if body is not None:
            headers["Content-Type"] = "application/json"
        for attempt in range(self.retries + 1):
            try:
                response, data = self._attempt(method, target, body, headers, not repeatable)
            except (OSError, http.client.HTTPException) as cause:
                error = Unreachable("no answer from %s: %s" % (self._url.netloc, cause or type(cause).__name__))
                error.__cause__ = cause
                again = repeatable
            else:
                if 200 <= response.status < 300:
                    return self._parse(data)
                error = self._failure(response, data)
                again = response.status in (_AGAIN if repeatable else _DID_NOTHING)
            if not again or attempt == self.retries or not self._pause(attempt, error):
                raise error
        raise AssertionError("unreachable")

    @staticmethod
    def _parse(data):
        if not data:
            return None
        try:
            return json.loads(data)
        except ValueError:
            return data.decode("utf-8", "replace")

    def call(self, method, path, params=None, body=None, repeatable=None):
        """Any operation: call("GET", "/api/v1/report"). repeatable: whether sending it twice does the same
        as once; None: by its method."""
        data = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        if repeatable is None:
            repeatable = method in _SAFE_METHODS
        return self._send(method, path + _query(params or {}), data, repeatable)

    def get(self, path, **params):
        return self.call("GET", path, params)

    def pages(self, path, name, **params):
        """All entries of a list, page by page."""
        while True:
            page = self.get(path, **params)
            yield from page[name]
            if not page.get("next_cursor"):
                return
            params["cursor"] = page["next_cursor"]

    # ── Posting records ──

    def _encoded(self, kind, records):
        """Each record as JSON, with an id that makes a repeat harmless."""
        name, known = _REPEAT_IDS.get(kind, (None, ()))
        for record in records:
            if name and not any(_squeeze(key) in known and value not in (None, "") for key, value in record.items()):
                record = dict(record, **{name: str(uuid.uuid4())})
            yield json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    def _chunks(self, encoded):
        chunk, size = [], 0
        for one in encoded:
            if chunk and (len(chunk) == self.batch or size + len(one) + 1 > self.max_bytes):
                yield chunk
                chunk, size = [], 0
            chunk.append(one)
            size += len(one) + 1
        if chunk:
            yield chunk

    def _post_chunk(self, path, chunk):
        """One chunk; halved where the server finds it too large."""
        try:
            return [self._send("POST", path, b"[" + b",".join(chunk) + b"]", True)]
        except InputError as error:
            if error.status != 413 or len(chunk) < 2:
                raise
        half = len(chunk) // 2
        tallies = []
        for part in (chunk[:half], chunk[half:]):
            try:
                tallies += [_shift(t, len(chunk[:half]) if tallies else 0) for t in self._post_chunk(path, part)]
            except HeedError as error:
                error.first = (error.first or 0) + (half if tallies else 0)
                error.taken = _add(tallies + ([error.taken] if error.taken else []))
                raise
        return tallies

    def _post(self, kind, records):
        records = [records] if isinstance(records, dict) else records
        path, total, sent = "/api/v1/" + kind, [], 0
        for chunk in self._chunks(self._encoded(kind, records)):
            try:
                total += [_shift(t, sent) for t in self._post_chunk(path, chunk)]
            except HeedError as error:
                error.first = sent + (error.first or 0)
                error.taken = _add(total + ([_shift(error.taken, sent)] if error.taken else []))
                raise
            sent += len(chunk)
        return _add(total)

    def events(self, records):
        """What users did: a dict, or any number of them (heed takes a generator as it comes).
        {"user_id", "item_id", "type", "time", …}. Gives the tally {"accepted", "repeated", "ignored",
        "rejected", "redacted", "errors"}; a bad record is refused alone. Acknowledged means durable."""
        return self._post("events", records)

    def users(self, records):
        """{"id", …attributes}: new, or changed."""
        return self._post("users", records)

    def items(self, records):
        """{"id", "title", "categories", "price", …}: new, or changed; recommendable at once."""
        return self._post("items", records)

    def reviews(self, records):
        """{"user_id", "item_id", "rating", "text", …}"""
        return self._post("reviews", records)

    def tickets(self, records):
        """Messages of conversations: {"ticket_id", "user_id", "role", "text", …}"""
        return self._post("tickets", records)

    def documents(self, records):
        """Answers and articles: {"id", "title", "text", "url", "lang", …}: new, or changed."""
        return self._post("documents", records)

    # ── Answers ──

    def recommend(self, user=None, n=None, *, session=None, **options):
        """Items for a user, or for a visitor by what the session looked at. options: category, filter,
        exclude, context, exclude_seen, cap_per_category, why=True, …"""
        path = "/api/v1/recommend" + ("" if user is None else "/" + _part(user))
        return self.get(path, n=n, session=session, **options)

    def similar(self, item, n=None, **options):
        return self.get("/api/v1/items/%s/similar" % _part(item), n=n, **options)

    def trending(self, n=None, **options):
        return self.get("/api/v1/trending", n=n, **options)

    def predict(self, model, rows, top=None):
        """A recipe's model on rows: predict("churn", [{"age": 30, "city": "Bonn"}])["predictions"]. top: so many
        probabilities a row."""
        body = {"rows": list(rows)} if top is None else {"rows": list(rows), "top": top}
        return self.call("POST", "/api/v1/models/%s/predict" % _part(model), body=body, repeatable=True)

    def profile(self, user):
        return self.get("/api/v1/profile/" + _part(user))

    def segments(self):
        return self.get("/api/v1/segments")

    # ── Rights ──

    def user(self, user):
        return self.get("/api/v1/users/" + _part(user))

    def export(self, user):
        """All that is known of a person."""
        return self.get("/api/v1/users/%s/export" % _part(user))

    def erase(self, user):
        """Erases a person for good. Gives the signed receipt."""
        return self.call("DELETE", "/api/v1/users/" + _part(user))

    def consent(self, user, purpose, on):
        """Whether a person lets their data be used for a purpose: recommend, profile, train, …"""
        path = "/api/v1/users/%s/consent/%s" % (_part(user), _part(purpose))
        return self.call("PUT", path, body={"state": "on" if on else "off"})

    def restrict(self, user, on=True):
        """Keeps a person's data, and uses it for nothing."""
        return self.call("PUT", "/api/v1/users/%s/restriction" % _part(user), body={"state": "on" if on else "off"})

    # ── Jobs and models ──

    def train(self, **options):
        """Starts a training. Gives the job: see wait()."""
        return self.call("POST", "/api/v1/train", body=options)

    def jobs(self, **options):
        """All jobs, the newest first."""
        return self.pages("/api/v1/jobs", "jobs", **options)

    def job(self, job):
        return self.get("/api/v1/jobs/" + _part(job))

    def cancel(self, job):
        return self.call("POST", "/api/v1/jobs/%s/cancel" % _part(job), repeatable=True)

    def wait(self, job, timeout=None, every=1.0, progress=None):
        """The job once it has ended: {"state": "done" | "failed" | "cancelled", "result", …}. progress:
        called with the job whenever it is looked at. TimeoutError after `timeout` seconds."""
        job = job["id"] if isinstance(job, dict) else job
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            now = self.job(job)
            if progress:
                progress(now)
            if now["state"] not in ("queued", "running"):
                return now
            if end is not None and time.monotonic() + every > end:
                raise TimeoutError("job %s is %s" % (job, now["state"]))
            self._sleep(every)

    def models(self):
        return self.get("/api/v1/models")["models"]

    # ── Keys ──

    def keys(self):
        return self.get("/api/v1/keys")["keys"]

    def create_key(self, name, scope, **options):
        """scope: a list of read, write, admin, personal. The result has the key's text, once."""
        return self.call("POST", "/api/v1/keys", body=dict(options, name=name, scope=scope))

    def revoke_key(self, key_id):
        return self.call("DELETE", "/api/v1/keys/" + _part(key_id))

    def usage(self, **options):
        return self.get("/api/v1/usage", **options)

    # ── The server ──

    def version(self):
        return self.get("/api/v1/version")

    def ready(self):
        """Whether it takes requests now. Never fails."""
        try:
            return self._attempt("GET", "/health/ready", None, {}, False)[0].status == 200
        except (OSError, http.client.HTTPException):
            return False


_COUNTS = ("accepted", "repeated", "ignored", "rejected", "redacted")


def _shift(tally, by):
    """The tally of a chunk, whose records are the by-th and following of all."""
    if by == 0 or not tally or not tally.get("errors"):
        return tally
    errors = []
    for error in tally["errors"]:
        index = error.get("index")
        moved = dict(error)
        if isinstance(index, int):
            moved["index"] = index + by
            head = "/%d" % index
            pointer = error.get("pointer") or ""
            if pointer == head or pointer.startswith(head + "/"):
                moved["pointer"] = "/%d%s" % (index + by, pointer[len(head):])
        errors.append(moved)
    return dict(tally, errors=errors)


def _add(tallies):
    total = dict.fromkeys(_COUNTS, 0)
    total["errors"] = []
    for tally in tallies:
        for name in _COUNTS:
            total[name] += tally.get(name) or 0
        total["errors"] += tally.get("errors") or []
    return total
