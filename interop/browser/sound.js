// In the page: a tone to say, and an ear for what comes; with `video` also what a camera shows, and an eye.
export async function sound(hz, video = false) {
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  const tone = new OscillatorNode(context, { frequency: hz });
  const out = context.createMediaStreamDestination();
  tone.connect(new GainNode(context, { gain: 0.3 })).connect(out);
  tone.start();
  const ear = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });
  const size = { width: 320, height: 240 };
  const camera = video ? await navigator.mediaDevices.getUserMedia({ video: size }) : new MediaStream();
  let link;
  return {
    // A stream for one call: calls mute and end what they are given.
    stream: () => new MediaStream([...out.stream.getTracks(), ...camera.getTracks()].map((track) => track.clone())),
    // From now on it is this connection that is heard and counted.
    listen(connection) {
      link = connection;
      link.addEventListener("track", ({ track }) => {
        const stream = new MediaStream([track]);
        // What WebRTC brings flows into the analyser only while an element plays it.
        const player = document.createElement(track.kind);
        player.srcObject = stream;
        player.muted = true;
        player.play();
        if (track.kind === "audio") context.createMediaStreamSource(stream).connect(ear);
      });
    },
    // The level of each frequency in dB.
    hear(frequencies) {
      const spectrum = new Float32Array(ear.frequencyBinCount);
      ear.getFloatFrequencyData(spectrum);
      const bin = context.sampleRate / ear.fftSize;
      const near = (hz) => Math.max(...spectrum.slice(Math.round(hz / bin) - 2, Math.round(hz / bin) + 3));
      return Object.fromEntries(frequencies.map((hz) => [hz, near(hz)]));
    },
    // What the connection counts, once more than so many packets of sound and pictures came, or after five seconds.
    async stats(least = 0, pictures = 0) {
      let counted;
      for (let tries = 0; tries < 50; tries++) {
        counted = await this.count();
        if (counted.received > least && (counted.frames ?? 0) >= pictures) break;
        await new Promise((over) => setTimeout(over, 100));
      }
      return counted;
    },
    async count() {
      const said = { state: link.connectionState };
      const reports = await link.getStats();
      for (const report of reports.values()) {
        if (report.type === "inbound-rtp" && report.kind === "video") {
          Object.assign(said, { frames: report.framesDecoded, videoLost: report.packetsLost, videoCodec: reports.get(report.codecId)?.mimeType });
        } else if (report.type === "inbound-rtp") {
          Object.assign(said, { received: report.packetsReceived, lost: report.packetsLost, codec: reports.get(report.codecId)?.mimeType });
        }
        // What the far side asks of our pictures: packets again, and whole ones.
        if (report.type === "outbound-rtp" && report.kind === "video") Object.assign(said, { nacks: report.nackCount, plis: report.pliCount });
        // What it reports of them.
        if (report.type === "remote-inbound-rtp" && report.kind === "video") said.reported = report.packetsLost;
        if (report.type === "transport") Object.assign(said, { dtls: report.dtlsState, version: report.tlsVersion, srtp: report.srtpCipher });
      }
      return said;
    },
  };
}
