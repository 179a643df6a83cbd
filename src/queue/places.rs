//! Places by whom they are taken, each given back when it is dropped.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Numbers of the places that are taken, by whom; nobody's is 0. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct PlacesBy<K: Eq + Hash>(Arc<Mutex<HashMap<K, usize>>>);

/// One place, until it is dropped.
#[derive(Debug)]
pub struct TakenPlace<K: Clone + Eq + Hash> {
    by: K,
    places: PlacesBy<K>,
}

impl<K: Clone + Eq + Hash> PlacesBy<K> {
    /// Takes a place; `None` where as many are taken by `by` as may be.
    #[must_use]
    pub fn take(&self, by: K, most: usize) -> Option<TakenPlace<K>> {
        let mut taken = self.taken();
        let own = taken.get(&by).copied().unwrap_or_default();
        if own >= most {
            return None;
        }
        taken.insert(by.clone(), own + 1);
        drop(taken);
        Some(TakenPlace { by, places: self.clone() })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Default for PlacesBy<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> Drop for TakenPlace<K> {
    fn drop(&mut self) {
        count_down(&mut self.places.taken(), &self.by);
    }
}

/// Counts one less of a key. One that is counted no more takes no room: keys come from outside.
pub(super) fn count_down<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h04_one_leaves_places_for_others_and_each_is_given_back() {
        let places = PlacesBy::default();
        let mut all: Vec<_> = (0..9).filter_map(|_| places.take("flood", 3)).collect();
        assert_eq!(all.len(), 3);
        assert!(places.take("other", 3).is_some());
        all.pop();
        assert!(places.take("flood", 3).is_some() && places.take("flood", 3).is_some());
        drop(all);
        assert!(places.taken().is_empty());
    }
}
