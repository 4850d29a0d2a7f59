//! A bounded table with generational keys: a key of something that is gone finds nothing, even
//! when its place is taken again.

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
}

impl<T> Table<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            len: 0,
            limit: limit.min(u32::MAX as usize),
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
        self.slots.push(Slot {
            generation: 0,
            value: Some(Box::new(value)),
        });
        Ok(Key {
            index,
            generation: 0,
        })
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
        self.len -= 1;
        Some(*value)
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
}
