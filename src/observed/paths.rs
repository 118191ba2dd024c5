//! Maps and sets of absolute paths, ordered by their bytes: std's order of paths takes every one of them apart again and again,
//! which was a third of what a plan costs. Paths are compared as they are written; nobody here writes one in two ways.

use std::collections::{BTreeSet, btree_set};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::sorted::Sorted;

#[derive(Clone, Debug, PartialEq)]
pub struct PathMap<V>(Sorted<OsString, V>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathSet(BTreeSet<OsString>);

impl<V> Default for PathMap<V> {
    fn default() -> Self {
        Self(Sorted::default())
    }
}

impl<V> PathMap<V> {
    pub fn get(&self, path: &Path) -> Option<&V> {
        self.0.get(path.as_os_str())
    }

    pub fn insert(&mut self, path: PathBuf, value: V) -> Option<V> {
        self.0.insert(path.into_os_string(), value)
    }

    pub fn contains_key(&self, path: &Path) -> bool {
        self.0.contains_key(path.as_os_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Path, &V)> {
        self.0.iter().map(|(path, value)| (Path::new(path), value))
    }
}

impl<V> Extend<(PathBuf, V)> for PathMap<V> {
    fn extend<I: IntoIterator<Item = (PathBuf, V)>>(&mut self, pairs: I) {
        self.0.extend(pairs.into_iter().map(|(path, value)| (path.into_os_string(), value)));
    }
}

impl<V> FromIterator<(PathBuf, V)> for PathMap<V> {
    fn from_iter<I: IntoIterator<Item = (PathBuf, V)>>(pairs: I) -> Self {
        let mut map = Self::default();
        map.extend(pairs);
        map
    }
}

impl<V, const N: usize> From<[(PathBuf, V); N]> for PathMap<V> {
    fn from(pairs: [(PathBuf, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<V> IntoIterator for PathMap<V> {
    type Item = (PathBuf, V);
    type IntoIter = std::iter::Map<indexmap::map::IntoIter<OsString, V>, fn((OsString, V)) -> (PathBuf, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(|(path, value)| (PathBuf::from(path), value))
    }
}

impl PathSet {
    pub fn insert(&mut self, path: PathBuf) -> bool {
        self.0.insert(path.into_os_string())
    }

    pub fn contains(&self, path: &Path) -> bool {
        self.0.contains(path.as_os_str())
    }

    pub fn union<'a>(&'a self, other: &'a PathSet) -> impl Iterator<Item = &'a Path> {
        self.0.union(&other.0).map(Path::new)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> std::iter::Map<btree_set::Iter<'_, OsString>, fn(&OsString) -> &Path> {
        self.0.iter().map(|path| Path::new::<OsStr>(path))
    }
}

impl<'a> IntoIterator for &'a PathSet {
    type Item = &'a Path;
    type IntoIter = std::iter::Map<btree_set::Iter<'a, OsString>, fn(&OsString) -> &Path>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Extend<PathBuf> for PathSet {
    fn extend<I: IntoIterator<Item = PathBuf>>(&mut self, paths: I) {
        self.0.extend(paths.into_iter().map(PathBuf::into_os_string));
    }
}

impl FromIterator<PathBuf> for PathSet {
    fn from_iter<I: IntoIterator<Item = PathBuf>>(paths: I) -> Self {
        let mut set = Self::default();
        set.extend(paths);
        set
    }
}
