//! The rows that the centre publishes: one an entity and producer, with the values that were last sent.
//!
//! A row exists from the start, whether it shows or not; an agent's rows show while the agent is logged in. Values are
//! computed from the floor when something touched them and compared with those last published, so a change carries
//! just what changed.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{
    agent::{Agent, Presence},
    book::Book,
    channel::Channel,
    floor::Floor,
    measures::Producer,
};

/// The value of a measure. On the wire it is a string, whatever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Text that belongs to an entity.
    Text(String),
    /// Text out of a fixed set.
    Word(&'static str),
    /// A count, a number of seconds, or epoch milliseconds.
    Number(u64),
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Agent(usize),
    AgentOn(usize, Channel),
    Queue(usize),
    QueueOn(usize, Channel),
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) subject: Subject,
    pub(super) producer: Producer,
    /// Keys in the order of the producer's.
    pub(super) keys: Vec<(&'static str, String)>,
    /// What was last published, in the order of the producer's measures; `None` while the row does not show.
    pub(super) published: Option<Vec<Value>>,
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Word(word) => formatter.write_str(word),
            Self::Number(number) => number.fmt(formatter),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Word(word) => serializer.serialize_str(word),
            Self::Number(_) => serializer.collect_str(self),
        }
    }
}

impl Subject {
    /// Every subject of a floor; agents first, then queues.
    pub(super) fn all(floor: &Floor) -> impl Iterator<Item = Self> {
        let agents = floor.agents.iter().enumerate().flat_map(|(index, agent)| {
            let parts = agent.channels.iter().map(move |&channel| Self::AgentOn(index, channel));
            std::iter::once(Self::Agent(index)).chain(parts)
        });
        let queues = floor.queues.iter().enumerate().flat_map(|(index, queue)| {
            let parts = queue.channels.iter().map(move |&channel| Self::QueueOn(index, channel));
            std::iter::once(Self::Queue(index)).chain(parts)
        });
        agents.chain(queues)
    }

    const fn producer(self) -> Producer {
        match self {
            Self::Agent(_) => Producer::Agent,
            Self::AgentOn(..) => Producer::AgentByChannel,
            Self::Queue(_) => Producer::Queue,
            Self::QueueOn(..) => Producer::QueueByChannel,
        }
    }
}

impl Row {
    /// A row that does not show yet.
    pub(super) fn new(subject: Subject, floor: &Floor) -> Self {
        let agent = |index: usize| floor.agents.get(index).map(|agent| agent.id.clone()).unwrap_or_default();
        let queue = |index: usize| floor.queues.get(index).map(|queue| queue.id.clone()).unwrap_or_default();
        let values = match subject {
            Subject::Agent(index) => vec![agent(index)],
            Subject::AgentOn(index, channel) => vec![agent(index), channel.id().to_owned()],
            Subject::Queue(index) => vec![queue(index)],
            Subject::QueueOn(index, channel) => vec![channel.id().to_owned(), queue(index)],
        };
        let producer = subject.producer();
        let keys = producer.keys().iter().copied().zip(values).collect();
        Self { subject, producer, keys, published: None }
    }

    /// The row's values now, `None` if it does not show.
    pub(super) fn values(&self, floor: &Floor) -> Option<Vec<Value>> {
        let source = match self.subject {
            Subject::Agent(index) => {
                let agent = floor.agents.get(index)?;
                Source { agent: Some(agent), queue: None, book: agent.books.iter().sum() }
            }
            Subject::AgentOn(index, channel) => {
                let agent = floor.agents.get(index)?;
                Source { agent: Some(agent), queue: None, book: *agent.books.get(channel.index())? }
            }
            Subject::Queue(index) => {
                let queue = floor.queues.get(index)?;
                Source { agent: None, queue: Some((index, &queue.name)), book: queue.books.iter().sum() }
            }
            Subject::QueueOn(index, channel) => {
                let queue = floor.queues.get(index)?;
                let book = *queue.books.get(channel.index())?;
                Source { agent: None, queue: Some((index, &queue.name)), book }
            }
        };
        if source.agent.is_some_and(|agent| agent.presence == Presence::LoggedOut) {
            return None;
        }
        Some(self.producer.measures().iter().map(|measure| source.value(measure.name)).collect())
    }
}

