//! `comity hub start`: a hub on a Kubernetes that exists already.

use std::time::{Duration, Instant};

use comity_hub::existing::{self, ExistingHub, Options, Standing};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    connect,
    serve::{DRAIN, start_error},
};
use crate::{
    args::{Authority, HubStart},
    error::{CliError, CliResult},
    printer,
};

pub(crate) fn start(args: &HubStart) -> CliResult {
    crate::logging::start();
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| CliError::new("cannot start").because(e))?;
    let outcome = runtime.block_on(async {
        let failed = |e| CliError::new("cannot listen for signals").because(e);
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let hub = tokio::select! {
            started = begin(args, began) => started?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = tell(&hub) => {}
        }
        printer::talk("stopping");
        hub.stop(DRAIN).await;
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
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
