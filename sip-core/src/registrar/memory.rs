//! Bindings in memory: the answer to the registrar's questions where there is no database.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use super::aor::Aor;
use super::apply::{BindingChange, BindingEvent};
use super::binding::Bindings;

/// Why [`Memory::store`] did not store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// As many addresses-of-record have bindings as may.
    #[error("the table of bindings is full")]
    Full,
    /// Something else was stored since the version that was expected: load and apply again.
    #[error("stored meanwhile")]
    Conflict,
}

/// A bounded table of bindings by address-of-record.
#[derive(Debug)]
pub struct Memory {
    table: HashMap<Aor, Entry>,
    /// When the next binding of each address-of-record ends.
    ends: BTreeSet<(SystemTime, Aor)>,
    limit: usize,
    versions: u64,
}

#[derive(Debug)]
struct Entry {
    bindings: Bindings,
    version: u64,
}

impl Memory {
    /// An empty table for at most so many addresses-of-record.
    pub fn new(limit: usize) -> Self {
        Self {
            table: HashMap::new(),
            ends: BTreeSet::new(),
            limit,
            versions: 0,
        }
    }

    /// The bindings of an address-of-record, if it has any.
    pub fn get(&self, aor: &Aor) -> Option<&Bindings> {
        self.table.get(aor).map(|entry| &entry.bindings)
    }

    /// The version of its bindings; 0 without any.
    pub fn version(&self, aor: &Aor) -> u64 {
        self.table.get(aor).map_or(0, |entry| entry.version)
    }

    /// Replaces the bindings of an address-of-record, if their version is still the expected one.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then.
    pub fn store(
        &mut self,
        aor: &Aor,
        bindings: Bindings,
        expected: u64,
    ) -> Result<(), StoreError> {
        if self.version(aor) != expected {
            return Err(StoreError::Conflict);
        }
        if !bindings.is_empty() && !self.table.contains_key(aor) && self.table.len() >= self.limit {
            return Err(StoreError::Full);
        }
        self.replace(aor, bindings);
        Ok(())
    }

    fn replace(&mut self, aor: &Aor, bindings: Bindings) {
        if let Some(end) = self.get(aor).and_then(Bindings::next_expiry) {
            self.ends.remove(&(end, aor.clone()));
        }
        match bindings.next_expiry() {
            None => {
                self.table.remove(aor);
            }
            Some(end) => {
                self.ends.insert((end, aor.clone()));
                self.versions += 1;
                let version = self.versions;
                self.table.insert(aor.clone(), Entry { bindings, version });
            }
        }
    }

    /// How many addresses-of-record have bindings.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// When the next binding ends.
    pub fn next_expiry(&self) -> Option<SystemTime> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Takes out one binding that has ended by `now`.
    pub fn pop_expired(&mut self, now: SystemTime) -> Option<(Aor, BindingEvent)> {
        let (end, aor) = self.ends.first().filter(|(end, _)| *end <= now).cloned()?;
        let mut bindings = self.get(&aor)?.clone();
        let at = bindings
            .list
            .iter()
            .position(|binding| binding.expires == end)?;
        let binding = bindings.list.remove(at);
        self.replace(&aor, bindings);
        let change = BindingChange::Expired;
        Some((aor, BindingEvent { change, binding }))
    }
}
