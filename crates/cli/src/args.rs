//! Commands and flags.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::{
    commands,
    error::{CliError, CliResult, Exit},
    printer,
};

/// Many Kubernetes clusters, managed as one.
#[derive(Debug, Parser)]
#[command(name = "comity", version, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a hub and embedded member clusters in one process, ready to try
    Demo(Demo),
    /// Start a hub: an embedded Kubernetes API server that federates
    Up(Up),
    /// Start one embedded member cluster as a process of its own
    Member(Member),
    /// Give a control plane simulated nodes, whose pods run no processes
    Nodes(Nodes),
    /// Run a hub on a Kubernetes that exists already
    Hub {
        #[command(subcommand)]
        command: HubCommand,
    },
    /// Show the fleet on one screen
    Status(Status),
    /// Explain, cluster by cluster, what was decided for an object and why
    Why(Why),
    /// Show what applying a file would do in every member, by dry runs there
    Plan(Plan),
    /// Give an adopted object back to its member as it was, unmanaged
    Release(Release),
    /// Look at the fleet as a whole
    Fleet {
        #[command(subcommand)]
        command: FleetCommand,
    },
    /// Print the version
    Version(Version),
    /// Print a completion script for a shell
    Completion {
        /// Shell to complete for.
        shell: clap_complete::Shell,
    },
}

/// What is joined when members are first created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Join {
    /// Every member.
    All,
    /// No member: join them yourself with `kubefedctl join`.
    None,
}

/// Where the data of a start lies.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Folder for all data [default: a folder below comity/ in the user's data folder].
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// File to write the contexts to [default: `kubeconfig` in the data folder]; `~/.kube/config` is never touched.
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Forget everything from earlier starts.
    #[arg(long)]
    pub reset: bool,
    /// File with the keys that stored objects are encrypted with: on each line 32 bytes in base64; the first one encrypts.
    #[arg(long, value_name = "FILE")]
    pub encryption_key_file: Option<PathBuf>,
    /// Start although the disk lost acknowledged writes; clients then read everything anew.
    #[arg(long)]
    pub accept_data_loss: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub place: Place,
    /// Number of member clusters.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=100))]
    pub members: u16,
    /// Which members are joined when they are first created.
    #[arg(long, value_enum, default_value_t = Join::All)]
    pub join: Join,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub place: Place,
    /// Address to listen on; port 0 chooses a free one [default: the port of the last start on 127.0.0.1].
    #[arg(long)]
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Member {
    /// Name of the cluster.
    #[arg(long)]
    pub name: String,
    #[command(flatten)]
    pub place: Place,
    /// Address to listen on; port 0 chooses a free one [default: the port of the last start on 127.0.0.1].
    #[arg(long)]
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Nodes {
    /// Kubeconfig file with credentials that may write nodes, leases and pods in the cluster.
    #[arg(long)]
    pub kubeconfig: PathBuf,
    /// Context of the cluster [default: the current context].
    #[arg(long)]
    pub context: Option<String>,
    /// What the nodes' names begin with.
    #[arg(long, default_value = "simulated")]
    pub name: String,
    /// Number of nodes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub count: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HubCommand {
    /// Federate on an existing Kubernetes: its API server and store are the hub's; several instances take turns
    Start(HubStart),
    /// Recover a hub that was restored, cloned or lost, while it does not run: in a folder, or on an existing Kubernetes
    Recover(HubRecover),
}

/// Whose word counts for objects that are older on the hub than in members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewerFlag {
    /// The hub's: members are set back to it when the hub runs.
    Hub,
    /// The members': the hub's objects are changed to what the members have.
    Members,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// File or folder with federated objects; `-` reads standard input.
    #[arg(short = 'f', long = "filename")]
    pub file: String,
    #[command(flatten)]
    pub hub: HubFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Release {
    /// Kind or resource of the federated object, such as `federateddeployment`, or the target's `deployment`.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Namespace [default: the context's].
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// The member that gets it back.
    #[arg(short = 'C', long)]
    pub cluster: String,
    /// Leave it as it is now instead of as it was before its adoption.
    #[arg(long)]
    pub as_it_is: bool,
    #[command(flatten)]
    pub hub: HubFlags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FleetCommand {
    /// List what is in members and should not be
    Drift(Drift),
}

#[derive(Debug, Args)]
pub(crate) struct Drift {
    /// List copies whose owners do not exist on the hub.
    #[arg(long, required = true)]
    pub orphans: bool,
    /// End with status 8 when there are some.
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten)]
    pub hub: HubFlags,
    /// Output format [default: a table].
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
}

