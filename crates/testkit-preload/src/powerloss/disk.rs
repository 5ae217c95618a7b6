//! What is on a disk for certain, and what may be.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::content::{Change, Content};
use super::dice::Dice;
use super::record::Operation;

/// How much of what was not synced a failure takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: the process was killed, the machine ran on.
    Nothing,
    /// All of it.
    Everything,
    /// For each file and folder what the dice say.
    Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(usize),
    Folder(usize),
}

/// A change of a folder: this name now stands for that.
type Naming = (OsString, Option<Node>);

/// Something with a certain state and changes that were not synced, each with its place in the recording.
#[derive(Clone, Debug)]
struct Unsynced<T, C> {
    kept: T,
    /// As the process sees it.
    live: T,
    pending: Vec<(usize, C)>,
}

impl<T: Default, C> Default for Unsynced<T, C> {
    fn default() -> Unsynced<T, C> {
        Unsynced { kept: T::default(), live: T::default(), pending: Vec::new() }
    }
}

impl<T, C> Unsynced<T, C> {
    /// Keeps what was there when a sync was asked for that now came back.
    fn sync(&mut self, asked: usize, mut apply: impl FnMut(&mut T, &C)) {
        let kept = &mut self.kept;
        self.pending.retain(|(at, change)| {
            let later = *at > asked;
            if !later {
                apply(kept, change);
            }
            later
        });
    }

    /// What a failed sync did not keep, no later one will: its pages count as clean.
    fn fail(&mut self, asked: usize) {
        for (at, _) in &mut self.pending {
            if *at <= asked {
                *at = usize::MAX;
            }
        }
    }
}

type File = Unsynced<Content, Change>;
type Folder = Unsynced<BTreeMap<OsString, Node>, Vec<Naming>>;

/// The files below the root at one moment of a recording.
#[derive(Clone, Debug)]
pub struct Disk {
    files: Vec<File>,
    folders: Vec<Folder>,
    inodes: HashMap<u64, usize>,
    /// Syncs that did not come back yet: what is synced, and when they were asked for.
    syncs: HashMap<u64, (Node, usize)>,
    now: usize,
}

