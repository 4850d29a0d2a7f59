#!/usr/bin/env python3
"""What calls cost: SIPp calls our driver, and SIPp's own answerer for comparison, on the same machine.

    benches/sip_load/run.py [ROW...]

Rows: cpu, sustained, register, memory, held, overload, flows; all of them without a name. Needs `sipp` (Debian:
sip-tester) and cargo. Prints a table and writes target/bench/sip_load.json. CPU is the server process's own, user and
system. SECONDS (default 10) is how long each step lasts.
"""

import csv
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SECONDS = int(os.environ.get("SECONDS", "10"))
TICK = os.sysconf("SC_CLK_TCK")
rows = []


def target():
    out = subprocess.check_output(["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT)
    return pathlib.Path(json.loads(out)["target_directory"])


def free_port():
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        return port


class Server:
    """A program under load, and what it has used."""

    def __init__(self, command, ready):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE if ready else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, text=True)
        if ready:
            assert self.process.stdout.readline().strip() == "ready", "the server does not come up"
        else:
            time.sleep(1)

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self, what="VmRSS"):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
        return 0

    def close(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ours(port, *more):
    return Server([str(SERVER), f"127.0.0.1:{port}", *more], True)


def sipps_uas(port):
    command = ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-nostdin"]
    return Server(command, False)


def load(port, rate, calls, scenario="call.xml", hold=0, more=(), timeout=None):
    """Runs SIPp to its end; its last line of figures."""
    with tempfile.TemporaryDirectory() as folder:
        stat = pathlib.Path(folder) / "stat.csv"
        limit = timeout or calls / rate + 40
        command = ["sipp", f"127.0.0.1:{port}", "-sf", str(HERE / scenario), "-i", "127.0.0.1", "-r", str(rate),
                   "-m", str(calls), "-d", str(hold), "-l", str(max(60000, rate * 4)), "-nostdin", "-trace_stat",
                   "-stf", str(stat), "-fd", "1", "-timeout", f"{int(limit)}", "-buff_size", "1048576", *more]
        began = time.monotonic()
        try:
            subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           timeout=limit + 20)
        except subprocess.TimeoutExpired:
            pass
        last = list(csv.DictReader(stat.open(), delimiter=";"))[-1]
        return {
            "made": int(last["TotalCallCreated"]), "good": int(last["SuccessfulCall(C)"]),
            "failed": int(last["FailedCall(C)"]), "again": int(last["Retransmissions(C)"]),
            "took": time.monotonic() - began}


def row(what, **figures):
    rows.append({"what": what, **figures})
    print(f"{what:<44} " + "  ".join(f"{name} {value}" for name, value in figures.items()), flush=True)


def cost(make, rate):
    port = free_port()
    with make(port) as server:
        load(port, 200, 200)
        before = server.cpu()
        got = load(port, rate, rate * SECONDS)
        used = server.cpu() - before
    return round(used * 1e6 / max(got["good"], 1), 1), got


def measure_cpu():
    figures = {}
    for name, make in (("ours", ours), ("sipp's uas", sipps_uas)):
        each, got = cost(make, 2000)
        figures[f"{name} µs"] = each
        figures[f"{name} failed"] = got["failed"]
    row("a call at 2000/s, CPU of the answerer", **figures)


def measure_sustained():
    for rate in (2000, 4000, 6000, 8000):
        each, got = cost(ours, rate)
        made = max(got["made"], 1)
        held = got["failed"] / made < 0.001 and got["again"] / made < 0.005
        row(f"{rate} calls/s for {SECONDS} s", **{
            "µs": each, "failed %": round(100 * got["failed"] / made, 3), "repeated %": round(100 * got["again"] / made, 3),
            "rate": round(got["good"] / got["took"]), "holds": held})


def measure_register():
    users, port = 1000, free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as book, ours(port, "register", str(users)) as server:
        book.write("SEQUENTIAL\n")
        for user in range(users):
            book.write(f"user{user};[authentication username=user{user} password=secret]\n")
        book.flush()
        load(port, 200, 200, "register.xml", more=("-inf", book.name))
        before = server.cpu()
        got = load(port, 2000, 2000 * SECONDS, "register.xml", more=("-inf", book.name))
        each = (server.cpu() - before) * 1e6 / max(got["good"], 1)
    row("a registration (401, then HA1) at 2000/s", **{"µs": round(each, 1), "failed": got["failed"]})


