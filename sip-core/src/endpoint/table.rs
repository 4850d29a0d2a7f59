//! A bounded table with generational keys: a key of something that is gone finds nothing, even
//! when its place is taken again.

use super::room::spare;

/// The place of an entry and which of that place's tenants is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    pub(crate) const MIN: Self = Self {
        index: 0,
        generation: 0,
    };
    pub(crate) const MAX: Self = Self {
        index: u32::MAX,
        generation: u32::MAX,
    };
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<Box<T>>,
}

/// Entries by [`Key`]; boxed, so that an empty place costs a few bytes only.
#[derive(Debug)]
pub(crate) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
    limit: usize,
    /// Where places begin to count their tenants: above all that were given back, whose keys may still be about.
    generation: u32,
    /// Places freed since room was last given back.
    freed: usize,
}

impl<T> Table<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            len: 0,
            limit: limit.min(u32::MAX as usize),
            generation: 0,
            freed: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len >= self.limit
    }

    /// Gives the value back when the table is full.
    pub(crate) fn insert(&mut self, value: T) -> Result<Key, T> {
        if self.is_full() {
            return Err(value);
        }
        self.len += 1;
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.value = Some(Box::new(value));
            return Ok(Key {
                index,
                generation: slot.generation,
            });
        }
        let index = self.slots.len() as u32;
        let generation = self.generation;
        self.slots.push(Slot {
            generation,
            value: Some(Box::new(value)),
        });
        Ok(Key { index, generation })
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        if slot.generation == key.generation {
            slot.value.as_deref()
        } else {
            None
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation == key.generation {
            slot.value.as_deref_mut()
        } else {
            None
        }
    }

    /// Takes an entry out for the time of a computation; its place stays its own until
    /// [`put_back`](Self::put_back) or [`release`](Self::release).
    pub(crate) fn take(&mut self, key: Key) -> Option<Box<T>> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation == key.generation {
            slot.value.take()
        } else {
            None
        }
    }

    pub(crate) fn put_back(&mut self, key: Key, value: Box<T>) {
        if let Some(slot) = self.slots.get_mut(key.index as usize) {
            slot.value = Some(value);
        }
    }

    /// Frees the place of an entry that was taken out.
    pub(crate) fn release(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key.index as usize) {
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(key.index);
            self.freed += 1;
            self.len -= 1;
        }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        self.freed += 1;
        self.len -= 1;
        Some(*value)
    }

    /// Gives back the places behind the last that is taken, as [`room`](super::room) says, and makes new entries take
    /// the first ones, so that the others come free in time. Nothing may be [taken](Self::take) out meanwhile.
    pub(crate) fn give_back(&mut self) {
        // As many must have left since the last look as a look costs.
        if spare(self.len, self.slots.len()).is_none() || self.freed < self.slots.len() / 2 {
            return;
        }
        self.freed = 0;
        let last = self.slots.iter().rposition(|slot| slot.value.is_some());
        let keep = last.map_or(0, |last| last + 1);
        for slot in self.slots.drain(keep..) {
            self.generation = self.generation.max(slot.generation);
        }
        self.slots.shrink_to_fit();
        self.free.retain(|index| (*index as usize) < keep);
        self.free.sort_unstable_by(|a, b| b.cmp(a));
        self.free.shrink_to_fit();
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.value.is_some())
            .map(|(index, slot)| Key {
                index: index as u32,
                generation: slot.generation,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut table = Table::new(2);
        let a = table.insert('a').unwrap();
        assert_eq!(table.remove(a), Some('a'));
        let b = table.insert('b').unwrap();
        assert_eq!(table.get(a), None);
        assert_eq!(table.remove(a), None);
        assert_eq!(table.get(b), Some(&'b'));
    }

    #[test]
    fn a_full_table_gives_the_value_back() {
        let mut table = Table::new(1);
        let a = table.insert('a').unwrap();
        assert_eq!(table.insert('b'), Err('b'));
        table.remove(a);
        assert!(table.insert('b').is_ok());
        assert_eq!(table.len(), 1);
        assert_eq!(table.keys().count(), 1);
    }

    #[test]
    fn room_is_given_back_and_stale_keys_stay_stale() {
        let mut table = Table::new(10_000);
        let keys: Vec<_> = (0..1000).map(|n| table.insert(n).unwrap()).collect();
        for key in &keys[10..] {
            table.remove(*key);
        }
        table.give_back();
        assert_eq!((table.slots.len(), table.free.len()), (10, 0));
        assert_eq!(table.get(keys[9]), Some(&9));
        let again: Vec<_> = (0..1000).map(|n| table.insert(n).unwrap()).collect();
        assert!(keys[10..].iter().all(|key| table.get(*key).is_none()));
        assert!(again.iter().all(|key| table.get(*key).is_some()));
        assert_eq!(table.len(), 1010);

        // One at the end holds the places before it; whoever comes next takes the first of them.
        for key in &again[..999] {
            table.remove(*key);
        }
        table.give_back();
        assert_eq!(table.slots.len(), 1010);
        let next = table.insert(7).unwrap();
        assert_eq!(next.index, 10);
        table.remove(again[999]);
        table.freed = 1010;
        table.give_back();
        assert_eq!((table.slots.len(), table.get(next)), (11, Some(&7)));
    }
}
