//! Canaries: secrets and names of persons that go through every part of the program at its most talkative,
//! while its servers fail and repeat what they were told, and that come out nowhere.

mod cage;
mod tap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::cage::{Cage, refuse, sample, take};

const AGENTS: &str = "Agent_itd_1.0.0";
const QUEUES: &str = "Queue_itd_1.0.0";
/// Short, so that they are not taken for secrets by their looks alone, in base64 neither.
const TOKEN: &str = "canary-of-v/two";
const PASSWORD: &str = "canary:v/o+";
const WEB_PASSWORD: &str = "canary-of-pages";
const HASH_KEY: &str = "canary-of-hashes-canary-of-hashes";
/// A login that is a number.
const NUMBER: u64 = 47_110_815_471;
/// What AXP names persons by.
const PERSONAL: [&str; 5] =
    ["agentFirstName", "agentLastName", "agentDisplayName", "agentLoginId", "agentUserHandle"];

/// Has it work with everything at hand, and looks at all that it told.
async fn watch(format: &str) {
    let mut cage = Cage::start(format).await;
    cage.settle();
    cage.centre.resume();
    cage.tell_of_persons("first");
    cage.wait_for("lines in both spools", |page| {
        ["one", "two"].iter().all(|sink| sample(page, &format!("spool_bytes{{sink=\"{sink}\"}}")) > 1000.0)
    });
    cage.look();
    cage.server.answer_by(take());
    cage.wait_for("both sinks", |page| {
        ["one", "two"].iter().all(|sink| {
            let waiting = sample(page, &format!("spool_bytes{{sink=\"{sink}\"}}"));
            sample(page, &format!("up{{sink=\"{sink}\"}}")) == 1.0 && waiting < 100.0
        })
    });
    let text = cage.configuration.clone();
    assert!(!cage.reload(&text.replace(&format!("{TOKEN:?}"), &format!("\"{TOKEN}"))), "it has no end");
    assert!(cage.reload(&text.replace("[privacy]\n", "[privacy]\npersonal = \"hash\"\n")));
    cage.wait_for("hashes", |page| page.contains("agent_login_id=\""));
    cage.wait_for_lines("agent_login_id=");
    cage.wait_for("the end of the sessions before", |page| {
        [AGENTS, QUEUES].iter().all(|id| {
            let replaced =
                format!("reconnects_total{{measure_producer_id=\"{id}\",reason=\"replaced\"}} 1\n");
            page.contains(&replaced)
        })
    });
    cage.replace_token();
    // What comes last stays in the spools.
    cage.server.answer_by(refuse);
    cage.tell_of_persons("second");
    cage.look();
    cage.stop();
    check_silence(&cage);
    check_use(&cage);
}

/// None of it came out.
fn check_silence(cage: &Cage) {
    // Its name is made by chance, of letters like those of names.
    let folder = cage.folder.path().to_str().unwrap();
    let told: Vec<_> =
        cage.told.iter().map(|(place, text)| (place, text.replace(folder, "folder"))).collect();
    for hidden in cage.hidden() {
        for (place, text) in &told {
            let Some(at) = text.find(&hidden) else { continue };
            let around = text.as_bytes()[at.saturating_sub(100)..].iter().take(300);
            let around: Vec<u8> = around.copied().flat_map(std::ascii::escape_default).collect();
            panic!("{hidden} in {place}: {}", String::from_utf8_lossy(&around));
        }
    }
}

/// All of it was used: whoever may repeat it has it, and where it is looked for there is something.
fn check_use(cage: &Cage) {
    let asked = cage.tap.asked().concat();
    for sent in [format!("client_secret={}", cage.client_secret), cage.app_key.clone()] {
        assert!(asked.contains(&sent), "{sent} was not sent");
    }
    let tokens = cage.tap.values("access_token");
    let sent = tokens.iter().filter(|token| asked.contains(&format!("Bearer {token}")));
    assert!(sent.count() >= 2, "the one in place of the other");
    for name in ["agentFirstName", "agentLastName", "agentLoginId"] {
        assert!(cage.tap.values(name).len() > 1, "nobody of the centre was named by {name}");
    }
    let seen = cage.server.seen();
    for header in [format!("Token {TOKEN}"), format!("Basic {}", STANDARD.encode(format!("me:{PASSWORD}")))] {
        assert!(seen.iter().any(|seen| seen.header("authorization") == header), "{header} was not sent");
    }
    for (place, words) in [
        (
            "log",
            &[
                "echo of token",
                "echo of get",
                "echo of lines",
                "[redacted]",
                "event refused",
                "was not reloaded",
                "was reloaded",
                "no token",
                "feed lost",
                "refused for good",
            ][..],
        ),
        ("/metrics", &["agent_id=\"first\"", "agent_id=\"second\"", "agent_login_id=\""]),
        ("/api/v1/status", &["[redacted]"]),
        ("/api/v1/measures", &["agentFirstName"]),
        ("/-/reload", &["config.toml"]),
        ("state", &[AGENTS]),
        ("spool-one", &["agent_itd,", "agent_login_id=", "agent_id=second"]),
        ("spool-two", &["agent_itd,", "agent_login_id=", "agent_id=second"]),
        ("record", &["\"agentFirstName\":null", "\"personal\":\"hash\"", "\"first\"", "\"second\""]),
        ("lines", &["agent_itd,", "agent_id=first", "agent_login_id="]),
    ] {
        let told = cage.told(place);
        for word in words {
            assert!(told.contains(word), "{word} is not in {place}:\n{}", cage.told("log"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_name_comes_out_of_a_program_at_work_that_logs_text() {
    watch("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_name_comes_out_of_a_program_at_work_that_logs_json() {
    watch("json").await;
}
