//! One write to one member, with everything that must hold before it and after it.

mod adopt;

pub use adopt::EARLIER;

use std::{sync::Arc, time::Duration};

use comity_core::{GroupVersionResource, Value, object};

use crate::{
    arbitrate::{Adopt, Refusal, Verdict, arbitrate},
    client::{ClientError, ClusterClient, DeleteOptions, PatchKind},
    copies::{Copies, Seen},
    copy::{Holder, holder},
    owned::{
        additions,
        compare::{Difference, difference},
    },
};

/// What is wanted of one copy.
#[derive(Clone, Debug)]
pub enum Job {
    /// It exists and says this.
    Apply(Box<Apply>),
    /// It does not exist.
    Delete(Delete),
    /// It exists and is nobody's copy any more.
    Release(Release),
    /// Nothing is wanted but to know whether the member has one: a list may have lacked it.
    Look,
}

/// A copy as it should be.
#[derive(Clone, Debug)]
pub struct Apply {
    /// Everything that is applied, with labels and marks; members that are to hold the same share it.
    pub object: Arc<Value>,
    /// Digest of what is asked for, marks not counted; never 0.
    pub content: u64,
    /// UID of the copy that this was planned on; `None` where none was known.
    pub uid: Option<String>,
    /// What happens with an unmanaged object of the same name.
    pub adopt: Adopt,
    /// The namespace to make when the member has none; `None` where somebody else makes it.
    pub namespace: Option<Arc<Value>>,
    /// What others add stays even where nothing may be added.
    pub keep_additions: bool,
}

/// A copy that must go.
#[derive(Clone, Debug)]
pub struct Delete {
    /// UID that the decision was made on.
    pub uid: String,
    /// The state that the decision was made on.
    pub resource_version: String,
    /// How dependents go, and how long it may take; preconditions are added.
    pub options: DeleteOptions,
}

/// A copy that stays and loses its marks.
#[derive(Clone, Debug)]
pub struct Release {
    /// UID that the decision was made on.
    pub uid: String,
}

/// What a job did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The object did not exist.
    Created,
    /// The object was changed, or taken over.
    Updated,
    /// The object already said so: nothing was written.
    Unchanged,
    /// It is gone, or going.
    Deleted,
    /// It is no longer a copy.
    Released,
    /// It was looked for, and the index says what was found.
    Looked,
}

/// The step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Step {
    Retrieve,
    Create,
    Update,
    Delete,
    Release,
}

/// Why a job failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// The reason.
    pub trouble: Trouble,
}

/// A reason of a failure.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The object must not be written.
    Refused(Refusal),
    /// The member has no such namespace, and it is not this job's to make.
    NamespaceMissing,
    /// The member does not serve the kind.
    NotServed,
    /// Another controller keeps changing it back.
    Contested(Box<Difference>),
    /// The member refused, or did not answer.
    Client(ClientError),
}

/// What a job did beside its copy.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The namespace was made.
    pub made_namespace: bool,
    /// What was repaired, and who had changed it.
    pub repaired: Option<Difference>,
}

/// What a look at the object of a copy's name found.
enum Found {
    /// There is none.
    Nothing,
    /// It says what is wanted, as this hub applied it.
    AsApplied(Value),
    /// It may be written.
    Writable(Value),
    /// It changed under the hands.
    Moved(ClientError),
}

/// How often a job looks again because the object changed under its hands.
const ROUNDS: usize = 4;

/// Runs jobs against one member.
pub(crate) struct Runner<'a> {
    pub client: &'a ClusterClient,
    pub copies: &'a Copies,
    pub epoch: u64,
    pub now: String,
    pub namespace: &'a str,
    pub name: &'a str,
}

impl Job {
    /// Tells jobs of one copy apart; the same job has the same fingerprint.
    pub fn fingerprint(&self) -> u64 {
        let mut digest = comity_core::digest::Digest::default();
        match self {
            Job::Apply(apply) => {
                digest.bytes(&apply.content.to_le_bytes());
                digest.text(object::annotation(&apply.object, comity_core::labels::OWNER).unwrap_or_default());
            }
            Job::Delete(delete) => {
                digest.text("delete");
                digest.text(&delete.uid);
            }
            Job::Release(release) => {
                digest.text("release");
                digest.text(&release.uid);
            }
            Job::Look => digest.text("look"),
        }
        digest.finish()
    }
}

