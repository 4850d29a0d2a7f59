#!/usr/bin/env python3
"""What calls cost: SIPp calls our driver, and SIPp's own answerer for comparison, on the same machine.

    benches/sip_load/run.py [ROW...]

Rows: cpu, cores, sustained, register, memory, held, overload, flows; all of them without a name. Needs `sipp` (Debian:
sip-tester) and cargo; with `kamailio` its registrar stands beside ours; `memory` is asked of jemalloc (libjemalloc2)
and of the system's allocator. Prints a table and writes target/bench/sip_load.json. CPU is that of the server's processes, user and system. As root the half core of `overload` is
a control group's, else the server is stopped and continued every 5 ms.

SECONDS (default 10) is how long each step lasts, CALLS (60000) how many `memory` makes, HELD (20000) how many `held`
holds, FLOWS (10000) how many of each transport are registered and idle.
"""

import base64
import csv
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SECONDS = int(os.environ.get("SECONDS", "10"))
CALLS = int(os.environ.get("CALLS", "60000"))
HELD = int(os.environ.get("HELD", "20000"))
FLOWS = int(os.environ.get("FLOWS", "10000"))
PORTS = 4
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

    def __init__(self, command, ready, env=None):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE if ready else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, text=True, env={**os.environ, **(env or {})})
        if ready:
            assert self.process.stdout.readline().strip() == "ready", "the server does not come up"
        else:
            time.sleep(1)

    def processes(self):
        """Its own and its children's: Kamailio is many."""
        found, parents = [self.process.pid], {}
        for place in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(place.parent.name)] = int(place.read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass  # It has ended meanwhile.
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu(self):
        ticks = 0
        for pid in self.processes():
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def memory(self, what="VmRSS"):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
        return 0

    def close(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # It went with the one before.
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ours(port, *more, env=None):
    return Server([str(SERVER), f"127.0.0.1:{port}", *more], True, env)


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


def measure_cores():
    """What it costs to have several endpoints behind the same sockets."""
    figures = {}
    for cores in (1, 2, 4):
        each, got = cost(lambda port: ours(port, "cores", str(cores)), 2000)
        figures[f"{cores} µs"] = each
        figures[f"{cores} failed"] = got["failed"]
    row("a call at 2000/s, CPU, by endpoints", **figures)


def measure_sustained():
    for rate in (2000, 4000, 6000, 8000):
        each, got = cost(ours, rate)
        made = max(got["made"], 1)
        held = got["failed"] / made < 0.001 and got["again"] / made < 0.005
        row(f"{rate} calls/s for {SECONDS} s", **{
            "µs": each, "failed %": round(100 * got["failed"] / made, 3), "repeated %": round(100 * got["again"] / made, 3),
            "rate": round(got["good"] / got["took"]), "holds": held})


def kamailio(folder, port, users):
    """Its registrar as a program in memory: HA1s in a table, bindings in usrloc, one UDP worker."""
    (folder / "run").mkdir()
    text = (HERE / "kamailio.cfg").read_text().replace("@PORT@", str(port)).replace("@USERS@", str(users))
    (folder / "kamailio.cfg").write_text(text)
    run = folder / "run"
    server = Server(["kamailio", "-f", str(folder / "kamailio.cfg"), "-DD", "-E", "-m", "256", "-M", "16", "-w", str(run), "-Y",
                     str(run), "-P", str(run / "pid")], False)
    for _ in range(100):
        if f":{port:04X} " in pathlib.Path("/proc/net/udp").read_text():
            return server
        time.sleep(0.1)
    server.close()
    sys.exit("Kamailio does not come up")


def measure_register():
    users = 1000
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        book = folder / "users.csv"
        book.write_text("SEQUENTIAL\n" + "".join(
            f"user{user};[authentication username=user{user} password=secret]\n" for user in range(users)))
        makers = {"ours": lambda port: ours(port, "register", str(users))}
        if shutil.which("kamailio"):
            makers["Kamailio"] = lambda port: kamailio(folder, port, users)
        figures = {}
        for name, make in makers.items():
            port = free_port()
            with make(port) as server:
                load(port, 200, 200, "register.xml", more=("-inf", str(book)))
                before = server.cpu()
                got = load(port, 2000, 2000 * SECONDS, "register.xml", more=("-inf", str(book)))
                each = (server.cpu() - before) * 1e6 / max(got["good"], 1)
            figures[f"{name} µs"] = round(each, 1)
            figures[f"{name} failed"] = got["failed"]
    row("a registration (401, then HA1) at 2000/s", **figures)


def measure_memory():
    """With an allocator that gives pages back while nothing happens, as a server that runs for weeks should have; and with
    the system's, which keeps what is free between what is not."""
    jemalloc = next(pathlib.Path("/usr/lib").glob("**/libjemalloc.so.2"), None)
    allocators = {"the system's": {}}
    if jemalloc:
        conf = "background_thread:true,dirty_decay_ms:1000,narenas:2"
        allocators = {"jemalloc": {"LD_PRELOAD": str(jemalloc), "MALLOC_CONF": conf}, **allocators}
    else:
        print("skipped: libjemalloc2 is not installed; the system's allocator alone", flush=True)
    for name, env in allocators.items():
        port = free_port()
        with ours(port, env=env) as server:
            load(port, 100, 100)
            idle = server.memory()
            got = load(port, 2000, CALLS)
            peak = server.memory("VmHWM")
            time.sleep(70)
            after = server.memory()
        row(f"MiB of {CALLS} calls at 2000/s, allocator {name}", idle=round(idle, 1), peak=round(peak, 1), **{
            "70 s later": round(after, 1), "times idle": round(after / idle, 2)}, failed=got["failed"])


def measure_held():
    port, calls = free_port(), HELD
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
    row(f"twice the best step for 5 s, half a core ({limiter.how})", best=best, **{
        "goodput %": round(100 * goodput, 1), "served afterwards": after["good"]})


class Half:
    """Half a core for a process: a control group's quota, or else stopped and continued every 5 ms."""

    def __init__(self, pid):
        self.pid, self.process, self.group, self.how = pid, None, None, "stopped every 5 ms"
        for base, quota in (("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us"), ("/sys/fs/cgroup", "cpu.max")):
            group = pathlib.Path(base) / f"sip_load-{os.getpid()}"
            try:
                group.mkdir()
                self.group = group
                if quota == "cpu.max":
                    (group / quota).write_text("5000 10000")
                else:
                    (group / "cpu.cfs_period_us").write_text("10000")
                    (group / quota).write_text("5000")
                (group / "cgroup.procs").write_text(str(pid))
                self.how = "control group"
                return
            except OSError:
                self.leave()
        code = ("import os,sys,time,signal\np=int(sys.argv[1])\nwhile True:\n"
                " os.kill(p,signal.SIGSTOP);time.sleep(.005);os.kill(p,signal.SIGCONT);time.sleep(.005)")
        self.process = subprocess.Popen([sys.executable, "-c", code, str(pid)])

    def leave(self):
        if self.group and self.group.is_dir():
            try:
                (self.group.parent / "cgroup.procs").write_text(str(self.pid))
            except OSError:
                pass  # It never came in.
            self.group.rmdir()
        self.group = None

    def close(self):
        self.leave()
        if self.process:
            self.process.kill()
            self.process.wait()
            os.kill(self.pid, signal.SIGCONT)


class Client:
    """One registered flow, TCP or WebSocket."""

    def __init__(self, transport, number, port):
        self.transport, self.number = transport, number
        self.socket = socket.socket()
        self.socket.settimeout(30)
        # A source port is free for each of our own addresses.
        self.socket.bind((f"127.0.{1 + number // 10000}.1", 0))
        self.socket.connect(("127.0.0.1", port))
        if transport == "ws":
            key = base64.b64encode(os.urandom(16)).decode()
            self.socket.sendall((
                f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n").encode())
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += self.socket.recv(1)
            assert answer.startswith(b"HTTP/1.1 101 "), answer

    def send(self, text):
        data = text.encode()
        if self.transport == "ws":
            # One text frame, masked with zeros, which a server takes off like any mask.
            length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
            data = b"\x81" + length + bytes(4) + data
        self.socket.sendall(data)

    def receive(self):
        """One message, short enough to come whole."""
        if self.transport == "tcp":
            return self.socket.recv(4096).decode()
        head = self.socket.recv(2, socket.MSG_WAITALL)
        length = head[1]
        if length == 126:
            length = int.from_bytes(self.socket.recv(2, socket.MSG_WAITALL), "big")
        return self.socket.recv(length, socket.MSG_WAITALL).decode()

    def register(self):
        user, port = f"user{self.number}", self.socket.getsockname()[1]
        uri, credentials = "sip:load.test", ""
        for sequence in (1, 2):
            self.send(
                f"REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/{self.transport.upper()} 127.0.0.1:{port};rport;"
                f"branch=z9hG4bK{self.transport}{self.number}x{sequence}\r\nMax-Forwards: 70\r\n"
                f"From: <sip:{user}@load.test>;tag=1\r\nTo: <sip:{user}@load.test>\r\n"
                f"Call-ID: {self.transport}{self.number}\r\nCSeq: {sequence} REGISTER\r\n"
                f"Contact: <sip:{user}@127.0.0.1:{port};transport={self.transport}>\r\nExpires: 3600\r\n{credentials}"
                "Content-Length: 0\r\n\r\n")
            answer = self.receive()
            if sequence == 2:
                assert answer.startswith("SIP/2.0 200"), answer
                return
            challenge = next(line for line in answer.split("\r\n") if line.startswith("WWW-Authenticate") and "MD5" in line)
            realm, nonce = (re.search(rf'{name}="([^"]*)"', challenge)[1] for name in ("realm", "nonce"))
            md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
            ha1, ha2 = md5(f"{user}:{realm}:secret"), md5(f"REGISTER:{uri}")
            response = md5(f"{ha1}:{nonce}:00000001:abcd:auth:{ha2}")
            credentials = (f'Authorization: Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
                           f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="abcd"\r\n')


def measure_flows():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(FLOWS, hard - 200)
    for transport in ("tcp", "ws"):
        first = free_port()
        ports = [free_port() for _ in range(PORTS)]
        more = [f"{transport}:127.0.0.1:{port}" for port in ports]
        with ours(first, "register", str(count), *more) as server:
            idle = server.memory()
            clients = []
            for number in range(count):
                clients.append(Client(transport, number, ports[number % PORTS]))
                clients[-1].register()
            time.sleep(1)
            memory = server.memory() - idle
            before, lost = server.cpu(), 0
            for _ in range(3):
                for client in clients:
                    client.send("\r\n\r\n")
                for client in clients:
                    try:
                        lost += client.receive() != "\r\n"
                    except OSError:
                        lost += 1
            used = server.cpu() - before
            for client in clients:
                client.socket.close()
        row(f"{count} registered {transport.upper()} flows on {PORTS} ports", **{
            "KiB a flow": round(memory * 1024 / count, 2), "µs a keep-alive": round(used * 1e6 / count / 3, 1), "lost": lost})
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


MEASURES = {"cpu": measure_cpu, "cores": measure_cores, "sustained": measure_sustained, "register": measure_register, "memory": measure_memory,
            "held": measure_held, "overload": measure_overload, "flows": measure_flows}

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(MEASURES)
    subprocess.run(["cargo", "build", "-q", "--release", "-p", "patchcord-sip-core", "--features", "net,ws",
                    "--example", "load_server"], cwd=ROOT, check=True)
    SERVER = target() / "release/examples/load_server"
    for name in wanted:
        MEASURES[name]()
    folder = ROOT / "target/bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sip_load.json").write_text(json.dumps({"rows": rows}, indent=2, ensure_ascii=False) + "\n")
