//! Ports that are chosen once, stored, and asked for again at the next start.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use crate::{StartError, layout::write_private};

/// The stored ports of a data folder, by name of hub or member.
pub(crate) struct Ports {
    path: PathBuf,
    chosen: BTreeMap<String, u16>,
}

impl Ports {
    pub(crate) fn load(path: &Path) -> Result<Self, StartError> {
        let chosen = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| StartError::Content { path: path.to_owned(), why: e.to_string() })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(StartError::File { what: "cannot read", path: path.to_owned(), source }),
        };
        Ok(Self { path: path.to_owned(), chosen })
    }

    /// The address to listen on: what the user fixed, else the port of the last start, else any free one.
    pub(crate) fn wanted(&self, name: &str, fixed: Option<SocketAddr>) -> SocketAddr {
        let stored = self.chosen.get(name).copied().unwrap_or(0);
        match fixed {
            Some(address) if address.port() != 0 => address,
            Some(address) => SocketAddr::new(address.ip(), stored),
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, stored)),
        }
    }

    /// Stores the port that was bound.
    pub(crate) fn remember(&mut self, name: &str, port: u16) -> Result<(), StartError> {
        if self.chosen.insert(name.to_owned(), port) == Some(port) {
            return Ok(());
        }
        write_private(&self.path, serde_json::to_string_pretty(&self.chosen).unwrap_or_default().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_chosen_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ports.json");
        let mut first = Ports::load(&file).unwrap();
        assert_eq!(first.wanted("hub", None).port(), 0);
        first.remember("hub", 4711).unwrap();
        let again = Ports::load(&file).unwrap();
        assert_eq!(again.wanted("hub", None), "127.0.0.1:4711".parse().unwrap());
        assert_eq!(again.wanted("hub", Some("0.0.0.0:6443".parse().unwrap())), "0.0.0.0:6443".parse().unwrap());
        assert_eq!(again.wanted("hub", Some("0.0.0.0:0".parse().unwrap())), "0.0.0.0:4711".parse().unwrap());
    }

    #[test]
    fn a_torn_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ports.json");
        fs::write(&file, "{\"hub\": 4").unwrap();
        let error = Ports::load(&file).err().unwrap();
        assert!(error.to_string().contains("ports.json cannot be understood"), "{error}");
    }
}
