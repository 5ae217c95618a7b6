//! Which instance of a hub this is: the same after a restart, another one for a copy of its folder.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use comity_core::digest::Digest;

/// `<host name>_<digest>`. The digest is of the machine, the folder's path, and the folder itself (inode and time of
/// birth): a copy on another machine, under another path, or in the place of the original is another instance. The host
/// name is for people. Two machines that are equal even in this, as clones of a running virtual machine are, are told
/// apart by the processes that hold the Lease.
pub(crate) fn of(folder: &Path) -> String {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let host = first_line(&["/proc/sys/kernel/hostname", "/etc/hostname"]).unwrap_or_else(|| "localhost".to_owned());
    let machine = first_line(&["/etc/machine-id", "/var/lib/dbus/machine-id"]).unwrap_or_else(|| host.clone());
    let mut digest = Digest::default();
    digest.text(&machine);
    digest.bytes(folder.as_os_str().as_encoded_bytes());
    if let Ok(facts) = fs::metadata(&folder) {
        digest.bytes(&facts.ino().to_le_bytes());
        let born = facts.created().ok().and_then(|at: SystemTime| at.duration_since(UNIX_EPOCH).ok());
        digest.bytes(&born.map_or(0, |age| age.as_nanos()).to_le_bytes());
    }
    format!("{}_{:016x}", host.replace('_', "-"), digest.finish())
}

fn first_line(paths: &[&str]) -> Option<String> {
    paths.iter().find_map(|path| {
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().next()?.trim();
        (!line.is_empty()).then(|| line.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_the_same_instance_at_every_start_and_its_copy_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let one = folder.path().join("one");
        fs::create_dir(&one).unwrap();
        let first = of(&one);
        assert_eq!(of(&one), first);
        let two = folder.path().join("two");
        fs::create_dir(&two).unwrap();
        assert_ne!(of(&two), first);
        // a backup put in the place of the original
        fs::rename(&one, folder.path().join("old")).unwrap();
        fs::rename(&two, &one).unwrap();
        assert_ne!(of(&one), first);
    }
}
