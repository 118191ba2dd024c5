//! The room that pulls take, all of a plan together, on the file system that podman keeps its images on: told before the first of them.

use super::Image;
use crate::change::{Risk, Severity, in_bytes};
use crate::observed::Observed;
use crate::observed::Storage;

/// What is sent is packed; unpacked, images hold about twice as much, and while one is pulled both are there.
const UNPACKED: u64 = 2;

/// Of all that are to be pulled, told once: by the one that takes most.
pub(super) fn risk(image: &Image, observed: &Observed) -> Option<Risk> {
    let storage = observed.host.as_ref().map(|host| &host.storage)?;
    let room = observed.space.get(&storage.root)?;
    let sizes = || observed.pulls.iter().map(|(reference, layers)| (taken(layers, storage), reference));
    let (_, largest) = sizes().max()?;
    let all: u64 = sizes().map(|(bytes, _)| bytes).sum();
    (largest == image.reference() && all > room.available).then(|| {
        let what = match observed.pulls.len() {
            1 => format!("{largest} takes"),
            count => format!("{largest} and what else is to be pulled, {count} images, take"),
        };
        Risk {
            code: "DISK_SHORT",
            severity: Severity::Critical,
            message: format!(
                "{}: {what} about {} on the disk of {}, which has {}",
                image.address,
                in_bytes(all),
                storage.root.display(),
                in_bytes(room.available)
            ),
            remedies: vec![
                "Make room there; this shows what takes how much:".to_owned(),
                "  podman system df -v".to_owned(),
            ],
        }
    })
}

fn taken(layers: &[u64], storage: &Storage) -> u64 {
    let below = layers.iter().scan(0_u64, |below, layer| {
        *below = below.saturating_add(*layer);
        Some(*below)
    });
    let packed: u64 = if storage.copies_layers() { below.sum() } else { layers.iter().sum() };
    packed.saturating_mul(UNPACKED)
}

#[cfg(test)]
mod tests {
    use super::taken;
    use crate::observed::Storage;

    #[test]
    fn with_vfs_each_layer_lies_there_with_all_below_it() {
        let layers = [100, 10, 1];
        assert_eq!(taken(&layers, &Storage::default()), 222);
        let vfs = Storage { with_containers: vec!["vfs".to_owned()], ..Storage::default() };
        assert_eq!(taken(&layers, &vfs), 2 * (100 + 110 + 111));
    }
}
