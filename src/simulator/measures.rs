//! The dictionary of the simulated account: which producers there are, what their rows are keyed by, and what each
//! measure is called, typed and described.
//!
//! The Producer Management API prints it, the model fills it in: a row's values stand in the order of its producer's
//! measures. Everything here is constant, so there is nothing that could be full or slow; an id that is not listed is
//! `None`.

/// A measure producer of the simulated account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Producer {
    /// One row an agent who is logged in.
    Agent,
    /// One row an agent who is logged in and each channel the agent works on.
    AgentByChannel,
    /// One row a queue.
    Queue,
    /// One row a queue and each channel it serves.
    QueueByChannel,
    /// Contact details. It is listed so that asking for one processor type matters; it never has a row.
    DialogDetail,
}

/// How AXP types a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureType {
    /// Any text.
    String,
    /// A count or a current number.
    Number,
    /// Seconds.
    Duration,
    /// Epoch milliseconds of an occurrence.
    Date,
    /// Epoch milliseconds at which the running state began, `0` outside of it.
    TimeInState,
}

/// One entry of a producer's dictionary.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// AXP's name, in AXP's spelling.
    pub name: &'static str,
    /// Its type.
    pub measure_type: MeasureType,
    /// What it means, in English.
    pub description: &'static str,
}

impl Producer {
    /// All that the account lists, in the order of the list.
    pub const ALL: [Self; 5] =
        [Self::Agent, Self::AgentByChannel, Self::Queue, Self::QueueByChannel, Self::DialogDetail];

    /// The interval-to-date producers: those that have rows.
    pub const REALTIME: [Self; 4] = [Self::Agent, Self::AgentByChannel, Self::Queue, Self::QueueByChannel];

    /// The producer of this id, as it is spelled in the list.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|producer| producer.id() == id)
    }

    /// The id that a subscription names.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Agent => "Agent_itd_1.0.0",
            Self::AgentByChannel => "AgentByChannel_itd_1.0.0",
            Self::Queue => "Queue_itd_1.0.0",
            Self::QueueByChannel => "QueueByChannel_itd_1.0.0",
            Self::DialogDetail => "DialogDetail_cdr_1.0.0",
        }
    }

    /// The name without processor type and version.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "Agent",
            Self::AgentByChannel => "AgentByChannel",
            Self::Queue => "Queue",
            Self::QueueByChannel => "QueueByChannel",
            Self::DialogDetail => "DialogDetail",
        }
    }

    /// `ITD` or `CDR`.
    #[must_use]
    pub const fn processor_type(self) -> &'static str {
        match self {
            Self::DialogDetail => "CDR",
            _ => "ITD",
        }
    }

    /// What the producer is about.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Agent => "Work of each agent in the running interval",
            Self::AgentByChannel => "Work of each agent on each channel in the running interval",
            Self::Queue => "Contacts of each queue in the running interval",
            Self::QueueByChannel => "Contacts of each queue on each channel in the running interval",
            Self::DialogDetail => "Details of each finished contact",
        }
    }

    /// The names of a row's keys.
    #[must_use]
    pub const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Agent => &["agentId"],
            Self::AgentByChannel | Self::DialogDetail => &["agentId", "channelId"],
            Self::Queue => &["queueId"],
            Self::QueueByChannel => &["channelId", "queueId"],
        }
    }

    /// The measures of a row, in the order of its values.
    #[must_use]
    pub const fn measures(self) -> &'static [Measure] {
        match self {
            Self::Agent => AGENT,
            Self::AgentByChannel => AGENT_BY_CHANNEL,
            Self::Queue => QUEUE,
            Self::QueueByChannel => QUEUE_BY_CHANNEL,
            Self::DialogDetail => DIALOG_DETAIL,
        }
    }
}

impl MeasureType {
    /// The word the dictionary uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Number => "NUMBER",
            Self::Duration => "DURATION",
            Self::Date => "DATE",
            Self::TimeInState => "TIME_IN_STATE",
        }
    }
}

impl Measure {
    /// The name as people read it: `activeAgentsInACW` is "Active Agents In ACW".
    #[must_use]
    pub fn display_name(&self) -> String {
        let mut display = String::with_capacity(self.name.len() + 8);
        let mut previous: Option<char> = None;
        for character in self.name.chars() {
            match previous {
                None => display.extend(character.to_uppercase()),
                Some(before) => {
                    if character.is_uppercase() && !before.is_uppercase() {
                        display.push(' ');
                    }
                    display.push(character);
                }
            }
            previous = Some(character);
        }
        display
    }
}

const fn string(name: &'static str, description: &'static str) -> Measure {
    Measure { name, measure_type: MeasureType::String, description }
}

const fn number(name: &'static str, description: &'static str) -> Measure {
    Measure { name, measure_type: MeasureType::Number, description }
}

const fn duration(name: &'static str, description: &'static str) -> Measure {
    Measure { name, measure_type: MeasureType::Duration, description }
}

const fn since(name: &'static str, description: &'static str) -> Measure {
    Measure { name, measure_type: MeasureType::TimeInState, description }
}

const ABANDONED_FROM_ALERTING: Measure =
    number("abandonedFromAlerting", "Contacts that left while an agent was being alerted");
const ABANDONED_FROM_QUEUE: Measure =
    number("abandonedFromQueue", "Contacts that left while they waited in the queue");
const ACTIVE: Measure = number("active", "Contacts that are being handled now, on hold or not");
const ACTIVE_DURATION: Measure =
    duration("activeDuration", "Time agents and contacts were connected, without hold");