def measure_memory():
    port = free_port()
    with ours(port) as server:
        load(port, 100, 100)
        idle = server.memory()
        got = load(port, 2000, 60000)
        peak = server.memory("VmHWM")
        time.sleep(70)
        after = server.memory()
    row("memory of 60,000 calls in 30 s, MiB", idle=round(idle, 1), peak=round(peak, 1), **{"70 s later": round(after, 1)},
        failed=got["failed"])


def measure_held():
    port, calls = free_port(), 20000
    with ours(port) as server:
        load(port, 100, 100)
        before = server.memory()
        sipp = subprocess.Popen(
            ["sipp", f"127.0.0.1:{port}", "-sf", str(HERE / "call.xml"), "-i", "127.0.0.1", "-r", "1000", "-m", str(calls),
             "-d", "120000", "-l", "60000", "-nostdin"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Past what transactions remember (32 s), so that only the calls are left.
        time.sleep(calls / 1000 + 45)
        held = server.memory() - before
        sipp.kill()
        sipp.wait()
    row(f"a held call, of {calls}", KiB=round(held * 1024 / calls, 2))


def measure_overload():
    """The server on half a core; its best step, then twice that for 5 s, then 100 calls."""
    port = free_port()
    with ours(port) as server:
        limiter = Half(server.process.pid)
        try:
            best = 0
            for rate in range(1000, 9000, 1000):
                got = load(port, rate, rate * 3)
                made = max(got["made"], 1)
                if got["failed"] / made > 0.001 or got["again"] / made > 0.005:
                    break
                best = rate
            best = best or 500
            got = load(port, 2 * best, 10 * best, timeout=12)
            # By the time that it took: calls that were served late are not served twice as fast.
            goodput = got["good"] / max(5, got["took"]) / best
            time.sleep(5)
            after = load(port, 50, 100)
        finally:
            limiter.close()
    row("twice the best step for 5 s, half a core", best=best, **{
        "goodput %": round(100 * goodput, 1), "served afterwards": after["good"]})


class Half:
    """Stops and continues a process every 5 ms: half a core without control groups."""

    def __init__(self, pid):
        code = ("import os,sys,time,signal\np=int(sys.argv[1])\nwhile True:\n"
                " os.kill(p,signal.SIGSTOP);time.sleep(.005);os.kill(p,signal.SIGCONT);time.sleep(.005)")
        self.pid, self.process = pid, subprocess.Popen([sys.executable, "-c", code, str(pid)])

    def close(self):
        self.process.kill()
        self.process.wait()
        os.kill(self.pid, signal.SIGCONT)


def measure_flows():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(20000, hard - 200)
    port = free_port()
    with ours(port) as server:
        idle = server.memory()
        flows = []
        for number in range(count):
            flow = socket.socket()
            # A source port is free for each of our own addresses.
            flow.bind((f"127.0.{1 + number // 10000}.1", 0))
            flow.connect(("127.0.0.1", port))
            flows.append(flow)
        time.sleep(1)
        memory = server.memory() - idle
        before, lost = server.cpu(), 0
        for flow in flows:
            flow.sendall(b"\r\n\r\n")
        for flow in flows:
            flow.settimeout(5)
            try:
                lost += flow.recv(4) != b"\r\n"
            except OSError:
                lost += 1
        used = server.cpu() - before
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    row(f"{count} TCP flows", **{"KiB a flow": round(memory * 1024 / count, 2),
        "µs a keep-alive": round(used * 1e6 / count, 1), "lost": lost})


MEASURES = {"cpu": measure_cpu, "sustained": measure_sustained, "register": measure_register, "memory": measure_memory,
            "held": measure_held, "overload": measure_overload, "flows": measure_flows}

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(MEASURES)
    subprocess.run(["cargo", "build", "-q", "--release", "-p", "patchcord-sip-core", "--features", "net", "--example",
                    "load_server"], cwd=ROOT, check=True)
    SERVER = target() / "release/examples/load_server"
    for name in wanted:
        MEASURES[name]()
    folder = ROOT / "target/bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sip_load.json").write_text(json.dumps({"rows": rows}, indent=2, ensure_ascii=False) + "\n")
