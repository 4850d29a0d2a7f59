//! Lines that are tied together: `a=mid`, `a=group:BUNDLE` (RFC 9143), `a=msid` (RFC 8830), and header extensions
//! (RFC 8285).
//!
//! We give every stream a transport of its own, as browsers do under their policy `balanced`. Of an offered
//! bundle we take the first line that we accept, and the others outside of it, which RFC 9143 §7.3.2 allows;
//! lines that exist only inside the bundle (`a=bundle-only`, port 0) stay closed.

use super::state::Line;
use crate::sdp::{Attribute, Description, ExtMap, Group, Media, Msid};

/// The longest `a=mid` that is echoed; RFC 9143 §15.1 wants them shorter than three bytes.
const MAX_MID: usize = 64;
/// Header extensions of one section that are read.
const MAX_EXTENSIONS: usize = 64;

/// The `a=mid` of a section, when it can be echoed.
pub(super) fn mid(media: &Media) -> Option<&str> {
    media
        .attributes
        .value("mid")
        .map(str::trim)
        .filter(|mid| !mid.is_empty() && mid.len() <= MAX_MID)
}

/// What the stream carries, when our side says so.
pub(super) fn msid_attribute(msids: &[Msid], stream: usize) -> Option<Attribute> {
    let msid = msids.get(stream)?;
    Some(Attribute::new("msid", msid.to_string()))
}

/// The group of an answer to this offer, of those bundled lines that are open in the answer.
pub(super) fn answer_group(offered: &Description, answer: &Description) -> Option<Attribute> {
    let open: Vec<&str> = answer
        .media
        .iter()
        .filter(|media| media.port != 0)
        .filter_map(|media| mid(media))
        .collect();
    let group = offered
        .attributes
        .typed::<Group>("group")
        .find(|group| group.semantics == "BUNDLE")?;
    let first = group
        .mids
        .into_iter()
        .find(|mid| open.contains(&mid.as_str()))?;
    let group = Group {
        semantics: group.semantics,
        mids: vec![first],
    };
    Some(Attribute::new("group", group.to_string()))
}

/// Of the offered extensions those that we know, with the offer's ids (RFC 8285 §6).
pub(super) fn answer_extensions(offered: &Media, known: &[String], line: &mut Line) -> Vec<ExtMap> {
    let mut extensions: Vec<ExtMap> = Vec::new();
    for offer in offered
        .attributes
        .typed::<ExtMap>("extmap")
        .take(MAX_EXTENSIONS)
    {
        let new = !extensions
            .iter()
            .any(|have| have.uri == offer.uri || have.id == offer.id);
        // 15 is reserved, 256 and more are no ids of a packet; an offer of those lets the answer choose,
        // which is not worth having.
        if new && matches!(offer.id, 1..=14 | 16..=255) && known.contains(&offer.uri) {
            extensions.push(ExtMap {
                attributes: None,
                ..offer
            });
        }
    }
    line.extensions.clone_from(&extensions);
    extensions.into_iter().map(reversed).collect()
}

/// The same, seen from the other side.
fn reversed(extension: ExtMap) -> ExtMap {
    ExtMap {
        direction: extension.direction.map(|direction| direction.reversed()),
        ..extension
    }
}

/// What we offer: each extension that we know, with the id that it has in this session or a free one.
pub(super) fn offer_extensions(known: &[String], line: &Line) -> Vec<ExtMap> {
    let mut extensions: Vec<ExtMap> = Vec::new();
    for uri in known {
        let taken = |id: u16| {
            line.extensions
                .iter()
                .chain(&extensions)
                .any(|have| have.id == id)
        };
        let kept = line
            .extensions
            .iter()
            .find(|have| have.uri == *uri)
            .map(|have| have.id);
        if let Some(id) = kept.or_else(|| (1..=14).find(|id| !taken(*id))) {
            extensions.push(ExtMap {
                id,
                direction: None,
                uri: uri.clone(),
                attributes: None,
            });
        }
    }
    extensions
}

/// Of what we offered, what the answer names: its ids count only when they are ours.
pub(super) fn settle_extensions(
    answered: &Media,
    offered: &[ExtMap],
    line: &mut Line,
) -> Vec<ExtMap> {
    let settled: Vec<ExtMap> = answered
        .attributes
        .typed::<ExtMap>("extmap")
        .take(MAX_EXTENSIONS)
        .filter(|answer| {
            offered
                .iter()
                .any(|ours| ours.id == answer.id && ours.uri == answer.uri)
        })
        .map(|answer| {
            reversed(ExtMap {
                attributes: None,
                ..answer
            })
        })
        .collect();
    line.extensions.clone_from(&settled);
    settled
}

/// `a=extmap` lines.
pub(super) fn extension_attributes(extensions: &[ExtMap]) -> impl Iterator<Item = Attribute> + '_ {
    extensions
        .iter()
        .map(|extension| Attribute::new("extmap", extension.to_string()))
}
