//! WebRTC that nobody here wrote: aiortc and Chromium call the gateway and are called by it, with ICE and DTLS-SRTP, and a tone
//! is found in both directions.

#[path = "webrtc/aiortc.rs"]
mod aiortc;
#[path = "webrtc/chromium.rs"]
mod chromium;
mod house;
