//! `comity hub start`: a hub on a Kubernetes that exists already.

use std::time::Instant;

use comity_hub::existing::{self, ExistingHub, Options, Standing};

use super::{
    connect,
    serve::{DRAIN, start_error},
};
use crate::{
    args::{Authority, HubStart},
    error::CliResult,
    printer,
    running::until_stopped,
};

pub(crate) fn start(args: &HubStart) -> CliResult {
    let began = Instant::now();
    until_stopped(
        async || begin(args, began).await,
        async |hub: &ExistingHub| {
            tell(hub).await;
            Ok(())
        },
        async |hub| hub.stop(DRAIN).await,
    )
}

async fn begin(args: &HubStart, began: Instant) -> CliResult<ExistingHub> {
    let (connection, context) = connect::of(Some(&args.kubeconfig), args.context.as_deref()).await?;
    let instance = existing::instance_name();
    let options = Options {
        client: connection.client,
        name: format!("hub of context {context:?}"),
        instance: instance.clone(),
        guard_templates: args.template_authority == Authority::Enforce,
    };
    let hub = existing::start(options).await.map_err(start_error)?;
    printer::data(format!("Comity hub on {}  context {context}", connection.endpoint));
    printer::data(format!("  hub {}, epoch {}, instance {instance}", hub.identity().hub_id, hub.identity().epoch));
    printer::data(words(&hub.standing().borrow()));
    printer::data(format!("ready in {:.1} s; stop with Ctrl-C", began.elapsed().as_secs_f64()));
    Ok(hub)
}

/// Says who leads whenever that changes; for ever.
async fn tell(hub: &ExistingHub) {
    let mut standing = hub.standing();
    standing.mark_unchanged();
    while standing.changed().await.is_ok() {
        let now = standing.borrow_and_update().clone();
        printer::data(words(&now));
    }
    // the election ends only when it is told to
    std::future::pending().await
}

fn words(standing: &Standing) -> String {
    match standing {
        Standing::Leading => "leading: this instance federates".to_owned(),
        Standing::Waiting { holder } if holder.is_empty() => "waiting: nobody is known to lead".to_owned(),
        Standing::Waiting { holder } => format!("waiting: {holder} leads"),
        Standing::Unknown => "waiting: the Lease has not been read".to_owned(),
    }
}
