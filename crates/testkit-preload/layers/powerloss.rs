//! The layer between a process and its C library: loaded with `LD_PRELOAD`, it records every operation on the files
//! below one folder, with its data and in its order, and fails operations on demand.
//!
//! It uses `unsafe`, as there is no other way: `kill -9` leaves the page cache
//! intact, so a test of power loss has to know what was written but not synced, and the storage engine has no seam of
//! its own for that. A FUSE file system would need rights that build machines do not give. The file is compiled alone
//! (see `build.rs`), is loaded only into child processes of tests, and no product crate depends on it.
//!
//! Each interposed function checks whether the file is recorded, calls the real function and appends a record to the
//! log with one `write`. The lock is held over both, so the log has the order of the effects; only syncs run outside
//! it and are recorded as a begin and an end. `open` and its like are variadic in C; on the 64-bit Linux targets a
//! variadic call passes its first arguments as an ordinary one does.
//!
//! The environment says what to do: `POWERLOSS_ROOT` (the folder), `POWERLOSS_LOG` (the log), `POWERLOSS_NOTES` (a file
//! outside the folder whose writes become notes in the log), `POWERLOSS_SYNC_ERROR` (the number of the sync that fails
//! with EIO), `POWERLOSS_FULL` (a path: while it exists, writes are cut short and then fail with ENOSPC).

#[macro_use]
mod real;

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_long, c_uint, c_void};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};

const O_CREAT: c_int = 0o100;
const O_TRUNC: c_int = 0o1000;
const O_APPEND: c_int = 0o2000;
const O_WRONLY: c_int = 1;
const O_CLOEXEC: c_int = 0o2_000_000;
const AT_FDCWD: c_int = -100;
const F_DUPFD_CLOEXEC: c_int = 1030;
const SEEK_CUR: c_int = 1;
const EIO: c_int = 5;
const ENOSPC: c_int = 28;
const ENOSYS: c_int = 38;

const CREATE: u8 = 1;
const OPEN: u8 = 2;
const WRITE: u8 = 3;
const TRUNCATE: u8 = 4;
const RENAME: u8 = 5;
const REMOVE: u8 = 6;
const MAKE_DIR: u8 = 7;
const SYNC_FILE: u8 = 8;
const SYNC_DIR: u8 = 9;
const SYNC_END: u8 = 10;
const NOTE: u8 = 11;

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn access(path: *const c_char, mode: c_int) -> c_int;
    fn lseek64(fd: c_int, offset: i64, whence: c_int) -> i64;
}

#[repr(C)]
pub struct Piece {
    base: *const u8,
    length: usize,
}

type Open = extern "C" fn(*const c_char, c_int, c_uint) -> c_int;
type OpenAt = extern "C" fn(c_int, *const c_char, c_int, c_uint) -> c_int;
type Write = extern "C" fn(c_int, *const c_void, usize) -> isize;
type WriteAt = extern "C" fn(c_int, *const c_void, usize, i64) -> isize;
type WritePieces = extern "C" fn(c_int, *const Piece, c_int) -> isize;
type OneFd = extern "C" fn(c_int) -> c_int;
type Resize = extern "C" fn(c_int, i64) -> c_int;
type TwoPaths = extern "C" fn(*const c_char, *const c_char) -> c_int;
type OnePath = extern "C" fn(*const c_char) -> c_int;
type RemoveAt = extern "C" fn(c_int, *const c_char, c_int) -> c_int;
type MakeDir = extern "C" fn(*const c_char, c_uint) -> c_int;
type CopyRange = extern "C" fn(c_int, *mut i64, c_int, *mut i64, usize, c_uint) -> isize;
type SendFile = extern "C" fn(c_int, c_int, *mut i64, usize) -> isize;

struct Layer {
    root: PathBuf,
    notes: Option<PathBuf>,
    full: Option<PathBuf>,
    failing_sync: u64,
    log: c_int,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fds: BTreeMap<c_int, Target>,
    syncs: u64,
    /// Whether a write was cut short since the disk is full.
    cut: bool,
    out: Vec<u8>,
}

#[derive(Clone)]
enum Target {
    File { inode: u64, append: bool },
    Folder(PathBuf),
    Notes,
}

/// The layer; nothing when this process is not to be recorded.
fn layer() -> Option<&'static Layer> {
    static LAYER: OnceLock<Option<Layer>> = OnceLock::new();
    LAYER.get_or_init(start).as_ref()
}

