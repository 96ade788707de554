//! What happened in a run, on one monotonic clock: every request with its start, end and outcome, what ZooKeeper showed
//! to an independent observer, and when the fault began and ended. Written as JSON lines, one record each.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Microseconds since the run began.
pub type Moment = u64;

/// One second in the unit of [`Moment`].
pub const SECOND: Moment = 1_000_000;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was answered with success.
    Ok,
    /// It was refused, and certainly not carried out.
    Fail,
    /// Nobody knows whether it was, or ever will be, carried out.
    Unknown,
}

/// What kind of request it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A sidecar's whole snapshot.
    Sync,
    /// Registration of an instance.
    Register,
    /// Sign of life of an instance.
    Heartbeat,
    /// Change of an instance's properties.
    Properties,
    /// Change of an instance's status.
    Status,
    /// End of an instance.
    Unregister,
    /// Find of one service.
    Find,
    /// Find of several services at once.
    Batch,
}

/// The two things that a registrant says of itself. Each is a register of its own for the checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// A number that never returns, so that every state can be told from every other.
    Payload,
    /// `UP` or `DOWN`.
    Status,
}

/// What a register is to be: `None` stands for a registrant that is not registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Which of the registrant's registers.
    pub field: Field,
    /// Its new value.
    pub value: Option<String>,
}

/// One registrant as an answer shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub who: String,
    /// Its payload.
    pub payload: String,
    /// Its status.
    pub status: String,
}

/// What an answer says of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The group that was asked for.
    pub group: String,
    /// Everybody in the answer; with 304 the list that the client holds already.
    pub entries: Vec<Entry>,
    /// The `rev` that came with it.
    pub rev: String,
    /// The `rev` that was sent, if any.
    pub sent_rev: String,
}

/// One request, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who sent it.
    pub client: String,
    /// To which gateway, by index.
    pub gateway: usize,
    /// What it was.
    pub kind: Kind,
    /// When it was sent.
    pub start: Moment,
    /// When it ended, in whatever way.
    pub end: Moment,
    /// How it ended.
    pub outcome: Outcome,
    /// HTTP status, 0 without an answer.
    pub status: u16,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// The registrant that it speaks for: with success, a sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What becomes of that registrant when it is carried out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<Write>,
    /// It says that the registrant is not registered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub denies: bool,
    /// What it found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<View>,
    /// What it says of whether others are registered at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dispatched: Vec<(String, bool)>,
    /// The version of a sidecar's snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// For how long the answer may have been out of date, as it says itself.
    #[serde(default)]
    pub stale: Moment,
}

/// What the observer saw of a provider znode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZnodeEvent {
    /// When it was told.
    pub at: Moment,
    /// Since when it may have happened, if the observer had lost sight.
    pub since: Moment,
    /// Whether the znode came or went.
    pub created: bool,
    /// Whose it is.
    pub who: String,
    /// The payload, if its URL carries one.
    pub payload: Option<String>,
    /// Its full path.
    pub path: String,
}

/// Who takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Id of the fault.
    pub fault: String,
    /// Seed of everything that is left to chance.
    pub seed: u64,
    /// Registrants by group.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Number of gateways.
    pub gateways: usize,
}

/// A state of everything at the end, from one source: a gateway, or the tree itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Final {
    /// Where it was read.
    pub source: String,
    /// When reading began.
    pub start: Moment,
    /// When it ended.
    pub end: Moment,
    /// Everybody who is registered, by group.
    pub groups: BTreeMap<String, Vec<Entry>>,
    /// What is wrong with the tree, in words: marks of replicas that are gone, providers without a lease, duplicates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dirt: Vec<String>,
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The first line.
    Setup(Setup),
    /// A request.
    Operation(Operation),
    /// A change in ZooKeeper.
    Znode(ZnodeEvent),
    /// A registrant falls silent for good.
    Silent {
        /// Who.
        who: String,
        /// When it has sent its last request.
        at: Moment,
    },
    /// A phase begins.
    Phase {
        /// Which.
        phase: Phase,
        /// When.
        at: Moment,
    },
    /// The state of everything in the end.
    Final(Final),
    /// How much the driver itself was held up.
    Lag {
        /// The longest delay of a task that should have run.
        longest: Moment,
    },
}

/// The phases of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Load without a fault.
    Warm,
    /// The fault is being injected.
    Fault,
    /// The fault is being taken away.
    Heal,
    /// Everything should be as before.
    Settled,
    /// Nobody changes anything any more.
    Quiet,
    /// The last record is written.
    End,
}

/// A whole history, sorted into what the checker asks for.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Who took part.
    pub setup: Setup,
    /// All requests, by their start.
    pub operations: Vec<Operation>,
    /// What the observer saw, in order.
    pub znodes: Vec<ZnodeEvent>,
    /// Who fell silent, and when.
    pub silent: BTreeMap<String, Moment>,
    /// When each phase began.
    pub phases: BTreeMap<Phase, Moment>,
    /// The states in the end.
    pub finals: Vec<Final>,
    /// How much the driver was held up at most.
    pub lag: Moment,
}

impl History {
    /// Sorts `records`.
    pub fn new(records: impl IntoIterator<Item = Record>) -> Self {
        let mut history = Self::default();
        for record in records {
            match record {
                Record::Setup(setup) => history.setup = setup,
                Record::Operation(operation) => history.operations.push(operation),
                Record::Znode(event) => history.znodes.push(event),
                Record::Silent { who, at } => {
                    history.silent.insert(who, at);
                }
                Record::Phase { phase, at } => {
                    history.phases.insert(phase, at);
                }
                Record::Final(state) => history.finals.push(state),
                Record::Lag { longest } => history.lag = history.lag.max(longest),
            }
        }
        history.operations.sort_by_key(|operation| operation.start);
        history.znodes.sort_by_key(|event| event.at);
        history
    }

    /// When `phase` began; the end of time for one that never did.
    pub fn phase(&self, phase: Phase) -> Moment {
        self.phases.get(&phase).copied().unwrap_or(Moment::MAX)
    }
}

/// Writes `records` as JSON lines.
///
/// # Errors
/// Those of the file.
pub fn save(records: &[Record], path: &Path) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for record in records {
        serde_json::to_writer(&mut file, record)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}

/// Reads what [`save`] wrote.
///
/// # Errors
/// Those of the file, and of a line that is no record.
pub fn load(path: &Path) -> std::io::Result<Vec<Record>> {
    let text = std::fs::read_to_string(path)?;
    text.lines().map(|line| serde_json::from_str(line).map_err(Into::into)).collect()
}
