//! Offer and answer through their public face: tables by RFC section, properties over random offers.

mod components;
mod crypto;
mod directions;
mod errors;
mod examples;
mod hold;
mod lines;
mod payload_types;
mod peers;
mod properties;
mod relay;
mod support;
mod webrtc;
