// What a page changes in its video line on the way to its library and from there.

// The lines of the video section go through `change`, which gives them back or fewer.
function video(sdp, change) {
  const sections = sdp.split(/(?=^m=)/m);
  const changed = sections.map((section) => (section.startsWith("m=video ") ? change(section.split("\r\n")).join("\r\n") : section));
  return changed.join("");
}

// An offer of one codec, `VP9` for one, and of its retransmission alone.
export function only(sdp, codec) {
  return video(sdp, (lines) => {
    const of = (pattern) => lines.map((line) => pattern.exec(line)).filter(Boolean);
    const named = of(/^a=rtpmap:(\d+) (\w+)\//).filter(([, , name]) => name === codec).map(([, number]) => number);
    const again = of(/^a=fmtp:(\d+) apt=(\d+)$/).filter(([, , apt]) => named.includes(apt)).map(([, number]) => number);
    const kept = [...named, ...again];
    if (!named.length) throw new Error(`this browser has no ${codec}`);
    const [kind, port, profile] = lines[0].split(" ");
    const rest = lines.slice(1).filter((line) => {
      const format = /^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /.exec(line);
      return !format || kept.includes(format[1]);
    });
    return [[kind, port, profile, ...kept].join(" "), ...rest];
  });
}

// A description without the addresses of its video: whoever gets it learns them from the packets.
export const hidden = (sdp) => video(sdp, (lines) => lines.filter((line) => !line.startsWith("a=candidate:")));

// A description whose video is reached at `port` of 127.0.0.1 in place of the port that it names; that goes to `told`.
export function through(sdp, port, told) {
  return video(sdp, (lines) => lines.map((line) => {
    if (!line.startsWith("a=candidate:")) return line;
    const words = line.split(" ");
    told(Number(words[5]));
    [words[4], words[5]] = ["127.0.0.1", port];
    return words.join(" ");
  }));
}