impl Disk {
    /// The disk that a recording begins with: everything below the root is on it.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn read(root: &Path) -> io::Result<Disk> {
        let mut disk =
            Disk { files: Vec::new(), folders: vec![Unsynced::default()], inodes: HashMap::new(), syncs: HashMap::new(), now: 0 };
        disk.read_folder(root, 0)?;
        Ok(disk)
    }

    fn read_folder(&mut self, path: &Path, folder: usize) -> io::Result<()> {
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let node = if entry.file_type()?.is_dir() {
                let number = self.new_folder();
                self.read_folder(&entry.path(), number)?;
                Node::Folder(number)
            } else {
                let content = Content::read(&entry.path())?;
                self.files.push(Unsynced { kept: content.clone(), live: content, pending: Vec::new() });
                self.inodes.insert(entry.metadata()?.ino(), self.files.len() - 1);
                Node::File(self.files.len() - 1)
            };
            if let Some(folder) = self.folders.get_mut(folder) {
                folder.kept.insert(entry.file_name(), node);
                folder.live.insert(entry.file_name(), node);
            }
        }
        Ok(())
    }

    /// Goes on by the next operation of the recording.
    pub fn apply(&mut self, operation: &Operation) {
        self.now += 1;
        match operation {
            Operation::Create { path, inode } => {
                self.files.push(Unsynced::default());
                self.inodes.insert(*inode, self.files.len() - 1);
                self.name(path, Some(Node::File(self.files.len() - 1)));
            }
            Operation::Open { path, inode } => self.opened(path, *inode),
            Operation::Write { inode, offset, data } => {
                self.change(*inode, Change::Write { offset: *offset, data: data.as_slice().into() });
            }
            Operation::Truncate { inode, size } => self.change(*inode, Change::Resize(*size)),
            Operation::Rename { from, to } => self.rename(from, to),
            Operation::Remove { path } => self.name(path, None),
            Operation::MakeDir { path } => {
                let node = Node::Folder(self.new_folder());
                self.name(path, Some(node));
            }
            Operation::SyncFile { inode, id } => {
                if let Some(file) = self.inodes.get(inode) {
                    self.syncs.insert(*id, (Node::File(*file), self.now));
                }
            }
            Operation::SyncDir { path, id } => {
                if let Some(folder) = self.folder(path) {
                    self.syncs.insert(*id, (Node::Folder(folder), self.now));
                }
            }
            Operation::SyncEnd { id, success } => self.synced(*id, *success),
            Operation::Note(_) => {}
        }
    }

    /// Writes the files as they may be after a failure at this moment into an empty folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn image(&self, loss: Loss, dice: &mut Dice, into: &Path) -> io::Result<()> {
        self.write_folder(0, loss, dice, into)
    }

    fn write_folder(&self, folder: usize, loss: Loss, dice: &mut Dice, into: &Path) -> io::Result<()> {
        std::fs::create_dir_all(into)?;
        let Some(folder) = self.folders.get(folder) else { return Ok(()) };
        for (name, node) in names(folder, loss, dice) {
            let path = into.join(name);
            match node {
                Node::Folder(number) => self.write_folder(number, loss, dice, &path)?,
                Node::File(number) => {
                    if let Some(file) = self.files.get(number) {
                        content(file, loss, dice).write(&path)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether something was not synced: whether a failure now can take anything.
    pub fn at_risk(&self) -> bool {
        self.files.iter().any(|file| !file.pending.is_empty()) || self.folders.iter().any(|folder| !folder.pending.is_empty())
    }

    fn new_folder(&mut self) -> usize {
        self.folders.push(Unsynced::default());
        self.folders.len() - 1
    }

    fn folder(&self, path: &Path) -> Option<usize> {
        path.iter().try_fold(0, |folder, name| match self.folders.get(folder)?.live.get(name)? {
            Node::Folder(number) => Some(*number),
            Node::File(_) => None,
        })
    }

    fn find(&self, path: &Path) -> Option<Node> {
        let folder = self.folder(path.parent()?)?;
        self.folders.get(folder)?.live.get(path.file_name()?).copied()
    }

    /// Names that change together, all in one folder.
    fn rename_in(&mut self, parent: Option<&Path>, namings: Vec<Naming>) {
        let number = parent.and_then(|parent| self.folder(parent));
        if let Some(folder) = number.and_then(|number| self.folders.get_mut(number)) {
            namings.iter().for_each(|naming| set(&mut folder.live, naming));
            folder.pending.push((self.now, namings));
        }
    }

    fn name(&mut self, path: &Path, node: Option<Node>) {
        let name = path.file_name().map(OsStr::to_owned).unwrap_or_default();
        self.rename_in(path.parent(), vec![(name, node)]);
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let node = self.find(from);
        if from.parent() != to.parent() {
            self.name(to, node);
            self.name(from, None);
            return;
        }
        let name = |path: &Path| path.file_name().map(OsStr::to_owned).unwrap_or_default();
        self.rename_in(to.parent(), vec![(name(from), None), (name(to), node)]);
    }

    /// A file that is known under another name was renamed without passing the C library.
    fn opened(&mut self, path: &Path, inode: u64) {
        let Some(file) = self.inodes.get(&inode).copied() else { return };
        if self.find(path) == Some(Node::File(file)) {
            return;
        }
        let folder = path.parent().and_then(|parent| self.folders.get(self.folder(parent)?));
        let old = folder.and_then(|folder| folder.live.iter().find(|(_, node)| **node == Node::File(file)));
        if let Some((old, _)) = old {
            let old = path.with_file_name(old);
            self.rename(&old, path);
        }
    }

    fn change(&mut self, inode: u64, change: Change) {
        if let Some(file) = self.inodes.get(&inode).and_then(|file| self.files.get_mut(*file)) {
            file.live.apply(&change);
            file.pending.push((self.now, change));
        }
    }

    fn synced(&mut self, id: u64, success: bool) {
        let Some((node, asked)) = self.syncs.remove(&id) else { return };
        match node {
            Node::File(number) => {
                if let Some(file) = self.files.get_mut(number) {
                    if success { file.sync(asked, Content::apply) } else { file.fail(asked) }
                }
            }
            Node::Folder(number) => {
                if let Some(folder) = self.folders.get_mut(number) {
                    let apply = |names: &mut _, namings: &Vec<Naming>| namings.iter().for_each(|naming| set(names, naming));
                    if success { folder.sync(asked, apply) } else { folder.fail(asked) }
                }
            }
        }
    }
}

fn set(names: &mut BTreeMap<OsString, Node>, (name, node): &Naming) {
    match node {
        Some(node) => names.insert(name.clone(), *node),
        None => names.remove(name),
    };
}

/// The names a folder may have after a failure.
fn names(folder: &Folder, loss: Loss, dice: &mut Dice) -> BTreeMap<OsString, Node> {
    let mut names = folder.kept.clone();
    let count = folder.pending.len();
    // A journal keeps the order of changes; a file system without one may keep any of them.
    let (first, any) = match loss {
        Loss::Nothing => (count, false),
        Loss::Everything => (0, false),
        Loss::Random => (dice.below(count + 1), dice.one_in(3)),
    };
    for (index, (_, namings)) in folder.pending.iter().enumerate() {
        if if any { dice.one_in(2) } else { index < first } {
            namings.iter().for_each(|naming| set(&mut names, naming));
        }
    }
    names
}

/// The content a file may have after a failure.
fn content(file: &File, loss: Loss, dice: &mut Dice) -> Content {
    let count = file.pending.len();
    let changes: Vec<Change> = file.pending.iter().map(|(_, change)| change.clone()).collect();
    let way = match loss {
        Loss::Nothing => return file.live.clone(),
        Loss::Everything => return file.kept.clone(),
        Loss::Random => dice.below(5),
    };
    match way {
        _ if count == 0 => file.kept.clone(),
        0 => file.kept.clone(),
        1 => file.live.clone(),
        // The first changes, the last one of them in part.
        2 => {
            let mut content = file.kept.clone();
            let whole = dice.below(count);
            changes.iter().take(whole).for_each(|change| content.apply(change));
            if let Some(Change::Write { offset, data }) = changes.get(whole) {
                let data: Arc<[u8]> = data.get(..dice.below(data.len() + 1)).unwrap_or_default().into();
                content.apply(&Change::Write { offset: *offset, data });
            }
            content
        }
        // Blocks in any order; the size with all of them or with any of them.
        3 => file.kept.torn(&changes, count, || dice.below(count + 1)),
        _ => {
            let size_saw = dice.below(count + 1);
            file.kept.torn(&changes, size_saw, || dice.below(count + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn path(text: &str) -> PathBuf {
        text.into()
    }

    fn write(inode: u64, data: &[u8]) -> Operation {
        Operation::Write { inode, offset: 0, data: data.to_vec() }
    }

    /// The files of an image with their content.
    fn image(disk: &Disk, loss: Loss, seed: u64) -> BTreeMap<String, String> {
        let folder = tempfile::tempdir().unwrap();
        disk.image(loss, &mut Dice::new(seed), folder.path()).unwrap();
        let mut found = BTreeMap::new();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let text = if file.path().is_dir() { "/".into() } else { std::fs::read_to_string(file.path()).unwrap() };
            found.insert(file.file_name().into_string().unwrap(), text);
        }
        found
    }

    fn start() -> (tempfile::TempDir, Disk) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("old"), "old").unwrap();
        let disk = Disk::read(folder.path()).unwrap();
        (folder, disk)
    }

    fn files<const N: usize>(list: [(&str, &str); N]) -> BTreeMap<String, String> {
        list.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    }

    #[test]
    fn only_a_synced_name_of_a_synced_file_is_certain() {
        let (_folder, mut disk) = start();
        disk.apply(&Operation::Create { path: path("new"), inode: 999 });
        disk.apply(&write(999, b"text"));
        disk.apply(&Operation::SyncFile { inode: 999, id: 1 });
        disk.apply(&Operation::SyncEnd { id: 1, success: true });
        assert_eq!(image(&disk, Loss::Everything, 0), files([("old", "old")]));
        assert_eq!(image(&disk, Loss::Nothing, 0), files([("new", "text"), ("old", "old")]));
        disk.apply(&Operation::SyncDir { path: path(""), id: 2 });
        assert_eq!(image(&disk, Loss::Everything, 0), files([("old", "old")]), "it did not come back yet");
        disk.apply(&Operation::SyncEnd { id: 2, success: true });
        assert_eq!(image(&disk, Loss::Everything, 0), files([("new", "text"), ("old", "old")]));
        assert!(!disk.at_risk());
    }

    #[test]
    fn what_is_written_while_a_sync_runs_is_not_kept_by_it() {
        let (_folder, mut disk) = start();
        let inode = *disk.inodes.keys().next().unwrap();
        disk.apply(&write(inode, b"one"));
        disk.apply(&Operation::SyncFile { inode, id: 1 });
        disk.apply(&write(inode, b"two"));
        disk.apply(&Operation::SyncEnd { id: 1, success: true });
        assert_eq!(image(&disk, Loss::Everything, 0), files([("old", "one")]));
        disk.apply(&Operation::SyncFile { inode, id: 2 });
        disk.apply(&Operation::SyncEnd { id: 2, success: false });
        disk.apply(&Operation::SyncFile { inode, id: 3 });
        disk.apply(&Operation::SyncEnd { id: 3, success: true });
        assert_eq!(image(&disk, Loss::Everything, 0), files([("old", "one")]), "a later sync does not make it good");
    }

    #[test]
    fn a_rename_is_there_as_a_whole_or_not_and_may_have_been_hidden() {
        let (_folder, mut disk) = start();
        disk.apply(&Operation::Create { path: path("next"), inode: 999 });
        disk.apply(&write(999, b"next"));
        disk.apply(&Operation::SyncFile { inode: 999, id: 1 });
        disk.apply(&Operation::SyncEnd { id: 1, success: true });
        disk.apply(&Operation::SyncDir { path: path(""), id: 2 });
        disk.apply(&Operation::SyncEnd { id: 2, success: true });
        // The old name stands for the new file: somebody renamed it.
        disk.apply(&Operation::Open { path: path("old"), inode: 999 });
        let before = files([("next", "next"), ("old", "old")]);
        let after = files([("old", "next")]);
        assert_eq!((image(&disk, Loss::Everything, 0), image(&disk, Loss::Nothing, 0)), (before.clone(), after.clone()));
        let seen: Vec<_> = (0..30).map(|seed| image(&disk, Loss::Random, seed)).collect();
        assert!(seen.contains(&before) && seen.contains(&after) && seen.iter().all(|one| *one == before || *one == after));
    }

    #[test]
    fn a_folder_moves_with_what_is_in_it() {
        let (_folder, mut disk) = start();
        disk.apply(&Operation::MakeDir { path: path("a") });
        disk.apply(&Operation::Create { path: path("a/file"), inode: 999 });
        disk.apply(&Operation::Rename { from: path("a"), to: path("b") });
        disk.apply(&Operation::SyncDir { path: path("b"), id: 1 });
        disk.apply(&Operation::SyncEnd { id: 1, success: true });
        assert_eq!(image(&disk, Loss::Nothing, 0), files([("b", "/"), ("old", "old")]));
        assert_eq!(disk.find(&path("b/file")), Some(Node::File(1)));
        assert_eq!(image(&disk, Loss::Everything, 0), files([("old", "old")]));
    }
}
