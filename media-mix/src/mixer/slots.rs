//! Numbered slots whose numbers do not come back: an id of something removed is known to be stale.

use std::marker::PhantomData;

/// An index and the generation of what is there. `K` keeps sources and listeners apart.
pub(super) struct Id<K> {
    index: u32,
    generation: u32,
    kind: PhantomData<fn(K)>,
}

impl<K> Id<K> {
    pub(super) fn index(self) -> u32 {
        self.index
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        (self.index, self.generation) == (other.index, other.generation)
    }
}
impl<K> Eq for Id<K> {}
impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.index, self.generation).hash(state);
    }
}
impl<K> std::fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

pub(super) struct Slots<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    bound: usize,
}

impl<T> Slots<T> {
    pub(super) fn new(bound: usize) -> Self {
        Slots {
            slots: Vec::new(),
            free: Vec::new(),
            bound,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// `None` when the bound is reached.
    pub(super) fn insert(&mut self, value: T) -> Option<Id<T>> {
        if self.len() >= self.bound {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push((0, None));
                self.slots.len() as u32 - 1
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.1 = Some(value);
        Some(Id {
            index,
            generation: slot.0,
            kind: PhantomData,
        })
    }

    pub(super) fn remove(&mut self, id: Id<T>) -> Option<T> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.0 != id.generation {
            return None;
        }
        let value = slot.1.take()?;
        slot.0 = slot.0.wrapping_add(1);
        self.free.push(id.index);
        Some(value)
    }

    pub(super) fn get(&self, id: Id<T>) -> Option<&T> {
        let slot = self.slots.get(id.index as usize)?;
        if slot.0 == id.generation {
            slot.1.as_ref()
        } else {
            None
        }
    }

    pub(super) fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.0 == id.generation {
            slot.1.as_mut()
        } else {
            None
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.1.as_ref())
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| slot.1.as_mut())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Id<T>, &mut T)> {
        self.slots
            .iter_mut()
            .enumerate()
            .filter_map(|(index, slot)| {
                let id = Id {
                    index: index as u32,
                    generation: slot.0,
                    kind: PhantomData,
                };
                slot.1.as_mut().map(|value| (id, value))
            })
    }
}
