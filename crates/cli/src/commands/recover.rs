//! `comity hub recover`: what was seen, what will be done, and doing it.

use std::collections::BTreeMap;

use comity_federation::recovery::{Newer, Rebuilt};
use comity_hub::recover::{self, Options, Place, Plan, Recovery, Take};
use comity_lane::client::ClusterClient;

use super::{connect, serve};
use crate::{
    args::{HubRecover, NewerFlag},
    contexts::Contexts,
    error::{CliError, CliResult, Exit},
    printer,
};

/// So many differences of one object are shown.
const SHOWN: usize = 10;

pub(crate) fn recover(args: &HubRecover) -> CliResult {
    crate::logging::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| CliError::new("cannot start").because(e))?.block_on(run(args))
}

async fn run(args: &HubRecover) -> CliResult {
    let options =
        Options { place: place(args).await?, from_members: args.from_members, members: members(args).await?, hub_id: args.hub_id.clone() };
    let recovery = recover::prepare(options).await.map_err(serve::start_error)?;
    tell(recovery.plan(), args);
    let decided = match args.newer {
        Some(NewerFlag::Hub) => Some(Take::Hub),
        Some(NewerFlag::Members) => Some(Take::Members),
        None if recovery.plan().found.newer.is_empty() => Some(Take::Hub),
        None => None,
    };
    match decided {
        Some(take) if args.yes => carry_out(recovery, take).await,
        decided => {
            recovery.cancel().await;
            if decided.is_none() {
                return Err(CliError::new("objects are older on the hub than in members, and whose word counts was not said")
                    .exit(Exit::Conflict)
                    .hint("choose with --newer=members (nothing is rolled back) or --newer=hub"));
            }
            printer::data("\nNothing was changed. To do this, run the same command with --yes.");
            Ok(())
        }
    }
}

/// A folder, unless a kubeconfig or a context names a Kubernetes instead.
async fn place(args: &HubRecover) -> CliResult<Place> {
    if args.data_dir.is_some() || (args.context.is_none() && args.kubeconfig.is_none()) {
        let encryption = serve::keys(args.encryption_key_file.as_ref())?;
        return Ok(Place::Folder { data_dir: serve::folder(args.data_dir.as_ref(), "hub")?, encryption });
    }
    if args.encryption_key_file.is_some() {
        let error =
            CliError::new("--encryption-key-file is for a hub in a folder; an existing Kubernetes encrypts by its own configuration");
        return Err(error.exit(Exit::Usage).hint("give the folder with --data-dir"));
    }
    let (connection, context) = connect::of(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
    Ok(Place::Existing { client: connection.client, name: format!("hub of context {context:?}") })
}

async fn carry_out(recovery: Recovery, take: Take) -> CliResult {
    let epoch = recovery.plan().epoch.1;
    recovery.carry_out(take).await.map_err(serve::start_error)?;
    printer::data(format!("\nRecovered: the hub is in epoch {epoch}. Start it; members leave HubBehind by themselves."));
    Ok(())
}

async fn members(args: &HubRecover) -> CliResult<BTreeMap<String, ClusterClient>> {
    let mut members = BTreeMap::new();
    if args.members.is_empty() {
        return Ok(members);
    }
    let contexts = Contexts::load(args.kubeconfig.as_deref()).map_err(connect::context_error)?;
    for pair in &args.members {
        let Some((name, context)) = pair.split_once('=') else {
            return Err(CliError::new(format!("--member {pair:?} is not NAME=CONTEXT")).exit(Exit::Usage));
        };
        let connection = contexts.connect(context).await.map_err(connect::context_error)?;
        members.insert(name.to_owned(), connection.client);
    }
    Ok(members)
}

fn tell(plan: &Plan, args: &HubRecover) {
    let (own, id) = &plan.hub_id;
    printer::data(format!("Hub {own}, epoch {}", plan.epoch.0));
    if own != id {
        printer::data(format!("  goes on as hub {id}, whose copies the members hold"));
    }
    printer::data(format!("  its epoch will be {}: above everything that was seen", plan.epoch.1));
    for (cluster, holder) in &plan.holders {
        printer::data(format!(
            "  {cluster}: another instance of this hub holds the Lease: {holder}; make sure that it does not run any more"
        ));
    }
    for (cluster, why) in &plan.unread {
        printer::data(format!("  {cluster} could not be read: {why}"));
    }
    if !plan.unread.is_empty() {
        printer::data("  if a cluster that could not be read has seen a later epoch, it stays read-only until this is run again");
    }
    if !args.from_members {
        printer::data("  copies that are newer than the hub's objects will be set back to what the hub says;");
        printer::data("  to see which, and to keep what members have: --from-members");
        return;
    }
    let found = &plan.found;
    for Rebuilt { kind, name, clusters, object } in &found.missing {
        let overrides = object["spec"]["overrides"].as_array().map_or(0, Vec::len);
        let differ = if overrides > 0 { format!(", {overrides} with overrides") } else { String::new() };
        printer::data(format!("  make {kind} {name} from its copies in {}{differ}", clusters.join(", ")));
    }
    for Newer { rebuilt, generation, seen, differences } in &found.newer {
        let word = match args.newer {
            None => "older on the hub",
            Some(NewerFlag::Hub) => "older on the hub, which counts",
            Some(NewerFlag::Members) => "older on the hub, taken over from members",
        };
        printer::data(format!("  {} {} is {word}: generation {generation} here, {seen} in members", rebuilt.kind, rebuilt.name));
        for line in differences.iter().take(SHOWN) {
            printer::data(format!("      {line}"));
        }
        if differences.len() > SHOWN {
            printer::data(format!("      and {} more", differences.len() - SHOWN));
        }
    }
    for (other, count) in &found.of_others {
        printer::data(format!("  {count} copies belong to hub {other} and are left alone"));
    }
    printer::data(format!(
        "  {} objects to make, {} older on the hub, {} copies agree; nothing in members is changed by this",
        found.missing.len(),
        found.newer.len(),
        found.known
    ));
}