impl Failure {
    fn new(step: Step, trouble: Trouble) -> Self {
        Self { step, trouble }
    }

    fn client(step: Step) -> impl Fn(ClientError) -> Self {
        move |error| Self::new(step, Trouble::Client(error))
    }

    /// The same failure without anything that may come from the copy.
    fn without_content(self) -> Self {
        match self.trouble {
            Trouble::Client(error) => Self { trouble: Trouble::Client(error.without_content()), ..self },
            _ => self,
        }
    }

    /// Whether the member did not answer at all.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.trouble, Trouble::Client(ClientError::Unreachable(_)))
    }

    /// Whether the member did not accept the credentials, or gave no answer in time: its health is worth a look.
    pub fn is_rejected(&self) -> bool {
        matches!(self.trouble, Trouble::Client(ClientError::Unauthorized(_) | ClientError::Timeout))
    }

    /// How long a member that has too much to do wants to be left alone.
    pub fn overload(&self) -> Option<Duration> {
        match &self.trouble {
            Trouble::Client(error) => error.overload(),
            _ => None,
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Refused(refusal) => refusal.fmt(f),
            Trouble::NamespaceMissing => f.write_str("the namespace does not exist there yet"),
            Trouble::NotServed => f.write_str("the cluster does not serve this kind"),
            Trouble::Contested(by) => {
                let manager =
                    if by.manager.is_empty() { "an unknown field manager".to_owned() } else { format!("field manager {:?}", by.manager) };
                write!(f, "{manager} keeps changing {}; it is repaired less and less often until that ends", by.field)
            }
            Trouble::Client(error) => error.fmt(f),
        }
    }
}

