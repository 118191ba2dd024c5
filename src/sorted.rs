//! A map that is read in the order of its keys, as a `BTreeMap` is, and asked by their hash: what is looked up for each of thousands
//! of resources costs one comparison of a long text instead of a dozen, each of which waits for memory.
//!
//! A leaf. It is made once and then asked; putting a key in between others moves those after it.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::ops::{Deref, Index};

use foldhash::fast::RandomState;
use indexmap::{Equivalent, IndexMap, map};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Debug)]
pub struct Sorted<K, V>(IndexMap<K, V, RandomState>);

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self(IndexMap::default())
    }
}

impl<K: Hash + Eq, V: PartialEq> PartialEq for Sorted<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// For reading alone: what changes the order stays hidden.
impl<K, V> Deref for Sorted<K, V> {
    type Target = IndexMap<K, V, RandomState>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K: Hash + Eq + Ord, V> Sorted<K, V> {
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.0.last() {
            Some((last, _)) if *last >= key => self.0.insert_sorted(key, value).1,
            Some(_) | None => self.0.insert(key, value),
        }
    }

    pub fn remove<Q: ?Sized + Hash + Equivalent<K>>(&mut self, key: &Q) -> Option<V> {
        self.0.shift_remove(key)
    }

    pub fn get_mut<Q: ?Sized + Hash + Equivalent<K>>(&mut self, key: &Q) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    pub fn values_mut(&mut self) -> map::ValuesMut<'_, K, V> {
        self.0.values_mut()
    }

    pub fn retain(&mut self, keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain(keep);
    }
}

impl<K: Hash + Eq + Borrow<Q>, Q: ?Sized + Hash + Equivalent<K>, V> Index<&Q> for Sorted<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        &self.0[key]
    }
}

/// By its place in the order.
impl<K, V> Index<usize> for Sorted<K, V> {
    type Output = V;

    fn index(&self, place: usize) -> &V {
        &self.0[place]
    }
}

impl<K: Hash + Eq, V> From<BTreeMap<K, V>> for Sorted<K, V> {
    fn from(map: BTreeMap<K, V>) -> Self {
        Self(map.into_iter().collect())
    }
}

/// The last of equal keys counts, as in a `BTreeMap`.
impl<K: Hash + Eq + Ord, V> FromIterator<(K, V)> for Sorted<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map: IndexMap<K, V, RandomState> = pairs.into_iter().collect();
        map.sort_unstable_keys();
        Self(map)
    }
}

impl<K: Hash + Eq + Ord, V> Extend<(K, V)> for Sorted<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        self.0.extend(pairs);
        self.0.sort_unstable_keys();
    }
}

impl<K: Serialize, V: Serialize> Serialize for Sorted<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, K: Deserialize<'de> + Hash + Eq + Ord, V: Deserialize<'de>> Deserialize<'de> for Sorted<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

impl<K, V> IntoIterator for Sorted<K, V> {
    type Item = (K, V);
    type IntoIter = map::IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Sorted<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = map::Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Sorted;

    #[test]
    fn it_is_read_in_order_however_it_was_made() {
        let mut map: Sorted<&str, u8> = [("b", 2), ("d", 0), ("a", 1), ("d", 4)].into_iter().collect();
        assert_eq!((map.insert("c", 3), map.insert("e", 5), map.insert("a", 9)), (None, None, Some(1)));
        map.extend([("0", 0)]);
        assert_eq!(map.remove("b"), Some(2));
        let pairs: Vec<(&str, u8)> = map.into_iter().collect();
        assert_eq!(pairs, [("0", 0), ("a", 9), ("c", 3), ("d", 4), ("e", 5)]);
    }
}