/// Where the values of a row come from.
struct Source<'a> {
    agent: Option<&'a Agent>,
    queue: Option<(usize, &'a str)>,
    book: Book,
}

impl Source<'_> {
    fn value(&self, measure: &str) -> Value {
        self.count(measure)
            .or_else(|| self.duration_ms(measure).map(|span_ms| Value::Number(span_ms / 1_000)))
            .or_else(|| self.agent.and_then(|agent| agent_value(agent, measure)))
            .or_else(|| self.queue.and_then(|queue| queue_value(queue, measure)))
            .unwrap_or(Value::Word("N/A"))
    }

    fn count(&self, measure: &str) -> Option<Value> {
        let book = &self.book;
        Some(Value::Number(match measure {
            "Offered" => book.offered,
            "Answered" => book.answered,
            "Completed" => book.completed,
            "notAnswered" => book.not_answered,
            "abandonedFromQueue" => book.abandoned_from_queue,
            "abandonedFromAlerting" => book.abandoned_from_alerting,
            "contactsQueueing" => book.queueing,
            "active" => book.active,
            // An agent has one contact at a time, so agents and contacts in wrap-up are equally many.
            "activeEngagementsInACW" | "activeAgentsInACW" => book.in_acw,
            "hold" => book.held,
            "transferInitiatedToQueue" => book.transferred_out,
            "transferAcceptedFromQueue" => book.transferred_in,
            "coached" => book.coached,
            "coaching" => book.coaching,
            _ => return None,
        }))
    }

    fn duration_ms(&self, measure: &str) -> Option<u64> {
        let book = &self.book;
        Some(match measure {
            "activeDuration" => book.active_ms,
            "alertDuration" => book.alert_ms,
            "holdDuration" => book.hold_ms,
            "acwDuration" => book.acw_ms,
            "coachedDuration" => book.coached_ms,
            "coachingDuration" => book.coaching_ms,
            "idleTimeDuration" => self.agent?.idle_ms,
            "agentLogonDuration" => self.agent?.logon_ms,
            "totalTimeNotReady" => self.agent?.not_ready_ms,
            _ => return None,
        })
    }
}

fn agent_value(agent: &Agent, measure: &str) -> Option<Value> {
    Some(match measure {
        "agentId" => Value::Text(agent.id.clone()),
        "agentFirstName" => Value::Text(agent.first_name.clone()),
        "agentLastName" => Value::Text(agent.last_name.clone()),
        "agentDisplayName" => Value::Text(format!("{} {}", agent.first_name, agent.last_name)),
        "agentLoginId" => Value::Text(agent.login_id.clone()),
        "userStatus" => Value::Word("Live"),
        "agentState" => Value::Word(match agent.presence {
            Presence::LoggedOut => "LOGGED_OUT",
            Presence::Ready => "READY",
            Presence::NotReady(_) => "NOT_READY",
        }),
        "reasonCodeName" => Value::Word(match agent.presence {
            Presence::NotReady(reason) => reason,
            Presence::LoggedOut | Presence::Ready => "N/A",
        }),
        "timeInState" => Value::Number(agent.presence_since_ms),
        "timeLoggedIn" => Value::Number(agent.logged_in_ms),
        "timeActive" => Value::Number(agent.active_since_ms),
        "timeOnHold" => Value::Number(agent.hold_since_ms),
        "timeInACW" => Value::Number(agent.acw_since_ms),
        _ => return None,
    })
}

fn queue_value((index, name): (usize, &str), measure: &str) -> Option<Value> {
    Some(match measure {
        "queueName" => Value::Text(name.to_owned()),
        "isDefaultQueue" => Value::Word(if index == 0 { "true" } else { "false" }),
        _ => return None,
    })
}