#[derive(Debug, Args)]
pub(crate) struct HubRecover {
    /// The hub's data folder [default: a folder below comity/ in the user's data folder].
    #[arg(long, conflicts_with = "context")]
    pub data_dir: Option<PathBuf>,
    /// Context of a hub on an existing Kubernetes [default with --kubeconfig and without --data-dir: its current context].
    #[arg(long)]
    pub context: Option<String>,
    /// Read the members' copies: make federated objects that the hub does not have, list those that are older on the hub.
    #[arg(long)]
    pub from_members: bool,
    /// What counts where the hub is older than a member; without it such objects are listed and nothing is done.
    #[arg(long, value_enum, requires = "from_members")]
    pub newer: Option<NewerFlag>,
    /// A member that the hub does not know, as NAME=CONTEXT of the kubeconfig; for a hub that is new. May be repeated.
    #[arg(long = "member", value_name = "NAME=CONTEXT", requires = "from_members")]
    pub members: Vec<String>,
    /// Kubeconfig file with the contexts of --context and --member [default: KUBECONFIG, else ~/.kube/config].
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Id of the lost hub, where members hold copies of several [default: the only one that they name].
    #[arg(long, requires = "from_members")]
    pub hub_id: Option<String>,
    /// File with the keys of the store, where it is encrypted.
    #[arg(long)]
    pub encryption_key_file: Option<PathBuf>,
    /// Do it; without it the plan is printed and nothing is changed.
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HubStart {
    /// Kubeconfig file with the credentials that Comity has on the hub.
    #[arg(long)]
    pub kubeconfig: PathBuf,
    /// Context of the hub [default: the current context].
    #[arg(long)]
    pub context: Option<String>,
    /// Whether who writes a federated object must be allowed to write its template's kind; kept by a ValidatingAdmissionPolicy.
    #[arg(long, value_enum, default_value_t = Authority::Enforce)]
    pub template_authority: Authority,
}

/// Whether a rule is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Authority {
    /// Refuse what breaks it.
    Enforce,
    /// Install nothing; a policy that is there stays.
    Off,
}

/// Where the hub is.
#[derive(Debug, Args)]
pub(crate) struct HubFlags {
    /// Kubeconfig file [default: KUBECONFIG, else ~/.kube/config].
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the hub [default: the current context].
    #[arg(long)]
    pub context: Option<String>,
}

/// Machine-readable forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub hub: HubFlags,
    /// Output format [default: a table].
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
}

#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Kind or resource of the federated object, such as `federateddeployment`, `fdeploy`, or the target's `deployment`.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Namespace [default: the context's].
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// Only this cluster.
    #[arg(short = 'C', long)]
    pub cluster: Option<String>,
    #[command(flatten)]
    pub hub: HubFlags,
    /// Output format [default: text].
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
}

#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Output format [default: text].
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
}

/// The command definitions, for references and completion.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line; the first argument is the program's name. Returns the exit status.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let asked = !error.use_stderr();
            let _ = error.print();
            return if asked { Exit::Success as u8 } else { Exit::Usage as u8 };
        }
    };
    match dispatch(cli.command) {
        Ok(()) => Exit::Success as u8,
        Err(error) => {
            printer::talk(error.to_string());
            error.exit as u8
        }
    }
}

fn dispatch(command: Command) -> CliResult {
    match command {
        Command::Demo(args) => commands::serve::demo(&args),
        Command::Up(args) => commands::serve::up(&args),
        Command::Member(args) => commands::serve::member(&args),
        Command::Nodes(args) => commands::nodes::nodes(&args),
        Command::Hub { command: HubCommand::Start(args) } => commands::hub_start::start(&args),
        Command::Hub { command: HubCommand::Recover(args) } => commands::recover::recover(&args),
        Command::Plan(args) => block_on(commands::plan::plan(&args)),
        Command::Release(args) => block_on(commands::release::release(&args)),
        Command::Fleet { command: FleetCommand::Drift(args) } => block_on(commands::drift::drift(&args)),
        Command::Status(args) => block_on(commands::status::status(&args)),
        Command::Why(args) => block_on(commands::why::why(&args)),
        Command::Version(args) => commands::version::version(&args),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "comity", &mut std::io::stdout());
            Ok(())
        }
    }
}

/// Runs a client command on one thread: it only waits for answers.
fn block_on(work: impl Future<Output = CliResult>) -> CliResult {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| CliError::new("cannot start").because(e))?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