fn start() -> Option<Layer> {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let (root, log) = (path("POWERLOSS_ROOT")?, path("POWERLOSS_LOG")?);
    let mut name = log.as_os_str().as_bytes().to_vec();
    name.push(0);
    let open = real!("open64" as Open);
    let low = open(name.as_ptr().cast(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600);
    assert!(low >= 0, "the log {} cannot be opened", log.display());
    // Out of the way of programs that care for the numbers of their files.
    // SAFETY: duplicates a descriptor that was just opened.
    let log = unsafe { fcntl(low, F_DUPFD_CLOEXEC, 700) };
    let log = if log < 0 { low } else { log };
    let failing_sync = std::env::var("POWERLOSS_SYNC_ERROR").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(Layer { root, notes: path("POWERLOSS_NOTES"), full: path("POWERLOSS_FULL"), failing_sync, log, state: Mutex::default() })
}

impl Layer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The path below the root, when it is there.
    fn inside<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        path.strip_prefix(&self.root).ok()
    }

    fn is_full(&self) -> bool {
        self.full.as_ref().is_some_and(|path| exists(path))
    }

    /// Appends a record: length of the rest, kind, two numbers, two counted texts (the second one may be data).
    fn record(&self, state: &mut State, kind: u8, numbers: [u64; 2], first: &[u8], second: &[u8]) {
        let out = &mut state.out;
        out.clear();
        out.extend_from_slice(&((1 + 16 + 4 + first.len() + second.len()) as u32).to_le_bytes());
        out.push(kind);
        out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        out.extend_from_slice(&(first.len() as u32).to_le_bytes());
        out.extend_from_slice(first);
        out.extend_from_slice(second);
        let write = real!("write" as Write);
        let written = write(self.log, out.as_ptr().cast(), out.len());
        assert!(written == out.len() as isize, "the log of file operations cannot be written");
    }

    fn record_path(&self, state: &mut State, kind: u8, inode: u64, path: &Path) {
        self.record(state, kind, [inode, 0], path.as_os_str().as_bytes(), &[]);
    }
}

fn exists(path: &Path) -> bool {
    let mut name = path.as_os_str().as_bytes().to_vec();
    name.push(0);
    // SAFETY: the name ends with a zero byte.
    unsafe { access(name.as_ptr().cast(), 0) == 0 }
}

fn fail(error: c_int) -> c_int {
    // SAFETY: the C library gives this thread's place.
    unsafe { *__errno_location() = error };
    -1
}

/// A C path as an absolute one without `.`; nothing when it cannot be told.
fn absolute(path: *const c_char) -> Option<PathBuf> {
    if path.is_null() {
        return None;
    }
    // SAFETY: callers of the C library pass paths that end with a zero byte.
    let text = unsafe { CStr::from_ptr(path) };
    let path = Path::new(OsStr::from_bytes(text.to_bytes()));
    let path = if path.is_absolute() { path.to_owned() } else { std::env::current_dir().ok()?.join(path) };
    Some(path.components().filter(|part| *part != Component::CurDir).collect())
}

/// The same for a path relative to an open folder.
fn absolute_at(layer: &Layer, folder: c_int, path: *const c_char) -> Option<PathBuf> {
    // SAFETY: as above.
    let relative = unsafe { *path.cast::<u8>() } != b'/';
    if folder == AT_FDCWD || !relative {
        return absolute(path);
    }
    // SAFETY: as above.
    let text = unsafe { CStr::from_ptr(path) };
    match layer.lock().fds.get(&folder) {
        Some(Target::Folder(parent)) => Some(layer.root.join(parent).join(OsStr::from_bytes(text.to_bytes()))),
        _ => None,
    }
}

fn metadata(fd: c_int) -> Option<std::fs::Metadata> {
    // SAFETY: the descriptor is open and is not closed here.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    file.metadata().ok()
}

fn open(path: Option<PathBuf>, flags: c_int, really: impl FnOnce() -> c_int) -> c_int {
    let (Some(layer), Some(path)) = (layer(), path) else { return really() };
    let notes = layer.notes.as_ref() == Some(&path);
    let inside = layer.inside(&path);
    if !notes && inside.is_none() {
        let fd = really();
        if fd >= 0 {
            layer.lock().fds.remove(&fd);
        }
        return fd;
    }
    let mut state = layer.lock();
    let existed = exists(&path);
    let fd = really();
    if fd < 0 {
        return fd;
    }
    let Some(found) = metadata(fd) else { return fd };
    let target = match inside {
        None => Target::Notes,
        Some(inside) if found.is_dir() => Target::Folder(inside.to_owned()),
        Some(inside) => {
            layer.record_path(&mut state, if existed { OPEN } else { CREATE }, found.ino(), inside);
            if existed && flags & O_TRUNC != 0 {
                layer.record(&mut state, TRUNCATE, [found.ino(), 0], &[], &[]);
            }
            Target::File { inode: found.ino(), append: flags & O_APPEND != 0 }
        }
    };
    state.fds.insert(fd, target);
    fd
}

