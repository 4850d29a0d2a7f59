//! Which payload type means what when it arrives here.

use super::Codec;

/// The payload types that we have declared on one `m=` line, oldest first.
///
/// Within a session a number never changes its meaning (RFC 3264 §8.3.2), so entries are added and moved,
/// never removed or changed; 128 numbers bound the list.
#[derive(Debug, Clone, Default)]
pub(super) struct Bindings(Vec<(u8, Codec)>);

/// Dynamic payload types in the order in which they are given out: the range of RFC 3551 §6 first, then
/// numbers that no table assigns and that rtcp-mux can tell from RTCP (RFC 5761 §4).
fn dynamic() -> impl Iterator<Item = u8> {
    (96..=127).chain(35..=63)
}

impl Bindings {
    fn of(&self, payload_type: u8) -> Option<&Codec> {
        self.0
            .iter()
            .find(|(number, _)| *number == payload_type)
            .map(|(_, codec)| codec)
    }

    /// The number that this codec was last declared with.
    fn number(&self, codec: &Codec) -> Option<u8> {
        self.0
            .iter()
            .rev()
            .find(|(_, bound)| bound.matches(codec))
            .map(|(number, _)| *number)
    }

    /// Declares a number of the peer's choice, unless it means something else here already.
    pub(super) fn adopt(&mut self, payload_type: u8, codec: &Codec) -> bool {
        match self.of(payload_type) {
            Some(bound) if !bound.matches(codec) => return false,
            Some(_) => self.0.retain(|(number, _)| *number != payload_type),
            None => {}
        }
        self.0.push((payload_type, codec.clone()));
        true
    }

    /// Understands a number in addition, without declaring it from now on.
    pub(super) fn alias(&mut self, payload_type: u8, codec: &Codec) {
        if self.of(payload_type).is_none() {
            self.0.insert(0, (payload_type, codec.clone()));
        }
    }

    /// The number of a codec: the one it has, else the one it asks for, else RFC 3551's, else a dynamic one.
    /// `None` when no number is left.
    pub(super) fn assign(&mut self, codec: &Codec) -> Option<u8> {
        if let Some(number) = self.number(codec) {
            return Some(number);
        }
        let wished = codec.payload_type.filter(|number| *number <= 127);
        let number = wished
            .into_iter()
            .chain(codec.static_payload_type())
            .chain(dynamic())
            .find(|number| self.of(*number).is_none())?;
        self.0.push((number, codec.clone()));
        Some(number)
    }

    /// All of them, the latest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, &Codec)> {
        self.0.iter().rev().map(|(number, codec)| (*number, codec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_meaning() {
        let (opus, g722, amr) = (
            Codec::new("opus", 48_000),
            Codec::new("G722", 8_000),
            Codec::new("AMR", 8_000),
        );
        let mut bindings = Bindings::default();
        assert_eq!(bindings.assign(&opus), Some(96));
        assert_eq!(bindings.assign(&g722), Some(9));
        assert!(!bindings.adopt(96, &amr));
        assert!(bindings.adopt(107, &opus));
        assert_eq!(bindings.assign(&opus), Some(107));
        assert_eq!(bindings.of(96), Some(&opus));
        assert_eq!(bindings.assign(&amr), Some(97));
        bindings.alias(97, &opus);
        bindings.alias(98, &opus);
        assert_eq!(bindings.of(97), Some(&amr));
        assert_eq!(bindings.assign(&opus), Some(107));
    }

    #[test]
    fn numbers_run_out_quietly() {
        let mut bindings = Bindings::default();
        let given = (0..200)
            .filter_map(|n| bindings.assign(&Codec::new("X", 8_000 + n)))
            .count();
        assert_eq!(given, 32 + 29);
    }
}