const ACW_DURATION: Measure = duration("acwDuration", "Time spent on wrap-up after contacts");
const AGENT_ID: Measure = string("agentId", "Id of the agent");
const ALERT_DURATION: Measure = duration("alertDuration", "Time contacts alerted at agents");
const ANSWERED: Measure = number("Answered", "Contacts that were answered");
const COACHED: Measure = number("coached", "Contacts during which the agent was coached");
const COACHED_DURATION: Measure = duration("coachedDuration", "Time agents were coached");
const COACHING: Measure = number("coaching", "Coachings that were given");
const COACHING_DURATION: Measure = duration("coachingDuration", "Time spent on coaching others");
const COMPLETED: Measure = number("Completed", "Contacts that were handled to the end, wrap-up included");
const HOLD: Measure = number("hold", "Times a contact was put on hold");
const HOLD_DURATION: Measure = duration("holdDuration", "Time contacts were on hold");
const IN_ACW: Measure = number("activeEngagementsInACW", "Contacts that are in wrap-up now");
const IS_DEFAULT_QUEUE: Measure =
    string("isDefaultQueue", "Whether contacts without a match come to this queue");
const NOT_ANSWERED: Measure = number("notAnswered", "Alerts that an agent let pass");
const OFFERED: Measure = number("Offered", "Contacts that were offered");
const QUEUEING: Measure =
    number("contactsQueueing", "Contacts that are not answered yet, alerting ones included");
const QUEUE_NAME: Measure = string("queueName", "Name of the queue");
const TRANSFER_IN: Measure =
    number("transferAcceptedFromQueue", "Contacts answered that another queue had passed on");
const TRANSFER_OUT: Measure =
    number("transferInitiatedToQueue", "Contacts that were passed on to another queue");
const AGENTS_IN_ACW: Measure = number("activeAgentsInACW", "Agents who are in wrap-up now");

static AGENT: &[Measure] = &[
    AGENT_ID,
    string("agentState", "READY or NOT_READY"),
    string("agentFirstName", "First name of the agent"),
    string("agentLastName", "Last name of the agent"),
    string("agentDisplayName", "Name of the agent as others see it"),
    string("agentLoginId", "Login of the agent, an e-mail address"),
    string("userStatus", "Status of the agent's account"),
    string("reasonCodeName", "Why the agent is not ready"),
    since("timeInState", "When the agent's state began"),
    since("timeLoggedIn", "When the agent logged in"),
    since("timeActive", "When the running contact was answered or taken off hold"),
    since("timeOnHold", "When the running contact was put on hold"),
    since("timeInACW", "When the running wrap-up began"),
    duration("idleTimeDuration", "Time the agent was ready without a contact"),
    duration("agentLogonDuration", "Time the agent was logged in"),
    duration("totalTimeNotReady", "Time the agent was not ready"),
    OFFERED,
    ANSWERED,
    COMPLETED,
    NOT_ANSWERED,
    ABANDONED_FROM_ALERTING,
    HOLD,
    TRANSFER_OUT,
    TRANSFER_IN,
    COACHED,
    COACHING,
    ACTIVE_DURATION,
    ALERT_DURATION,
    HOLD_DURATION,
    ACW_DURATION,
    COACHED_DURATION,
    COACHING_DURATION,
];

static AGENT_BY_CHANNEL: &[Measure] = &[
    AGENT_ID,
    OFFERED,
    ANSWERED,
    COMPLETED,
    NOT_ANSWERED,
    ABANDONED_FROM_ALERTING,
    ACTIVE,
    IN_ACW,
    HOLD,
    TRANSFER_OUT,
    TRANSFER_IN,
    COACHED,
    COACHING,
    ACTIVE_DURATION,
    ALERT_DURATION,
    HOLD_DURATION,
    ACW_DURATION,
    COACHED_DURATION,
    COACHING_DURATION,
];

static QUEUE: &[Measure] = &[
    QUEUE_NAME,
    IS_DEFAULT_QUEUE,
    OFFERED,
    ANSWERED,
    COMPLETED,
    ABANDONED_FROM_QUEUE,
    ABANDONED_FROM_ALERTING,
    NOT_ANSWERED,
    QUEUEING,
    ACTIVE,
    IN_ACW,
    AGENTS_IN_ACW,
    HOLD,
    TRANSFER_OUT,
    TRANSFER_IN,
    COACHED,
    COACHING,
    ACTIVE_DURATION,
    ALERT_DURATION,
    HOLD_DURATION,
    ACW_DURATION,
    COACHED_DURATION,
    COACHING_DURATION,
];

static QUEUE_BY_CHANNEL: &[Measure] = QUEUE;

static DIALOG_DETAIL: &[Measure] = &[
    string("abandonedIndicator", "Whether the contact was abandoned"),
    Measure {
        name: "acwEndTimestamp",
        measure_type: MeasureType::Date,
        description: "When the wrap-up of the contact ended",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_is_found_by_its_exact_id_alone() {
        for producer in Producer::ALL {
            assert_eq!(Producer::from_id(producer.id()), Some(producer));
        }
        assert_eq!(Producer::from_id("agent_itd_1.0.0"), None);
    }

    #[test]
    fn no_producer_names_a_measure_twice_or_lets_it_end_in_count() {
        for producer in Producer::ALL {
            let mut names: Vec<_> = producer.measures().iter().map(|measure| measure.name).collect();
            assert!(names.iter().all(|name| !name.ends_with("Count")));
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all, "{}", producer.id());
        }
    }

    #[test]
    fn a_display_name_is_the_name_in_words() {
        assert_eq!(AGENTS_IN_ACW.display_name(), "Active Agents In ACW");
        assert_eq!(OFFERED.display_name(), "Offered");
    }
}