/// A write of data that is at hand. `at` is the position of a positioned write; `really` writes that many bytes.
fn write(fd: c_int, data: &[u8], at: Option<i64>, really: impl FnOnce(Option<usize>) -> isize) -> isize {
    let Some(layer) = layer() else { return really(None) };
    let mut state = layer.lock();
    match state.fds.get(&fd).cloned() {
        None | Some(Target::Folder(_)) => {
            drop(state);
            really(None)
        }
        Some(Target::Notes) => {
            let written = really(None);
            layer.record(&mut state, NOTE, [0, 0], &[], data);
            written
        }
        Some(Target::File { inode, append }) => {
            let full = layer.is_full();
            if full && (state.cut || data.len() < 2) {
                return fail(ENOSPC) as isize;
            }
            // What still fits; the next attempt finds nothing left.
            let limit = full.then_some(data.len() / 2);
            state.cut = full;
            let position = match at {
                Some(at) => at,
                None if append => metadata(fd).map_or(0, |found| found.len() as i64),
                // SAFETY: asks for the position of an open descriptor.
                None => unsafe { lseek64(fd, 0, SEEK_CUR) },
            };
            let written = really(limit);
            if written > 0 {
                let data = &data[..data.len().min(written as usize)];
                layer.record(&mut state, WRITE, [inode, position as u64], &[], data);
            }
            written
        }
    }
}

fn sync(fd: c_int, real: OneFd) -> c_int {
    let Some(layer) = layer() else { return real(fd) };
    let mut state = layer.lock();
    let Some(target) = state.fds.get(&fd).cloned().filter(|target| !matches!(target, Target::Notes)) else {
        drop(state);
        return real(fd);
    };
    state.syncs += 1;
    let id = state.syncs;
    match target {
        Target::File { inode, .. } => layer.record(&mut state, SYNC_FILE, [inode, id], &[], &[]),
        Target::Folder(path) => layer.record(&mut state, SYNC_DIR, [0, id], path.as_os_str().as_bytes(), &[]),
        Target::Notes => {}
    }
    drop(state);
    let result = if id == layer.failing_sync { fail(EIO) } else { real(fd) };
    // SAFETY: the C library gives this thread's place.
    let error = unsafe { *__errno_location() };
    layer.record(&mut layer.lock(), SYNC_END, [id, u64::from(result == 0)], &[], &[]);
    if result == 0 { 0 } else { fail(error) }
}

/// A change of names; recorded when it was made.
fn change(paths: &[Option<PathBuf>], kind: u8, really: impl FnOnce() -> c_int) -> c_int {
    let Some(layer) = layer() else { return really() };
    let inside: Vec<&Path> = paths.iter().flatten().filter_map(|path| layer.inside(path)).collect();
    if inside.is_empty() {
        return really();
    }
    let mut state = layer.lock();
    let result = really();
    if result == 0 {
        let second = inside.get(1).map_or(&[][..], |path| path.as_os_str().as_bytes());
        layer.record(&mut state, kind, [0, 0], inside[0].as_os_str().as_bytes(), second);
    }
    result
}

fn resize(fd: c_int, size: i64, real: Resize) -> c_int {
    let Some(layer) = layer() else { return real(fd, size) };
    let mut state = layer.lock();
    let result = real(fd, size);
    if let (0, Some(Target::File { inode, .. })) = (result, state.fds.get(&fd).cloned()) {
        layer.record(&mut state, TRUNCATE, [inode, size as u64], &[], &[]);
    }
    result
}

fn is_recorded(fd: c_int) -> bool {
    layer().is_some_and(|layer| matches!(layer.lock().fds.get(&fd), Some(Target::File { .. } | Target::Notes)))
}

/// The bytes a caller hands to a write.
fn slice<'a>(data: *const c_void, length: usize) -> &'a [u8] {
    // SAFETY: callers of the C library pass that many readable bytes; an empty write may have no address.
    if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data.cast(), length) } }
}

#[unsafe(no_mangle)]
pub extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    open(absolute(path), flags, || real!("open64" as Open)(path, flags, mode))
}

#[unsafe(export_name = "open")]
pub extern "C" fn open32(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    open64(path, flags, mode)
}

