//! Where packets wait, one slot a sequence number.

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Free,
    Sound,
    /// A packet without sound: an event.
    Skip,
}

#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) kind: Kind,
    /// The sequence number with its cycles.
    pub(crate) sequence: i64,
    /// The timestamp with its cycles.
    pub(crate) timestamp: i64,
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    bytes: Vec<u8>,
}

impl Slot {
    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes
    }
}

/// A ring of slots, a power of two of them.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    slots: Box<[Slot]>,
    used: usize,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Slots {
        let free = Slot {
            kind: Kind::Free,
            sequence: 0,
            timestamp: 0,
            payload_type: 0,
            marker: false,
            bytes: Vec::new(),
        };
        Slots {
            slots: vec![free; count.next_power_of_two()].into_boxed_slice(),
            used: 0,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }

    /// Slots that hold something.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    fn index(&self, sequence: i64) -> usize {
        (sequence as usize) & (self.slots.len() - 1)
    }

    pub(crate) fn get(&self, sequence: i64) -> Option<&Slot> {
        let slot = &self.slots[self.index(sequence)];
        (slot.kind != Kind::Free && slot.sequence == sequence).then_some(slot)
    }

    pub(crate) fn put(
        &mut self,
        kind: Kind,
        (sequence, timestamp): (i64, i64),
        (payload_type, marker): (u8, bool),
        payload: &[u8],
    ) {
        let index = self.index(sequence);
        let slot = &mut self.slots[index];
        if slot.kind == Kind::Free {
            self.used += 1;
        }
        slot.kind = kind;
        slot.sequence = sequence;
        slot.timestamp = timestamp;
        slot.payload_type = payload_type;
        slot.marker = marker;
        slot.bytes.clear();
        if slot.bytes.capacity() < payload.len() {
            // In steps, so that a codec with frames of many sizes soon stops growing them.
            slot.bytes
                .reserve_exact(payload.len().next_multiple_of(256));
        }
        slot.bytes.extend_from_slice(payload);
    }

    pub(crate) fn free(&mut self, sequence: i64) {
        let index = self.index(sequence);
        let slot = &mut self.slots[index];
        if slot.kind != Kind::Free && slot.sequence == sequence {
            slot.kind = Kind::Free;
            self.used -= 1;
        }
    }

    /// Frees everything before `sequence`; returns how much of it was sound.
    pub(crate) fn free_before(&mut self, sequence: i64) -> u64 {
        let mut sound = 0;
        for slot in &mut self.slots {
            if slot.kind != Kind::Free && slot.sequence < sequence {
                sound += u64::from(slot.kind == Kind::Sound);
                slot.kind = Kind::Free;
                self.used -= 1;
            }
        }
        sound
    }

    pub(crate) fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.kind = Kind::Free;
        }
        self.used = 0;
    }

    /// The first that holds something at or after `sequence`, within one turn of the ring.
    pub(crate) fn first_from(&self, sequence: i64) -> Option<&Slot> {
        if self.used == 0 {
            return None;
        }
        (sequence..sequence + self.slots.len() as i64).find_map(|n| self.get(n))
    }

    /// The lowest of all.
    pub(crate) fn lowest(&self) -> Option<&Slot> {
        self.slots
            .iter()
            .filter(|s| s.kind != Kind::Free)
            .min_by_key(|s| s.sequence)
    }
}
