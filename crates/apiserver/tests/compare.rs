//! The embedded server against a real one, request by request.
//!
//! `tests/compare/*.yaml` are the requests, `tests/compare/recorded` the answers of a real kube-apiserver. Differences that are
//! meant stand in `accepted.txt` with their reasons, those that are still to be closed in `open.txt`. A difference that is not known fails the test; known ones that are gone are printed: take them off the list.
//! `COMITY_COMPARE=write` writes the list anew.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of a test")]

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use comity_apiserver::{Config, start};
use comity_pki::{Authority, ServerTls, TokenSigner};
use comity_store::{Options, Store};
use comity_testkit_core::client::Client;
use comity_testkit_core::compare::answer::send;
use comity_testkit_core::compare::diff::{Difference, differences};
use comity_testkit_core::compare::{recording, script};

const TOKEN: &str = "comparison";

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_a_real_server_but_for_the_listed_differences() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare");
    let authority = Authority::new("comparison").unwrap();
    let issued = authority.issue_server(&["localhost"], &[IpAddr::V4(Ipv4Addr::LOCALHOST)]).unwrap();
    let store = Store::open(Options { extractor: comity_apiserver::fields::extractor(), ..Options::mem() }).unwrap();
    let mut config = Config::new("comparison", store, ServerTls::new(&issued, None).unwrap().config());
    config.admin_tokens = vec![TOKEN.to_owned()];
    config.token_signer = Some(Arc::new(TokenSigner::new().unwrap()));
    config.service_cidr = "10.0.0.0/24".to_owned();
    let server = start(config).await.unwrap();
    let client = Client::new(&format!("https://{}", server.address()), authority.certificate_pem(), TOKEN).unwrap();

    let folder = scripts.clone();
    let (found, compared) = tokio::task::spawn_blocking(move || compare(&folder, &client)).await.unwrap();
    server.shutdown(Duration::from_secs(5)).await;
    let accepted = accepted(&scripts.join("accepted.txt"));
    let (meant, found): (Vec<Difference>, Vec<Difference>) =
        found.into_iter().partition(|difference| accepted.iter().any(|place| difference.place.starts_with(place.as_str())));
    println!("{} differences are meant", meant.len());
    for place in accepted.iter().filter(|place| !meant.iter().any(|difference| difference.place.starts_with(place.as_str()))) {
        println!("{place} differs no more; take it off tests/compare/accepted.txt");
    }
    judge(&scripts.join("open.txt"), &found, compared);
}

/// Places (or their beginnings) under a comment that gives the reason.
fn accepted(list: &Path) -> Vec<String> {
    let text = fs::read_to_string(list).unwrap();
    let mut reason = "";
    let mut places = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("# ") {
            Some(why) => reason = why,
            None => {
                assert!(!reason.is_empty(), "accepted.txt: {line} has no reason");
                places.push(line.to_owned());
            }
        }
    }
    places
}

fn compare(scripts: &Path, client: &Client) -> (Vec<Difference>, usize) {
    let mut found = Vec::new();
    let mut compared = 0;
    for script in script::load(scripts).unwrap() {
        let real = recording::read(scripts, &script).unwrap().answers;
        let ours = send(&script, client).unwrap();
        compared += ours.len();
        found.extend(differences(&script.name, &real, &ours));
    }
    (found, compared)
}

fn judge(list: &Path, found: &[Difference], compared: usize) {
    let places: BTreeSet<&str> = found.iter().map(|difference| difference.place.as_str()).collect();
    if std::env::var_os("COMITY_COMPARE").is_some_and(|value| value == "write") {
        fs::write(list, places.iter().map(|place| format!("{place}\n")).collect::<String>()).unwrap();
    }
    let known = fs::read_to_string(list).unwrap_or_default();
    let known: BTreeSet<&str> = known.lines().collect();
    let steps: BTreeSet<String> = places.iter().map(|place| place.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
    println!("{compared} answers, {} like the real server's, {} differences", compared - steps.len(), places.len());
    let new: Vec<String> = found
        .iter()
        .filter(|difference| !known.contains(difference.place.as_str()))
        .map(|difference| format!("{}: {}", difference.place, difference.what))
        .collect();
    assert!(new.is_empty(), "{} differences that are not listed:\n{}", new.len(), new.join("\n"));
    let gone: Vec<&str> = known.difference(&places).copied().collect();
    if !gone.is_empty() {
        println!("{} listed differences are gone; take them off tests/compare/open.txt:\n{}", gone.len(), gone.join("\n"));
    }
}