impl Runner<'_> {
    pub async fn run(&self, job: &Job, notes: &mut Notes) -> Result<Done, Failure> {
        let done = match job {
            Job::Apply(apply) => self.apply(apply, notes).await,
            Job::Delete(delete) => self.delete(delete).await,
            Job::Release(release) => self.release(release).await,
            Job::Look => self.look().await,
        };
        if self.copies.target().is_confidential() { done.map_err(Failure::without_content) } else { done }
    }

    async fn apply(&self, apply: &Apply, notes: &mut Notes) -> Result<Done, Failure> {
        // whatever the answer: from now on there may be one
        self.copies.may_come(self.namespace, self.name);
        let mut uid = apply.uid.clone().filter(|uid| !self.must_look(uid));
        let mut before = uid.as_ref().map(|_| self.version());
        let mut conflict = None;
        for _ in 0..ROUNDS {
            if uid.is_none() {
                match self.find(apply, notes).await? {
                    Found::Nothing => before = None,
                    Found::AsApplied(live) => {
                        return Ok(self.applied(&live, apply.content, Some(object::resource_version(&live).to_owned())));
                    }
                    Found::Writable(found) => {
                        uid = Some(object::uid(&found).to_owned());
                        before = Some(object::resource_version(&found).to_owned());
                    }
                    Found::Moved(error) => {
                        conflict = Some(error);
                        continue;
                    }
                }
            }
            let step = if uid.is_some() { Step::Update } else { Step::Create };
            let mut body = Value::clone(&apply.object);
            if let Some(uid) = &uid {
                object::set(&mut body, &["metadata", "uid"], uid.as_str().into());
            }
            match self.patch(PatchKind::Apply { force: true }, &body, false).await {
                Ok(answer) => return Ok(self.applied(&answer, apply.content, before)),
                Err(error) if missing_namespace(&error) => match &apply.namespace {
                    Some(namespace) if !notes.made_namespace => {
                        self.make_namespace(namespace).await.map_err(Failure::client(step))?;
                        notes.made_namespace = true;
                    }
                    _ => return Err(Failure::new(step, Trouble::NamespaceMissing)),
                },
                // what was planned on is no longer there: look again
                Err(error) if uid.is_some() && (error.is_conflict() || names_object(&error, self.name)) => {
                    uid = None;
                    conflict = Some(error);
                }
                Err(error) if error.is_not_found() => return Err(Failure::new(step, Trouble::NotServed)),
                Err(error) => return Err(Failure::client(step)(error)),
            }
        }
        let error = conflict.unwrap_or(ClientError::Timeout);
        Err(Failure::client(Step::Update)(error))
    }

    /// Whether the copy is not as this process left it, so that only a look can tell what is to be written.
    fn must_look(&self, uid: &str) -> bool {
        match self.copies.see(self.namespace, self.name) {
            Seen::Present(copy) => copy.uid != *uid || copy.applied.is_none_or(|applied| applied.digest != copy.digest),
            _ => true,
        }
    }

    /// `before` is the state that the write was made on: the watch may tell the new one before the answer does.
    fn applied(&self, answer: &Value, content: u64, before: Option<String>) -> Done {
        self.copies.wrote(answer, content);
        match before {
            None => Done::Created,
            Some(version) if version == object::resource_version(answer) => Done::Unchanged,
            Some(_) => Done::Updated,
        }
    }

    fn version(&self) -> String {
        match self.copies.see(self.namespace, self.name) {
            Seen::Present(copy) => copy.resource_version.to_string(),
            _ => String::new(),
        }
    }

    /// The object that exists under the copy's name, made ready to be written.
    async fn find(&self, apply: &Apply, notes: &mut Notes) -> Result<Found, Failure> {
        let target = self.copies.target();
        let found = self.client.get(&target.gvr, self.namespace, self.name).await.map_err(Failure::client(Step::Retrieve))?;
        let refused = |refusal| Err(Failure::new(Step::Update, Trouble::Refused(refusal)));
        let live = match found {
            Some(live) => live,
            None if apply.adopt == Adopt::ReadOnly => return refused(Refusal::ReadOnly),
            None => return Ok(Found::Nothing),
        };
        if object::is_deleting(&live) {
            return refused(Refusal::WaitingForRemoval);
        }
        match arbitrate(&live, target, self.copies.hub(), self.epoch, apply.adopt) {
            Verdict::Refused(refusal) => {
                if refusal == Refusal::ReadOnly {
                    self.copies.looked(&live);
                }
                return refused(refusal);
            }
            Verdict::Ours => return self.recall(live, apply, notes).await,
            Verdict::Adopt => self.take_over(&live).await?,
            Verdict::AdoptIfEqual => {
                if !self.is_equal(&live, apply).await? {
                    return refused(Refusal::NotEqual);
                }
                self.take_over(&live).await?;
            }
        }
        Ok(Found::Writable(live))
    }

    /// A copy of ours that this process did not leave so: is there anything to write, and what stands in the way?
    async fn recall(&self, live: Value, apply: &Apply, notes: &mut Notes) -> Result<Found, Failure> {
        let target = self.copies.target();
        let exclusive = additions::exclusive_places(&target.gvk);
        let added = additions::additions(&live, target.manager);
        let intruder = added.iter().find(|a| !apply.keep_additions && a.is_in(exclusive));
        let difference = difference(&apply.object, &live, target.manager);
        notes.repaired = match (&difference, intruder) {
            (None, None) => return Ok(Found::AsApplied(live)),
            (Some(difference), _) => Some(difference.clone()),
            (None, Some(added)) => Some(Difference { field: added.path(), manager: added.manager().to_owned() }),
        };
        if intruder.is_some()
            && let Err(error) = self.claim(&live, exclusive).await
        {
            return if error.is_conflict() { Ok(Found::Moved(error)) } else { Err(Failure::client(Step::Update)(error)) };
        }
        Ok(Found::Writable(live))
    }

    async fn delete(&self, delete: &Delete) -> Result<Done, Failure> {
        let mut version = delete.resource_version.clone();
        let mut conflict = None;
        for _ in 0..ROUNDS {
            let options =
                DeleteOptions { uid: Some(delete.uid.clone()), resource_version: Some(version.clone()), ..delete.options.clone() };
            let gvr = &self.copies.target().gvr;
            match self.client.delete(gvr, self.namespace, self.name, &options).await {
                Ok(answer) => {
                    let going = answer.filter(|a| object::uid(a) == delete.uid && object::is_deleting(a));
                    match going {
                        Some(going) => self.copies.deleted_by_us(self.namespace, self.name, &delete.uid, Some(&going)),
                        None => self.copies.gone(self.namespace, self.name, &delete.uid),
                    }
                    return Ok(Done::Deleted);
                }
                Err(error) if error.is_conflict() => conflict = Some(error),
                Err(error) => return Err(Failure::client(Step::Delete)(error)),
            }
            let Some(live) = self.still_ours(&delete.uid, Step::Delete).await? else {
                self.copies.gone(self.namespace, self.name, &delete.uid);
                return Ok(Done::Deleted);
            };
            object::resource_version(&live).clone_into(&mut version);
        }
        Err(Failure::client(Step::Delete)(conflict.unwrap_or(ClientError::Timeout)))
    }

    async fn release(&self, release: &Release) -> Result<Done, Failure> {
        let mut conflict = None;
        for _ in 0..ROUNDS {
            let Some(live) = self.still_ours(&release.uid, Step::Release).await? else { break };
            let patch = comity_core::json!({"metadata": {
                "resourceVersion": object::resource_version(&live),
                "labels": {comity_core::labels::KUBEFED_MANAGED: null, comity_core::labels::HUB: null},
                "annotations": {comity_core::labels::OWNER: null, comity_core::labels::ADOPTED: null},
            }});
            match self.patch(PatchKind::Merge, &patch, false).await {
                Ok(_) => break,
                Err(error) if error.is_not_found() => break,
                Err(error) if error.is_conflict() => conflict = Some(error),
                Err(error) => return Err(Failure::client(Step::Release)(error)),
            }
        }
        match conflict {
            Some(error) => Err(Failure::client(Step::Release)(error)),
            None => {
                self.copies.deleted_by_us(self.namespace, self.name, &release.uid, None);
                Ok(Done::Released)
            }
        }
    }

    /// Asks the member itself, past every list and watch.
    async fn look(&self) -> Result<Done, Failure> {
        let target = self.copies.target();
        let live = self.client.get(&target.gvr, self.namespace, self.name).await.map_err(Failure::client(Step::Retrieve))?;
        let ours = |live: &Value| {
            crate::copy::managed_label(live) != Some(false) && matches!(holder(live, target, self.copies.hub()), Holder::Us(_))
        };
        match live.filter(ours) {
            Some(live) => self.copies.looked(&live),
            None => self.copies.found_nothing(self.namespace, self.name),
        }
        Ok(Done::Looked)
    }

    /// The live object if it is still the one with this uid and still held by the owner; `None` if it is gone.
    async fn still_ours(&self, uid: &str, step: Step) -> Result<Option<Value>, Failure> {
        let target = self.copies.target();
        let live = self.client.get(&target.gvr, self.namespace, self.name).await.map_err(Failure::client(step))?;
        let Some(live) = live.filter(|live| object::uid(live) == uid) else { return Ok(None) };
        let refused = |refusal| Err(Failure::new(step, Trouble::Refused(refusal)));
        if crate::copy::managed_label(&live) == Some(false) {
            return refused(Refusal::ManagedLabelFalse);
        }
        match holder(&live, target, self.copies.hub()) {
            Holder::Other(owner) => refused(Refusal::OwnedByOther(owner.into())),
            Holder::Us(hold) if hold.epoch > self.epoch => refused(Refusal::HubBehind { found: hold.epoch, own: self.epoch }),
            Holder::Us(_) | Holder::Nobody => Ok(Some(live)),
        }
    }

    async fn patch(&self, kind: PatchKind, body: &Value, dry_run: bool) -> Result<Value, ClientError> {
        let target = self.copies.target();
        self.client.patch(&target.gvr, self.namespace, self.name, None, kind, body, target.manager, dry_run).await
    }

    async fn make_namespace(&self, namespace: &Value) -> Result<(), ClientError> {
        let gvr = GroupVersionResource::new("", "v1", "namespaces");
        match self.client.create(&gvr, "", namespace, self.copies.target().manager).await {
            Err(error) if !error.is_already_exists() => Err(error),
            _ => Ok(()),
        }
    }
}

/// A 404 that is about the namespace and not about the object or its kind.
fn missing_namespace(error: &ClientError) -> bool {
    error.is_not_found() && error.status().is_some_and(|s| s.details.get("kind").is_some_and(|kind| kind == "namespaces"))
}

/// A 404 that is about the object itself.
fn names_object(error: &ClientError, name: &str) -> bool {
    error.is_not_found() && error.status().is_some_and(|s| s.details.get("name").is_some_and(|found| found == name))
}
