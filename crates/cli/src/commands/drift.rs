//! `comity fleet drift --orphans`: copies in members whose owners do not exist on the hub.

use comity_core::json;
use comity_federation::{recovery, survey};

use super::connect;
use crate::{
    args::{Drift, Output},
    error::{CliError, CliResult, Exit},
    printer,
    table::render,
    yaml,
};

pub(crate) async fn drift(args: &Drift) -> CliResult {
    let (hub, context) = connect::hub(&args.hub).await?;
    let failed = |e| connect::request_error("cannot read the hub", &context, &e);
    let (id, _) = survey::identity(&hub.client).await.map_err(failed)?;
    let members = survey::members(&hub.client).await.map_err(failed)?;
    let (types, unread) = survey::read(&hub.client, &members).await.map_err(failed)?;
    let orphans = recovery::orphans(&types, &id);
    let rows: Vec<Vec<String>> = orphans.iter().map(|(cluster, copy, owner)| vec![cluster.clone(), copy.clone(), owner.clone()]).collect();
    match args.output {
        None if rows.is_empty() => printer::data("No copy is without an owner."),
        None => printer::data(render(&["CLUSTER", "COPY", "OWNER THAT IS MISSING"], &rows)),
        Some(output) => {
            let items: Vec<_> =
                orphans.iter().map(|(cluster, copy, owner)| json!({"cluster": cluster, "copy": copy, "owner": owner})).collect();
            let document = json!({"items": items, "errors": unread});
            match output {
                Output::Json => printer::data(serde_json::to_string_pretty(&document).unwrap_or_default()),
                Output::Yaml => printer::data(yaml(&document).trim_end()),
            }
        }
    }
    if !unread.is_empty() {
        let names: Vec<String> = unread.iter().map(|(cluster, why)| format!("{cluster} ({why})")).collect();
        printer::talk(format!("warning: {} of {} clusters could not be read: {}", unread.len(), members.len(), names.join(", ")));
        return Err(CliError::new("some clusters could not be read").exit(Exit::Partial));
    }
    if args.exit_code && !orphans.is_empty() {
        return Err(CliError::new(format!("{} copies have no owner", orphans.len())).exit(Exit::Difference));
    }
    Ok(())
}
