// In the page: a tone to say, and an ear for what comes.
export async function sound(hz) {
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  const tone = new OscillatorNode(context, { frequency: hz });
  const out = context.createMediaStreamDestination();
  tone.connect(new GainNode(context, { gain: 0.3 })).connect(out);
  tone.start();
  const ear = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });
  let link;
  return {
    // A stream for one call: calls mute and end what they are given.
    stream: () => out.stream.clone(),
    // From now on it is this connection that is heard and counted.
    listen(connection) {
      link = connection;
      link.addEventListener("track", ({ track }) => {
        const stream = new MediaStream([track]);
        // What WebRTC brings flows into the analyser only while an element plays it.
        const player = new Audio();
        player.srcObject = stream;
        player.muted = true;
        player.play();
        context.createMediaStreamSource(stream).connect(ear);
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
    // What the connection counts, once more than so many packets came, or after five seconds.
    async stats(least = 0) {
      let counted;
      for (let tries = 0; tries < 50; tries++) {
        counted = await this.count();
        if (counted.received > least) break;
        await new Promise((over) => setTimeout(over, 100));
      }
      return counted;
    },
    async count() {
      const said = { state: link.connectionState };
      const reports = await link.getStats();
      for (const report of reports.values()) {
        if (report.type === "inbound-rtp") {
          Object.assign(said, { received: report.packetsReceived, lost: report.packetsLost, codec: reports.get(report.codecId)?.mimeType });
        }
        if (report.type === "transport") Object.assign(said, { dtls: report.dtlsState, version: report.tlsVersion, srtp: report.srtpCipher });
      }
      return said;
    },
  };
}
