// In the page: a JsSIP user that says a tone and looks for others in what it hears.
import * as JsSIP from "jssip";

function until(what, begin) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no ${what}`)), 15000);
    begin((value) => { clearTimeout(late); resolve(value); }, (why) => { clearTimeout(late); reject(new Error(String(why))); });
  });
}

window.talk = async ({ ws, uri, target, hz }) => {
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  const tone = new OscillatorNode(context, { frequency: hz });
  const out = context.createMediaStreamDestination();
  tone.connect(new GainNode(context, { gain: 0.3 })).connect(out);
  tone.start();
  const ear = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });

  const ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(ws)], uri, register: false });
  await until("connection", (ok) => { ua.once("connected", ok); ua.start(); });
  const session = ua.call(target, { mediaStream: out.stream, pcConfig: { iceServers: [] } });
  const link = session.connection;
  link.addEventListener("track", ({ track }) => {
    const stream = new MediaStream([track]);
    // What WebRTC brings flows into the analyser only while an element plays it.
    const player = new Audio();
    player.srcObject = stream;
    player.muted = true;
    player.play();
    context.createMediaStreamSource(stream).connect(ear);
  });
  await until("answer", (ok, no) => {
    session.once("confirmed", ok);
    session.once("failed", ({ cause }) => no(cause));
  });

  return {
    // The level of each frequency in dB, and what the connection counts.
    hear(frequencies) {
      const spectrum = new Float32Array(ear.frequencyBinCount);
      ear.getFloatFrequencyData(spectrum);
      const bin = context.sampleRate / ear.fftSize;
      const near = (hz) => Math.max(...spectrum.slice(Math.round(hz / bin) - 2, Math.round(hz / bin) + 3));
      return Object.fromEntries(frequencies.map((hz) => [hz, near(hz)]));
    },
    async stats() {
      const said = { state: link.connectionState };
      for (const report of (await link.getStats()).values()) {
        if (report.type === "inbound-rtp") Object.assign(said, { received: report.packetsReceived, lost: report.packetsLost });
        if (report.type === "transport") Object.assign(said, { dtls: report.dtlsState, version: report.tlsVersion, srtp: report.srtpCipher });
      }
      return said;
    },
    press(digits, how) {
      session.sendDTMF(digits, { transportType: JsSIP.C.DTMF_TRANSPORT[how], duration: 100, interToneGap: 100 });
    },
    hold: () => until("hold", (ok) => session.hold({}, ok)),
    unhold: () => until("resume", (ok) => session.unhold({}, ok)),
    hangUp: () => until("end", (ok) => { session.once("ended", () => ok()); session.terminate(); }),
  };
};
