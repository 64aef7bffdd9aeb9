"""A proxy of TCP connections: heald's streams against libuv, and a loop of splice(2) by hand."""

import os

from .programs import cpu_ns
from .table import Must, Table, pairs, values

NOTE = """\
64 connections through a proxy to an echo server, one message of 64 KiB in flight on each; the
proxy on one processor, the load and the echo server on the other. The figure is the processor
time of the proxy, user and kernel, for each MiB that it passes on; each message passes it
twice."""

CONNS, SIZE = 64, 65536
HEALD = "proxy/heald_proxy"


def _measure(programs, name, backend, seconds):
    with programs.server("echo/peer_epoll", cpu=1) as target:
        if target is None:
            return None
        os.environ["BENCH_TARGET"] = str(target.port)
        with programs.server(name, backend) as proxy:
            if proxy is None:
                return None
            programs.load(proxy, CONNS, 1, count=4 * CONNS, size=SIZE)
            before = cpu_ns(proxy.pid)
            result = programs.load(proxy, CONNS, seconds, size=SIZE)
            after = cpu_ns(proxy.pid)
    # For each MiB: without an echo there is no figure.
    if before is None or after is None or not result["echoes"]:
        return None
    # The warm-up is a tenth of the time: it is in the processor time, not in the echoes.
    mib = 2 * SIZE * result["echoes"] / 0.9 / (1 << 20)
    return {"cpu": (after - before) / mib, "rate": result["rate"] * 2 * SIZE / (1 << 20)}


def run(programs, options):
    table = Table("Proxy", NOTE)
    for backend in ("epoll", "uring"):
        for peer, must in (("uv", Must(">=", 1.3)), ("splice", Must(">=", 0.9))):
            ours, theirs = pairs(
                options.pairs,
                lambda: _measure(programs, HEALD, backend, options.seconds),
                lambda: _measure(programs, f"proxy/peer_{peer}", None, options.seconds))
            case = f"{backend} against {'libuv' if peer == 'uv' else 'splice by hand'}"
            table.add(f"{case}: processor time", values(ours, "cpu"), values(theirs, "cpu"),
                      "ns/MiB", must, faster=True)
            table.add(f"{case}: rate", values(ours, "rate"), values(theirs, "rate"), "MiB/s")
    table.print()
