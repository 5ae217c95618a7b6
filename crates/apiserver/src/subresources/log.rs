//! `pods/log`: the output of a container.

use comity_core::{Status, Value, object};

use crate::{
    answer::{Answer, TEXT},
    handlers::get,
    registry::Resource,
    request::Request,
    streams::LogOptions,
};

/// Streams the log.
///
/// # Errors
/// 400 for an unclear container or bad options, 404 for a missing pod.
pub async fn get(request: &Request, resource: &Resource) -> Result<Answer, Status> {
    let name = &request.info.name;
    let entry = request.cx.store.get(&get::key(request, resource)).ok_or_else(|| Status::not_found(&resource.group_resource(), name))?;
    let pod = entry.object();
    let container = container(request, &pod)?;
    if object::str_at(&pod, &["spec", "nodeName"]).is_empty() {
        return Ok(Answer::text(200, ""));
    }
    let Some(streams) = &request.cx.pod_streams else {
        return Err(Status::bad_request(format!("pod {name:?} is simulated: log is not available")));
    };
    let lines = streams.logs(&pod, &container, &options(request)?).await?;
    Ok(Answer::stream(200, TEXT, lines))
}

/// The container that is asked for, or the only one.
fn container(request: &Request, pod: &Value) -> Result<String, Status> {
    let name = object::name(pod);
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    let names_in = |list: &str| -> Vec<String> {
        object::items_at(pod, &["spec", list]).iter().map(|c| object::str_at(c, &["name"]).to_owned()).collect()
    };
    if let Some(container) = request.query.text("container") {
        if lists.iter().any(|list| names_in(list).iter().any(|n| n == container)) {
            return Ok(container.to_owned());
        }
        return Err(Status::bad_request(format!("container {container} is not valid for pod {name}")));
    }
    let containers = names_in("containers");
    match containers.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Status::bad_request(format!("a container name must be specified for pod {name}"))),
        many => {
            let mut why = format!("a container name must be specified for pod {name}, choose one of: [{}]", many.join(" "));
            let init = names_in("initContainers");
            if !init.is_empty() {
                why.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
            }
            Err(Status::bad_request(why))
        }
    }
}

fn options(request: &Request) -> Result<LogOptions, Status> {
    let query = &request.query;
    let number = |key: &str| match query.text(key) {
        None => Ok(None),
        Some(text) => {
            text.parse::<i64>().map(Some).map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))
        }
    };
    Ok(LogOptions {
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: number("tailLines")?,
        since_seconds: number("sinceSeconds")?,
        since_time: query.text("sinceTime").map(str::to_owned),
        limit_bytes: number("limitBytes")?,
    })
}
