//! Containers by name, and who has an id: whom a container lives with, podman tells by id alone.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use super::Container;
use crate::sorted::Sorted;

/// A map of names; what changes it makes it forget the ids, which are gathered when somebody asks for one.
#[derive(Clone, Debug, Default)]
pub struct Containers {
    by_name: Sorted<String, Container>,
    names: OnceLock<HashMap<String, String>>,
}

impl Containers {
    pub fn with_id(&self, id: &str) -> Option<&Container> {
        let names = self
            .names
            .get_or_init(|| self.by_name.values().map(|found| (found.id.clone(), found.name.clone())).collect());
        self.by_name.get(names.get(id)?)
    }
}

impl Deref for Containers {
    type Target = Sorted<String, Container>;

    fn deref(&self) -> &Self::Target {
        &self.by_name
    }
}

impl DerefMut for Containers {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.names.take();
        &mut self.by_name
    }
}

impl From<Sorted<String, Container>> for Containers {
    fn from(by_name: Sorted<String, Container>) -> Self {
        Self { by_name, names: OnceLock::new() }
    }
}

impl FromIterator<(String, Container)> for Containers {
    fn from_iter<I: IntoIterator<Item = (String, Container)>>(containers: I) -> Self {
        containers.into_iter().collect::<Sorted<_, _>>().into()
    }
}
