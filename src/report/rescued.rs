//! What `stackctl rescue` brought out, for people and programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::text::{Page, escaped, size};
use super::words::FORMAT_VERSION;
use crate::address::Address;

/// What `stackctl rescue --format json` prints.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(title = "Rescue")]
pub struct RescuedJson {
    /// Version of this format.
    pub format_version: &'static str,
    /// The stack's name.
    pub stack: String,
    /// Whose files they are.
    pub address: Address,
    /// The copies lie below it, each under its path in the container; null where nothing was copied.
    pub to: Option<String>,
    /// What was copied.
    pub files: Vec<FileJson>,
    /// What lies there and is no file, directory or link.
    pub left_out: Vec<String>,
    /// Why the copies belong to this user and not to the owners of the originals; empty where they do.
    pub owners_lost: String,
    /// Entries of `volumes` that would keep what is written there from now on.
    pub volumes: Vec<String>,
    /// The process ends with it.
    pub exit_code: u8,
}

/// One copy.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FileJson {
    /// In the container.
    pub path: String,
    /// On this machine.
    pub copy: String,
    /// Bytes.
    pub size: u64,
    /// Permission bits, in octal.
    pub mode: String,
    /// Owner in the container.
    pub uid: u32,
    /// Group in the container.
    pub gid: u32,
    /// Of the copy, as it was read back.
    pub sha256: String,
    /// It was written to while it was copied: the copy may be half old, half new.
    pub changed: bool,
}

impl RescuedJson {
    pub fn new(stack: &str, address: &Address) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            stack: stack.to_owned(),
            address: address.clone(),
            to: None,
            files: Vec::new(),
            left_out: Vec::new(),
            owners_lost: String::new(),
            volumes: Vec::new(),
            exit_code: 0,
        }
    }
}

pub fn human(rescued: &RescuedJson) -> String {
    let RescuedJson { format_version: _, stack: _, address, to, files, left_out, owners_lost, volumes, exit_code: _ } =
        rescued;
    let Some(to) = to else {
        return format!("{address} keeps nothing outside its mounts that would have to be copied out.\n");
    };
    let mut page = Page::default();
    let bytes = files.iter().map(|file| file.size).sum();
    let many = if files.len() == 1 { "file" } else { "files" };
    page.line(0, &format!("Copied out of {address}: {} {many}, {}", files.len(), size(bytes)));
    for file in files {
        page.line(2, &format!("{}  ({})", escaped(&file.copy), size(file.size)));
        page.line(4, &format!("sha256 {}", file.sha256));
        if file.changed {
            page.words(4, "It was written to while it was copied: stop the container, and rescue it again.");
        }
    }
    for path in left_out {
        page.line(2, &format!("{} is no file, and is left out", escaped(path)));
    }
    if !owners_lost.is_empty() {
        page.words(
            0,
            &format!("The copies belong to you, and not to their owners in the container: {}", escaped(owners_lost)),
        );
    }
    page.line(0, &format!("{}/manifest.json lists them.", escaped(to)));
    if !volumes.is_empty() {
        page.line(0, "");
        page.words(0, "To keep what is written there from now on, copy it to where you want it, and mount that in the stack file:");
        page.line(2, "volumes:");
        volumes.iter().for_each(|volume| page.line(4, &format!("- {}", escaped(volume))));
    }
    page.0
}

#[cfg(test)]
mod tests {
    use super::{FileJson, RescuedJson, human};
    use crate::address::Address;

    #[test]
    fn every_copy_is_told_with_what_may_be_wrong_with_it() {
        let mut rescued = RescuedJson::new("s", &Address::new("container", "webui"));
        assert!(human(&rescued).contains("keeps nothing"), "{}", human(&rescued));
        rescued.to = Some("/r".to_owned());
        rescued.volumes = vec!["~/data/app:/tmp/app".to_owned()];
        rescued.files.push(FileJson {
            path: "/tmp/app/webui.db".to_owned(),
            copy: "/r/tmp/app/webui.db".to_owned(),
            size: 270_336,
            mode: "0644".to_owned(),
            uid: 0,
            gid: 0,
            sha256: "ab".to_owned(),
            changed: true,
        });
        let text = human(&rescued);
        for words in ["1 file, 270.3 kB", "/r/tmp/app/webui.db", "written to while", "- ~/data/app:/tmp/app"] {
            assert!(text.contains(words), "{words} in {text}");
        }
    }
}
