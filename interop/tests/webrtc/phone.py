"""A phone on aiortc: ICE, DTLS-SRTP, rtcp-mux; SIP over UDP as far as one call needs it.

phone.py call HOST:PORT CODEC WAV    calls sip:room@HOST:PORT
phone.py answer CODEC WAV            prints "ready PORT", and answers what comes there

It says a tone of 1020 Hz and writes what it hears to WAV (16 bits, one channel) until the other side hangs up; then it
prints one line of JSON. Its one address is 127.0.0.1.
"""

import array
import asyncio
import fractions
import json
import math
import sys
import wave

import aioice.ice
import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription

aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
RATE, HZ = 48000, 1020


class Tone(MediaStreamTrack):
    kind = "audio"
    sent = 0
    begun = None

    async def recv(self):
        loop = asyncio.get_running_loop()
        if self.begun is None:
            self.begun = loop.time()
        await asyncio.sleep(max(0.0, self.begun + self.sent / RATE - loop.time()))
        turn = 2 * math.pi * HZ / RATE
        pcm = array.array("h", (int(9000 * math.sin(turn * (self.sent + n))) for n in range(960)))
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        frame.planes[0].update(pcm.tobytes())
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.sent, fractions.Fraction(1, RATE)
        self.sent += 960
        return frame


class Phone(asyncio.DatagramProtocol):
    def __init__(self, codec, path):
        self.codec, self.path = codec, path
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peer.addTrack(Tone())
        self.heard, self.channels, self.rate = bytearray(), 1, RATE
        self.peer.on("track", lambda track: asyncio.ensure_future(self.listen(track)))
        self.over = asyncio.get_running_loop().create_future()
        self.busy = False
        self.answer = None

    async def listen(self, track):
        try:
            while True:
                frame = await track.recv()
                self.channels, self.rate = len(frame.layout.channels), frame.sample_rate
                self.heard += bytes(frame.planes[0])[: frame.samples * self.channels * 2]
        except Exception:
            pass

    def prefer(self):
        able = RTCRtpSender.getCapabilities("audio").codecs
        first = [c for c in able if c.mimeType.lower() == f"audio/{self.codec}".lower()]
        for transceiver in self.peer.getTransceivers():
            transceiver.setCodecPreferences(first)

    def connection_made(self, transport):
        self.transport = transport
        self.me = "127.0.0.1:%d" % transport.get_extra_info("sockname")[1]

    def send(self, first, headers, body=""):
        kind = ["Content-Type: application/sdp"] if body else []
        lines = [first, *headers, f"Contact: <sip:aiortc@{self.me}>", *kind, f"Content-Length: {len(body)}", "", body]
        self.transport.sendto("\r\n".join(lines).encode(), self.to)

    def request(self, method, number, uri, to, body=""):
        self.send(
            f"{method} {uri} SIP/2.0",
            [
                f"Via: SIP/2.0/UDP {self.me};branch=z9hG4bK-aiortc-{method}",
                "Max-Forwards: 70",
                f"From: <sip:aiortc@{self.me}>;tag=aiortc",
                f"To: {to}",
                f"Call-ID: aiortc@{self.me}",
                f"CSeq: {number} {method}",
            ],
            body,
        )

    async def call(self, host):
        name, port = host.rsplit(":", 1)
        self.to, self.uri = (name, int(port)), f"sip:room@{host}"
        self.prefer()
        await self.peer.setLocalDescription(await self.peer.createOffer())
        self.request("INVITE", 1, self.uri, f"<{self.uri}>", self.peer.localDescription.sdp)

    def datagram_received(self, data, source):
        self.to = source
        head, _, body = data.decode().partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        if first.startswith("SIP/2.0 "):
            self.answered(int(first.split()[1]), lines, body)
        elif first.startswith("INVITE "):
            if self.answer:
                self.send(*self.answer)
            elif not self.busy:
                self.busy = True
                asyncio.ensure_future(self.invited(lines, body))
        elif first.startswith("BYE "):
            self.send("SIP/2.0 200 OK", self.mirrored(lines))
            if not self.over.done():
                self.over.set_result(True)

    def answered(self, status, lines, body):
        if status == 200:
            to = next(line[4:] for line in lines if line.lower().startswith("to: "))
            self.request("ACK", 1, self.uri, to)
            if not self.busy:
                self.busy = True
                answer = RTCSessionDescription(type="answer", sdp=body)
                asyncio.ensure_future(self.peer.setRemoteDescription(answer))
        elif status > 200:
            print(json.dumps({"refused": status}), flush=True)
            sys.exit(1)

    def mirrored(self, lines, tag=""):
        wanted = ("via:", "from:", "call-id:", "cseq:", "record-route:")
        mirrored = [line for line in lines if line.lower().startswith(wanted)]
        to = next(line for line in lines if line.lower().startswith("to:"))
        return mirrored + [to + tag]

    async def invited(self, lines, body):
        self.prefer()
        await self.peer.setRemoteDescription(RTCSessionDescription(type="offer", sdp=body))
        await self.peer.setLocalDescription(await self.peer.createAnswer())
        self.answer = ("SIP/2.0 200 OK", self.mirrored(lines, ";tag=aiortc"), self.peer.localDescription.sdp)
        self.send(*self.answer)

    async def report(self):
        said = {"state": self.peer.connectionState}
        for stats in (await self.peer.getStats()).values():
            if stats.type == "inbound-rtp":
                said["received"], said["lost"] = stats.packetsReceived, stats.packetsLost
        with wave.open(self.path, "wb") as file:
            file.setnchannels(self.channels)
            file.setsampwidth(2)
            file.setframerate(self.rate)
            file.writeframes(bytes(self.heard))
        return said


async def main():
    mode, *rest = sys.argv[1:]
    codec, path = rest[-2:]
    loop = asyncio.get_running_loop()
    _, phone = await loop.create_datagram_endpoint(lambda: Phone(codec, path), ("127.0.0.1", 0))
    if mode == "call":
        await phone.call(rest[0])
    else:
        print("ready", phone.me.rsplit(":", 1)[1], flush=True)
    await phone.over
    print(json.dumps(await phone.report()), flush=True)
    await phone.peer.close()


asyncio.run(asyncio.wait_for(main(), 60))
