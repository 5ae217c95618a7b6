//! `comity release KIND NAME -C CLUSTER`: gives an adopted object back as it was.

use comity_core::{Value, json, marks, object, time::rfc3339};
use comity_federation::{model::FederatedType, survey};
use comity_lane::{
    PatchKind,
    adopted::{self, Before},
    copy,
};

use super::{connect, why};
use crate::{
    args::Release,
    error::{CliError, CliResult, Exit},
    printer,
};

pub(crate) async fn release(args: &Release) -> CliResult {
    let (hub, context) = connect::hub(&args.hub).await?;
    let failed = |what: &'static str| {
        let context = context.clone();
        move |e| connect::request_error(what, &context, &e)
    };
    let config = why::type_named(&hub.client, &context, &args.kind).await?;
    let kind = FederatedType::of(&config);
    let members = survey::members(&hub.client).await.map_err(failed("cannot read the hub's clusters and their Secrets"))?;
    let member = match members.get(&args.cluster) {
        Some(Ok(member)) => member,
        Some(Err(why)) => return Err(CliError::new(format!("cluster {:?} cannot be used", args.cluster)).because(why)),
        None => {
            return Err(CliError::new(format!("cluster {:?} is not joined", args.cluster))
                .exit(Exit::NotFound)
                .hint("see `comity status`"));
        }
    };
    let namespace = if kind.target.namespaced { args.namespace.clone().unwrap_or(hub.namespace) } else { String::new() };
    let what = format!("{} in cluster {}", kind.target.describe(&namespace, &args.name), args.cluster);
    let asked = |error| connect::request_error(&format!("cannot release {what}"), &args.cluster, &error);
    let gvr = &kind.target.gvr;
    let Some(live) = member.get(gvr, &namespace, &args.name).await.map_err(asked)? else {
        return Err(CliError::new(format!("{what} does not exist")).exit(Exit::NotFound));
    };
    if copy::managed_label(&live) == Some(false) {
        printer::data(format!("{what} has been released already: its label kubefed.io/managed is \"false\""));
        return Ok(());
    }
    if matches!(marks::read(&live), marks::Marked::Unmarked | marks::Marked::Void) {
        return Err(CliError::new(format!("{what} is nobody's copy")).exit(Exit::Conflict));
    }
    let before = match adopted::before(&live) {
        Before::Object(before) => Some(before),
        Before::Nothing => None,
        Before::Withheld(_) if args.as_it_is => None,
        Before::Withheld(why) => {
            return Err(CliError::new(format!("what {what} was before its adoption is not known"))
                .because(why)
                .exit(Exit::Conflict)
                .hint("to leave it as it is now, unmanaged: --as-it-is"));
        }
    };
    let before = before.filter(|_| !args.as_it_is);
    let body = adopted::released(&live, before.as_ref());
    let answer = member.replace(gvr, &namespace, &args.name, None, &body, adopted::RELEASER).await.map_err(asked)?;
    if let Some(before) = &before {
        give_fields_back(member, gvr, &answer, before).await.map_err(asked)?;
        printer::data(format!("{what} is what it was before its adoption, and unmanaged"));
    } else {
        printer::data(format!("{what} stays as it is, unmanaged"));
    }
    printer::data(
        "Its label kubefed.io/managed=\"false\" keeps it from being adopted again: take the cluster out of the placement, or remove the label to have it adopted.",
    );
    Ok(())
}

async fn give_fields_back(
    member: &comity_lane::ClusterClient,
    gvr: &comity_core::GroupVersionResource,
    answer: &Value,
    before: &Value,
) -> Result<(), comity_lane::ClientError> {
    let Some(fields) = adopted::released_fields(answer, before, &rfc3339(jiff::Timestamp::now())) else { return Ok(()) };
    let patch = json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": fields},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": object::resource_version(answer)},
    ]);
    let (namespace, name, kind) = (object::namespace(answer), object::name(answer), PatchKind::Json);
    member.patch(gvr, namespace, name, None, kind, &patch, adopted::RELEASER, false).await.map(drop)
}