#[unsafe(no_mangle)]
pub extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let target = layer().and_then(|layer| absolute_at(layer, folder, path));
    open(target, flags, || real!("openat64" as OpenAt)(folder, path, flags, mode))
}

#[unsafe(no_mangle)]
pub extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    openat64(folder, path, flags, mode)
}

#[unsafe(no_mangle)]
pub extern "C" fn close(fd: c_int) -> c_int {
    let real = real!("close" as OneFd);
    let Some(layer) = layer() else { return real(fd) };
    layer.lock().fds.remove(&fd);
    real(fd)
}

#[unsafe(export_name = "write")]
pub extern "C" fn write_at_position(fd: c_int, data: *const c_void, length: usize) -> isize {
    let real = real!("write" as Write);
    write(fd, slice(data, length), None, |limit| real(fd, data, limit.unwrap_or(length)))
}

#[unsafe(no_mangle)]
pub extern "C" fn pwrite64(fd: c_int, data: *const c_void, length: usize, at: i64) -> isize {
    let real = real!("pwrite64" as WriteAt);
    write(fd, slice(data, length), Some(at), |limit| real(fd, data, limit.unwrap_or(length), at))
}

#[unsafe(no_mangle)]
pub extern "C" fn pwrite(fd: c_int, data: *const c_void, length: usize, at: i64) -> isize {
    pwrite64(fd, data, length, at)
}

#[unsafe(no_mangle)]
pub extern "C" fn writev(fd: c_int, pieces: *const Piece, count: c_int) -> isize {
    let real = real!("writev" as WritePieces);
    if !is_recorded(fd) {
        return real(fd, pieces, count);
    }
    // SAFETY: callers of the C library pass that many pieces.
    let list = unsafe { std::slice::from_raw_parts(pieces, count.max(0) as usize) };
    let data: Vec<u8> = list.iter().flat_map(|piece| slice(piece.base.cast(), piece.length)).copied().collect();
    write_at_position(fd, data.as_ptr().cast(), data.len())
}

#[unsafe(no_mangle)]
pub extern "C" fn copy_file_range(from: c_int, at: *mut i64, to: c_int, to_at: *mut i64, length: usize, flags: c_uint) -> isize {
    // The caller falls back to reading and writing, which is recorded.
    if is_recorded(to) { fail(ENOSYS) as isize } else { real!("copy_file_range" as CopyRange)(from, at, to, to_at, length, flags) }
}

#[unsafe(no_mangle)]
pub extern "C" fn sendfile64(to: c_int, from: c_int, at: *mut i64, length: usize) -> isize {
    if is_recorded(to) { fail(ENOSYS) as isize } else { real!("sendfile64" as SendFile)(to, from, at, length) }
}

#[unsafe(no_mangle)]
pub extern "C" fn sendfile(to: c_int, from: c_int, at: *mut i64, length: usize) -> isize {
    sendfile64(to, from, at, length)
}

#[unsafe(no_mangle)]
pub extern "C" fn fsync(fd: c_int) -> c_int {
    sync(fd, real!("fsync" as OneFd))
}

#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync(fd, real!("fdatasync" as OneFd))
}

#[unsafe(no_mangle)]
pub extern "C" fn ftruncate64(fd: c_int, size: i64) -> c_int {
    resize(fd, size, real!("ftruncate64" as Resize))
}

#[unsafe(no_mangle)]
pub extern "C" fn ftruncate(fd: c_int, size: c_long) -> c_int {
    ftruncate64(fd, size as i64)
}

#[unsafe(no_mangle)]
pub extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    change(&[absolute(from), absolute(to)], RENAME, || real!("rename" as TwoPaths)(from, to))
}

#[unsafe(no_mangle)]
pub extern "C" fn unlink(path: *const c_char) -> c_int {
    change(&[absolute(path)], REMOVE, || real!("unlink" as OnePath)(path))
}

#[unsafe(no_mangle)]
pub extern "C" fn rmdir(path: *const c_char) -> c_int {
    change(&[absolute(path)], REMOVE, || real!("rmdir" as OnePath)(path))
}

#[unsafe(no_mangle)]
pub extern "C" fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    let target = layer().and_then(|layer| absolute_at(layer, folder, path));
    change(&[target], REMOVE, || real!("unlinkat" as RemoveAt)(folder, path, flags))
}

#[unsafe(no_mangle)]
pub extern "C" fn mkdir(path: *const c_char, mode: c_uint) -> c_int {
    change(&[absolute(path)], MAKE_DIR, || real!("mkdir" as MakeDir)(path, mode))
}
