#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""slow.py PORT [CLIENTS [SECONDS]]: what clients that send a byte a second do to others.

Against a server on 127.0.0.1:PORT (bench_server_loop, or heed serve with --path and --header), measures the time of requests of eight
quick clients at a steady rate, alone and beside CLIENTS (1,000) slow ones, in turn; each slow client that is ended comes again. Prints the
distributions and the ratio of their medians. Standard library only; the quick clients are a process of their own, so that slow ones cost them
nothing but the server's attention.
"""
import argparse
import asyncio
import multiprocessing
import socket
import statistics
import time


def quick(args, out):
    request = (f"GET {args.path} HTTP/1.1\r\nHost: h\r\n" + "".join(f"{h}\r\n" for h in args.header) + "\r\n").encode()
    sockets = []
    for _ in range(8):
        s = socket.create_connection(("127.0.0.1", args.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets.append(s)
    times, start, n = [], time.perf_counter(), 0
    while time.perf_counter() - start < args.seconds:
        s = sockets[n % len(sockets)]
        begin = time.perf_counter()
        s.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += s.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += s.recv(65536)
        times.append(time.perf_counter() - begin)
        assert head.startswith(b"HTTP/1.1 2"), head
        n += 1
        pause = start + n / args.rate - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
    out.put(sorted(times))


async def one_slow(args, counts):
    head = b"GET /slow HTTP/1.1\r\nHost: h\r\nX-Filler: " + b"a" * 4000
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", args.port)
            counts["opened"] += 1
            for byte in head:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
                if reader.at_eof():
                    break
            writer.close()
        except OSError:
            await asyncio.sleep(0.1)


def slow(args, ready):
    counts = {"opened": 0}

    async def main():
        for i in range(args.clients):
            asyncio.ensure_future(one_slow(args, counts))
            if i % 50 == 49:
                await asyncio.sleep(0.02)
        await asyncio.sleep(1)
        ready.set()
        await asyncio.sleep(3600)

    asyncio.run(main())


def measure(args):
    out = multiprocessing.Queue()
    worker = multiprocessing.Process(target=quick, args=(args, out))
    worker.start()
    times = out.get()
    worker.join()
    return {name: times[min(int(len(times) * q), len(times) - 1)] * 1e3 for name, q in
            (("p50", .5), ("p99", .99), ("p99.9", .999))} | {"requests": len(times)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("clients", type=int, nargs="?", default=1000)
    parser.add_argument("seconds", type=float, nargs="?", default=10)
    parser.add_argument("--rate", type=float, default=1000, help="quick requests per second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--path", default="/")
    parser.add_argument("--header", action="append", default=[])
    args = parser.parse_args()
    show = lambda what, d: print(f"{what:22}", "  ".join(f"{k} {d[k]:.3f} ms" for k in ("p50", "p99", "p99.9")), f"({d['requests']} requests)")
    alone, beside = [], []
    for _ in range(args.rounds):  # in turn, so that what else the machine does meets both
        alone.append(measure(args))
        show("alone", alone[-1])
        ready = multiprocessing.Event()
        crowd = multiprocessing.Process(target=slow, args=(args, ready), daemon=True)
        crowd.start()
        ready.wait()
        beside.append(measure(args))
        show(f"beside {args.clients} slow ones", beside[-1])
        crowd.terminate()
        crowd.join()
    for key in "p50", "p99":
        a, b = (statistics.median(d[key] for d in rounds) for rounds in (alone, beside))
        print(f"{key}: alone {a:.3f} ms, beside {b:.3f} ms, ratio {b / a:.2f}")


main()
